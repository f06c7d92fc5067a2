//! Random rules and requests from a small alphabet, so that they meet: the index must find what the reference finds.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

fn path_match() -> impl Strategy<Value = Match> + Clone {
    let literal = || select(vec!["/", "/a", "/a/b", "/a/b/c", "/b", "/ab", "/b/a", "/b%61"]);
    prop_oneof![
        literal().prop_map(|path| on(&format!("={path}"))),
        literal().prop_map(on),
        select(vec!["/*", "/a*", "/a/*", "/a/*/c", "/*b", "/*/b", "/a*/b*", "/*/*", "/a/b*"]).prop_map(on),
        select(vec!["~/a.*", "~/[ab]", "~/[ab]/.*", "~.*b", "~/a/b/c", "~/(a|b)/b", "~/\\w+", "~/a(/.)*"]).prop_map(on),
    ]
}

fn test() -> impl Strategy<Value = ValueTest> {
    prop_oneof![
        6 => select(vec!["1", "2", "3"]).prop_map(|value| ValueTest::Exact(value.into())),
        1 => Just(ValueTest::Present),
        1 => Just(ValueTest::RegularExpression("[12]".into())),
    ]
}

fn values(names: &'static [&'static str]) -> impl Strategy<Value = Vec<ValueMatch>> {
    let one = (select(names), test()).prop_map(|(name, test)| ValueMatch { name: name.into(), test });
    prop_oneof![3 => Just(Vec::new()), 2 => proptest::collection::vec(one, 0..3)]
}

fn some_of(list: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![3 => Just(Vec::new()), 1 => subsequence(list, 0..=list.len()).prop_map(|list| texts(&list))]
}

fn wanted(path: impl Strategy<Value = Match>) -> impl Strategy<Value = Match> {
    (
        path,
        some_of(&["GET", "POST", "PUT"]),
        values(&["x-a", "x-b"]),
        values(&["q", "r"]),
        proptest::option::weighted(0.1, (0_u64..3, 2_u64..5)),
        some_of(&["m1", "m2", "m*", "n"]),
        some_of(&["gold", "free"]),
        some_of(&["beta", "staff"]),
    )
        .prop_map(|(path, methods, headers, query, length, models, user_tiers, user_segments)| Match {
            methods,
            headers,
            query,
            content_length: length.map(|(min, max)| LengthRange { min, max }),
            models,
            user_tiers,
            user_segments,
            ..path
        })
}

/// Up to 40 routes over many paths, or up to 120 over two.
pub(in super::super) fn routes() -> impl Strategy<Value = Vec<(ObjectKey, Route)>> {
    prop_oneof![routes_over(path_match(), 40), routes_over(select(vec!["/a", "=/a/b"]).prop_map(on), 120),]
}

fn routes_over(
    path: impl Strategy<Value = Match> + Clone,
    most: usize,
) -> impl Strategy<Value = Vec<(ObjectKey, Route)>> {
    let hostnames = prop_oneof![
        3 => Just(Vec::new()),
        2 => subsequence(&["example.com", "a.example.com", "*.example.com", "*.com", "*.a.example.com"][..], 1..3),
    ];
    let one = (
        proptest::collection::vec(wanted(path), 1..3),
        hostnames,
        0_i64..2,
        proptest::option::weighted(0.2, select(vec![0, 300_000, 1_000_000])),
        1_u64..4,
    )
        .prop_map(|(matches, hostnames, created, traffic, buffer_size)| Route {
            created,
            traffic: traffic.map(|millionths| Share { millionths }),
            buffer_size,
            ..hosts(&hostnames, route(matches))
        });
    proptest::collection::vec(one, 0..most).prop_map(|routes| {
        let key = |at: usize| ObjectKey::new(["x", "y"][at % 2], format!("r{}", (at * 7) % 120));
        routes.into_iter().enumerate().map(|(at, route)| (key(at), route)).collect()
    })
}

pub(in super::super) fn request() -> impl Strategy<Value = Request> {
    let headers = proptest::collection::vec(
        prop_oneof![
            (select(vec!["x-a", "x-b"]), select(vec!["1", "2", "3", "4"])),
            (Just("x-user-tier"), select(vec!["gold", "free", "none"])),
            (Just("x-user-segment"), select(vec!["beta", "beta, staff", "staff,x", ""])),
            (Just("x-user-id"), select(vec!["u1", "u2", "u3"])),
        ],
        0..5,
    );
    (
        select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "/a/x/c", "/b", "/ab", "/ab/b", "/b/a", "/c", "/ba"]),
        select(vec![Method::GET, Method::POST, Method::PUT, Method::DELETE]),
        select(vec!["example.com", "a.example.com", "x.a.example.com", "other.com", "localhost", ""]),
        proptest::option::of(select(vec!["q=1", "q=2&r=1", "q=%31&q=3", "r=2&r=+", "q", "x=y", "r=1&q=1"])),
        headers,
        select(vec![None, Some(0), Some(1), Some(3)]),
        proptest::option::of(proptest::option::of(select(vec!["m1", "m2", "m3", "n", "o"]))),
    )
        .prop_map(|(path, method, host, query, headers, content_length, body)| {
            let mut request = Request { method, content_length, ..Request::get(path) }.host(host);
            request.query = query.map(String::from);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            match body {
                Some(model) => request.body(model),
                None => request,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_agrees_with_the_reference(
        routes in routes(),
        requests in proptest::collection::vec(request(), 20),
    ) {
        let matcher = Matcher::new(routes.iter().map(|(key, route)| (key, route))).unwrap();
        for request in requests {
            let expected = super::super::reference::find(&routes, &request.view());
            let found = matcher.find(&request.view());
            if let (Found::NeedsBody { at_most: found }, Found::NeedsBody { at_most: expected }) = (&found, &expected) {
                // Among many it may be a bound.
                prop_assert!((*expected..4).contains(found), "{found} {expected} {request:?}");
            } else {
                prop_assert_eq!(found, expected, "{:?}", request);
            }
        }
    }
}
