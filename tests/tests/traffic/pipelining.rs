//! Requests behind one another on a connection of HTTP/1.1: each is taken for what it is, whatever stands before it.

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{prefix, target, upstream};
use sluicegate_tests::{Gate, Message, Origin};

/// A rule for `/pool`; elsewhere there is nothing.
fn gate(origin: &Origin) -> Gate {
    Gate::start(&[target("one", origin.port(), ""), upstream("pool", &["one"], ""), prefix("/pool", "pool")].concat())
}

fn closes(answer: &Message) -> bool {
    answer.fields("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
}

const KINDS: usize = 6;

/// One of several kinds of request, and the status and the end of the body that its answer must have.
fn request(number: usize) -> (String, u16, String) {
    let (path, body) = (format!("/pool/{number}"), format!("body {number}"));
    let head = |method: &str, fields: &str| format!("{method} {path} HTTP/1.1\r\nhost: test\r\n{fields}\r\n");
    match number % KINDS {
        0 => (get(&path), 200, "\r\n\r\n".into()),
        1 => (post(&path, &body), 200, body),
        2 => {
            let chunks = format!("{:x}\r\n{body}\r\n3;x=y\r\n...\r\n0\r\nx-sum: 7\r\n\r\n", body.len());
            (head("PUT", "transfer-encoding: chunked\r\n") + &chunks, 200, format!("{body}..."))
        }
        3 => (head("HEAD", ""), 200, String::new()),
        // What is refused is no request less.
        4 => (post("/nowhere", &get("/pool/smuggled")), 404, "}".into()),
        _ => (head("OPTIONS", "content-length: 0\r\n") + "\r\n\n", 200, "\r\n\r\n".into()),
    }
}

#[test]
fn a_hundred_requests_in_whatever_pieces_are_answered_each_in_its_turn() {
    const MANY: usize = 100;
    let origin = Origin::echo();
    let gate = gate(&origin);
    let all: String = (0..MANY).map(|number| request(number).0).collect();
    for size in [1, 7, 1000, all.len()] {
        let mut client = gate.client();
        for piece in all.as_bytes().chunks(size) {
            client.send(piece);
        }
        for number in 0..MANY {
            let (_, status, end) = request(number);
            let answer = if number % KINDS == 3 { client.answer_to_head() } else { client.answer() };
            assert_eq!((answer.status(), closes(&answer)), (status, false), "{number} in pieces of {size}: {answer:?}");
            assert!(answer.text().ends_with(&end), "{number} in pieces of {size}: {answer:?}");
            if status == 200 && number % KINDS != 3 {
                assert!(answer.text().contains(&format!(" /pool/{number} ")), "{number}: {answer:?}");
            }
        }
        let served: Vec<String> = origin.requests().iter().map(Message::target).collect();
        let forwarded = (0..MANY).filter(|number| number % KINDS != 4);
        assert_eq!(served, forwarded.map(|number| format!("/pool/{number}")).collect::<Vec<_>>());
        origin.forget();
    }
}

#[test]
fn a_request_that_is_none_takes_nothing_from_those_before_it() {
    let origin = Origin::echo();
    let gate = gate(&origin);
    let all = get("/pool/1") + &post("/pool/2", "body") + "GET /pool/3\r\n\r\n" + &get("/pool/4");
    for size in [1, 5, all.len()] {
        let mut client = gate.client();
        for piece in all.as_bytes().chunks(size) {
            client.try_send(piece);
        }
        let answers = [client.answer(), client.answer(), client.answer()];
        assert_eq!(
            answers.each_ref().map(|answer| (answer.status(), closes(answer))),
            [(200, false), (200, false), (400, true)]
        );
        client.ends();
    }
    assert!(origin.requests().iter().all(|request| !request.target().ends_with('4')));
}

#[test]
fn what_is_missing_of_a_refused_body_is_passed_over_where_it_is_little() {
    let origin = Origin::echo();
    let gate = gate(&origin);
    let mut client = gate.client();
    for length in [1, 100, 65_536] {
        // A body that looks like requests is none the less a body.
        let mut body = get("/pool/smuggled").repeat(2000).into_bytes();
        body.truncate(length);
        let answer = client.ask(format!("POST /nowhere HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n"));
        assert_eq!((answer.status(), closes(&answer)), (404, false), "{length}");
        let (first, last) = body.split_at(length / 2);
        client.send(first).send(last);
        assert_eq!(client.get("/pool/next").status(), 200, "{length}");
    }
    assert!(origin.requests().iter().all(|request| request.target() == "/pool/next"));
}

#[test]
fn what_is_missing_of_a_longer_one_ends_the_connection_as_its_answer_says() {
    let origin = Origin::echo();
    let gate = gate(&origin);
    let head = |fields: &str| format!("POST /nowhere HTTP/1.1\r\nhost: test\r\n{fields}\r\n\r\n");
    for head in [head("content-length: 65537"), head("transfer-encoding: chunked")] {
        let mut client = gate.client();
        let answer = client.ask(head);
        assert_eq!((answer.status(), closes(&answer)), (404, true));
        // Whatever still comes is no request.
        client.try_send(get("/pool/smuggled").repeat(3000));
        client.ends();
    }
    assert!(origin.requests().is_empty());
}
