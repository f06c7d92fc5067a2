//! What single conditions take, and the answers other than a route.

use super::*;

#[test]
fn prefixes_take_whole_elements() {
    let table = Table::new([("api", route(vec![on("/api")])), ("star", route(vec![on("/star/*")]))]);
    for (path, expected) in [
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/x", "api"),
        ("/apix", "-"),
        ("/ap", "-"),
        ("/", "-"),
        ("/star", "-"),
        ("/star/", "star"),
        ("/star/a/b", "star"),
    ] {
        assert_eq!(table.find(&Request::get(path)), expected, "{path}");
    }
}

#[test]
fn expressions_take_whole_paths_and_values() {
    let mut match_ = on("~/v[0-9]");
    match_.headers.push(ValueMatch { name: "x-a".into(), test: ValueTest::RegularExpression("a|bc".into()) });
    match_.query.push(ValueMatch { name: "q".into(), test: ValueTest::RegularExpression("[x ]+".into()) });
    match_.query.push(ValueMatch { name: "there".into(), test: ValueTest::Present });
    let table = Table::new([("r", route(vec![match_]))]);
    for (path, value, expected) in [
        ("/v1?q=x&there", "a", "r"),
        ("/v1?q=%78+&there=0", "bc", "r"),
        ("/v12?q=x&there", "a", "-"),
        ("/x/v1?q=x&there", "a", "-"),
        ("/v1?q=x&there", "abc", "-"),
        ("/v1?q=xy&there", "a", "-"),
        ("/v1?q=x", "a", "-"),
        ("/v1", "a", "-"),
    ] {
        assert_eq!(table.find(&Request::get(path).header("x-a", value)), expected, "{path} {value}");
    }
}

#[test]
fn any_of_repeated_values_will_do() {
    let table = Table::new([
        ("header", route(vec![header("x-a", "2", on("/h"))])),
        ("query", route(vec![query("a b", "c d", on("/q"))])),
        ("tier", route(vec![tiers(&["gold"], on("/t"))])),
        ("segment", route(vec![segments(&["beta"], on("/s"))])),
    ]);
    assert_eq!(table.find(&Request::get("/h").header("x-a", "1").header("x-a", "2")), "header");
    assert_eq!(table.find(&Request::get("/h").header("x-a", "1, 2")), "-");
    assert_eq!(table.find(&Request::get("/q?a%20b=1&a+b=c%20d")), "query");
    assert_eq!(table.find(&Request::get("/t").header("x-user-tier", "free").header("x-user-tier", "gold")), "tier");
    assert_eq!(table.find(&Request::get("/s").header("x-user-segment", "x ,\tbeta")), "segment");
    assert_eq!(table.find(&Request::get("/s").header("x-user-segment", "beta2")), "-");
}

#[test]
fn lengths_are_inclusive_and_must_be_declared() {
    let table = Table::new([("r", route(vec![length(5, 10, on("/"))]))]);
    for (length, expected) in [(4, "-"), (5, "r"), (10, "r"), (11, "-")] {
        assert_eq!(table.find(&Request::post("/").length(length)), expected, "{length}");
    }
    assert_eq!(table.find(&Request::post("/")), "-");
}

#[test]
fn the_body_is_asked_for_only_where_it_decides() {
    let gpt = Route { buffer_size: 10, ..route(vec![models(&["gpt-4", "o3*"], header("x-a", "1", on("/v1")))]) };
    let claude = Route { buffer_size: 20, ..route(vec![models(&["claude*"], on("/v1"))]) };
    let other = Route { buffer_size: 99, ..route(vec![models(&["llama"], on("/"))]) };
    let table = Table::new([
        ("gpt", gpt),
        ("claude", claude),
        ("plain", route(vec![on("/v1")])),
        ("other", other),
        ("before", route(vec![on("=/v1/exact")])),
        ("get", route(vec![methods(&["GET"], models(&["m"], on("/only-get")))])),
    ]);
    let post = |path: &str| Request::post(path);
    assert_eq!(table.find(&post("/v1/chat").header("x-a", "1")), "?20");
    assert_eq!(table.find(&post("/v1/chat")), "?20");
    assert_eq!(table.find(&post("/v1/chat").length(0)), "plain", "no body, no question");
    assert_eq!(table.find(&post("/v1/exact")), "before", "decided before any model is asked for");
    assert_eq!(table.find(&post("/v1/chat").body(Some("claude-x"))), "claude");
    assert_eq!(table.find(&post("/v1/chat").header("x-a", "1").body(Some("o3-mini"))), "gpt");
    assert_eq!(table.find(&post("/v1/chat").header("x-a", "1").body(Some("gpt-4o"))), "plain");
    assert_eq!(table.find(&post("/v1/chat").body(None)), "plain", "read, but it names no model");
    assert_eq!(table.find(&post("/x").body(Some("llama2"))), "-");
    assert_eq!(table.find(&post("/only-get").body(Some("m"))), "GET");
}

#[test]
fn a_missing_method_is_told_apart_from_a_missing_route() {
    let table = Table::new([
        ("one", route(vec![methods(&["POST", "GET"], on("/a"))])),
        ("two", route(vec![methods(&["DELETE", "POST"], on("/a/b"))])),
        ("three", route(vec![methods(&["PATCH"], header("x-a", "1", on("/a")))])),
        ("host", hosts(&["example.com"], route(vec![methods(&["HEAD"], on("/a"))]))),
    ]);
    let put = |path: &str| Request { method: Method::PUT, ..Request::get(path) };
    assert_eq!(table.find(&put("/a/b")), "DELETE GET HEAD POST");
    assert_eq!(table.find(&put("/a")), "GET HEAD POST");
    assert_eq!(table.find(&put("/a").host("other").header("x-a", "1")), "GET PATCH POST");
    assert_eq!(table.find(&put("/b")), "-");
}

#[test]
fn a_share_is_exact_enough_sticky_and_falls_through() {
    let table = Table::new([
        ("canary", share(100_000, route(vec![methods(&["GET"], on("/"))]))),
        ("none", share(0, route(vec![header("x-user-id", "1", methods(&["GET"], on("/")))]))),
        ("stable", route(vec![on("/")])),
    ]);
    let taken = (0..10_000).filter(|user| {
        let request = Request::get("/").header("x-user-id", &user.to_string());
        let found = table.matcher.find(&request.view());
        assert_eq!(found, table.matcher.find(&request.clone().host("other").view()));
        matches!(found, Found::Route { route, .. } if route.0 == 0)
    });
    let taken = taken.count();
    assert!((900..1100).contains(&taken), "{taken} of 10,000 users");
    let by_address: Vec<String> = (0..=255)
        .map(|last| table.find(&Request { client_ip: Ipv4Addr::new(10, 0, 0, last).into(), ..Request::get("/") }))
        .collect();
    assert!(by_address.iter().any(|name| name == "canary"));
    assert!(by_address.iter().any(|name| name == "stable"));
}

#[test]
fn strip_path_takes_off_the_literal_part() {
    for (path, request, expected) in [
        ("/api", "/api/x", 4),
        ("/api", "/api", 4),
        ("/", "/x", 0),
        ("/api/*", "/api/x", 5),
        ("/api/v*/x", "/api/v1/x", 6),
        ("=/api", "/api", 0),
        ("~/api.*", "/api/x", 0),
    ] {
        let table = Table::new([("r", route(vec![on(path)]))]);
        let found = table.matcher.find(&Request::get(request).view());
        assert_eq!(found, Found::Route { route: super::super::RouteIndex(0), prefix: expected }, "{path}");
    }
}

#[test]
fn paths_of_rules_are_normalised_like_those_of_requests() {
    let table = Table::new([("r", route(vec![on("=/caf\u{e9}/%7ex")])), ("p", route(vec![on("/a/../b")]))]);
    assert_eq!(table.find(&Request::get("/caf%C3%A9/~x")), "r");
    assert_eq!(table.find(&Request::get("/b/c")), "p");
}

#[test]
fn a_pattern_that_cannot_be_built_is_named() {
    for (pattern, word) in [("(", "cannot be read"), ("(a{1000}){1000}", "bytes when built")] {
        let key = ObjectKey::new("default", "r");
        let error = Matcher::new([(&key, &route(vec![on(&format!("~{pattern}"))]))]).unwrap_err();
        assert_eq!(error.route, key);
        assert!(error.message.contains(word), "{error}");
    }
}
