//! What rules refuse.

/// Kind, change of the minimal spec, the field that the answer names (below `spec`), and a part of its message.
pub(crate) type Refused = (&'static str, &'static str, &'static str, &'static str);

/// The same of one kind.
type Row = (&'static str, &'static str, &'static str);

const UPSTREAM: &[Row] = &[
    (
        "{algorithm: RoundRobin, targets: [{name: a, weight: 90}, {name: b, weight: 10}]}",
        "algorithm",
        "WeightedRoundRobin",
    ),
    ("{targets: [{name: a, weight: 100}, {name: b}]}", "targets", "all targets of a priority level, or of none"),
    ("{affinity: {}}", "affinity", "exactly one of cookie, header, clientIP and conversation"),
    ("{affinity: {clientIP: {}, header: {name: x}}}", "affinity", "exactly one of"),
    ("{affinity: {cookie: {name: \"sg affinity\"}}}", "affinity.cookie.name", "a cookie's name"),
    ("{affinity: {cookie: {name: sg, ttl: 1500ms}}}", "affinity.cookie.ttl", "whole seconds"),
    ("{affinity: {cookie: {name: sg, ttl: 0s}}}", "affinity.cookie.ttl", "above zero"),
    ("{affinity: {header: {name: \"X User\"}}}", "affinity.header.name", "a header's name"),
    ("{affinity: {conversation: {header: \"X:User\"}}}", "affinity.conversation.header", "a header's name"),
    ("{connections: {keepAlive: false, idleTimeout: 10s}}", "connections.idleTimeout", "never idle"),
    ("{connections: {connectTimeout: 0s}}", "connections.connectTimeout", "above zero"),
    ("{connections: {idleTimeout: 0s}}", "connections.idleTimeout", "above zero"),
    ("{egressProxy: {host: \"http://squid\", port: 3128}}", "egressProxy.host", "without scheme"),
    ("{circuitBreaker: {window: 10s}}", "circuitBreaker.minimumSuccessPercent", "with minimumSuccessPercent only"),
    (
        "{circuitBreaker: {minimumRequests: 10}}",
        "circuitBreaker.minimumSuccessPercent",
        "with minimumSuccessPercent only",
    ),
    ("{circuitBreaker: {halfOpen: {successes: 4}}}", "circuitBreaker.halfOpen.successes", "successes is above probes"),
    ("{circuitBreaker: {fallback: {}}}", "circuitBreaker.fallback", "exactly one of upstream, response and cache"),
    (
        "{circuitBreaker: {fallback: {upstream: b, cache: true}}}",
        "circuitBreaker.fallback",
        "exactly one of upstream, response and cache",
    ),
    ("{circuitBreaker: {fallback: {cache: false}}}", "circuitBreaker.fallback.cache", "write cache: true"),
    (
        "{circuitBreaker: {fallback: {response: {status: 204, body: x}}}}",
        "circuitBreaker.fallback.response.body",
        "have no body",
    ),
    (
        "{circuitBreaker: {fallback: {response: {contentType: text/html}}}}",
        "circuitBreaker.fallback.response.contentType",
        "belongs to a body",
    ),
];

const TARGET: &[Row] = &[
    ("{service: {name: llama, port: 8000}}", "", "exactly one of host and service"),
    ("{host: null, port: null}", "", "exactly one of host and service"),
    ("{port: null}", "host", "needs a port"),
    ("{host: null, service: {name: llama, port: 8000}}", "port", "service.port"),
    ("{host: \"https://example.com\"}", "host", "without scheme, port or path"),
    ("{host: \"example.com:443\"}", "host", "without scheme, port or path"),
    ("{host: \"[::1]\"}", "host", "without brackets"),
    ("{host: 10.0.0.300}", "host", "a host name or an IP address"),
    ("{host: 10.0.0}", "host", "a host name or an IP address"),
    ("{host: -a.example.com}", "host", "a host name or an IP address"),
    ("{host: example.com.}", "host", "a host name or an IP address"),
    ("{path: v1}", "path", "begin with /"),
    ("{path: \"/v1?x=1\"}", "path", "without ? and #"),
    ("{path: \"/a b\"}", "path", "%20"),
    ("{path: /a/../b}", "path", "no . and .. elements"),
    ("{headers: {\"X Y\": \"1\"}}", "headers", "header names consist of"),
    ("{headers: {Transfer-Encoding: chunked}}", "headers", "cannot be written: Connection"),
    ("{headers: {X-A: \"1\", x-a: \"2\"}}", "headers", "stands here twice"),
    ("{tls: {serverName: example.com}}", "tls", "protocol HTTPS only"),
    ("{protocol: H2C, tls: {serverName: example.com}}", "tls", "protocol HTTPS only"),
    ("{protocol: HTTPS, tls: {serverName: \"*.example.com\"}}", "tls.serverName", "a host name"),
    (
        "{headers: {authorization: x}, credentials: {header: Authorization, valueFrom: {secretKeyRef: {name: s, key: k}}}}",
        "credentials",
        "write it once",
    ),
    (
        "{credentials: {header: \"Author ization\", valueFrom: {secretKeyRef: {name: s, key: k}}}}",
        "credentials.header",
        "a header's name",
    ),
    (
        "{credentials: {header: Host, valueFrom: {secretKeyRef: {name: s, key: k}}}}",
        "credentials.header",
        "belongs to the connection or the framing",
    ),
];

const RULE: &[Row] = &[
    ("{upstream: null}", "", "exactly one of upstream and targets"),
    ("{targets: [{url: \"http://a\"}]}", "", "exactly one of upstream and targets"),
    ("{upstream: null, targets: [{url: \"ftp://a\"}]}", "targets[0].url", "http:// or https://"),
    ("{upstream: null, targets: [{url: \"http://a:70000\"}]}", "targets[0].url", "http:// or https://"),
    ("{upstream: null, targets: [{url: \"http://a:0\"}]}", "targets[0].url", "http:// or https://"),
    ("{upstream: null, targets: [{url: \"http://user:secret@a\"}]}", "targets[0].url", "http:// or https://"),
    ("{upstream: null, targets: [{url: \"http://a/?q=1\"}]}", "targets[0].url", "http:// or https://"),
    (
        "{upstream: null, targets: [{url: \"http://a\", weight: 100}, {url: \"http://b\"}]}",
        "targets",
        "of all targets, or of none",
    ),
    ("{hostnames: [\"api.*.com\"]}", "hostnames[0]", "no * elsewhere"),
    ("{hostnames: [a.example.com, A.example.com]}", "hostnames", "stands here twice"),
    ("{matches: [{path: {type: Glob, value: \"/api/**\"}}]}", "matches[0].path.value", "only * is special"),
    ("{matches: [{path: {type: Glob, value: \"/{a,b}/*\"}}]}", "matches[0].path.value", "only * is special"),
    ("{hostnames: [a, \"*\"]}", "hostnames[1]", "must be a host name"),
    ("{hostnames: [\"example.com:8080\"]}", "hostnames[0]", "no port"),
    ("{matches: [{path: {value: api}}]}", "matches[0].path.value", "begins with /"),
    ("{matches: [{path: {value: \"/a?b\"}}]}", "matches[0].path.value", "no ? and no #"),
    ("{matches: [{path: {type: Glob, value: \"/a b\"}}]}", "matches[0].path.value", "written as %20"),
    ("{matches: [{path: {type: Exact, value: \"/50%\"}}]}", "matches[0].path.value", "written as %20"),
    ("{matches: [{path: {type: Exact, value: \"/a/../b\"}}]}", "matches[0].path.value", "no . and .. elements"),
    ("{matches: [{path: {type: Exact, value: \"/a/%2e%2E\"}}]}", "matches[0].path.value", "no . and .. elements"),
    ("{matches: [{path: {value: \"/api/*\"}}]}", "matches[0].path.value", "write type Glob"),
    ("{matches: [{methods: [GET, post]}]}", "matches[0].methods[1]", "capital letters"),
    ("{matches: [{headers: [{name: \"X Y\", value: a}]}]}", "matches[0].headers[0].name", "a header's name"),
    ("{matches: [{headers: [{name: X-A}]}]}", "matches[0].headers[0]", "a value is needed"),
    ("{matches: [{headers: [{name: X-A, type: RegularExpression}]}]}", "matches[0].headers[0]", "a value is needed"),
    ("{matches: [{query: [{name: v, type: Present, value: a}]}]}", "matches[0].query[0].value", "leave value out"),
    ("{matches: [{contentLength: {}}]}", "matches[0].contentLength", "min, max or both"),
    ("{matches: [{contentLength: {min: 1Mi, max: 1M}}]}", "matches[0].contentLength", "min is above max"),
    ("{matches: [{contentLength: {min: 2, max: 1}}]}", "matches[0].contentLength", "min is above max"),
    ("{matches: [{model: [\"gpt-*-mini\"]}]}", "matches[0].model[0]", "at the end only"),
    ("{stripPath: true, matches: [{path: {type: Exact, value: /api}}]}", "stripPath", "have no such part"),
    (
        "{stripPath: true, matches: [{path: {value: /api}}, {path: {type: RegularExpression, value: /a.*}}]}",
        "stripPath",
        "have no such part",
    ),
    ("{requestHeaders: {set: {\"X Y\": a}}}", "requestHeaders.set", "header names consist of"),
    ("{requestHeaders: {add: {Content-Length: \"1\"}}}", "requestHeaders.add", "cannot be written: Connection"),
    ("{requestHeaders: {add: {Host: a}}}", "requestHeaders.add", "cannot be written: Connection"),
    ("{requestHeaders: {set: {Content-Length: \"1\"}}}", "requestHeaders.set", "cannot be written: Connection"),
    ("{requestHeaders: {set: {X-A: a, X-a: b}}}", "requestHeaders.set", "stands here twice"),
    ("{requestHeaders: {remove: [\"X Y\"]}}", "requestHeaders.remove[0]", "a header's name"),
    (
        "{requestHeaders: {remove: [Connection]}}",
        "requestHeaders.remove[0]",
        "belongs to the connection or the framing",
    ),
    ("{requestHeaders: {set: {X-A: a}, add: {x-a: b}}}", "requestHeaders", "in set and in add"),
    ("{requestHeaders: {set: {X-A: a}, remove: [x-a]}}", "requestHeaders", "in remove and in set"),
    ("{requestHeaders: {add: {X-A: a}, remove: [x-a]}}", "requestHeaders", "in remove and in add"),
    ("{timeouts: {request: 0s}}", "timeouts.request", "above zero"),
    ("{timeouts: {idle: 0s}}", "timeouts.idle", "above zero"),
    ("{timeouts: {request: 1s, perTry: 2s}}", "timeouts.perTry", "perTry is above request"),
    ("{retry: {backoff: {type: Linear, base: 1s}}}", "retry.backoff.type", "write interval"),
    ("{retry: {backoff: {interval: 1s}}}", "retry.backoff.interval", "write base"),
    ("{retry: {backoff: {base: 2s, max: 1s}}}", "retry.backoff.base", "base is above max"),
    (
        "{retry: {when: {statuses: [], connectionErrors: false, timeouts: false}}}",
        "retry.when",
        "nothing would be tried again",
    ),
    ("{retry: {when: {statuses: [\"504-502\"]}}}", "retry.when.statuses[0]", "the range is empty"),
    ("{retry: {exclude: {methods: [post]}}}", "retry.exclude.methods[0]", "capital letters"),
    ("{retry: {exclude: {paths: [payment]}}}", "retry.exclude.paths[0]", "begins with /"),
    ("{retry: {exclude: {paths: [\"/a?b\"]}}}", "retry.exclude.paths[0]", "no ? and no #"),
    ("{retry: {exclude: {paths: [\"/a/../b\"]}}}", "retry.exclude.paths[0]", "no . and .. elements"),
    ("{retry: {exclude: {paths: [\"/a/**\"]}}}", "retry.exclude.paths[0]", "only * is special"),
];

/// What Upstreams and Targets have in common.
const BOTH: &[Row] = &[
    ("{healthChecks: {}}", "healthChecks", "active, passive or both"),
    ("{healthChecks: {active: {timeout: 16s}}}", "healthChecks.active.timeout", "timeout is above interval"),
    (
        "{healthChecks: {active: {interval: 1s, timeout: 1s1ms}}}",
        "healthChecks.active.timeout",
        "timeout is above interval",
    ),
    ("{healthChecks: {active: {type: TCP, path: /health}}}", "healthChecks.active.type", "belong to type HTTP"),
    ("{healthChecks: {active: {service: a.B}}}", "healthChecks.active.service", "belongs to type GRPC"),
    ("{healthChecks: {active: {path: health}}}", "healthChecks.active.path", "must begin with /"),
    ("{healthChecks: {active: {path: \"/a#b\"}}}", "healthChecks.active.path", "without #"),
    ("{healthChecks: {active: {method: get}}}", "healthChecks.active.method", "capital letters"),
    ("{healthChecks: {active: {method: CONNECT}}}", "healthChecks.active.method", "a tunnel"),
    (
        "{healthChecks: {active: {method: HEAD, expectedBody: ok}}}",
        "healthChecks.active.expectedBody",
        "an answer to HEAD has no body",
    ),
    ("{healthChecks: {active: {host: \"http://a\"}}}", "healthChecks.active.host", "must be a host name"),
    ("{healthChecks: {active: {headers: {\"X Y\": a}}}}", "healthChecks.active.headers", "header names consist of"),
    ("{healthChecks: {active: {headers: {Host: a}}}}", "healthChecks.active.headers", "cannot be written: Connection"),
    ("{healthChecks: {active: {headers: {X-A: a, x-a: b}}}}", "healthChecks.active.headers", "stands here twice"),
    (
        "{healthChecks: {active: {expectedStatuses: [\"299-200\"]}}}",
        "healthChecks.active.expectedStatuses[0]",
        "the range is empty",
    ),
    ("{healthChecks: {active: {interval: 0s}}}", "healthChecks.active.interval", "above zero"),
];

/// All rows.
pub(crate) fn refused() -> impl Iterator<Item = Refused> {
    let of_kinds = [("Upstream", UPSTREAM), ("Target", TARGET), ("Rule", RULE), ("Upstream", BOTH), ("Target", BOTH)];
    of_kinds
        .into_iter()
        .flat_map(|(kind, rows)| rows.iter().map(move |(change, field, message)| (kind, *change, *field, *message)))
}
