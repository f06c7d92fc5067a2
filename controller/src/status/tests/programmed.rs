//! `Programmed`: the proxies' own word, neither more nor less.

use sluicegate_crds::status::{ConditionType, Reason};

use super::fixture::{Fixture, accepted, after, entry, refusal, refused, rule, version};

const IN_USE: &str = "True Programmed: every ready proxy has this generation in use";

#[tokio::test(start_paused = true)]
async fn it_is_true_once_every_ready_proxy_has_it_in_use() {
    let mut cluster = Fixture::new(&["a", "b", "c"]);
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    cluster.applies("b");
    after(1_000).await;
    assert_eq!(cluster.writes(), 0, "the third may still speak");
    after(1_000).await;
    assert_eq!(cluster.programmed(&rule("api")), "False Pending: 2/3 proxies");
    cluster.applies("c");
    after(1_500).await;
    assert_eq!(cluster.programmed(&rule("api")), IN_USE);
    assert_eq!(cluster.writes(), 2);
    assert_eq!(cluster.events(), ["Programmed"]);
}

#[tokio::test(start_paused = true)]
async fn an_edit_makes_it_false_only_where_a_proxy_does_not_follow() {
    let mut cluster = Fixture::new(&["a", "b"]);
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    cluster.applies("b");
    after(500).await;
    assert_eq!(cluster.programmed(&rule("api")), IN_USE);
    cluster.object(&rule("api"), 2);
    cluster.say([(rule("api"), accepted(2))]);
    cluster.applies("a");
    cluster.applies("b");
    after(500).await;
    assert_eq!((cluster.programmed(&rule("api")).as_str(), cluster.writes()), (IN_USE, 2));
    // A proxy that is gone without its pod being so: what it had counts, what is new it does not have.
    cluster.lost("b");
    after(60_000).await;
    assert_eq!((cluster.programmed(&rule("api")).as_str(), cluster.writes()), (IN_USE, 2));
    cluster.object(&rule("api"), 3);
    cluster.say([(rule("api"), accepted(3))]);
    cluster.applies("a");
    after(2_000).await;
    assert_eq!(cluster.programmed(&rule("api")), "False Pending: 1/2 proxies");
    // Once its pod is not ready any more, it is not waited for.
    cluster.ready(&["a"]);
    after(2_000).await;
    assert_eq!(cluster.programmed(&rule("api")), IN_USE);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_shows_its_reason_until_it_is_mended() {
    let mut cluster = Fixture::new(&["a", "b"]);
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    cluster.reports("a", |report| report.refused = vec![refusal(&rule("api"), "unknown field `cache`")]);
    cluster.applies("b");
    after(300).await;
    let expected = "False RefusedByProxy: 1/2 proxies; refused: unknown field `cache`";
    assert_eq!(cluster.programmed(&rule("api")), expected);
    assert_eq!(cluster.shown(&rule("api"), ConditionType::Accepted), "True Accepted: as compile says");
    assert_eq!(cluster.events(), ["!RefusedByProxy"]);
    // A refusal of an earlier version says nothing of the next.
    cluster.object(&rule("api"), 2);
    cluster.say([(rule("api"), accepted(2))]);
    cluster.applies("b");
    after(2_000).await;
    assert_eq!(cluster.programmed(&rule("api")), "False Pending: 1/2 proxies");
    cluster.applies("a");
    after(2_000).await;
    assert_eq!(cluster.programmed(&rule("api")), IN_USE);
    assert_eq!(cluster.events(), ["Programmed"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_object_says_what_the_proxies_have_of_it() {
    let invalid = Reason::UnsupportedValue;
    let cases: [(&str, &[&str], &str); 3] = [
        ("all", &[], "False Invalid: this generation is refused; the last valid version stays in force"),
        ("none", &["a", "b"], "False Invalid: this generation is refused; no valid version is in force"),
        (
            "some",
            &["b"],
            "False Invalid: this generation is refused; the last valid version stays in force in 1 of 2 proxies, \
             the others have none",
        ),
    ];
    for (name, missing, expected) in cases {
        let mut cluster = Fixture::new(&["a", "b"]);
        cluster.object(&rule(name), 1);
        cluster.published.keep.insert(entry(&rule(name)));
        cluster.say([(rule(name), refused(1, invalid))]);
        for proxy in ["a", "b"] {
            let lacks = missing.contains(&proxy);
            cluster.reports(proxy, |report| report.missing = lacks.then(|| entry(&rule(name))).into_iter().collect());
        }
        after(300).await;
        assert_eq!(cluster.programmed(&rule(name)), expected, "{name}");
        assert_eq!(cluster.writes(), 1, "{name}");
        assert_eq!(cluster.events(), ["!UnsupportedValue"], "{name}");
        // Mended, it is in use, and says so once more.
        cluster.object(&rule(name), 2);
        cluster.published.keep.clear();
        cluster.say([(rule(name), accepted(2))]);
        cluster.applies("a");
        cluster.applies("b");
        after(300).await;
        assert_eq!(cluster.programmed(&rule(name)), IN_USE, "{name}");
        assert_eq!(cluster.events(), ["Accepted", "ResolvedRefs", "Programmed"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_scale_event_of_the_proxies_writes_nothing() {
    let mut cluster = Fixture::new(&["a", "b"]);
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    cluster.applies("b");
    after(500).await;
    assert_eq!(cluster.writes(), 1);
    // One that joins may be seen to be ready before it is heard.
    cluster.ready(&["a", "b", "c"]);
    after(5_000).await;
    cluster.applies("c");
    after(60_000).await;
    cluster.ready(&["c"]);
    after(60_000).await;
    cluster.ready(&[]);
    after(60_000).await;
    cluster.ready(&["d"]);
    cluster.applies("d");
    after(60_000).await;
    assert_eq!((cluster.programmed(&rule("api")).as_str(), cluster.writes()), (IN_USE, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_proxy_nothing_is_programmed() {
    let mut cluster = Fixture::new(&[]);
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    after(2_000).await;
    assert_eq!(cluster.programmed(&rule("api")), "False Pending: no proxy is ready");
    cluster.ready(&["a"]);
    cluster.applies("a");
    after(2_000).await;
    assert_eq!(cluster.programmed(&rule("api")), IN_USE);
}

#[tokio::test(start_paused = true)]
async fn a_new_controller_takes_nothing_back_before_the_proxies_have_spoken() {
    let mut cluster = Fixture::new(&["a", "b"]);
    let objects: Vec<_> = (0..50).map(|number| rule(&format!("rule-{number}"))).collect();
    for id in &objects {
        cluster.object(id, 1);
    }
    cluster.say(objects.iter().map(|id| (id.clone(), accepted(1))));
    cluster.applies("a");
    cluster.reports("b", |report| report.refused = vec![refusal(&objects[7], "too long")]);
    after(2_000).await;
    assert_eq!(cluster.writes(), 50);

    let mut cluster = cluster.restarted(&["a", "b"]);
    cluster.say(objects.iter().map(|id| (id.clone(), accepted(1))));
    // What a proxy reports of another controller's versions says nothing.
    cluster.reports("a", |report| report.applied = Some(version("first", 900)));
    after(5_000).await;
    cluster.applies("a");
    after(5_000).await;
    cluster.reports("b", |report| report.refused = vec![refusal(&objects[7], "too long")]);
    after(120_000).await;
    assert_eq!(cluster.writes(), 50, "nothing has changed");
    assert_eq!(cluster.events().len(), 50, "and nothing has happened since the first statuses");

    // A proxy that stays silent counts in the end.
    let mut cluster = cluster.restarted(&["a", "b"]);
    cluster.say(objects.iter().map(|id| (id.clone(), accepted(1))));
    cluster.applies("a");
    after(29_000).await;
    assert_eq!(cluster.writes(), 50);
    after(8_000).await;
    assert_eq!(cluster.programmed(&objects[0]), "False Pending: 1/2 proxies");
    assert_eq!(cluster.writes(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_was_edited_while_no_controller_led_is_not_said_to_be_in_use() {
    let mut cluster = Fixture::new(&["a"]);
    cluster.object(&rule("api"), 1);
    cluster.say([(rule("api"), accepted(1))]);
    cluster.applies("a");
    after(500).await;
    cluster.object(&rule("api"), 2);
    let mut cluster = cluster.restarted(&["a"]);
    cluster.say([(rule("api"), accepted(2))]);
    after(2_000).await;
    assert_eq!(cluster.programmed(&rule("api")), "False Pending: 0/1 proxy");
}
