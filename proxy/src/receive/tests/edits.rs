//! After any sequence of tables a snapshot is what one is that is built from the last table alone.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::{PoolRuntime, RouteRuntime, Snapshot};
use super::*;

/// Small enough that references meet what they name.
type Names = BTreeMap<u8, u8>;

#[derive(Clone, Debug, Default)]
struct Content {
    /// A Rule's number and a number that says where it goes and what it matches.
    routes: Names,
    pools: Names,
    targets: Names,
    endpoints: Names,
}

fn content() -> impl Strategy<Value = Content> {
    let names = || proptest::collection::btree_map(0..6_u8, 0..12_u8, 0..6);
    (names(), names(), names(), names()).prop_map(|(routes, pools, targets, endpoints)| Content {
        routes,
        pools,
        targets,
        endpoints,
    })
}

/// Mostly small steps, so that most entries are those of the table before.
fn steps() -> impl Strategy<Value = Vec<Content>> {
    let step = (content(), 0..5_u8);
    (content(), proptest::collection::vec(step, 1..12)).prop_map(|(first, steps)| {
        let mut all = vec![first];
        for (new, which) in steps {
            let last = all.last().cloned().unwrap_or_default();
            all.push(match which {
                0 => Content { routes: new.routes, ..last },
                1 => Content { pools: new.pools, ..last },
                2 => Content { targets: new.targets, ..last },
                3 => Content { endpoints: new.endpoints, ..last },
                _ => new,
            });
        }
        all
    })
}

fn inline(rule: u8, number: u8) -> Value {
    let key = format!("n/r{rule}[0]");
    json!({ "inline": {
        "pool": {
            "algorithm": "RoundRobin",
            "levels": [{ "priority": 1, "members": [{ "target": key, "weight": 100 }] }],
        },
        "targets": [[key, target(number)]],
    } })
}

fn target(number: u8) -> Value {
    json!({ "host": format!("h{}", number / 2), "port": 80, "discovered": number % 2 == 1, "protocol": "HTTP" })
}

fn table(version: usize, content: &Content) -> Table {
    let entries = |kind: &str, names: &Names, entry: &dyn Fn(u8, u8) -> Value| -> Value {
        let named = names.iter().map(|(name, number)| (format!("n/{kind}{name}"), entry(*name, *number)));
        Value::Object(named.collect())
    };
    let route = |name: u8, number: u8| {
        let path = if number == 11 {
            json!({ "RegularExpression": "/(\\pL{50}){50}" })
        } else {
            json!({ "Prefix": format!("/{}", number % 3) })
        };
        let backend = match number % 3 {
            0 => inline(name, number),
            _ => json!({ "pool": format!("n/p{}", number / 2) }),
        };
        json!({ "matches": [{ "path": path }], "bufferSize": 1, "backend": backend })
    };
    let pool = |_, number: u8| {
        let members = [number % 6, (number + 1) % 6].map(|at| json!({ "target": format!("n/t{at}"), "weight": 50 }));
        json!({ "algorithm": "Random", "levels": [{ "priority": 1, "members": members }] })
    };
    let addresses = |_, number: u8| {
        let listed: Vec<Value> = (0..number % 4).map(|at| json!({ "address": format!("10.0.0.{at}:80") })).collect();
        json!({ "addresses": listed })
    };
    let mut endpoints = entries("t", &content.endpoints, &addresses);
    // Those of Targets written in place.
    for (name, number) in &content.endpoints {
        endpoints[format!("n/r{name}[0]")] = addresses(*name, *number);
    }
    serde_json::from_value(json!({
        "version": version,
        "routes": entries("r", &content.routes, &route),
        "pools": entries("p", &content.pools, &pool),
        "targets": entries("t", &content.targets, &|_, number| target(number)),
        "endpoints": endpoints,
    }))
    .unwrap()
}

/// All that a pool leads to.
fn pool_text(pool: &PoolRuntime) -> String {
    let member = |member: &super::super::MemberRuntime| {
        let reach = member.reach.as_ref().map(|reach| (&reach.endpoint.target.host, reach.endpoint.address));
        format!("{} {reach:?}", member.target)
    };
    let members: Vec<String> = pool.members().iter().map(member).collect();
    format!("{} {:?} {members:?}", pool.key, pool.pool)
}

fn route_text(route: &Arc<RouteRuntime>) -> String {
    format!("{} {:?} {:?}", route.key, route.route, route.pool.as_deref().map(pool_text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_snapshot_is_what_its_table_says(steps in steps()) {
        let current = Current::default();
        let mut before: Arc<Snapshot> = current.load();
        for (version, content) in steps.iter().enumerate() {
            let table = Arc::new(table(version, content));
            let refused = current.apply(Arc::clone(&table));
            let now = current.load();
            // What is refused is as it was, all else as the table says.
            let refused: BTreeSet<ObjectKey> = refused.into_iter().map(|refusal| refusal.id.key).collect();
            for (key, route) in &table.routes {
                if refused.contains(key) {
                    prop_assert_eq!(now.table.routes.get(key), before.table.routes.get(key));
                } else {
                    prop_assert_eq!(now.table.routes.get(key), Some(route));
                }
            }
            let (fresh, none) = Snapshot::build(Arc::clone(&now.table), &Snapshot::default());
            prop_assert_eq!(none, []);
            prop_assert_eq!(now.routes().map(route_text).collect::<Vec<_>>(), fresh.routes().map(route_text).collect::<Vec<_>>());
            let pools = |snapshot: &Snapshot| snapshot.pools().map(|pool| pool_text(pool)).collect::<Vec<_>>();
            prop_assert_eq!(pools(&now), pools(&fresh));
            // Numbers name their routes, and one that stays keeps its own.
            let mut numbers = BTreeSet::new();
            for (index, route) in now.numbered() {
                prop_assert!(numbers.insert(index));
                prop_assert_eq!(&now.route(index).unwrap().key, &route.key);
                if let Some((was, _)) = before.numbered().find(|(_, other)| other.key == route.key) {
                    prop_assert_eq!(was, index);
                }
            }
            // What is the same is shared.
            let (again, _) = Snapshot::build(Arc::clone(&now.table), &now);
            prop_assert!(again.routes().zip(now.routes()).all(|(again, now)| Arc::ptr_eq(again, now)));
            // The links that nobody leads to any more are told so, and no others.
            let links = |snapshot: &Snapshot| -> BTreeMap<_, _> {
                let reaches = snapshot.pools().flat_map(|pool| pool.members()).filter_map(|member| member.reach.as_ref());
                reaches.map(|reach| (format!("{:?}", reach.link.id()), Arc::clone(&reach.link))).collect()
            };
            let (was, is) = (links(&before), links(&now));
            for (id, link) in was.iter().chain(&is) {
                prop_assert_eq!(link.is_retired(), !is.contains_key(id));
                prop_assert!(!link.is_leaving() || link.is_retired());
            }
            before = now;
        }
    }
}
