//! HTTP/2 in and out, in clear text with prior knowledge.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use sluicegate_tests::client::post;
use sluicegate_tests::http2::{Http2Client, Http2Origin, read};
use sluicegate_tests::manifests::{all_to, prefix, target, upstream};
use sluicegate_tests::{Gate, Origin, Setup, until};
use tokio::sync::Notify;

fn to_h2c(port: u16) -> String {
    [target("one", port, "protocol: H2C"), upstream("pool", &["one"], ""), prefix("/", "pool")].concat()
}

#[test]
fn http_2_in_and_http_1_out() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let client = Http2Client::connect(gate.listen);
    let answer = client
        .ask(
            Request::post("http://shop.example:81/p?q=1")
                .header("x-a", "1")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .body(Bytes::from("body"))
                .unwrap(),
        )
        .unwrap();
    assert_eq!(answer.status(), 200);
    let seen = origin.request();
    assert_eq!(seen.start_line(), "POST /p?q=1 HTTP/1.1");
    assert_eq!(seen.text(), "body");
    assert_eq!(seen.field("x-forwarded-host").as_deref(), Some("shop.example:81"));
    assert_eq!(seen.field("cookie").as_deref(), Some("a=1; b=2"), "one line, as HTTP/1 has it");
    assert_eq!(seen.fields("via"), ["2 sluicegate"]);
}

#[test]
fn http_1_in_and_http_2_out() {
    let origin = Http2Origin::echo();
    let gate = Gate::start(&to_h2c(origin.port()));
    let answer = gate.ask("POST /p?q=1 HTTP/1.1\r\nhost: shop.example\r\nte: trailers\r\nconnection: keep-alive, te\r\nkeep-alive: 5\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!(answer.text(), "body");
    let head = &origin.heads()[0];
    assert_eq!((head.method.as_str(), head.uri.path_and_query().unwrap().as_str()), ("POST", "/p?q=1"));
    assert_eq!(head.uri.authority().unwrap().as_str(), format!("127.0.0.1:{}", origin.port()));
    assert!(
        !head.headers.contains_key("connection")
            && !head.headers.contains_key("keep-alive")
            && !head.headers.contains_key("host"),
        "{head:?}"
    );
}

#[test]
fn a_client_is_asked_once_for_the_body_that_a_target_over_http_2_waits_for() {
    let origin = Http2Origin::echo();
    let gate = Gate::start(&to_h2c(origin.port()));
    let mut client = gate.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 8\r\n\r\n");
        assert_eq!(client.wire.head().unwrap().unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
        client.send("half");
        client.send("half");
        assert_eq!(client.answer().text(), "halfhalf");
    }
}

#[test]
fn http_2_all_the_way_with_trailers_both_ways() {
    let origin = Http2Origin::start(async |mut exchange| {
        let (body, trailers) = read(&mut exchange.body).await?;
        exchange.answer(Response::new(()), body, trailers)
    });
    let gate = Gate::start(&to_h2c(origin.port()));
    let client = Http2Client::connect(gate.listen);
    let (answer, mut stream) = client.open(Request::post("http://test/").body(()).unwrap(), true).unwrap();
    stream.send_data(Bytes::from("data"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-check", "7".parse().unwrap());
    stream.send_trailers(trailers).unwrap();
    let answer = client.answer(answer).unwrap();
    assert_eq!(answer.text(), "data");
    assert_eq!(answer.trailers.unwrap()["x-check"], "7");
}

#[test]
fn trailers_that_frame_or_route_do_not_reach_a_target_over_http_2() {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let seen_by_target = Arc::clone(&seen);
    let origin = Http2Origin::start(async move |mut exchange| {
        let (body, trailers) = read(&mut exchange.body).await?;
        let names = trailers.map(|trailers| trailers.keys().map(ToString::to_string).collect::<Vec<_>>());
        seen_by_target.lock().unwrap().push(names);
        exchange.answer(Response::new(()), body, None)
    });
    let gate = Gate::start(&to_h2c(origin.port()));
    let forbidden = "authorization: Bearer stolen\r\nhost: other\r\nkeep-alive: 5\r\ncontent-length: 9\r\n";
    for (trailers, names) in [
        (format!("x-check: 7\r\n{forbidden}"), Some(vec!["x-check".to_owned()])),
        (forbidden.to_owned(), None),
        ("x-check: 7\r\n".to_owned(), Some(vec!["x-check".to_owned()])),
    ] {
        let head = "POST / HTTP/1.1\r\nhost: test\r\nte: trailers\r\ntransfer-encoding: chunked\r\n";
        let answer = gate.ask(format!("{head}trailer: x-check\r\n\r\n1\r\na\r\n0\r\n{trailers}\r\n"));
        assert_eq!((answer.status(), answer.text().as_str()), (200, "a"));
        assert_eq!(seen.lock().unwrap().pop(), Some(names), "{trailers}");
    }
}

#[test]
fn a_grpc_answer_of_ours_is_trailers_only() {
    let gate = Gate::start(&sluicegate_tests::manifests::rule(
        "one",
        "matches: [{path: {value: /x}}]\ntargets: [{url: 'http://127.0.0.1:1'}]",
    ));
    let client = Http2Client::connect(gate.listen);
    let request = Request::post("http://test/pkg.Service/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let answer = client.ask(request.body(Bytes::from("\0\0\0\0\0")).unwrap()).unwrap();
    assert_eq!(
        (answer.status(), answer.field("grpc-status"), answer.field("x-sluicegate-reason")),
        (200, Some("12"), Some("no-route"))
    );
    assert!(answer.body.is_empty());
}

#[test]
fn many_streams_share_a_connection() {
    let origin = Http2Origin::echo();
    let gate = Setup::new(&to_h2c(origin.port())).configuration("workers: 1").start();
    let client = Http2Client::connect(gate.listen);
    let streams: Vec<_> = (0..80)
        .map(|number| {
            let (answer, mut stream) =
                client.open(Request::post(format!("http://test/{number}")).body(()).unwrap(), true).unwrap();
            stream.send_data(Bytes::from(format!("body {number}")), true).unwrap();
            answer
        })
        .collect();
    for (number, answer) in streams.into_iter().enumerate() {
        assert_eq!(client.answer(answer).unwrap().text(), format!("body {number}"));
    }
}

#[test]
fn a_stream_that_stands_still_holds_up_no_other() {
    let origin = Http2Origin::start(async |mut exchange| {
        if exchange.head.uri.path() == "/large" {
            let mut stream = exchange.respond.send_response(Response::new(()), false)?;
            return stream.send_data(Bytes::from(vec![b'l'; 8 * 1024 * 1024]), true);
        }
        exchange.answer(Response::new(()), "small", None)
    });
    let gate = Setup::new(&to_h2c(origin.port())).configuration("workers: 1").start();
    let slow = Http2Client::connect(gate.listen);
    // Nobody reads these: their windows fill up.
    let _unread: Vec<_> =
        (0..20).map(|_| slow.open(Request::get("http://test/large").body(()).unwrap(), false).unwrap()).collect();
    slow.run(async { tokio::task::yield_now().await });
    origin.until_requests(20);
    let quick = Http2Client::connect(gate.listen);
    for _ in 0..20 {
        assert_eq!(quick.get("/small").text(), "small");
    }
}

#[test]
fn a_cancelled_stream_is_cancelled_at_the_target_too() {
    let (ended, end) = std::sync::mpsc::channel();
    let origin = Http2Origin::start(async move |mut exchange| {
        let reset = std::future::poll_fn(|cx| exchange.respond.poll_reset(cx)).await;
        ended.send(reset.is_ok()).unwrap();
        Ok(())
    });
    let gate = Gate::start(&to_h2c(origin.port()));
    let client = Http2Client::connect(gate.listen);
    let (answer, mut stream) = client.open(Request::post("http://test/").body(()).unwrap(), true).unwrap();
    stream.send_data(Bytes::from("x"), false).unwrap();
    client.run(async { tokio::task::yield_now().await });
    origin.until_requests(1);
    stream.send_reset(h2::Reason::CANCEL);
    drop(answer);
    until("the target hears of it", || {
        client.run(async { tokio::task::yield_now().await });
        end.try_recv().ok()
    });
}

#[test]
fn a_client_over_http_1_that_leaves_after_its_body_cancels_the_stream() {
    let (told, tell) = std::sync::mpsc::channel();
    let origin = Http2Origin::start(async move |mut exchange| {
        let (body, _) = read(&mut exchange.body).await?;
        told.send(body).unwrap();
        let reset = std::future::poll_fn(|cx| exchange.respond.poll_reset(cx)).await;
        told.send(format!("{}", reset?).into()).unwrap();
        Ok(())
    });
    let gate = Gate::start(&to_h2c(origin.port()));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\n");
    // What comes later is read by the connection to the target.
    origin.until_requests(1);
    client.send("body");
    assert_eq!(tell.recv().unwrap(), "body");
    drop(client);
    let reason = until("the target hears of it", || tell.try_recv().ok());
    assert_eq!(reason, h2::Reason::CANCEL.description());
}

#[test]
fn a_target_that_answers_early_waits_for_no_body_that_its_client_over_http_1_never_sends() {
    let (told, tell) = std::sync::mpsc::channel();
    let origin = Http2Origin::start(async move |mut exchange| {
        // More than all buffers on the way hold: the answer's end is there long before the client has it.
        let mut answer = exchange.respond.send_response(Response::new(()), false)?;
        answer.send_data(vec![b'x'; 24 * 1024 * 1024].into(), true)?;
        told.send(read(&mut exchange.body).await.is_err()).unwrap();
        Ok(())
    });
    let gate = Gate::start(&to_h2c(origin.port()));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbo");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.field("connection").as_deref()), (200, Some("close")));
    assert!(until("the target hears of it", || tell.try_recv().ok()));
}

#[test]
fn a_target_that_resets_a_stream_gives_502() {
    let origin = Http2Origin::start(async |mut exchange| {
        exchange.respond.send_reset(h2::Reason::INTERNAL_ERROR);
        Ok(())
    });
    let gate = Gate::start(&to_h2c(origin.port()));
    let answer = gate.ask(post("/", "x"));
    assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upstream-reset")));
}

#[test]
fn a_stream_that_the_target_resets_midway_does_not_look_complete() {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let origin = Http2Origin::start(async move |mut exchange| {
        let mut stream = exchange.respond.send_response(Response::new(()), false)?;
        stream.send_data(Bytes::from("part"), false)?;
        told.notified().await;
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
        Ok(())
    });
    let gate = Gate::start(&to_h2c(origin.port()));
    let client = Http2Client::connect(gate.listen);
    let (answer, _) = client.open(Request::get("http://test/").body(()).unwrap(), false).unwrap();
    client.run(async {
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "part");
        go.notify_one();
        let end = body.data().await.expect("an error is no end");
        assert!(end.unwrap_err().is_reset());
    });
}

#[test]
fn large_bodies_stream_both_ways() {
    let origin = Http2Origin::start(async |mut exchange| {
        let mut count = 0;
        while let Some(data) = exchange.body.data().await {
            let data = data?;
            exchange.body.flow_control().release_capacity(data.len())?;
            count += data.len();
        }
        exchange.answer(Response::new(()), count.to_string(), None)
    });
    let gate = Gate::start(&to_h2c(origin.port()));
    let body = "x".repeat(32 * 1024 * 1024);
    let before = gate.resident();
    assert_eq!(gate.ask(post("/", &body)).text(), body.len().to_string());
    let grown = gate.resident().saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes");
}

#[test]
fn a_host_field_that_disagrees_with_the_authority_is_refused() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let client = Http2Client::connect(gate.listen);
    let answer = client
        .ask(Request::get("http://one.example/").header("host", "two.example").body(Bytes::new()).unwrap())
        .unwrap();
    assert_eq!((answer.status(), answer.field("x-sluicegate-reason")), (400, Some("invalid-request")));
    assert!(origin.requests().is_empty());
}

#[test]
fn a_head_over_the_limit_is_told_why() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let client = Http2Client::connect(gate.listen);
    let large = Request::get("http://test/").header("x-large", "x".repeat(70_000));
    let many =
        (0..101).fold(Request::get("http://test/"), |request, number| request.header(format!("x-{number}"), "x"));
    for request in [large, many] {
        let answer = client.ask(request.body(Bytes::new()).unwrap()).unwrap();
        assert_eq!((answer.status(), answer.field("x-sluicegate-reason")), (431, Some("headers-too-large")));
    }
    assert!(origin.requests().is_empty());
    assert_eq!(client.get("/").status(), 200);
}

#[test]
fn large_fields_of_an_answer_pass() {
    let large = "x".repeat(100_000);
    let sent = large.clone();
    let origin = Http2Origin::start(async move |mut exchange| {
        read(&mut exchange.body).await?;
        exchange.answer(Response::builder().header("x-large", &sent).body(()).unwrap(), Bytes::new(), None)
    });
    let answer = Gate::start(&to_h2c(origin.port())).get("/");
    assert_eq!((answer.status(), answer.field("x-large")), (200, Some(large)));
}

#[test]
fn a_length_that_disagrees_with_the_data_is_never_forwarded_whole() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let client = Http2Client::connect(gate.listen);
    let (answer, mut stream) =
        client.open(Request::post("http://test/").header("content-length", "3").body(()).unwrap(), true).unwrap();
    drop(stream.send_data(Bytes::from("123GET /smuggled HTTP/1.1\r\n\r\n"), true));
    drop(client.answer(answer));
    assert!(client.get("/").status() == 200 || client.ended().is_err());
    assert!(
        origin.requests().iter().all(|request| request.target() == "/" && request.method() == "GET"),
        "{:?}",
        origin.requests()
    );
}

#[test]
fn a_target_that_speaks_no_http2_is_told_from_one_that_closes() {
    let http1 = Origin::raw(|wire, _| {
        // Closed while it is still being written to, it would be reset.
        wire.exactly("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len())?;
        wire.send("HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Length: 0\r\n\r\n")?;
        wire.rest().map(drop)
    });
    let answer = Gate::start(&to_h2c(http1.port())).get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upstream-protocol-error")));
    let closing = Origin::raw(|_, _| Ok(()));
    let answer = Gate::start(&to_h2c(closing.port())).get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upstream-reset")));
}
