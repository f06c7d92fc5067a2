//! A credential goes to its target, and shows nowhere else.

use std::os::unix::fs::PermissionsExt as _;

use sluicegate_tests::kubernetes::{Cluster, Installation};
use sluicegate_tests::{Client, Origin, until};

const SECRET: &str = "planted-3f9c-credential";
const NEXT: &str = "planted-77a1-credential";

fn objects(origin: &Origin) -> String {
    let address = origin.address();
    format!(
        "apiVersion: sluicegate.dev/v1alpha1
kind: Target
metadata: {{name: model}}
spec:
  host: {}
  port: {}
  credentials: {{header: Authorization, valueFrom: {{secretKeyRef: {{name: keys, key: key}}, prefix: 'Bearer '}}}}
---
{{apiVersion: sluicegate.dev/v1alpha1, kind: Upstream, metadata: {{name: chat}}, spec: {{targets: [{{name: model}}]}}}}
---
{{apiVersion: sluicegate.dev/v1alpha1, kind: Rule, metadata: {{name: chat}}, spec: {{hostnames: [chat.test], upstream: chat}}}}
",
        address.ip(),
        address.port()
    )
}

fn secret(value: &str) -> String {
    format!("{{apiVersion: v1, kind: Secret, metadata: {{name: keys}}, stringData: {{key: {value}}}}}")
}

#[test]
fn a_credential_shows_nowhere_but_at_its_target() {
    let cluster = Cluster::own();
    let mut installation = Installation::new(&cluster);
    installation.log = "trace".to_owned();
    let namespace = &installation.namespace;
    let origin = Origin::text("ok");
    let mut controller = installation.controller("controller-1");
    controller.wait_until_it_leads();
    // First without its Secret, then with it, then with another value: each has its say in statuses and Events.
    namespace.apply(&objects(&origin));
    let mut proxy = installation.proxy("proxy-1", controller.channel);
    namespace.wait_for_condition("target/model", "ResolvedRefs", "False");
    // The Target's status may be there before the proxy has the Rule.
    proxy.until_status("chat.test", "/", 503);
    assert!(origin.requests().is_empty(), "nothing is sent without its credential");
    namespace.apply(&secret(SECRET));
    proxy.until_status("chat.test", "/", 200);
    assert_eq!(origin.request().field("authorization"), Some(format!("Bearer {SECRET}")));
    namespace.wait_for_condition("target/model", "ResolvedRefs", "True");
    namespace.apply(&secret(NEXT));
    until("the next value is sent", || {
        origin.forget();
        proxy.get("chat.test", "/");
        (origin.request().field("authorization") == Some(format!("Bearer {NEXT}"))).then_some(())
    });

    let mut shown = vec![
        namespace.kubectl(&["get", "rules,upstreams,targets,events,configmaps,leases", "-o", "json"]),
        controller.admin("/status").text(),
        controller.admin("/table").text(),
        controller.admin("/metrics").text(),
    ];
    for path in ["/table", "/metrics", "/explain?url=http://chat.test/", "/explain?url=http://chat.test/&format=text"] {
        let answer = proxy.admin(path);
        assert_eq!(answer.status(), 200, "{path}");
        shown.push(answer.text());
    }
    assert!(shown[2].contains("redacted") && shown[4].contains("redacted"), "the credential's place is shown");
    // What a crash leaves behind.
    for program in [&mut controller.program, &mut proxy.program] {
        program.signal("ABRT");
        assert!(!program.ended().success());
        shown.push(program.output());
    }
    assert!(shown.iter().any(|text| text.contains("TRACE")), "everything was logged");
    for text in shown {
        assert!(!text.contains(SECRET) && !text.contains(NEXT), "{text}");
    }
    // It is kept for the next start where nobody else may read.
    let saved = std::fs::metadata(&proxy.saved_table).expect("the table was saved");
    assert_eq!(saved.permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_a_controller_shows_is_for_this_machine_and_no_page_in_a_browser() {
    let installation = Installation::new(Cluster::shared());
    let controller = installation.controller("controller-1");
    let asked = |host: &str| {
        let request = format!("GET /table HTTP/1.1\r\nhost: {host}\r\n\r\n");
        Client::connect(controller.admin).ask(request).status()
    };
    assert_eq!(asked(&controller.admin.to_string()), 200);
    assert_eq!(asked("rebound.example"), 421);
}
