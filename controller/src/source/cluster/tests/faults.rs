//! What becomes of the API server and of connections to it.

use std::time::Duration;

use serde_json::json;

use super::api::{Api, Fault};
use super::{Source, rule, secret, secret_text, target, upstream_of};
use crate::config::Config;

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_resumed_without_a_list() {
    let api = Api::default();
    let mut source = Source::start(&api).await;
    let lists = api.requests("/rules?&limit");
    for round in 0..5 {
        api.end_watches();
        api.put("rules", "default", "a", rule(&format!("upstream-{round}")));
        let expected = format!("upstream-{round}");
        source.until(|objects| upstream_of(objects, "a").as_deref() == Some(&expected)).await;
    }
    assert_eq!(api.requests("/rules?&limit"), lists);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_for_good_is_found_by_listing() {
    let api = Api::default();
    for name in ["kept", "edited", "deleted"] {
        api.put("rules", "default", name, rule("before"));
    }
    let mut source = Source::start(&api).await;
    api.end_watches();
    api.put("rules", "default", "edited", rule("after"));
    api.delete("rules", "default", "deleted");
    api.put("rules", "default", "created", rule("after"));
    api.compact();
    let mut changed = 0;
    while source.objects.rules.len() != 3 || upstream_of(&source.objects, "created").is_none() {
        changed += source.changes().await.len();
    }
    source.nothing_more().await;
    assert_eq!(upstream_of(&source.objects, "edited").as_deref(), Some("after"));
    assert!(upstream_of(&source.objects, "deleted").is_none());
    assert_eq!(changed, 3, "what did not change is not told again");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_comes_too_late_leads_to_a_list_without_pages() {
    let api = Api::default();
    for number in 0..5 {
        api.put("rules", "default", &format!("rule-{number}"), rule("chat"));
    }
    api.fault("/rules?&limit=500&continue=2", Fault::Status(410));
    let source = Source::start(&api).await;
    assert_eq!(source.objects.rules.len(), 5);
    assert!(source.cluster.troubles().current().is_empty());
}

#[tokio::test(start_paused = true)]
async fn away_for_long_nothing_is_lost_and_nobody_is_stormed() {
    let api = Api::default();
    api.put("rules", "default", "a", rule("before"));
    let mut source = Source::start(&api).await;
    api.set_away(true);
    let before = api.requests("/rules");
    tokio::time::sleep(Duration::from_mins(1)).await;
    let tries = api.requests("/rules") - before;
    assert!((10..40).contains(&tries), "{tries} tries in a minute");
    let troubles = source.cluster.troubles().current();
    assert!(troubles["watching Rules"].why.contains("connection refused"), "{troubles:?}");
    assert!(source.batches.try_recv().is_err(), "what is known stays");

    api.put("rules", "default", "a", rule("after"));
    api.set_away(false);
    let back = tokio::time::Instant::now();
    source.until(|objects| upstream_of(objects, "a").as_deref() == Some("after")).await;
    assert!(back.elapsed() <= Duration::from_secs(5), "{:?}", back.elapsed());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(source.cluster.troubles().current().is_empty());
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_are_not_taken_up_in_a_frenzy() {
    let api = Api::default();
    for _ in 0..50 {
        api.fault("/rules?&watch", Fault::Ends);
    }
    let mut source = Source::start(&api).await;
    api.put("rules", "default", "a", rule("one"));
    let began = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(api.requests("/rules?&watch") < 20, "{} watches", api.requests("/rules?&watch"));
    source.until(|objects| upstream_of(objects, "a").is_some()).await;
    assert!(began.elapsed() < Duration::from_mins(5));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dead_without_a_word_is_found_out() {
    let api = Api::default();
    api.fault("/rules?&watch", Fault::Silence);
    let mut source = Source::start(&api).await;
    api.put("rules", "default", "a", rule("one"));
    source.until(|objects| upstream_of(objects, "a").is_some()).await;
    assert!(api.requests("/rules?&watch") > 1);

    // A watch that was shown nothing for long is begun anew, from where it was.
    let (lists, watches) = (api.requests("/rules?&limit"), api.requests("/rules?&watch"));
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(api.requests("/rules?&watch") > watches);
    assert_eq!(api.requests("/rules?&limit"), lists);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_passed_on_before_everything_was_listed() {
    for resource in [
        "/rules?",
        "/upstreams?",
        "/targets?",
        "/services?",
        "v1/endpointslices?",
        "/secrets?",
        "/configmaps?",
        "/secrets/key",
    ] {
        let api = Api::default();
        api.put("targets", "default", "a", target("key"));
        api.put("secrets", "default", "key", secret("text"));
        for _ in 0..5 {
            api.fault(resource, Fault::Status(500));
        }
        let mut source = Source::unlisted(&api, &Config::default());
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(source.batches.try_recv().is_err(), "{resource}");
        let troubles = source.cluster.troubles().current();
        assert!(troubles.values().any(|trouble| trouble.why.contains("told to")), "{resource}: {troubles:?}");
        source.batch().await;
        assert_eq!(secret_text(&source.objects, "key").as_deref(), Some("text"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_said_with_a_remedy() {
    for (resource, code, remedy) in [
        ("/secrets?", 403, "get, list and watch on Secrets"),
        ("/rules?", 403, "list and watch on Rules"),
        ("/rules?", 404, "chart sluicegate-crds"),
        ("/rules?", 400, "objectSelector"),
    ] {
        let api = Api::default();
        for _ in 0..9 {
            api.fault(resource, Fault::Status(code));
        }
        let source = Source::unlisted(&api, &Config::default());
        tokio::time::sleep(Duration::from_millis(500)).await;
        let troubles = source.cluster.troubles().current();
        assert!(troubles.values().any(|trouble| trouble.why.contains(remedy)), "{troubles:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_refused_again_and_again_is_given_up() {
    let api = Api::default();
    let mut source = Source::start(&api).await;
    let lists = api.requests("/rules?&limit");
    for _ in 0..4 {
        api.fault("/rules?&watch", Fault::Status(504));
    }
    api.end_watches();
    api.put("rules", "default", "a", rule("one"));
    source.until(|objects| upstream_of(objects, "a").is_some()).await;
    assert!(api.requests("/rules?&limit") > lists);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_tried_again() {
    let api = Api::default();
    api.put("rules", "default", "a", json!({"spec": {"upstream": "x"}}));
    api.fault("/rules?", Fault::Nonsense);
    let source = Source::start(&api).await;
    assert_eq!(source.objects.rules.len(), 1);
}
