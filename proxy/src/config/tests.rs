#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("conf/sluicegate.yaml"))
}

/// The problems as people see them.
fn problems(text: &str) -> Vec<String> {
    match parse(text).unwrap_err() {
        ConfigError::Invalid(problems) => problems.iter().map(ToString::to_string).collect(),
        other @ ConfigError::Unreadable { .. } => panic!("{other}"),
    }
}

const EVERYTHING: &str = r#"
listeners:
- address: 0.0.0.0:8080
- {address: "[::]:8443", tls: {certificates: [{certificate: tls.crt, key: /etc/tls.key}]}}
admin: {address: 127.0.0.1:9911}
observe: {address: 0.0.0.0:9902}
workers: 2
trustedProxies: [10.1.2.3/8, 192.0.2.7, "fd00::/8"]
forwardedHeader: true
identity: {userHeader: X-Sub, tierHeader: X-Plan, segmentHeader: X-Groups}
accessLog: {format: JSON, sample: 1}
limits: {requestHeaders: 32Ki, requestBody: 10Mi, headerTimeout: 5s, bodyTimeout: 20s, idleTimeout: 1m30s}
shutdown: {drainTimeout: 10s}
echo:
- {address: 127.0.0.1:9101, name: one}
- {address: 127.0.0.1:9102, name: two}
controller: {url: "https://sluicegate-controller.gate.svc:8443", caFile: /ca/ca.crt, tokenFile: token}
savedTable: /var/lib/table.json
"#;

#[test]
fn everything_that_is_written_is_read() {
    let header = |name: &'static str| http::HeaderName::from_static(name);
    let expected = Config {
        listeners: vec![
            Listener { address: "0.0.0.0:8080".parse().unwrap(), certificates: Vec::new() },
            Listener {
                address: "[::]:8443".parse().unwrap(),
                certificates: vec![CertificateFiles {
                    certificate: PathBuf::from("conf/tls.crt"),
                    key: PathBuf::from("/etc/tls.key"),
                }],
            },
        ],
        admin: "127.0.0.1:9911".parse().unwrap(),
        observe: Some("0.0.0.0:9902".parse().unwrap()),
        workers: 2,
        trusted_proxies: ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"].iter().map(|net| net.parse().unwrap()).collect(),
        forwarded_header: true,
        identity: IdentityHeaders { user: header("x-sub"), tier: header("x-plan"), segment: header("x-groups") },
        access_log: AccessLogConfig { sample: 1 },
        limits: Limits {
            request_headers: 32 * 1024,
            request_body: 10 * 1024 * 1024,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(90),
        },
        shutdown: Shutdown { drain_timeout: Duration::from_secs(10) },
        echo: vec![
            Echo { address: "127.0.0.1:9101".parse().unwrap(), name: "one".into() },
            Echo { address: "127.0.0.1:9102".parse().unwrap(), name: "two".into() },
        ],
        controller: Some(Controller {
            url: http::Uri::from_static("https://sluicegate-controller.gate.svc:8443"),
            ca_file: PathBuf::from("/ca/ca.crt"),
            token_file: PathBuf::from("conf/token"),
        }),
        saved_table: Some(PathBuf::from("/var/lib/table.json")),
    };
    assert_eq!(parse(EVERYTHING).unwrap(), expected);
}

#[test]
fn what_is_left_out_has_its_default() {
    for text in ["", "# nothing\n\n", "---\n", "{}", "limits: {}\nidentity: {}\naccessLog: {}\nshutdown: {}"] {
        assert_eq!(parse(text).unwrap(), Config::default(), "{text:?}");
    }
    let config = parse("limits: {headerTimeout: 1s, requestBody: 0}").unwrap();
    assert_eq!(config.limits, Limits { header_timeout: Duration::from_secs(1), ..Limits::default() });
}

#[test]
fn problems_name_file_line_column_field_and_remedy() {
    let cases = [
        (
            "workers: 1\nredis: {url: redis://127.0.0.1}\n",
            "conf/sluicegate.yaml:2:1: redis: unknown field `redis`, expected one of listeners, admin, observe, workers, \
             trustedProxies, forwardedHeader, identity, accessLog, limits, shutdown, echo, controller, savedTable",
        ),
        (
            "listeners:\n- address: localhost:8080\n",
            "conf/sluicegate.yaml:2:12: listeners[0].address: `localhost:8080` is no IP address with a port: write it as \
             0.0.0.0:8080 or [::1]:8080",
        ),
        (
            "limits:\n  headerTimeout: 10\n",
            "conf/sluicegate.yaml:2:18: limits.headerTimeout: `10` is no duration above zero: write it as 15s, 1m30s or \
             100ms",
        ),
        (
            "limits:\n  requestBody: 10MB\n",
            "conf/sluicegate.yaml:2:16: limits.requestBody: `10MB` is no size: write it as 512, 64Ki or 10Mi",
        ),
        (
            "trustedProxies: [10.0.0.0/8, ten]\n",
            "conf/sluicegate.yaml:1:30: trustedProxies[1]: `ten` is no network: write it as 10.0.0.0/8, 192.0.2.7 or \
             fd00::/8",
        ),
        (
            "identity:\n  userHeader: X User\n",
            "conf/sluicegate.yaml:2:15: identity.userHeader: `X User` is no header name: write letters, digits and dashes, \
             such as X-User-ID",
        ),
        (
            "controller: {url: \"http://controller:8443\", caFile: ca, tokenFile: token}\n",
            "conf/sluicegate.yaml:1:19: controller.url: `http://controller:8443` is not encrypted, and the table holds \
             keys: write it as https://sluicegate-controller.NAMESPACE.svc:8443",
        ),
        (
            "controller: {url: \"https://controller/v1\", caFile: ca, tokenFile: token}\n",
            "conf/sluicegate.yaml:1:19: controller.url: `https://controller/v1` must be a host and a port alone: write it \
             as https://sluicegate-controller.NAMESPACE.svc:8443",
        ),
        (
            "accessLog: {format: Text}\n",
            "conf/sluicegate.yaml:1:21: accessLog.format: unknown variant `Text`, expected one of JSON",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text), [expected], "{text}");
    }
}

#[test]
fn texts_that_are_no_yaml_have_a_place_too() {
    let found = problems("listeners: [\n");
    assert!(found[0].starts_with("conf/sluicegate.yaml:"), "{found:?}");
    assert!(!found[0].contains('\n') && found[0].len() > 30, "{found:?}");
    let found = problems("workers: 1\nworkers: 2\n");
    assert!(found[0].starts_with("conf/sluicegate.yaml:2:1: ") && found[0].contains("duplicate"), "{found:?}");
    assert!(problems("- a\n- b\n")[0].starts_with("conf/sluicegate.yaml:1:1: "));
}

#[test]
fn nonsense_is_refused_all_at_once() {
    let text = "
listeners:
- {address: 0.0.0.0:8080}
- {address: 127.0.0.1:8080, tls: {certificates: []}}
admin: {address: 127.0.0.1:9901}
observe: {address: 127.0.0.1:9901}
workers: 5000
limits: {requestHeaders: 1Ki, idleTimeout: 25h}
shutdown: {drainTimeout: 1ms}
echo: [{address: 127.0.0.1:9101, name: ''}]
";
    let expected = [
        "4:13: listeners[1].address: 127.0.0.1:8080 is taken by listeners[0].address (0.0.0.0:8080): choose another port",
        "4:49: listeners[1].tls.certificates: no certificate: write at least one, or leave `tls` out for clear text",
        "6:20: observe.address: 127.0.0.1:9901 is taken by admin.address (127.0.0.1:9901): choose another port",
        "7:10: workers: more than 1024 workers: write 0 for as many as there are CPUs",
        "8:26: limits.requestHeaders: write a size from 8Ki to 1Mi",
        "8:44: limits.idleTimeout: write a duration from 100ms to 24h",
        "9:26: shutdown.drainTimeout: write a duration from 100ms to 24h",
        "10:40: echo[0].name: the name is empty or holds control characters: write a word",
    ];
    let expected: Vec<String> = expected.iter().map(|problem| format!("conf/sluicegate.yaml:{problem}")).collect();
    assert_eq!(problems(text), expected);
    assert_eq!(
        problems("listeners: []")[0],
        "conf/sluicegate.yaml:1:12: listeners: no listener: write at least one, or leave the field out for 0.0.0.0:8080"
    );
}

#[test]
fn a_port_that_the_system_chooses_is_never_taken() {
    let config =
        parse("listeners: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0}]\nadmin: {address: 127.0.0.1:0}").unwrap();
    assert_eq!(config.listeners.len(), 2);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::read(Path::new("/nonexistent/sluicegate.yaml")).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/sluicegate.yaml: "), "{error}");
}

/// The texts of the reference's YAML blocks.
fn documented_blocks() -> Vec<&'static str> {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));
    page.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn the_reference_shows_the_defaults_and_nothing_that_is_refused() {
    let blocks = documented_blocks();
    assert_eq!(parse(blocks[0]).unwrap(), Config::default());
    assert!(blocks.len() > 1);
    for block in blocks {
        parse(block).unwrap();
    }
}

#[test]
fn the_reference_lists_every_field() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));
    let listed: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")).map(|line| line.split('`').next().unwrap()).collect();
    let mut written = Vec::new();
    let tree: serde_json::Value = serde_saphyr::from_str(EVERYTHING).unwrap();
    paths(&tree, "", &mut written);
    let mut sorted: Vec<&str> = listed;
    sorted.sort_unstable();
    written.sort();
    written.dedup();
    assert_eq!(sorted, written);
}

/// The paths of all leaves, as the reference writes them.
fn paths(tree: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match tree {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                paths(value, &format!("{path}{dot}{name}"), found);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{path}[]"), found)),
        _ => found.push(path.to_owned()),
    }
}
