//! The body scan as one would write it on top of a parser.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::xxh3_64;

use super::super::body_scan::AmbiguousModel;
use crate::request::BodyFacts;

/// What a scan of this whole body must find; `None` where it is no JSON object, so that nothing is promised.
pub fn scan(body: &[u8]) -> Option<Result<BodyFacts, AmbiguousModel>> {
    let Tree::Object(members) = serde_json::from_slice(body).ok()? else { return None };
    if members.iter().filter(|(key, _)| key.eq_ignore_ascii_case("model")).count() > 1 {
        return Some(Err(AmbiguousModel));
    }
    let last =
        |names: [&str; 2]| members.iter().rfind(|(key, _)| names.contains(&key.as_str())).map(|(_, value)| value);
    let model = match last(["model", "model"]) {
        Some(Tree::Text(model)) => Some(model.clone()),
        _ => None,
    };
    let system = last(["system", "instructions"]).and_then(|value| {
        let mut bytes = Vec::new();
        texts(value, true, 16, &mut bytes);
        (!bytes.is_empty()).then(|| xxh3_64(&bytes))
    });
    let conversation = last(["messages", "input"]).and_then(first_messages).map(|messages| {
        let mut both = system.unwrap_or_default().to_le_bytes().to_vec();
        both.extend(messages.to_le_bytes());
        xxh3_64(&both)
    });
    Some(Ok(BodyFacts { model, conversation }))
}

fn first_messages(value: &Tree) -> Option<u64> {
    let mut bytes = Vec::new();
    match value {
        Tree::Text(_) => {
            texts(value, true, 16, &mut bytes);
            return Some(xxh3_64(&bytes));
        }
        Tree::List(messages) => {
            for message in messages {
                let Tree::Object(members) = message else { continue };
                let mut role = "";
                for (key, value) in members {
                    match value {
                        Tree::Text(text) if key == "role" => role = text,
                        _ => texts(value, key == "content" || key == "text", 16, &mut bytes),
                    }
                }
                bytes.extend(role.bytes());
                bytes.push(0xfe);
                if role == "user" {
                    return Some(xxh3_64(&bytes));
                }
            }
        }
        _ => {}
    }
    None
}

fn texts(value: &Tree, text: bool, depth: u8, bytes: &mut Vec<u8>) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    match value {
        Tree::Text(value) if text => {
            bytes.extend(value.bytes());
            bytes.push(0xff);
        }
        Tree::List(list) => list.iter().for_each(|element| texts(element, text, deeper, bytes)),
        Tree::Object(members) => {
            for (key, value) in members {
                texts(value, key == "content" || key == "text", deeper, bytes);
            }
        }
        Tree::Text(_) | Tree::Scalar => {}
    }
}

/// A JSON value whose objects keep order and duplicates.
enum Tree {
    Scalar,
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Tree::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}
