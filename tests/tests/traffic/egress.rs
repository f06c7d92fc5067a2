//! A forward proxy between Sluicegate and its targets.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};

use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::http1::Wire;
use sluicegate_tests::manifests::{authorities, prefix, target, upstream};
use sluicegate_tests::origin::{Tap, answer};
use sluicegate_tests::{Gate, Message, Origin};

/// A small forward proxy: absolute-form requests are passed on, CONNECT makes a tunnel.
fn forward_proxy() -> Origin {
    Origin::raw(|wire, requests| {
        while let Some(request) = wire.request()? {
            requests.lock().unwrap().push(request.clone());
            if request.method() == "CONNECT" {
                return tunnel(wire, &request.target());
            }
            pass_on(wire, &request)?;
        }
        Ok(())
    })
}

fn pass_on(wire: &mut Wire<Tap>, request: &Message) -> io::Result<()> {
    let target = request.target();
    let (authority, path) =
        target.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or(io::ErrorKind::InvalidData)?;
    let mut onward = Wire::new(TcpStream::connect(authority)?);
    let head = String::from_utf8_lossy(&request.head).replacen(&target, &format!("/{path}"), 1);
    onward.send([head.as_bytes(), &request.body].concat())?;
    let reply = onward.answer(&request.method())?;
    wire.send([&reply.head[..], &reply.body].concat())
}

fn tunnel(wire: &mut Wire<Tap>, authority: &str) -> io::Result<()> {
    let mut onward = TcpStream::connect(authority)?;
    wire.send("HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut back, mut client) = (onward.try_clone()?, wire.stream.tcp());
    std::thread::spawn(move || {
        drop(io::copy(&mut back, &mut client));
        client.shutdown(Shutdown::Write)
    });
    onward.write_all(wire.pending())?;
    io::copy(&mut wire.stream, &mut onward)?;
    onward.shutdown(Shutdown::Write)
}

fn through(proxy: &Origin) -> String {
    format!("egressProxy: {{host: 127.0.0.1, port: {}}}", proxy.port())
}

#[test]
fn clear_text_goes_through_in_absolute_form() {
    let (proxy, origin) = (forward_proxy(), Origin::echo());
    let gate = Gate::start(
        &[target("one", origin.port(), ""), upstream("pool", &["one"], &through(&proxy)), prefix("/", "pool")].concat(),
    );
    for _ in 0..3 {
        assert!(gate.get("/p?q=1").text().starts_with("GET /p?q=1 HTTP/1.1"));
    }
    assert_eq!(proxy.requests()[0].target(), format!("http://127.0.0.1:{}/p?q=1", origin.port()));
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn tls_goes_through_a_tunnel() {
    let certificates = Certificates::new(&["127.0.0.1"]);
    let (proxy, origin) = (forward_proxy(), Origin::tls_echo(certificates.server(&["http/1.1"])));
    let gate = Gate::start(
        &[
            authorities("authority", &certificates.authority),
            target("one", origin.port(), "protocol: HTTPS\ntls: {caRef: {configMap: {name: authority}}}"),
            upstream("pool", &["one"], &through(&proxy)),
            prefix("/", "pool"),
        ]
        .concat(),
    );
    assert!(gate.get("/secret").text().starts_with("GET /secret HTTP/1.1"));
    let asked = proxy.request();
    assert_eq!(asked.start_line(), format!("CONNECT 127.0.0.1:{} HTTP/1.1", origin.port()));
    assert!(
        !String::from_utf8_lossy(&proxy.received()[0]).contains("/secret"),
        "the proxy sees nothing of what is inside"
    );
}

#[test]
fn a_proxy_that_opens_no_tunnel_gives_502() {
    let certificates = Certificates::new(&["127.0.0.1"]);
    let refuses = Origin::start(|_| answer("403 Forbidden", "not you"));
    let closes = Origin::raw(|_, _| Ok(()));
    for proxy in [refuses, closes] {
        let origin = Origin::tls_echo(certificates.server(&["http/1.1"]));
        let gate = Gate::start(
            &[
                target("one", origin.port(), "protocol: HTTPS"),
                upstream("pool", &["one"], &through(&proxy)),
                prefix("/", "pool"),
            ]
            .concat(),
        );
        let answer = gate.get("/");
        assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("egress-proxy-failed")));
        assert_eq!(origin.connections(), 0, "nothing goes around the proxy");
    }
}

#[test]
fn a_proxy_that_is_not_there_gives_502_and_nothing_goes_around_it() {
    let origin = Origin::echo();
    let closed = sluicegate_tests::ports::Port::free();
    let more = format!("egressProxy: {{host: 127.0.0.1, port: {}}}", closed.address().port());
    let gate = Gate::start(
        &[target("one", origin.port(), ""), upstream("pool", &["one"], &more), prefix("/", "pool")].concat(),
    );
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("egress-proxy-failed")));
    assert_eq!(origin.connections(), 0);
}
