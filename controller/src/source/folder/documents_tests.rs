#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::super::finding::Style;
use super::*;
use crate::objects::{Candidate, SecretData};

const TARGET: &str =
    "apiVersion: sluicegate.dev/v1alpha1\nkind: Target\nmetadata: {name: one}\nspec: {host: a.example.com, port: 80}\n";

fn read(text: &str) -> Parsed {
    read_documents("a.yaml", text, &|name| (name == "KEY").then(|| "from-the-environment".to_owned()))
}

/// `field: message` of every finding.
fn said(parsed: &Parsed) -> Vec<String> {
    let field = |finding: &Finding| finding.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
    parsed.findings.iter().map(|finding| format!("{}{}", field(finding), finding.message)).collect()
}

fn underlined(parsed: &Parsed, index: usize) -> String {
    let place = parsed.findings[index].place.as_ref().unwrap();
    parsed.file.text()[place.span.clone()].to_owned()
}

#[test]
fn a_valid_object_is_typed_and_in_the_default_namespace() {
    let parsed = read(TARGET);
    assert_eq!(said(&parsed), Vec::<String>::new());
    assert_eq!(parsed.objects[0].key, ObjectKey::new("default", "one"));
    let Content::Target(Candidate::Valid(target)) = &parsed.objects[0].content else { panic!() };
    assert_eq!((target.spec.host.as_deref(), target.spec.port), (Some("a.example.com"), Some(80)));
}

#[test]
fn a_number_is_no_duration_with_quotes_either() {
    let parsed = read(
        "apiVersion: sluicegate.dev/v1alpha1\nkind: Rule\nmetadata: {name: one}\n\
         spec: {upstream: a, timeouts: {request: 30}, trafficPercent: 0.1}\n",
    );
    let hints: Vec<_> = parsed.findings.iter().map(|finding| finding.hint.as_deref()).collect();
    assert_eq!(
        hints,
        [
            Some("write a duration as 15s, 1m30s or 100ms"),
            Some("write a percentage from 0 to 100, such as 10 or \"0.1\""),
        ]
    );
}

#[test]
fn all_problems_of_an_object_are_found_at_once() {
    let parsed = read(
        "apiVersion: sluicegate.dev/v1alpha1\nkind: Target\nmetadata: {name: one, labels: {a: 1}, nmespace: x}\n\
         spec:\n  host: 010\n  port: '80'\n  protocol: http\n  headrs: {a: b}\n  tls: {caRef: {configMap: {}}}\n",
    );
    assert_eq!(
        said(&parsed),
        [
            "metadata.labels.a: must be a string, but is the number 1",
            "metadata.nmespace: unknown field \"nmespace\"",
            "spec.host: must be a string, but 010 reads as the number 8",
            "spec.port: must be a whole number, but is the string \"80\"",
            "spec.protocol: must be one of HTTP, HTTPS, H2C, but is the string \"http\"",
            "spec.headrs: unknown field \"headrs\"",
            "spec.tls.caRef.configMap.name: the required field \"name\" is missing",
        ]
    );
    let hints: Vec<_> = parsed.findings.iter().map(|finding| finding.hint.as_deref()).collect();
    assert_eq!(hints[1], Some("did you mean namespace?"));
    assert_eq!(hints[2], Some("put it in quotes: \"010\""));
    assert_eq!(hints[3], Some("take the quotes off: 80"));
    assert_eq!(hints[4], Some("did you mean HTTP?"));
    assert_eq!(hints[5], Some("did you mean headers?"));
    assert_eq!(underlined(&parsed, 2), "010");
    assert_eq!(underlined(&parsed, 5), "headrs");
    assert_eq!(underlined(&parsed, 6), "configMap");
    let Content::Target(Candidate::Refused(refused)) = &parsed.objects[0].content else { panic!() };
    assert_eq!(refused.problems.len(), 7);
}

#[test]
fn lists_hold_objects_and_problems_keep_their_place() {
    let parsed = read(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: sluicegate.dev/v1alpha1\n  kind: Target\n  metadata: {name: one}\n  \
         spec: {host: a, host: b, port: 80}\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: two, namespace: x}\n  \
         data: {a: b}\n",
    );
    assert_eq!(said(&parsed), ["spec.host: the key \"host\" is there twice"]);
    assert_eq!(parsed.objects.iter().map(Object::name).collect::<Vec<_>>(), ["Target default/one", "ConfigMap x/two"]);
    let place = parsed.objects[0].origin.locate(&FieldPath::spec().key("port"));
    assert_eq!(&parsed.file.text()[place.span], "80");
}

#[test]
fn what_is_no_object_of_ours_is_named() {
    let parsed = read(
        "kind: Rule\n---\napiVersion: sluicegate.dev/v1alpha1\nkind: Targett\nmetadata: {name: x}\n---\n\
         apiVersion: sluicegate.dev/v1\nkind: Rule\n---\napiVersion: sluicegate.io/v1alpha1\nkind: Rule\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\n- 1\n---\n\
         apiVersion: sluicegate.dev/v1alpha1\nkind: Rule\nmetadata: {generateName: x-}\n---\n\
         apiVersion: sluicegate.dev/v1alpha1\nkind: Rule\nmetadata: {name: 010}\n",
    );
    assert_eq!(
        said(&parsed),
        [
            "apiVersion: the required field \"apiVersion\" is missing",
            "kind: sluicegate.dev has no kind \"Targett\"",
            "apiVersion: sluicegate.dev has no version \"v1\"",
            "apiVersion: Rule is no kind of sluicegate.io/v1alpha1",
            "apps/v1 Deployment is not a kind that Sluicegate reads",
            "is no object: a manifest is a mapping with apiVersion, kind and metadata",
            "metadata.name: the required field \"name\" is missing",
            "metadata.name: must be a string, but 010 reads as the number 8",
        ]
    );
    let errors: Vec<_> = parsed.findings.iter().map(Finding::is_error).collect();
    assert_eq!(errors, [true, true, true, true, false, true, true, true]);
    assert_eq!(parsed.findings[1].hint.as_deref(), Some("did you mean Target?"));
    assert!(parsed.objects.is_empty() && parsed.incomplete.is_some());
}

#[test]
fn names_follow_kubernetes() {
    let parsed = read(&TARGET.replace("{name: one}", "{name: My_Target, namespace: a.b, generateName: x-}"));
    let fields: Vec<_> = parsed.findings.iter().map(|finding| finding.field.as_ref().unwrap().to_string()).collect();
    assert_eq!(fields, ["metadata.name", "metadata.generateName", "metadata.namespace"]);
    assert_eq!(parsed.findings[0].hint.as_deref(), Some("such as my-target"));
    // It is known by its name all the same, so that its last valid version can be kept.
    assert_eq!(parsed.objects[0].key, ObjectKey::new("a.b", "My_Target"));
    assert!(read(&TARGET.replace("one", "a.b-1")).findings.is_empty());
}

#[test]
fn a_status_is_left_out_with_a_warning() {
    let parsed = read(&format!("{TARGET}status: {{conditions: 5}}\n"));
    assert!(matches!(&parsed.objects[0].content, Content::Target(Candidate::Valid(_))));
    assert_eq!((parsed.findings.len(), parsed.findings[0].is_error()), (1, false));
}

#[test]
fn what_did_not_change_is_not_checked_again() {
    let nothing = Environment { variables: &|_| None, cluster: false };
    let first = read_again("a.yaml", &format!("{TARGET}---\n{}", TARGET.replace("port: 80", "prt: 80")), nothing, None);
    let text = format!("# new\n---\n{}---\n{}", TARGET.replace("one", "two"), TARGET.replace("port: 80", "prt: 80"));
    let second = read_again("b.yaml", &text, nothing, Some(&first));
    assert_eq!(said(&second), said(&first));
    let place = second.findings[0].place.as_ref().unwrap();
    assert_eq!((place.to_string().as_str(), underlined(&second, 0).as_str()), ("b.yaml:11:29", "prt"));
    let refused = |parsed: &Parsed| match &parsed.objects[1].content {
        Content::Target(Candidate::Refused(problems)) => problems.clone(),
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&refused(&first), &refused(&second)));
    assert_eq!(second.objects[0].key.name, "two");
}

fn secret(parsed: &Parsed) -> Option<&SecretData> {
    parsed.objects.iter().find_map(|object| match &object.content {
        Content::Secret(data) => data.as_deref(),
        _ => None,
    })
}

#[test]
fn secrets_hold_base64_texts_and_variables() {
    let parsed = read(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aGVs\n  bG8=, b: eA==}\n\
         stringData: {b: plain, c: 'Bearer ${env:KEY}!', d: '$KEY ${KEY}'}\n",
    );
    assert_eq!(said(&parsed), ["data.a: is not base64"], "a space is not base64");
    let parsed = read(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: |\n    aGVs\n    bG8=\n  b: eA==\n\
         stringData: {b: plain, c: 'Bearer ${env:KEY}!', d: '$KEY ${KEY}'}\n",
    );
    assert_eq!(said(&parsed), Vec::<String>::new());
    let text = |key: &str| String::from_utf8(secret(&parsed).unwrap().0[key].clone()).unwrap();
    assert_eq!(
        [text("a"), text("b"), text("c"), text("d")],
        ["hello", "plain", "Bearer from-the-environment!", "$KEY ${KEY}"]
    );
}

#[test]
fn variables_mean_something_in_string_data_only() {
    let text = "${env:KEY}";
    let parsed = read(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{a: '{text}'}}\n---\n{}",
        TARGET.replace("a.example.com", &format!("'{text}'"))
    ));
    let Content::ConfigMap(Some(data)) = &parsed.objects[0].content else { panic!() };
    assert_eq!(data["a"], text);
    let parsed = read(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: '${env:NOPE}', b: '${env:', c: '${env:1}'}\n",
    );
    assert_eq!(
        said(&parsed),
        [
            "stringData.a: the environment variable NOPE is not set",
            "stringData.b: `${env:` has no end",
            "stringData.c: `${env:` does not name an environment variable",
        ]
    );
    assert!(secret(&parsed).is_none() && parsed.objects.len() == 1);
}

#[test]
fn no_value_of_a_secret_is_ever_shown() {
    let texts = [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {last: hunter2}}\ndata: {a: hunter2, b: [hunter2], hunter2x!: 1}\n\
         stringData: {a: 'hunter2 ${env:NOPE}', b: .inf, c: 1234567}\ntyp: hunter2\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nx: &x hunter2\nstringData:\n  a: *x\n  b: |\n    hunter2\n    hunter2\n  c: 010\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  a: hunter2\n  b: [hunter2\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  a: |\n    hunter2\n b: hunter2\n",
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, stringData: {a: hunter2, b: 1234567}}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: [hunter2]\nstringData: hunter2\n",
        "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"data\": {\"a\": \"hunter2\"}, \"metadata\": {\"name\": 1234567}}",
    ];
    for text in texts {
        let parsed = read(text);
        assert!(!parsed.findings.is_empty(), "{text}");
        let mut shown = format!("{parsed:?}");
        for finding in &parsed.findings {
            shown.push_str(&finding.render(Style::Plain));
            shown.push_str(&finding.to_string());
            shown.push_str(&serde_json::to_string(finding).unwrap());
        }
        assert!(!shown.replace("hunter2x!", "").contains("hunter2"), "{text}\n{shown}");
        assert!(!shown.contains("1234567") || text.contains("\"name\": 1234567"), "{text}\n{shown}");
    }
}

#[test]
fn a_report_gives_a_terminal_nothing_to_obey() {
    for text in ["kind: \"Rule\u{1b}[31m\"\n", "kind: Rule\u{9b}31m\n", "kind: \"a\u{7f}\"\n"] {
        let parsed = read(text);
        let report = parsed.findings[0].render(Style::Plain);
        assert!(!report.chars().any(|it| it.is_control() && it != '\n'), "{report:?}");
    }
}

#[test]
fn a_report_underlines_and_hints() {
    let parsed = read(&TARGET.replace("port: 80", "prt: 80"));
    let report = parsed.findings[0].render(Style::Plain);
    assert!(report.contains("Target default/one: spec.prt: unknown field \"prt\""), "{report}");
    assert!(report.contains("[a.yaml:4:29]") && report.contains("───"), "{report}");
    assert!(report.contains("did you mean port?"), "{report}");
    assert_eq!(
        serde_json::to_value(&parsed.findings[0]).unwrap(),
        serde_json::json!({
            "file": "a.yaml", "line": 4, "column": 29, "endLine": 4, "endColumn": 32, "severity": "error",
            "object": "Target default/one", "field": "spec.prt", "reason": "Invalid",
            "message": "unknown field \"prt\"", "hint": "did you mean port?",
        })
    );
    assert_eq!(
        parsed.findings[0].to_string(),
        "a.yaml:4:29: Target default/one: spec.prt: unknown field \"prt\" (did you mean port?)"
    );
}

proptest::proptest! {
    #[test]
    fn any_document_is_read_without_a_panic(text in r#"(apiVersion: v1\n|kind: (Secret|List|Rule)\n|metadata: \{name: a\}\n|(data|items|spec): [\[{&*'"]?[a-c:, ]{0,5}[\]}]?\n|---\n|- |  |é|\n){0,12}"#) {
        let parsed = read(&text);
        for finding in &parsed.findings {
            finding.render(Style::Plain);
        }
        for object in &parsed.objects {
            object.origin.locate(&FieldPath::spec().key("a").index(0));
        }
    }
}

#[test]
fn a_thousand_documents_keep_their_order_and_their_places_though_many_cores_check_them() {
    let one = |number: usize| match number % 100 {
        7 => TARGET.replace("port: 80", "port: 0").replace("name: one", &format!("name: t{number}")),
        8 => "]: broken\n".to_owned(),
        _ => TARGET.replace("name: one", &format!("name: t{number}")),
    };
    let text: Vec<String> = (0..1_000).map(one).collect();
    let parsed = read(&text.join("---\n"));
    let names: Vec<&str> = parsed.objects.iter().map(|object| object.key.name.as_str()).collect();
    let wanted: Vec<String> =
        (0..1_000).filter(|number| number % 100 != 8).map(|number| format!("t{number}")).collect();
    assert_eq!(names, wanted);
    assert_eq!(parsed.findings.len(), 20);
    for (place, finding) in parsed.findings.iter().enumerate() {
        let number = place / 2 * 100 + 7 + place % 2;
        // Four lines a document and one between two of them; of the broken ones, one line.
        let line = finding.place.as_ref().unwrap().start().line;
        let before = number * 5 - (number / 100 + usize::from(number % 100 > 8)) * 3;
        assert!((before + 1..=before + 4).contains(&line), "{number} at {line}: {finding}");
    }
}
