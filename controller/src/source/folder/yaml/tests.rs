#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Write as _;

use super::{Document, Node, Value, parse};
use crate::problem::FieldPath;

fn only(text: &str) -> Document {
    let mut documents = parse(text);
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0).unwrap()
}

fn at<'a>(text: &'a str, root: &Node, path: &str) -> &'a str {
    &text[root.locate(&root.field(path))]
}

#[test]
fn every_key_and_value_knows_its_bytes() {
    let text = "# ä\nspec:\n  list:\n  - a: 'ü x'\n    b: [1, {c: 0x10}]\n  text: |\n    one\n    two\n  empty:\n";
    let Document { root, flaws, .. } = only(text);
    assert_eq!(flaws, []);
    assert_eq!(at(text, &root, "spec"), "spec");
    assert_eq!(at(text, &root, "spec.list"), "list");
    assert_eq!(at(text, &root, "spec.list[0]"), "a");
    assert_eq!(at(text, &root, "spec.list[0].a"), "'ü x'");
    assert_eq!(at(text, &root, "spec.list[0].b[1].c"), "0x10");
    assert_eq!(at(text, &root, "spec.empty"), "empty");
    assert!(at(text, &root, "spec.text").contains("one\n    two"));
    // What is not there is shown at what encloses it.
    assert_eq!(at(text, &root, "spec.list[0].missing.deeper"), "a");
    assert_eq!(at(text, &root, "spec.list[7]"), "list");
    assert_eq!(at(text, &root, "nothing"), "spec");
}

#[test]
fn paths_of_cel_are_read_along_the_tree() {
    let root = only("spec: {set: {x.y/z: 1, 'x': {y: 2}}, list: [[1, 2]]}").root;
    let spec = FieldPath::spec();
    assert_eq!(root.field("spec.set.x.y/z"), spec.key("set").key("x.y/z"));
    assert_eq!(root.field("spec.set.x.y"), spec.key("set").key("x").key("y"));
    assert_eq!(root.field("spec.list[0][1]"), spec.key("list").index(0).index(1));
    assert_eq!(root.field(".spec.new.field"), spec.key("new").key("field"));
    assert_eq!(root.field(""), FieldPath::default());
    assert_eq!(root.field("[oops").steps().len(), 1);
}

#[test]
fn a_broken_document_takes_no_other_down() {
    let documents = parse("a: 1\n---\nb: [1, 2\n---\nc: 'x\n---\nd: \"x\ty\": z\n---\n# nothing\n---\ne: 5\n");
    let kept: Vec<_> = documents.iter().filter_map(|document| document.as_ref().ok()).collect();
    assert_eq!(documents.len(), 5);
    assert_eq!(kept.len(), 2);
    assert!(kept[0].root.get("a").is_some() && kept[1].root.get("e").is_some());
}

#[test]
fn a_broken_document_names_the_place() {
    let text = "a: 1\nb: x: y\n";
    let broken = parse(text).remove(0).unwrap_err();
    assert_eq!(text[..broken.at].matches('\n').count(), 1, "{broken:?}");
    assert_eq!(broken.hint.as_deref(), Some("a text that contains `: ` needs quotes"));
    let tab = parse("a:\n\tb: 1\n").remove(0).unwrap_err();
    assert_eq!(tab.hint.as_deref(), Some("YAML indents with spaces, not tabs"), "{tab:?}");
    let alias = parse("hostnames:\n- *.example.com\n").remove(0).unwrap_err();
    assert!(alias.hint.is_some(), "{alias:?}");
}

#[test]
fn a_broken_document_helps_with_what_is_wrong_there() {
    let hint = |text: &str| parse(text).into_iter().find_map(Result::err).unwrap().hint;
    let quotes = Some("a text that begins with one of * & ! @ ` % { [ needs quotes".to_owned());
    for text in ["a: @x\n", "a: %x\n", "a: `x`\n", "a: *\n", "a: [*.example.com]\n"] {
        assert_eq!(hint(text), quotes, "{text}");
    }
    assert!(hint("a: \"\u{7}\"\n").unwrap().contains("control character"));
    let layout =
        Some("keys of one object begin in the same column, and have a colon and a space behind them".to_owned());
    for text in [
        "a: 1\n  b: 2\n",
        "a: x\n   b: []\n",
        "a:\n    b: 1\n  c: 2\n",
        "a:\n- x: 1\n y: 2\n",
        "a:\n  - b: 1\n   d: 3\n",
        "a:1\nb: 2\n",
        "a: 1\nb 2\nc: 3\n",
    ] {
        assert_eq!(hint(text), layout, "{text}");
    }
    assert_eq!(hint("a: {b: 1}}\n"), None);
    assert!(hint("a: 'it's'\n").unwrap().contains("written twice"));
}

#[test]
fn a_key_written_twice_is_a_flaw_at_the_second() {
    let text = "spec:\n  a: 1\n  b: 2\n  a: 3\n";
    let document = only(text);
    assert_eq!(document.flaws.len(), 1);
    let flaw = &document.flaws[0];
    assert_eq!(
        (flaw.field.to_string().as_str(), flaw.span.start, flaw.harmless),
        ("spec.a", text.rfind('a').unwrap(), false)
    );
}

#[test]
fn merge_keys_go_by_their_order_as_in_kubectl() {
    let read = |text: &str| {
        let Document { root, flaws, .. } = only(text);
        let entry = |key: &str| root.get("m").unwrap().get(key).map(|node| node.value.clone());
        (entry("a"), entry("b"), flaws.iter().map(|flaw| flaw.harmless).collect::<Vec<_>>())
    };
    let int = |value| Some(Value::Int(value));
    assert_eq!(read("m: {<<: {a: 2, b: 3}, a: 1}"), (int(1), int(3), vec![]));
    assert_eq!(read("m: {a: 1, <<: {a: 2, b: 3}}"), (int(2), int(3), vec![true]));
    assert_eq!(read("m: {<<: [{a: 2}, {a: 3, b: 3}]}"), (int(2), int(3), vec![]));
    assert_eq!(read("m: {<<: {a: 1}, <<: {b: 2}}"), (int(1), int(2), vec![]));
    assert_eq!(read("x: &x {a: 1}\nm: {<<: *x, b: 2}"), (int(1), int(2), vec![]));
    assert_eq!(read("m: {\"<<\": {a: 2}}"), (None, None, vec![]));
    assert_eq!(read("m: {<<: 5}"), (None, None, vec![false]));
}

#[test]
fn aliases_stand_where_they_are_used_and_cannot_explode() {
    let text = "a: &x {k: 1}\nb: *x\nc: *x\n";
    let root = only(text).root;
    assert_eq!(root.get("b").unwrap().get("k").unwrap().value, Value::Int(1));
    assert_eq!(&text[root.get("b").unwrap().span.clone()], "*x");

    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        writeln!(bomb, "a{level}: &a{level} [{below}]").unwrap();
    }
    assert!(parse(&bomb).remove(0).unwrap_err().message.contains("aliases"));
    // One long text many times, copies of copies, and many documents that each stay below the limit.
    let long = "x".repeat(1 << 20);
    let texts = format!("b: &b \"{long}\"\nl: [{}]", "*b, ".repeat(1_000));
    let nested = format!("{}\"{long}\"{}", "&a [".repeat(90), "]".repeat(90));
    let documents = format!("b: &b [{}]\nl: [{}]\n---\n", "x, ".repeat(1_000), "*b, ".repeat(90)).repeat(20);
    for bomb in [texts, nested, documents] {
        let broken = parse(&bomb).into_iter().find_map(Result::err).unwrap();
        assert!(broken.message.contains("copy more than 64 MiB"), "{broken:?}");
    }
    assert!(parse("a: &x [*x]").remove(0).unwrap_err().message.contains("contains itself"));
    let deep = format!("{}{}", "[".repeat(150), "]".repeat(150));
    assert!(parse(&deep).remove(0).unwrap_err().message.contains("deeper"));
    assert!(parse(&"[".repeat(300)).remove(0).unwrap_err().message.contains("deeper"));
}

#[test]
fn json_is_read_too() {
    let root = only("{\n\t\"a\": \"\\/x\\u00e4\",\n\t\"b\": [1.5, true, null]\n}").root;
    assert_eq!(root.get("a").unwrap().as_str(), Some("/xä"));
}

#[test]
fn json_writes_some_characters_in_two_halves() {
    let text = r#"{"\ud83d\ude00": "a\ud83d\ude00b\uD83D\uDE01\\ud83d", "b": 2}"#;
    let root = only(text).root;
    assert_eq!(root.get("\u{1f600}").unwrap().as_str(), Some("a\u{1f600}b\u{1f601}\\ud83d"));
    assert_eq!(&text[root.get("b").unwrap().span.clone()], "2");
    for half in [r"\ud83d", r"\ude00", r"\ud83d\u0041"] {
        let broken = parse(&format!("{{\"a\": \"{half}\"}}")).remove(0).unwrap_err();
        assert!(broken.message.contains("surrogate"), "{broken:?}");
        assert!(broken.hint.as_ref().unwrap().contains("both halves"), "{broken:?}");
    }
    let two = parse("{\"a\": 1}\n{\"a\": 2}\n").pop().unwrap().unwrap_err();
    assert!(two.hint.as_ref().unwrap().contains("---"), "{two:?}");
    let control = parse("{\"a\": \"\u{7}\"}").pop().unwrap().unwrap_err();
    assert!(control.hint.as_ref().unwrap().contains("control character"), "{control:?}");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in r#"[a-c0-9\-:{}\[\],&*!<"'|>#%@`~ \t\n.é]{0,80}"#) {
        for document in parse(&text).into_iter().flatten() {
            proptest::prop_assert!(text.get(document.root.head()).is_some());
        }
    }
}
