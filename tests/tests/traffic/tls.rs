//! TLS on both sides.

use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::client::get;
use sluicegate_tests::http2::{Http2Client, Http2Origin, read};
use sluicegate_tests::manifests::{all_to, authorities, prefix, target, upstream};
use sluicegate_tests::{Client, Gate, Origin, Setup, until};

#[test]
fn a_listener_speaks_http_1_and_http_2_by_alpn() {
    let origin = Origin::echo();
    let certificates = Certificates::new(&["test", "127.0.0.1"]);
    let gate = Setup::new(&all_to(origin.port(), "")).tls(&certificates.certificate, &certificates.key).start();
    let mut client = Client::connect_tls(gate.tls, "test", certificates.client(&["http/1.1"]));
    assert_eq!(client.get("/one").status(), 200);
    assert_eq!(origin.request().field("x-forwarded-proto").as_deref(), Some("https"));
    let mut without = Client::connect_tls(gate.tls, "test", certificates.client(&[]));
    assert_eq!(without.get("/two").status(), 200);
    let client = Http2Client::connect_tls(gate.tls, "test", certificates.client(&["h2", "http/1.1"]));
    assert_eq!(client.get("/three").status(), 200);
    assert_eq!(origin.requests().last().unwrap().field("x-forwarded-proto").as_deref(), Some("https"));
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart() {
    let origin = Origin::echo();
    let [old, new] = [(); 2].map(|()| Certificates::new(&["test"]));
    let gate = Setup::new(&all_to(origin.port(), "")).tls(&old.certificate, &old.key).start();
    let mut kept = Client::connect_tls(gate.tls, "test", old.client(&["http/1.1"]));
    assert_eq!(kept.get("/").status(), 200);
    gate.write("tls.crt", &new.certificate);
    gate.write("tls.key", &new.key);
    until("the new certificate is served", || {
        let mut client = Client::connect_tls(gate.tls, "test", new.client(&["http/1.1"]));
        client.wire.send(get("/")).ok()?;
        Some(client.wire.answer("GET").ok()?.status()).filter(|status| *status == 200)
    });
    assert_eq!(kept.get("/").status(), 200, "a connection that is there goes on");
}

#[test]
fn a_broken_renewal_leaves_the_old_certificate_in_force() {
    let origin = Origin::echo();
    let certificates = Certificates::new(&["test"]);
    let gate = Setup::new(&all_to(origin.port(), "")).tls(&certificates.certificate, &certificates.key).start();
    gate.write("tls.crt", "no certificate at all");
    until("the log says so", || gate.output().contains("tls.crt").then_some(()));
    assert_eq!(Client::connect_tls(gate.tls, "test", certificates.client(&["http/1.1"])).get("/").status(), 200);
}

fn to_tls(port: u16, tls: &str, authority: &str) -> String {
    [
        authorities("authority", authority),
        target("one", port, &format!("protocol: HTTPS\ntls: {tls}")),
        upstream("pool", &["one"], ""),
        prefix("/", "pool"),
    ]
    .concat()
}

#[test]
fn a_target_is_reached_over_tls_with_an_authority_of_its_own() {
    let certificates = Certificates::new(&["target.test"]);
    let origin = Origin::tls_echo(certificates.server(&["http/1.1"]));
    let gate = Gate::start(&to_tls(
        origin.port(),
        "{serverName: target.test, caRef: {configMap: {name: authority}}}",
        &certificates.authority,
    ));
    let answer = gate.get("/secret");
    assert!(answer.text().starts_with("GET /secret HTTP/1.1"), "{answer:?}");
}

#[test]
fn a_target_over_tls_speaks_http_2_where_it_can() {
    let certificates = Certificates::new(&["target.test"]);
    let origin = Http2Origin::with_tls(Some(certificates.server(&["h2"])), async |mut exchange| {
        let (body, _) = read(&mut exchange.body).await?;
        exchange.answer(http::Response::new(()), body, None)
    });
    let gate = Gate::start(&to_tls(
        origin.port(),
        "{serverName: target.test, caRef: {configMap: {name: authority}}}",
        &certificates.authority,
    ));
    assert_eq!(gate.ask(sluicegate_tests::client::post("/", "over h2")).text(), "over h2");
    assert_eq!(origin.heads()[0].uri.scheme_str(), Some("https"));
}

#[test]
fn a_target_that_nobody_vouches_for_gets_nothing() {
    let certificates = Certificates::new(&["target.test"]);
    let other = Certificates::new(&["target.test"]);
    let origin = Origin::tls_echo(certificates.server(&["http/1.1"]));
    for (tls, authority) in [
        ("{serverName: target.test, caRef: {configMap: {name: authority}}}", &other.authority),
        ("{serverName: other.test, caRef: {configMap: {name: authority}}}", &certificates.authority),
        ("{serverName: target.test}", &certificates.authority),
    ] {
        let gate = Gate::start(&to_tls(origin.port(), tls, authority));
        let answer = gate.get("/secret");
        assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upstream-tls-failed")), "{tls}");
    }
    assert!(origin.requests().is_empty());
}
