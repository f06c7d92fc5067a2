//! Streams: each piece arrives when it was sent, in both directions, and an end is told to the other side.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use sluicegate_tests::client::get;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::{Gate, Origin, until};

/// A target that sends each text as a chunk of its own, the next one only when the test says so.
fn stepwise() -> (Origin, mpsc::Sender<Option<String>>) {
    let (steps, taken) = mpsc::channel::<Option<String>>();
    let taken = Mutex::new(taken);
    let origin = Origin::scripted(move |wire, _| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")?;
        while let Ok(step) = taken.lock().unwrap().recv() {
            let Some(text) = step else { return wire.send("0\r\n\r\n") };
            wire.send(format!("{:x}\r\n{text}\r\n", text.len()))?;
        }
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    (origin, steps)
}

#[test]
fn each_event_arrives_before_the_next_one_is_sent() {
    let (origin, steps) = stepwise();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(get("/"));
    let head = client.wire.head().unwrap().unwrap();
    assert!(String::from_utf8_lossy(&head).contains("text/event-stream"), "the head comes before the first event");
    for number in 0..50 {
        let event = format!("data: {{\"token\": {number}}}\n\n");
        steps.send(Some(event.clone())).unwrap();
        assert_eq!(client.wire.chunk().unwrap(), event.as_bytes());
    }
    steps.send(None).unwrap();
    assert!(client.wire.chunk().unwrap().is_empty());
}

#[test]
fn a_stream_that_breaks_off_does_not_look_complete() {
    let (origin, steps) = stepwise();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(get("/"));
    client.wire.head().unwrap();
    steps.send(Some("data: 1\n\n".to_owned())).unwrap();
    client.wire.chunk().unwrap();
    drop(steps);
    let rest = client.rest();
    assert!(
        !rest.ends_with(b"0\r\n\r\n"),
        "the last chunk says that the answer is whole: {:?}",
        String::from_utf8_lossy(&rest)
    );
}

#[test]
fn an_answer_that_is_cut_short_of_its_length_does_not_look_complete() {
    let origin = Origin::scripted(|wire, _| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(get("/"));
    client.wire.head().unwrap();
    assert_eq!(client.rest(), b"only this", "and then the connection ends");
}

#[test]
fn a_client_that_leaves_is_told_to_the_target() {
    let (origin, steps) = stepwise();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(get("/"));
    client.wire.head().unwrap();
    drop(client);
    until("the target's connection ends", || {
        // A target notices at its next piece, if not before.
        drop(steps.send(Some("x".to_owned())));
        (origin.open_connections() == 0).then_some(())
    });
}

#[test]
fn a_client_that_ends_its_side_has_left() {
    // HTTP/1.1 would allow to wait for the answer; but nearly always it means that nobody is there to read it, and a
    // target that generates tokens should stop.
    let origin = Origin::scripted(|wire, _| wire.rest().map(drop));
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(get("/"));
    origin.until_requests(1);
    client.finish();
    until("the target's connection ends", || (origin.open_connections() == 0).then_some(()));
}

#[test]
fn request_and_answer_stream_at_the_same_time() {
    let origin = Origin::raw(|wire, _| {
        wire.head()?;
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            let data = wire.chunk()?;
            wire.send(format!("{:x}\r\n", data.len()))?;
            wire.send(&data)?;
            wire.send("\r\n")?;
            if data.is_empty() {
                return Ok(());
            }
        }
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    assert!(client.wire.head().unwrap().is_some(), "the answer begins before the request has a body");
    for text in ["one", "two", "three"] {
        client.send(format!("{:x}\r\n{text}\r\n", text.len()));
        assert_eq!(client.wire.chunk().unwrap(), text.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert!(client.wire.chunk().unwrap().is_empty());
}

#[test]
fn many_streams_at_once_stay_apart() {
    let origin = Arc::new(Origin::scripted(|wire, request| {
        let name = request.target();
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        for number in 0..100 {
            let text = format!("{name}:{number};");
            wire.send(format!("{:x}\r\n{text}\r\n", text.len()))?;
        }
        wire.send("0\r\n\r\n")
    }));
    let gate = Gate::start(&all_to(origin.port(), ""));
    let clients: Vec<_> = (0..50)
        .map(|number| {
            let mut client = gate.client();
            client.send(get(&format!("/{number}")));
            client
        })
        .collect();
    for (number, mut client) in clients.into_iter().enumerate() {
        let expected: Vec<String> = (0..100).map(|event| format!("/{number}:{event};")).collect();
        let expected = expected.concat();
        assert_eq!(client.answer().text(), expected);
    }
}
