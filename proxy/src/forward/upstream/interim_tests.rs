#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;

/// What hyper gets of `bytes`, and what is laid down for the client, when they come in pieces of `size` after a request.
async fn taken_apart(bytes: &[u8], size: usize) -> (Vec<u8>, String) {
    let (wake, mut woken) = mpsc::unbounded_channel();
    let interim = Interim::new(wake);
    let asking = Asking::begin(&interim, 7);
    let mut look = Look::new(Arc::clone(&interim));
    look.sent();
    let (mut target, stream) = tokio::io::duplex(size);
    let mut reading = Reading { look: &mut look, stream };
    let mut passed = Vec::new();
    let sending = async {
        target.write_all(bytes).await.unwrap();
        drop(target);
    };
    let ((), read) = tokio::join!(sending, reading.read_to_end(&mut passed));
    read.unwrap();
    let heads = String::from_utf8(interim.heads.lock().unwrap().to_vec()).unwrap();
    if !heads.is_empty() {
        assert_eq!(woken.try_recv(), Ok(7), "the client's task is woken");
    }
    drop(asking);
    assert!(interim.heads.lock().unwrap().is_empty(), "what is left when a request goes is nobody's");
    (passed, heads)
}

struct Reading<'a, S> {
    look: &'a mut Look,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Reading<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.look.looks() {
            this.look.poll_read(&mut this.stream, cx, buf)
        } else {
            Pin::new(&mut this.stream).poll_read(cx, buf)
        }
    }
}

const FINAL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\nHTTP/1.1 103 x\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nvia: 1.1 sluicegate\r\n\r\n";

#[tokio::test]
async fn interim_heads_are_taken_out_however_they_are_cut() {
    let cases: [(&str, &str, &str); 8] = [
        ("", FINAL, ""),
        ("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", FINAL, HINTS),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nlink: </a.css>\r\n\r\n", FINAL, HINTS),
        (
            "HTTP/1.1 103 Hm\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\ncontent-length: 3\r\nlink: </a.css>\r\n\r\n",
            FINAL,
            HINTS,
        ),
        (
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 New\r\na: b\r\n\r\n",
            FINAL,
            "HTTP/1.1 102 Processing\r\nvia: 1.1 sluicegate\r\n\r\nHTTP/1.1 199 \r\na: b\r\nvia: 1.1 sluicegate\r\n\r\n",
        ),
        // 101 is a final answer; the others are hyper's to judge.
        ("", "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 103 x\r\n\r\n", ""),
        ("", "HTTP/1.1 103 Early Hints\r\nno name: x\r\n\r\n", ""),
        ("", "HTTP/1.1 1", ""),
    ];
    for (interim, rest, heads) in cases {
        let bytes = [interim, rest].concat();
        for size in (1..40).chain([bytes.len()]) {
            let (passed, laid) = taken_apart(bytes.as_bytes(), size).await;
            assert_eq!((String::from_utf8(passed).unwrap().as_str(), laid.as_str()), (rest, heads), "pieces of {size}");
        }
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_left_to_hyper() {
    let long = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n{FINAL}", "x".repeat(LONGEST_HEAD));
    let (passed, heads) = taken_apart(long.as_bytes(), 4096).await;
    assert_eq!((passed.as_slice(), heads.as_str()), (long.as_bytes(), ""));
}

#[tokio::test]
async fn no_more_than_so_much_waits_for_a_client_that_does_not_read() {
    let one = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "x".repeat(1000));
    let (passed, heads) = taken_apart(format!("{}{FINAL}", one.repeat(1000)).as_bytes(), 1 << 20).await;
    assert_eq!(passed, FINAL.as_bytes());
    assert!(heads.len() <= MOST_WAITING && heads.len() > MOST_WAITING / 2, "{}", heads.len());
}

#[tokio::test]
async fn what_comes_unasked_is_not_taken_for_an_answer() {
    let (wake, _woken) = mpsc::unbounded_channel();
    let interim = Interim::new(wake);
    let mut look = Look::new(Arc::clone(&interim));
    look.sent();
    assert!(!look.looks(), "a client that takes no interim answers");
    let _asking = Asking::begin(&interim, 0);
    assert!(!look.looks(), "nothing was sent yet: hyper shall see that the target speaks out of turn");
    look.sent();
    assert!(look.looks());
}
