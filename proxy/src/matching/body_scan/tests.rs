#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::super::reference::body;
use super::*;

fn model(text: &str) -> Option<String> {
    scan(text.as_bytes()).unwrap().model
}

fn conversation(text: &str) -> Option<u64> {
    scan(text.as_bytes()).unwrap().conversation
}

#[test]
fn the_top_level_model_is_found() {
    for (text, expected) in [
        (r#"{"model":"gpt-4"}"#, Some("gpt-4")),
        (" \n{ \"stream\" : true , \"model\" :\t\"gpt-4\" } \r\n", Some("gpt-4")),
        ("\u{feff}{\"model\":\"m\"}", Some("m")),
        (r#"{"a":{"model":"inner"},"b":[{"model":"x"}],"model":"outer"}"#, Some("outer")),
        (r#"{"a":"}\"{[","b":"\\","model":"m"}"#, Some("m")),
        (r#"{"a":"\"model\":\"fake\"","model":"m"}"#, Some("m")),
        (r#"{"mod\u0065l":"g\u0070t\n\"\ud83d\ude00"}"#, Some("gpt\n\"😀")),
        (r#"{"model":""}"#, Some("")),
        (r#"{"model":4}"#, None),
        (r#"{"model":null,"x":1}"#, None),
        (r#"{"Model":"m"}"#, None),
        ("{}", None),
        ("", None),
        (r#"["model"]"#, None),
        (r#""model""#, None),
        ("model=gpt", None),
        ("--boundary\r\n", None),
        (r#"{"model":"m"} x"#, None),
        (r#"{"model":"m",}"#, None),
        (r#"{"model":"\ud83d"}"#, None),
        (r#"{"a":[}],"model":"m"}"#, None),
        (r#"{"a" "b","model":"m"}"#, None),
    ] {
        assert_eq!(model(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn a_second_model_is_an_error() {
    for text in [
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","model":"a"}"#,
        r#"{"model":"a","x":{"model":"c"},"mod\u0065l":"b"}"#,
        r#"{"model":"a","MODEL":"b"}"#,
        r#"{"Model":"a","model":"b"}"#,
        r#"{"model":1,"model":"b"}"#,
        r#"{"model":"a","model":"#,
    ] {
        assert_eq!(scan(text.as_bytes()), Err(AmbiguousModel), "{text}");
    }
}

#[test]
fn a_body_cut_short_gives_what_was_found() {
    let text = r#"{"x":[1,{"y":"\"z"}],"model":"gpt-4","messages":[{"role":"user","content":"hi"}],"n":1}"#;
    let known = text.find(r#","messages""#).unwrap();
    let spoken = text.find(r#"],"n""#).unwrap();
    for end in 0..text.len() {
        let facts = scan(&text.as_bytes()[..end]).unwrap();
        assert_eq!(facts.model.is_some(), end >= known, "{}", &text[..end]);
        assert_eq!(facts.conversation.is_some(), end >= spoken, "{}", &text[..end]);
    }
}

#[test]
fn a_conversation_that_outgrows_what_is_read_stays_the_same() {
    let whole =
        r#"{"system": "s", "messages": [{"role": "user", "content": "first"}, {"role": "assistant", "content": "a"}]}"#;
    let hash = conversation(whole);
    assert!(hash.is_some());
    let first = whole.find(r#", {"role": "assistant""#).unwrap();
    for cut in first..whole.len() {
        assert_eq!(conversation(&whole[..cut]), hash, "{}", &whole[..cut]);
    }
    assert_eq!(conversation(&whole[..first - 1]), None, "the first message is not whole");
}

#[test]
fn nesting_is_bounded() {
    let deep = |depth: usize| format!(r#"{{"a":{}{},"model":"m"}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(model(&deep(127)).as_deref(), Some("m"));
    assert_eq!(model(&deep(100_000)), None);
    let deep =
        |depth: usize| format!(r#"{{"system":{}"x"{},"model":"m"}}"#, r#"[{"text":"#.repeat(depth), "}]".repeat(depth));
    assert_eq!(model(&deep(50)).as_deref(), Some("m"));
    assert_eq!(model(&deep(100_000)), None);
}

#[test]
fn turns_of_a_conversation_hash_alike_and_others_do_not() {
    let chat = |more: &str| {
        format!(r#"{{"messages":[{{"role":"system","content":"s"}},{{"role":"user","content":"hi"}}{more}]}}"#)
    };
    let first = conversation(&chat(""));
    assert!(first.is_some());
    assert_eq!(conversation(&chat(r#",{"role":"assistant","content":"x"},{"role":"user","content":"y"}"#)), first);
    for same in [
        r#"{"stream":true,"messages":[{"content":"s","role":"system"},{"content":"h\u0069","role":"user"}]}"#,
        r#"{"messages":[{"role":"system","content":[{"type":"text","text":"s","cache_control":{"type":"e"}}]},
            {"role":"user","content":[{"type":"text","text":"hi"}],"id":"1"}]}"#,
    ] {
        assert_eq!(conversation(same), first, "{same}");
    }
    for other in [
        r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"ho"}]}"#,
        r#"{"messages":[{"role":"system","content":"sh"},{"role":"user","content":"i"}]}"#,
        r#"{"messages":[{"role":"developer","content":"s"},{"role":"user","content":"hi"}]}"#,
        r#"{"system":"s","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"messages":[{"role":"user","content":"hi"}]}"#,
    ] {
        let hash = conversation(other);
        assert!(hash.is_some() && hash != first, "{other}");
    }
    let anthropic = r#"{"system":"s","messages":[{"role":"user","content":"hi"}]}"#;
    let blocks = r#"{"messages":[{"role":"user","content":"hi"}],"system":[{"type":"text","text":"s"}]}"#;
    assert_eq!(conversation(anthropic), conversation(blocks));
    let responses = r#"{"instructions":"s","input":"hi"}"#;
    assert!(conversation(responses).is_some());
    assert_ne!(conversation(responses), conversation(r#"{"instructions":"t","input":"hi"}"#));
    for none in [r#"{"messages":[]}"#, r#"{"messages":[{"role":"system","content":"s"}]}"#, r#"{"system":"s"}"#] {
        assert_eq!(conversation(none), None, "{none}");
    }
}

#[test]
fn what_cannot_be_json_is_told_from_its_first_byte() {
    assert_eq!(may_be_json(b""), None);
    assert_eq!(may_be_json(b" \n"), None);
    assert_eq!(may_be_json(b"\xef\xbb\xbf {"), Some(true));
    assert_eq!(may_be_json(b"--x"), Some(false));
    assert_eq!(may_be_json(b"["), Some(false));
}

/// JSON texts in which the keys that matter are frequent.
fn value() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        3 => "[a-z{}\\[\\],:é]{0,6}".prop_map(|text| format!("{text:?}")),
        1 => Just(r#""\u0075ser""#.to_owned()),
        1 => Just(r#""user""#.to_owned()),
        1 => Just(r#""\\\"\/\b\ud83d\ude00""#.to_owned()),
    ];
    let leaf = prop_oneof![3 => text, 1 => "-?[1-9][0-9]{0,3}(\\.5)?(e3)?", 1 => Just("null".into()), 1 => Just("true".into())];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(" ,"))),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop_oneof![
        6 => proptest::sample::select(vec![
            "model", "messages", "input", "system", "instructions", "role", "content", "text", "other", "MODEL",
        ]).prop_map(|key| format!("{key:?}")),
        1 => Just(r#""r\u006fle""#.to_owned()),
    ];
    proptest::collection::vec((key, inner), 0..5).prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(key, value)| format!("{key} : {value}")).collect();
        format!("{{ {}}}", members.join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_scan_agrees_with_a_parser(text in object(value())) {
        prop_assert_eq!(Some(scan(text.as_bytes())), body::scan(text.as_bytes()), "{}", text);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in object(value()), cut in 0_usize..200) {
        let _ = scan(&bytes);
        let mut text = text.into_bytes();
        if let Some(byte) = text.get_mut(cut) {
            *byte = b'"';
        }
        let _ = scan(&text);
    }
}
