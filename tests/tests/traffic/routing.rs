//! Which rule takes a request, and what it makes of it on the way.

mod asterisk;

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{all_to, rule};
use sluicegate_tests::{Gate, Origin};

fn to(origin: &Origin, more: &str) -> String {
    format!("targets: [{{url: \"http://127.0.0.1:{}\"}}]\n{more}", origin.port())
}

#[test]
fn the_most_specific_rule_takes_the_request() {
    let [any, api, users, regular] = ["any", "api", "users", "regular"].map(Origin::text);
    let gate = Gate::start(
        &[
            rule("any", &to(&any, "")),
            rule("api", &to(&api, "matches: [{path: {type: Glob, value: /api/*}}]")),
            rule("users", &to(&users, "matches: [{path: {type: Exact, value: /api/users}}]")),
            rule("regular", &to(&regular, "matches: [{path: {type: RegularExpression, value: '/api/v[0-9]+/.*'}}]")),
        ]
        .concat(),
    );
    for (path, text) in [
        ("/", "any"),
        ("/api/orders/1", "api"),
        ("/api/users", "users"),
        ("/api/users?x=1", "users"),
        ("/api/users/1", "api"),
        ("/api/v1/users", "regular"),
    ] {
        assert_eq!(gate.get(path).text(), text, "{path}");
    }
}

#[test]
fn host_names_and_wildcards_choose() {
    let [exact, wild, any] = ["exact", "wild", "any"].map(Origin::text);
    let gate = Gate::start(
        &[
            rule("exact", &to(&exact, "hostnames: [api.example.com]")),
            rule("wild", &to(&wild, "hostnames: ['*.example.com']")),
            rule("any", &to(&any, "")),
        ]
        .concat(),
    );
    for (host, text) in [
        ("api.example.com", "exact"),
        ("API.Example.COM:8080", "exact"),
        ("api.example.com.", "exact"),
        ("a.b.example.com", "wild"),
        ("example.com", "any"),
    ] {
        assert_eq!(gate.ask(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).text(), text, "{host}");
    }
}

#[test]
fn without_a_rule_there_is_a_404_that_says_so() {
    let origin = Origin::text("unused");
    let gate = Gate::start(&rule("one", &to(&origin, "matches: [{path: {value: /here}}]")));
    let answer = gate.get("/elsewhere");
    assert_eq!((answer.status(), answer.reason().as_deref()), (404, Some("no-route")));
    assert_eq!(answer.field("content-type").as_deref(), Some("application/problem+json"));
    assert_eq!(answer.json()["status"], 404);
    assert_eq!(gate.get("/herenot").status(), 404, "a prefix ends at an element's end");
    assert!(origin.requests().is_empty());
}

#[test]
fn a_method_that_no_rule_takes_gets_405_with_those_that_are() {
    let origin = Origin::text("taken");
    let gate = Gate::start(&rule("some", &to(&origin, "matches: [{path: {value: /a}, methods: [GET, POST]}]")));
    let answer = gate.ask("DELETE /a HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!((answer.status(), answer.reason().as_deref()), (405, Some("method-not-allowed")));
    assert_eq!(answer.field("allow").as_deref(), Some("GET, POST"));
    assert_eq!(gate.ask(post("/a", "x")).text(), "taken");
}

#[test]
fn headers_query_length_and_tier_choose() {
    let names = ["flag", "version", "large", "premium", "rest"];
    let origins = names.map(Origin::text);
    let conditions = [
        "headers: [{name: X-Feature-Flag, value: new_ai_model=true}]",
        "query: [{name: v, value: '2'}]",
        "contentLength: {min: 1Ki}",
        "userTier: [premium]",
        "path: {value: /}",
    ];
    let rules: String = names
        .iter()
        .zip(&origins)
        .zip(conditions)
        .map(|((name, origin), condition)| rule(name, &to(origin, &format!("matches: [{{{condition}}}]"))))
        .collect();
    let gate = Gate::start(&rules);
    let requests = [
        "GET / HTTP/1.1\r\nhost: test\r\nx-feature-flag: new_ai_model=true\r\n\r\n".to_owned(),
        get("/?v=2"),
        post("/", &"x".repeat(1024)),
        "GET / HTTP/1.1\r\nhost: test\r\nX-User-Tier: premium\r\n\r\n".to_owned(),
        get("/?v=22"),
    ];
    for (name, request) in names.iter().zip(requests) {
        assert_eq!(gate.ask(&request).text(), *name, "{request}");
    }
}

#[test]
fn the_model_named_in_the_body_chooses_and_the_body_arrives_as_it_was() {
    let [large, small] = ["large", "small"].map(|_| Origin::echo());
    let gate = Gate::start(
        &[
            rule("large", &to(&large, "matches: [{path: {value: /v1}, model: ['gpt-4o*']}]")),
            rule("small", &to(&small, "matches: [{path: {value: /v1}}]")),
        ]
        .concat(),
    );
    let body = r#"{ "messages": [{"role": "user", "content": "model: \"gpt-9\""}],  "model" : "gpt-4o-mini" }"#;
    gate.ask(post("/v1/chat/completions", body));
    assert_eq!(large.request().text(), body);
    gate.ask(post("/v1/chat/completions", r#"{"model": "claude"}"#));
    assert_eq!(small.request().text(), r#"{"model": "claude"}"#);
}

#[test]
fn strip_path_and_a_targets_path_change_the_path() {
    let origin = Origin::echo();
    let url = format!("http://127.0.0.1:{}/base", origin.port());
    let gate = Gate::start(
        &[
            rule(
                "prefix",
                &format!("matches: [{{path: {{value: /one}}}}]\nstripPath: true\ntargets: [{{url: \"{url}\"}}]"),
            ),
            rule(
                "glob",
                &format!(
                    "matches: [{{path: {{type: Glob, value: /two/*}}}}]\nstripPath: true\ntargets: [{{url: \"{url}\"}}]"
                ),
            ),
        ]
        .concat(),
    );
    for (path, target) in [("/one/a?q=1", "/base/a?q=1"), ("/one", "/base/"), ("/two/a/b", "/base/a/b")] {
        origin.forget();
        gate.get(path);
        assert_eq!(origin.request().target(), target, "{path}");
    }
}

#[test]
fn request_headers_are_removed_set_and_added() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(
        origin.port(),
        "requestHeaders: {set: {x-set: new}, add: {x-add: second}, remove: [x-gone]}",
    ));
    gate.ask("GET / HTTP/1.1\r\nhost: test\r\nx-set: old\r\nx-set: older\r\nx-add: first\r\nx-gone: 1\r\n\r\n");
    let request = origin.request();
    assert_eq!(request.fields("x-set"), ["new"]);
    assert_eq!(request.fields("x-add"), ["first", "second"]);
    assert!(request.fields("x-gone").is_empty());
}

#[test]
fn the_query_and_an_escaped_path_arrive_as_they_were_sent() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    for target in ["/a%2Fb?c=%20d&e=+", "/%E2%82%AC", "/a//b", "/?", "/a;v=1/b?x=/../y"] {
        origin.forget();
        gate.get(target);
        assert_eq!(origin.request().target(), target);
    }
}

#[test]
fn credentials_come_from_a_secret_and_show_up_nowhere_else() {
    let origin = Origin::echo();
    let manifests = [
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: provider}\nstringData: {key: s3cr3t-value}\n".to_owned(),
        sluicegate_tests::manifests::target(
            "one",
            origin.port(),
            "headers: {x-version: '2023-06-01'}\ncredentials: {header: Authorization, valueFrom: {secretKeyRef: {name: provider, key: key}, prefix: \"Bearer \"}}",
        ),
        sluicegate_tests::manifests::upstream("pool", &["one"], ""),
        sluicegate_tests::manifests::prefix("/", "pool"),
    ]
    .concat();
    let gate = Gate::start(&manifests);
    gate.ask("GET / HTTP/1.1\r\nhost: test\r\nauthorization: Basic mine\r\n\r\n");
    let request = origin.request();
    assert_eq!(request.fields("authorization"), ["Bearer s3cr3t-value"]);
    assert_eq!(request.fields("x-version"), ["2023-06-01"]);
    for path in ["/table", "/metrics", "/explain?method=GET&url=http%3A%2F%2Ftest%2F"] {
        assert!(!gate.admin(path).text().contains("s3cr3t"), "{path}");
    }
    assert!(!gate.output().contains("s3cr3t"));
}
