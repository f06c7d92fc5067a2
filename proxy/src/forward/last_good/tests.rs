#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use http::{HeaderName, Method, Request};

use super::*;

fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    headers
}

fn asked(path: &str, headers: &[(&'static str, &str)]) -> Asked {
    let headers = fields(headers);
    let personal = headers.contains_key("authorization") || headers.contains_key("cookie");
    Asked { key: path.into(), headers, personal, keeps: true }
}

/// Lets an answer go by; whether it was kept.
fn pass(store: &Arc<LastGood>, asked: Asked, status: u16, headers: &[(&'static str, &str)], body: &str) -> bool {
    let mut response = Response::builder().status(status).body(()).unwrap();
    *response.headers_mut() = fields(headers);
    let (parts, ()) = response.into_parts();
    let Some(mut capture) = Capture::begin(Box::new(asked), store, &parts) else { return false };
    capture.push(body.as_bytes());
    capture.keep();
    true
}

fn text(store: &LastGood, asked: &Asked) -> Option<String> {
    store.answer(asked).map(|answer| String::from_utf8(answer.body().to_vec()).unwrap())
}

#[test]
fn the_last_good_answer_is_given_with_its_age() {
    let store = LastGood::new();
    assert!(store.answer(&asked("/", &[])).is_none());
    assert!(pass(&store, asked("/", &[]), 200, &[("etag", "\"1\""), ("age", "7")], "good"));
    let answer = store.answer_at(&asked("/", &[]), Instant::now() + Duration::from_mins(1)).unwrap();
    assert_eq!(answer.body(), "good");
    assert_eq!(answer.headers()["etag"], "\"1\"");
    assert_eq!(answer.headers()["age"], "67");
    assert_eq!(answer.headers()["content-length"], "4");
    assert!(store.answer(&asked("/other", &[])).is_none());
    assert!(!pass(&store, asked("/", &[]), 200, &[], "again at once"), "the one just kept is good enough");
}

#[test]
fn only_what_everybody_may_see_is_kept() {
    let kept = |request: &[(&'static str, &str)], status, answer: &[(&'static str, &str)]| {
        pass(&LastGood::new(), asked("/", request), status, answer, "x")
    };
    assert!(kept(&[], 200, &[]));
    assert!(kept(&[], 200, &[("cache-control", "max-age=60")]));
    for status in [204, 206, 301, 404, 500] {
        assert!(!kept(&[], status, &[]), "{status}");
    }
    for control in ["no-store", "private", "max-age=9, Private=\"x\"", "no-cache", "public, no-store"] {
        assert!(!kept(&[], 200, &[("cache-control", control)]), "{control}");
    }
    assert!(!kept(&[], 200, &[("set-cookie", "a=1")]));
    assert!(!kept(&[], 200, &[("vary", "*")]));
    for name in ["authorization", "cookie"] {
        assert!(!kept(&[(name, "who")], 200, &[]), "{name}");
        assert!(kept(&[(name, "who")], 200, &[("cache-control", "public")]), "{name}");
    }
}

#[test]
fn who_says_who_they_are_gets_only_what_is_public() {
    let store = LastGood::new();
    pass(&store, asked("/", &[]), 200, &[], "anybody's");
    assert!(text(&store, &asked("/", &[("cookie", "a=1")])).is_none());
    pass(&store, asked("/public", &[]), 200, &[("cache-control", "public")], "all's");
    assert_eq!(text(&store, &asked("/public", &[("cookie", "a=1")])).as_deref(), Some("all's"));
}

#[test]
fn answers_that_vary_are_kept_side_by_side() {
    let store = LastGood::new();
    let vary = [("vary", "Accept-Language, accept")];
    for language in ["de", "en"] {
        assert!(pass(&store, asked("/", &[("accept-language", language)]), 200, &vary, language));
    }
    assert_eq!(text(&store, &asked("/", &[("accept-language", "de")])).as_deref(), Some("de"));
    assert_eq!(text(&store, &asked("/", &[("accept-language", "en")])).as_deref(), Some("en"));
    assert!(text(&store, &asked("/", &[("accept-language", "fr")])).is_none());
    assert!(text(&store, &asked("/", &[("accept-language", "de"), ("accept", "*/*")])).is_none());
}

#[test]
fn what_must_not_be_stale_is_used_while_it_is_fresh() {
    for control in
        ["max-age=60, must-revalidate", "s-maxage=60", "max-age=5, s-maxage=60", "proxy-revalidate, max-age=60"]
    {
        let store = LastGood::new();
        pass(&store, asked("/", &[]), 200, &[("cache-control", control)], "x");
        let after = |seconds| store.answer_at(&asked("/", &[]), Instant::now() + Duration::from_secs(seconds));
        assert!(after(50).is_some(), "{control}");
        assert!(after(70).is_none(), "{control}");
    }
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let store = LastGood::new();
    for number in 0..3 * ENTRIES {
        pass(&store, asked(&format!("/{number}"), &[]), 200, &[], "x");
    }
    let count: usize = store.shards.iter().map(|shard| shard.lock().unwrap().answers).sum();
    assert!(count <= ENTRIES, "{count}");
    assert!(text(&store, &asked(&format!("/{}", 3 * ENTRIES - 1), &[])).is_some());
    assert!(text(&store, &asked("/0", &[])).is_none());
    for shard in &store.shards {
        let shard = shard.lock().unwrap();
        let (answers, bytes) = shard.entries.iter().fold((0, 0), |(answers, bytes), (key, variants)| {
            (answers + variants.len(), bytes + variants.iter().map(|entry| entry.bytes() + key.len()).sum::<usize>())
        });
        assert_eq!((answers, bytes, shard.order.len()), (shard.answers, shard.bytes, answers));
    }
}

#[test]
fn bytes_are_bounded_too() {
    let store = LastGood::new();
    let body = "x".repeat(LARGEST);
    for number in 0..100 {
        assert!(pass(&store, asked(&format!("/{number}"), &[]), 200, &[], &body));
    }
    let bytes: usize = store.shards.iter().map(|shard| shard.lock().unwrap().bytes).sum();
    assert!(bytes <= BYTES, "{bytes}");
    let length = (LARGEST + 1).to_string();
    assert!(!pass(&store, asked("/long", &[]), 200, &[("content-length", &length)], ""));
    assert!(pass(&store, asked("/longer", &[]), 200, &[], &format!("{body}x")), "begun");
    assert!(store.answer(&asked("/longer", &[])).is_none(), "not kept");
}

#[test]
fn head_and_what_has_a_body_a_range_or_an_author_is_told_apart() {
    let request = |method: Method| Request::builder().method(method).body(()).unwrap();
    let identity = crate::request::IdentityHeaders::default();
    let route = sluicegate_table::Route::new(Vec::new(), sluicegate_table::Backend::Invalid);
    let table = sluicegate_table::Table {
        routes: [(sluicegate_table::ObjectKey::new("default", "r"), Arc::new(route))].into_iter().collect(),
        ..Default::default()
    };
    let (snapshot, _) = crate::receive::Snapshot::build(Arc::new(table), &crate::receive::Snapshot::default());
    let route = snapshot.routes().next().unwrap();
    let asked = |method: Method, length: Option<u64>, headers: &HeaderMap| {
        let request = request(method);
        let view = crate::request::RequestView {
            method: request.method(),
            host: "a.example",
            path: "/x",
            query: Some("q=1"),
            headers,
            content_length: length,
            client_ip: std::net::Ipv4Addr::LOCALHOST.into(),
            tls: false,
            received: Instant::now(),
            identity: &identity,
            body: None,
        };
        Asked::of(route, &view)
    };
    let none = HeaderMap::new();
    let get = asked(Method::GET, Some(0), &none).unwrap();
    assert_eq!(&*get.key, "default/r false a.example /x?q=1");
    assert!(get.keeps);
    assert!(!asked(Method::HEAD, Some(0), &none).unwrap().keeps);
    assert!(asked(Method::POST, Some(0), &none).is_none());
    assert!(asked(Method::GET, Some(3), &none).is_none());
    assert!(!asked(Method::GET, Some(0), &fields(&[("range", "bytes=0-1")])).unwrap().keeps);
    assert!(!asked(Method::GET, Some(0), &fields(&[("cache-control", "no-store")])).unwrap().keeps);
    assert!(!get.personal);
    for says_who in ["authorization", "cookie", "x-user-id", "x-api-key", "api-key"] {
        assert!(asked(Method::GET, Some(0), &fields(&[(says_who, "x")])).unwrap().personal, "{says_who}");
    }
}
