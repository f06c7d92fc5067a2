//! Manifests that change while requests are under way.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sluicegate_tests::client::get;
use sluicegate_tests::manifests::{all_to, rule};
use sluicegate_tests::{Client, Gate, Origin, Setup, until};

#[test]
fn a_hundred_edits_under_load_fail_no_request_and_none_is_served_by_half_an_edit() {
    // One edit changes two things together: a header of the Rule and the Target it names. Both hold the edit's number.
    let origin = Origin::start(|request| {
        let [path, header] = [request.target(), request.field("x-edit").unwrap_or_default()];
        sluicegate_tests::origin::ok(format!("{path} {header}"))
    });
    let manifests = |edit: usize| {
        rule(
            "all",
            &format!(
                "targets: [{{url: \"http://127.0.0.1:{}/{edit}\"}}]\nrequestHeaders: {{set: {{x-edit: '{edit}'}}}}",
                origin.port()
            ),
        ) + &sluicegate_tests::manifests::target(
            "other",
            origin.port(),
            &format!("path: /{edit}\nheaders: {{x-edit: '{edit}'}}"),
        ) + &sluicegate_tests::manifests::upstream("other", &["other"], "")
            + &rule("other", "matches: [{path: {value: /pool}}]\nupstream: other")
    };
    let gate = Gate::start(&manifests(0));
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..4)
        .map(|thread| {
            let (stop, served, listen) = (Arc::clone(&stop), Arc::clone(&served), gate.listen);
            std::thread::spawn(move || {
                let mut client = Client::connect(listen);
                let mut newest = 0;
                while !stop.load(Ordering::SeqCst) {
                    let answer = client.get(if thread % 2 == 0 { "/inline" } else { "/pool" });
                    assert_eq!(answer.status(), 200, "{answer:?}");
                    let text = answer.text();
                    let (path, header) = text.split_once(' ').unwrap();
                    let edit = path.trim_start_matches('/').split('/').next().unwrap();
                    assert_eq!(edit, header, "half an edit");
                    let edit: usize = edit.parse().unwrap();
                    assert!(edit >= newest, "{edit} after {newest}");
                    newest = edit;
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for edit in 1..=100 {
        gate.write("manifests.yaml", &manifests(edit));
        until("the edit is in force", || gate.get("/inline").text().ends_with(&format!(" {edit}")).then_some(()));
    }
    stop.store(true, Ordering::SeqCst);
    for thread in load {
        thread.join().unwrap();
    }
    assert!(served.load(Ordering::SeqCst) > 100);
}

#[test]
fn a_new_file_a_changed_one_and_a_removed_one_are_noticed() {
    let [one, two] = ["one", "two"].map(Origin::text);
    let gate = Gate::start(&all_to(one.port(), ""));
    let extra = |origin: &Origin| {
        rule(
            "extra",
            &format!(
                "matches: [{{path: {{value: /extra}}}}]\ntargets: [{{url: 'http://127.0.0.1:{}'}}]",
                origin.port()
            ),
        )
    };
    gate.write("extra.yaml", &extra(&two));
    gate.until("the new file is served", "/extra", |answer| answer.text() == "two");
    std::fs::write(gate.folder().join("extra.yaml"), extra(&one)).unwrap();
    gate.until("a file written in place is noticed", "/extra", |answer| answer.text() == "one");
    gate.write("extra.yaml", &extra(&two));
    gate.until("and changed back", "/extra", |answer| answer.text() == "two");
    std::fs::remove_file(gate.folder().join("extra.yaml")).unwrap();
    gate.until("the removed file is noticed", "/extra", |answer| answer.text() == "one");
}

#[test]
fn the_symlink_swap_of_a_mounted_config_map_is_noticed() {
    let [one, two] = ["one", "two"].map(Origin::text);
    let gate = Gate::start(&rule("base", "matches: [{path: {value: /base}}]\ntargets: [{url: 'http://127.0.0.1:1'}]"));
    let folder = gate.folder();
    let version = |name: &str, origin: &Origin| {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(
            folder.join(name).join("rule.yaml"),
            rule("mounted", &format!("targets: [{{url: 'http://127.0.0.1:{}'}}]", origin.port())),
        )
        .unwrap();
        symlink(name, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    version("..2026_01", &one);
    symlink("..data/rule.yaml", folder.join("rule.yaml")).unwrap();
    gate.until("the mounted file is served", "/", |answer| answer.text() == "one");
    version("..2026_02", &two);
    std::fs::remove_dir_all(folder.join("..2026_01")).unwrap();
    gate.until("the swap is noticed", "/", |answer| answer.text() == "two");
}

#[test]
fn a_bad_edit_keeps_the_last_good_version_and_is_named() {
    let [one, two] = ["one", "two"].map(Origin::text);
    let gate = Gate::start(&all_to(one.port(), ""));
    gate.write("manifests.yaml", &all_to(one.port(), "nonsense: true"));
    until("the refusal is reported", || gate.output().contains("nonsense").then_some(()));
    assert_eq!(gate.get("/").text(), "one");
    gate.write("manifests.yaml", "kind: [broken");
    until("the broken file is reported", || gate.output().contains("manifests.yaml").then_some(()));
    assert_eq!(gate.get("/").text(), "one");
    gate.write("manifests.yaml", &all_to(two.port(), ""));
    gate.until("a good edit takes over", "/", |answer| answer.text() == "two");
}

#[test]
fn one_bad_file_among_good_ones_is_named_and_the_rest_is_served() {
    let origin = Origin::text("served");
    let gate = Setup::new(&all_to(origin.port(), ""))
        .file("broken.yaml", "kind: Rule\n  spec: {")
        .file("refused.yaml", &rule("refused", "upsteam: typo"))
        .start();
    assert_eq!(gate.get("/").text(), "served");
    until("both are named", || {
        let output = gate.output();
        (output.contains("broken.yaml") && output.contains("upsteam")).then_some(())
    });
}

#[test]
fn a_rule_that_is_switched_off_takes_nothing() {
    let [one, two] = ["one", "two"].map(Origin::text);
    let both = |active: bool| {
        all_to(one.port(), "")
            + &rule(
                "special",
                &format!(
                    "active: {active}\nmatches: [{{path: {{value: /special}}}}]\ntargets: [{{url: 'http://127.0.0.1:{}'}}]",
                    two.port()
                ),
            )
    };
    let gate = Gate::start(&both(true));
    assert_eq!(gate.get("/special").text(), "two");
    gate.write("manifests.yaml", &both(false));
    gate.until("the rule is off", "/special", |answer| answer.text() == "one");
}

#[test]
fn an_edit_cuts_off_no_answer_that_is_under_way() {
    let hold = Arc::new(std::sync::Barrier::new(2));
    let held = Arc::clone(&hold);
    let old = Origin::scripted(move |wire, request| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nbeg")?;
        if request.target() == "/held" {
            held.wait();
        }
        wire.send("end")
    });
    let new = Origin::text("new");
    let gate = Gate::start(&all_to(old.port(), ""));
    let mut client = gate.client();
    client.send(get("/held"));
    old.until_requests(1);
    gate.write("manifests.yaml", &all_to(new.port(), ""));
    gate.until("the edit is in force", "/", |answer| answer.text() == "new");
    hold.wait();
    assert_eq!(client.answer().text(), "begend");
}

#[test]
fn settings_that_wait_for_a_restart_are_named() {
    let [one, two] = ["one", "two"].map(Origin::text);
    let gate = Setup::new(&all_to(one.port(), "")).configuration("accessLog: {sample: 0}").start();
    let file = gate.folder().join("sluicegate.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    let told = |what: &str| until(what, || gate.output().contains(what).then_some(()));
    let waits = || gate.count("sluicegate_config_restart_needed ");
    assert_eq!(waits(), 0);
    let edited = before.replace("sample: 0", "sample: 1") + "limits: {idleTimeout: 5s}\n";
    gate.write("sluicegate.yaml", &edited);
    told("sluicegate.yaml changed; to take effect at the next start: accessLog.sample, limits.idleTimeout\n");
    assert_eq!(waits(), 1);
    gate.write("sluicegate.yaml", &(edited + "lisseners: []\n"));
    told("the next start would fail:\n");
    told("lisseners");
    gate.write("sluicegate.yaml", &before);
    told("says what is in force again");
    assert_eq!(waits(), 0);
    // Comments are no settings, and manifests are none either.
    gate.write("sluicegate.yaml", &format!("# a comment\n{before}"));
    gate.write("manifests.yaml", &all_to(two.port(), ""));
    gate.until("an edit is in force", "/", |answer| answer.text() == "two");
    assert_eq!(gate.output().matches("to take effect at the next start").count(), 1, "{}", gate.output());
}
