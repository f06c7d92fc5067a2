#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::super::tests::*;
use super::*;

fn numbered(routes: &[(ObjectKey, Route)]) -> impl Iterator<Item = (RouteIndex, &ObjectKey, &Route)> {
    (0..).zip(routes).map(|(index, (key, route))| (RouteIndex(index), key, route))
}

fn explained(table: &Table, request: &Request) -> Vec<String> {
    table.matcher.explain(numbered(&table.routes), &request.view()).iter().map(ToString::to_string).collect()
}

#[test]
fn each_route_says_why() {
    let table = Table::new([
        ("exact", route(vec![on("=/api/y"), on("~/z[0-9]")])),
        ("host", hosts(&["*.other.com", "x.com"], route(vec![on("/")]))),
        ("model", route(vec![models(&["gpt-4", "o*"], on("/api/x"))])),
        ("header", route(vec![header("x-a", "1", on("/api"))])),
        ("secret", route(vec![header("authorization", "1", on("/api"))])),
        ("method", route(vec![methods(&["GET", "PUT"], on("/api"))])),
        ("query", route(vec![query("v", "2", on("/api"))])),
        ("tier", route(vec![tiers(&["gold"], on("/api"))])),
        ("segment", route(vec![segments(&["beta"], on("/api"))])),
        ("length", route(vec![length(5, 10, on("/api"))])),
        ("share", share(0, route(vec![on("/api")]))),
        ("taken", route(vec![on("/q"), on("/api")])),
        ("behind", route(vec![on("/*")])),
    ]);
    let request = Request::post("/api/x?v=%33")
        .length(3)
        .header("x-a", "2")
        .header("authorization", "Bearer key")
        .header("x-user-tier", "free")
        .body(Some("claude"));
    let mut lines = explained(&table, &request);
    let draw = lines.iter_mut().find(|line| line.contains("default/share")).unwrap();
    *draw = draw.split_once("draw is").unwrap().0.to_owned();
    assert_eq!(
        lines,
        [
            "default/exact: path /api/x is not /api/y; path /api/x does not match `/z[0-9]`",
            "default/model: model `claude` is not among gpt-4, o*",
            "default/method: method POST is not among GET, PUT",
            "default/header: header x-a is `2`, not `1`",
            "default/length: content length 3 is less than 5",
            "default/secret: header authorization is `(hidden)`, not `1`",
            "default/segment: userSegment (header x-user-segment) is missing, and one of beta is wanted",
            "default/tier: userTier (header x-user-tier) is `free`, not one of gold",
            "default/query: query parameter v is `3`, not `2`",
            "default/share: trafficPercent 0: this user's ",
            "default/taken: takes the request by matches[1]",
            "default/behind: matches by matches[0], but a rule before it takes the request",
            "default/host: hostnames [*.other.com, x.com] do not include example.com",
        ]
    );
}

#[test]
fn what_depends_on_the_body_says_so() {
    let table = Table::new([
        ("model", route(vec![models(&["gpt-4"], on("/api"))])),
        ("plain", route(vec![on("/api")])),
        ("late", route(vec![models(&["gpt-4"], on("/"))])),
    ]);
    assert_eq!(
        explained(&table, &Request::post("/api")),
        [
            "default/model: takes the request by matches[0] if the body names one of its models",
            "default/plain: takes the request by matches[0] unless the body gives it to a rule before it",
            "default/late: the body names no model, and model is one of gpt-4",
        ]
    );
}

#[test]
fn verdicts_are_data_too() {
    let table = Table::new([("a", route(vec![on("/api/*")])), ("b", route(vec![methods(&["PUT"], on("=/x"))]))]);
    let verdicts = table.matcher.explain(numbered(&table.routes), &Request::get("/api/x").view());
    assert_eq!(
        serde_json::to_value(verdicts).unwrap(),
        serde_json::json!([
            {"route": "default/b", "outcome": "no", "because": [
                {"condition": "path", "path": "/api/x", "wanted": {"Exact": "/x"}},
            ]},
            {"route": "default/a", "outcome": "takes", "byMatch": 0, "prefix": "/api/"},
        ])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_verdicts_agree_with_the_matcher(
        routes in against_reference::routes(),
        requests in proptest::collection::vec(against_reference::request(), 5),
    ) {
        let matcher = Matcher::new(routes.iter().map(|(key, route)| (key, route))).unwrap();
        for request in requests {
            let verdicts = matcher.explain(numbered(&routes), &request.view());
            prop_assert_eq!(verdicts.len(), routes.len());
            let takers: Vec<_> =
                verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Takes { .. })).collect();
            let depend = verdicts.iter().any(|verdict| matches!(verdict.outcome, Outcome::DependsOnBody { .. }));
            let behind = verdicts.iter().position(|verdict| matches!(verdict.outcome, Outcome::Behind { .. }));
            match matcher.find(&request.view()) {
                Found::Route { route, .. } => {
                    prop_assert_eq!(takers.len(), 1);
                    prop_assert_eq!(&takers[0].route, &routes[route.0 as usize].0);
                    prop_assert!(!depend);
                    let taker = verdicts.iter().position(|verdict| verdict == takers[0]).unwrap();
                    prop_assert!(behind.is_none_or(|behind| behind > taker));
                }
                Found::NeedsBody { .. } => prop_assert!(takers.is_empty() && depend),
                Found::MethodNotAllowed(_) | Found::NoRoute => {
                    prop_assert!(takers.is_empty() && !depend && behind.is_none());
                }
            }
        }
    }
}
