//! Which of two matching routes wins. Each pair is asked in both orders of names, so that the names do not decide.

use super::*;

fn winner(better: &Route, worse: &Route, request: &Request) {
    for (better_name, worse_name) in [("a", "b"), ("b", "a")] {
        let table = Table::new([(better_name, better.clone()), (worse_name, worse.clone())]);
        assert_eq!(table.find(request), better_name, "{better:#?}\nshould win over {worse:#?}");
        let alone = Table::new([(worse_name, worse.clone())]);
        assert_eq!(alone.find(request), worse_name, "{worse:#?}\ndoes not match alone");
    }
}

#[test]
fn paths_in_order() {
    let request = Request::get("/api/v1/users");
    let order = [
        "=/api/v1/users",
        "~/api/v[0-9]+/users",
        "~/api/.*",
        "/api/v1/users",
        "/api/v1/u*",
        "/api/v1/*",
        "/api/v1",
        "/api/*/users",
        "/api/*/u*",
        "/api/*",
        "/api",
        "/*/v1/*",
        "/",
    ];
    for (at, better) in order.iter().enumerate() {
        for worse in &order[at + 1..] {
            winner(&route(vec![on(better)]), &route(vec![on(worse)]), &request);
        }
    }
}

#[test]
fn conditions_in_order() {
    let request = Request::post("/p?a=1&b=2")
        .length(10)
        .header("x-a", "1")
        .header("x-b", "2")
        .header("x-user-tier", "gold")
        .header("x-user-segment", "beta, staff")
        .body(Some("gpt-4"));
    let plain = || on("/p");
    let order = [
        methods(&["POST"], header("x-a", "1", plain())),
        methods(&["PUT", "POST"], plain()),
        header("x-a", "1", header("x-b", "2", query("a", "1", plain()))),
        header("x-a", "1", header("x-b", "2", plain())),
        header("x-a", "1", query("a", "1", query("b", "2", plain()))),
        header("x-a", "1", query("a", "1", plain())),
        header("x-a", "1", plain()),
        query("a", "1", query("b", "2", plain())),
        query("a", "1", plain()),
        plain(),
    ];
    for (at, better) in order.iter().enumerate() {
        for worse in &order[at + 1..] {
            winner(&route(vec![better.clone()]), &route(vec![worse.clone()]), &request);
        }
    }
    // The content conditions count like one header each.
    let header_and_query = header("x-a", "1", query("a", "1", plain()));
    for one in [
        tiers(&["gold", "silver"], plain()),
        segments(&["staff"], plain()),
        length(1, 10, plain()),
        models(&["gpt-*"], plain()),
    ] {
        winner(&route(vec![header_and_query.clone()]), &route(vec![one.clone()]), &request);
        winner(&route(vec![one.clone()]), &route(vec![query("a", "1", plain())]), &request);
        winner(&route(vec![header("x-a", "1", one)]), &route(vec![header_and_query.clone()]), &request);
    }
}

#[test]
fn hosts_come_before_paths_and_fall_through() {
    let request = Request::get("/p").host("x.a.example.com");
    let order = ["x.a.example.com", "*.a.example.com", "*.example.com", "*.com"];
    for (at, better) in order.iter().enumerate() {
        for worse in &order[at + 1..] {
            winner(
                &hosts(&[better], route(vec![on("/")])),
                &hosts(&[worse], route(vec![methods(&["GET"], on("=/p"))])),
                &request,
            );
        }
        winner(&hosts(&[better], route(vec![on("/")])), &route(vec![on("=/p")]), &request);
    }
    let table = Table::new([
        ("exact", hosts(&["x.a.example.com"], route(vec![header("x-a", "1", on("/"))]))),
        ("wildcard", hosts(&["*.example.com", "example.com"], route(vec![on("/q")]))),
        ("any", route(vec![on("/")])),
    ]);
    assert_eq!(table.find(&Request::get("/p").host("x.a.example.com")), "any");
    assert_eq!(table.find(&Request::get("/q").host("x.a.example.com")), "wildcard");
    assert_eq!(table.find(&Request::get("/q").host("example.com")), "wildcard");
    assert_eq!(table.find(&Request::get("/q").host("x.a.example.com").header("x-a", "1")), "exact");
    assert_eq!(table.find(&Request::get("/q").host("")), "any");
}

#[test]
fn then_the_older_then_the_name_then_the_earlier_match() {
    let request = Request::get("/p/x");
    let older = route(vec![on("/p")]);
    let newer = Route { created: 5, ..older.clone() };
    winner(&older, &newer, &request);
    let table = Table::new([("b", older.clone()), ("a", older.clone())]);
    assert_eq!(table.find(&request), "a");

    let table = Table::new([("a", route(vec![header("x-a", "1", on("/p")), on("/p/x"), on("/p")]))]);
    let Found::Route { prefix, .. } = table.matcher.find(&request.view()) else { panic!("no route") };
    assert_eq!(prefix, 4, "the longer prefix is the one that matched");
}
