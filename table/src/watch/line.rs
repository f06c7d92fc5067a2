//! Reading one line of the channel.
//!
//! Written by hand, since entries stay text until their kind is known, and since a line that this release does not
//! understand must still say which entry it is about.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{EntryId, EntryKind, Message, Version};
use crate::ObjectKey;

/// Why a line cannot be read. None of it quotes values: they may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON object, or a part that every release has is missing: the connection is of no use.
    #[error("a line from the controller is not a message of the watch channel")]
    Malformed,
    /// A type of message that this release does not know.
    #[error("messages of the type {0:?} are not known to this release of the proxy")]
    UnknownType(String),
    /// A kind of entry that this release does not know.
    #[error("entries of the kind {kind:?} are not known to this release of the proxy")]
    UnknownKind {
        /// The kind.
        kind: String,
        /// Which entry.
        key: String,
        /// Whether the message takes the entry away.
        deleted: bool,
    },
    /// A message about an entry has a field that this release does not know.
    #[error("the message has the field {field:?}, which this release of the proxy does not know")]
    UnknownField {
        /// Which entry.
        id: EntryId,
        /// The field.
        field: String,
    },
}

/// The fields of a line, by name.
struct Fields<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Fields<'a> {
    fn of(line: &'a str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Line<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, &'a RawValue>);
        serde_json::from_str::<Line<'a>>(line).map(|line| Self(line.0)).map_err(|_| Unreadable::Malformed)
    }

    fn take<T: Deserialize<'a>>(&mut self, name: &str) -> Result<T, Unreadable> {
        let value = self.0.remove(name).ok_or(Unreadable::Malformed)?;
        serde_json::from_str(value.get()).map_err(|_| Unreadable::Malformed)
    }

    fn take_raw(&mut self, name: &str) -> Option<Box<RawValue>> {
        self.0.remove(name).filter(|value| value.get() != "null").map(ToOwned::to_owned)
    }

    fn id(&mut self, deleted: bool) -> Result<EntryId, Unreadable> {
        let (kind, key): (String, String) = (self.take("kind")?, self.take("key")?);
        match EntryKind::named(&kind) {
            Some(kind) => Ok(EntryId { kind, key: ObjectKey::from(key) }),
            None => Err(Unreadable::UnknownKind { kind, key, deleted }),
        }
    }

    /// The message, if nothing is left over.
    fn end(self, id: EntryId, message: impl FnOnce(EntryId) -> Message) -> Result<Message, Unreadable> {
        match self.0.into_keys().next() {
            Some(field) => Err(Unreadable::UnknownField { id, field: field.into_owned() }),
            None => Ok(message(id)),
        }
    }
}

impl Message {
    /// Reads one line.
    pub fn read(line: &str) -> Result<Self, Unreadable> {
        let mut fields = Fields::of(line)?;
        let kind: String = fields.take("type")?;
        match kind.as_str() {
            "Added" | "Modified" => {
                let id = fields.id(false)?;
                let hash = fields.take("hash")?;
                let entry = fields.take_raw("entry").ok_or(Unreadable::Malformed)?;
                fields.end(id, |id| match kind.as_str() {
                    "Added" => Self::Added { id, hash, entry },
                    _ => Self::Modified { id, hash, entry },
                })
            }
            "Deleted" => {
                let id = fields.id(true)?;
                fields.end(id, |id| Self::Deleted { id })
            }
            "Keep" => {
                let id = fields.id(false)?;
                let otherwise = fields.take_raw("otherwise");
                fields.end(id, |id| Self::Keep { id, otherwise })
            }
            // What a newer controller adds to these two changes nothing of what they say.
            "Commit" => Ok(Self::Commit { version: fields.take::<Version>("version")? }),
            "Heartbeat" => Ok(Self::Heartbeat),
            _ => Err(Unreadable::UnknownType(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::value::RawValue;

    use super::{Message, Unreadable};
    use crate::ObjectKey;
    use crate::watch::{EntryId, EntryKind, Version};

    #[test]
    fn what_is_written_is_read() {
        let id = || EntryId { kind: EntryKind::Target, key: ObjectKey::new("team", "model") };
        let entry = || RawValue::from_string(r#"{"host":"a b","port":1}"#.to_owned()).unwrap();
        let messages = [
            Message::Added { id: id(), hash: "12".to_owned(), entry: entry() },
            Message::Modified { id: id(), hash: "12".to_owned(), entry: entry() },
            Message::Deleted { id: id() },
            Message::Keep { id: id(), otherwise: None },
            Message::Keep { id: id(), otherwise: Some(entry()) },
            Message::Commit { version: Version { epoch: "x".to_owned(), number: 7 } },
            Message::Heartbeat,
        ];
        for message in messages {
            let line = serde_json::to_string(&message).unwrap();
            let read = Message::read(&line).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), line);
        }
    }

    #[test]
    fn what_a_newer_controller_sends_names_its_entry() {
        let id = EntryId { kind: EntryKind::Route, key: ObjectKey::new("a", "b") };
        for (line, error) in [
            (r#"{"type":"Renamed","kind":"Route","key":"a/b"}"#, Unreadable::UnknownType("Renamed".to_owned())),
            (
                r#"{"type":"Added","kind":"Mirror","key":"a/b","hash":"","entry":{}}"#,
                Unreadable::UnknownKind { kind: "Mirror".to_owned(), key: "a/b".to_owned(), deleted: false },
            ),
            (
                r#"{"type":"Added","kind":"Route","key":"a/b","hash":"","entry":{},"until":5}"#,
                Unreadable::UnknownField { id, field: "until".to_owned() },
            ),
            (r#"{"type":"Added","kind":"Route","key":"a/b","hash":""}"#, Unreadable::Malformed),
            (r#"{"type":"Commit","version":"7"}"#, Unreadable::Malformed),
            ("[]", Unreadable::Malformed),
        ] {
            assert_eq!(Message::read(line).unwrap_err(), error, "{line}");
        }
        assert!(Message::read(r#"{"type":"Commit","version":"a.7","entries":12}"#).is_ok());
    }
}
