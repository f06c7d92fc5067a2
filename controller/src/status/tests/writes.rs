//! How often a status is written, and when not.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use sluicegate_crds::status::{ConditionType, Reason};
use tokio::time::Instant;

use super::fixture::{Fixture, accepted, after, refused, rule, unresolved};
use crate::lead::Standing;
use crate::status::Status;

#[tokio::test(start_paused = true)]
async fn a_thousand_new_rules_cost_a_write_each() {
    let mut cluster = Fixture::new(&["a", "b"]);
    let rules: Vec<_> = (0..1_000).map(|number| rule(&format!("rule-{number}"))).collect();
    for id in &rules {
        cluster.object(id, 1);
        cluster.say([(id.clone(), accepted(1))]);
        after(2).await;
        cluster.applies("a");
        cluster.applies("b");
    }
    let created = Instant::now();
    while rules.iter().any(|id| !cluster.programmed(id).starts_with("True")) {
        after(10).await;
        assert!(created.elapsed() < Duration::from_secs(3), "{} were written", cluster.writes());
    }
    after(600_000).await;
    assert_eq!(cluster.writes(), 1_000, "a quiet cluster costs none");
    assert!(cluster.server.lock().most_at_once <= 24);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_comes_with_others_is_written_once() {
    let mut cluster = Fixture::new(&["a"]);
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), unresolved(1, Reason::BackendNotFound))]);
    cluster.applies("a");
    after(20).await;
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    after(2_000).await;
    assert_eq!((cluster.writes(), cluster.events()), (1, vec!["Programmed".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn others_conditions_stay_and_transitions_are_dated_once() {
    let mut cluster = Fixture::new(&["a"]);
    let other = |type_: &str| Condition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: "Audited".to_owned(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    };
    cluster.object(&rule("api"), 1);
    let long_ago = Timestamp::from_second(1_000_000).unwrap();
    {
        let mut server = cluster.server.lock();
        for objects in [0, 1] {
            let objects = if objects == 0 { &mut server.objects } else { &mut server.watched };
            let Status::Rule(status) = &mut objects.get_mut(&rule("api")).unwrap().status else { panic!() };
            let accepted =
                Condition { type_: "Accepted".to_owned(), last_transition_time: Time(long_ago), ..other("Accepted") };
            status.conditions = vec![other("Audited"), accepted, other("PartiallyInvalid"), other("Signed")];
        }
    }
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    after(500).await;
    let server = cluster.server.lock();
    let conditions = server.objects[&rule("api")].status.conditions();
    let types: Vec<_> = conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(types, ["Audited", "Accepted", "Signed", "ResolvedRefs", "Programmed"]);
    assert_eq!(conditions[0], other("Audited"));
    assert_eq!(conditions[1].last_transition_time, Time(long_ago), "it was True before");
    assert!(conditions[3].last_transition_time > Time(long_ago));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_comes_too_late_is_compared_anew() {
    let mut cluster = Fixture::new(&["a"]);
    cluster.object(&rule("api"), 1);
    cluster.server.lock().watches_lag = true;
    // Somebody else has written meanwhile, and no watch has shown it.
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    after(500).await;
    assert!(cluster.programmed(&rule("api")).starts_with("True"));
    // The watches still show what was before all that: it is not taken for news.
    after(700_000).await;
    assert_eq!(cluster.writes(), 1);
    // With the next edit they catch up.
    cluster.server.lock().watches_lag = false;
    cluster.object(&rule("api"), 2);
    cluster.say([(rule("api"), refused(2, Reason::Invalid))]);
    cluster.applies("a");
    after(500).await;
    assert_eq!(cluster.shown(&rule("api"), ConditionType::Accepted), "False Invalid: as compile says");
    assert_eq!(cluster.writes(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_gets_the_latest_status_when_it_is_back() {
    let mut cluster = Fixture::new(&["a"]);
    cluster.server.lock().away = true;
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), refused(1, Reason::Invalid))]);
    cluster.applies("a");
    after(20_000).await;
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    after(20_000).await;
    cluster.server.lock().away = false;
    after(60_000).await;
    assert!(cluster.programmed(&rule("api")).starts_with("True"));
    assert_eq!((cluster.writes(), cluster.events()), (1, vec!["Programmed".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_told_all_the_same() {
    // What it comes to is seen by the watch, or by the conflict of the next try.
    for watches_lag in [false, true] {
        let mut cluster = Fixture::new(&["a"]);
        cluster.object(&rule("api"), 1);
        {
            let mut server = cluster.server.lock();
            (server.watches_lag, server.answers_lost) = (watches_lag, true);
        }
        cluster.say([(rule("api"), refused(1, Reason::Invalid))]);
        cluster.applies("a");
        after(3_000).await;
        cluster.server.lock().answers_lost = false;
        assert_eq!((cluster.writes(), cluster.events()), (1, vec![]));
        after(60_000).await;
        assert_eq!((cluster.writes(), cluster.events()), (1, vec!["!Invalid".to_owned()]), "{watches_lag}");
        // It is told once.
        after(600_000).await;
        assert_eq!((cluster.writes(), cluster.events()), (1, vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_writes_nothing() {
    let mut cluster = Fixture::new(&["a"]);
    let until = Instant::now() + Duration::from_secs(10);
    cluster.standing.send_replace(Standing::Leads { term: 1, until });
    // The lease runs out; nobody says so.
    after(10_000).await;
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    after(100_000).await;
    assert_eq!(cluster.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_others_did_to_a_status_is_mended() {
    let mut cluster = Fixture::new(&["a"]);
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    after(500).await;
    {
        let mut server = cluster.server.lock();
        let mut known = server.objects[&rule("api")].clone();
        known.status = Status::none(crate::objects::Kind::Rule);
        known.resource_version = "restored".to_owned();
        server.objects.insert(rule("api"), known.clone());
        server.watched.insert(rule("api"), known);
    }
    after(310_000).await;
    assert!(cluster.programmed(&rule("api")).starts_with("True"));
}
