//! Reads from the beginning of a JSON body what routing and affinity need, without building a tree: the top-level `model`
//! and the first messages of a conversation. The bytes themselves are forwarded as they came.
//!
//! The scan goes by the structure of the top level and passes over everything else, strings in long steps. It is laxer
//! than a parser about what it passes over (numbers, say), and as strict as one where laxness could make the target see
//! another model than the rule that let the request through: a second `model`, in any case of letters, is an error.
//!
//! A conversation is known by the texts of its first messages, not by their bytes: clients move cache marks and ids
//! about from turn to turn, but send the same texts.

mod json;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use self::json::{Reader, Step, Stop};
use crate::request::BodyFacts;

/// The body names its model more than once, so that two readers may take it for two requests. To be answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body has the key `model` more than once")]
pub struct AmbiguousModel;

/// Whether a body that begins like this may be a JSON object; `None` while that can't be told. Reading on is no use once
/// this says no.
pub fn may_be_json(beginning: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(beginning);
    match reader.peek() {
        Ok(byte) => Some(byte == b'{'),
        Err(_) => None,
    }
}

/// Scans the beginning of a body. A body that ends early gives the facts found so far; what is not a JSON object gives
/// none.
///
/// # Errors
/// When the body names more than one model.
pub fn scan(beginning: &[u8]) -> Result<BodyFacts, AmbiguousModel> {
    let mut scan = Scan::default();
    let mut reader = Reader::new(beginning);
    match scan.body(&mut reader) {
        Ok(()) | Err(Stop::Truncated) => Ok(scan.facts()),
        Err(Stop::Malformed) => Ok(BodyFacts::default()),
        Err(Stop::SecondModel) => Err(AmbiguousModel),
    }
}

#[derive(Default)]
struct Scan {
    model_seen: bool,
    model: Option<String>,
    /// A hash of the system text that stands apart from the messages.
    system: Option<u64>,
    /// A hash of the messages up to the first of the user.
    messages: Option<u64>,
}

/// The keys that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Model,
    /// `Model`: some readers take it for `model`.
    ModelInOtherLetters,
    /// `OpenAI` and Anthropic: a list. `input` of `OpenAI`'s responses may be a text.
    Messages,
    /// Anthropic: `system`; `OpenAI`'s responses: `instructions`.
    System,
    Role,
    /// What holds texts within a message.
    Text,
    Other,
}

impl Key {
    fn read(reader: &mut Reader<'_>) -> Step<Self> {
        let name = reader.key()?;
        Ok(match &*name {
            b"model" => Self::Model,
            b"messages" | b"input" => Self::Messages,
            b"system" | b"instructions" => Self::System,
            b"role" => Self::Role,
            b"content" | b"text" => Self::Text,
            other if other.eq_ignore_ascii_case(b"model") => Self::ModelInOtherLetters,
            _ => Self::Other,
        })
    }
}

impl Scan {
    fn facts(self) -> BodyFacts {
        let conversation = self.messages.map(|messages| {
            let [a, b] = [self.system.unwrap_or_default(), messages].map(u64::to_le_bytes);
            let mut both = [0; 16];
            both.iter_mut().zip(a.into_iter().chain(b)).for_each(|(to, from)| *to = from);
            xxh3_64(&both)
        });
        BodyFacts { model: self.model, conversation }
    }

    fn body(&mut self, reader: &mut Reader<'_>) -> Step<()> {
        let mut first = true;
        while reader.next_member(&mut first)? {
            match Key::read(reader)? {
                key @ (Key::Model | Key::ModelInOtherLetters) => {
                    if std::mem::replace(&mut self.model_seen, true) {
                        return Err(Stop::SecondModel);
                    }
                    if key == Key::Model && reader.peek()? == b'"' {
                        let mut model = Vec::new();
                        reader.string(&mut |text| model.extend_from_slice(text))?;
                        self.model = Some(String::from_utf8(model).map_err(|_| Stop::Malformed)?);
                    } else {
                        reader.skip()?;
                    }
                }
                Key::Messages => {
                    self.messages = None;
                    // Found before the rest is passed over: a conversation that outgrows what is read stays the same.
                    messages(reader, &mut self.messages)?;
                }
                Key::System => self.system = system(reader)?,
                Key::Role | Key::Text | Key::Other => reader.skip()?,
            }
        }
        reader.end()
    }
}

/// Marks the end of a text: no byte of UTF-8.
const END_OF_TEXT: &[u8] = &[0xff];
/// Marks the end of a message.
const END_OF_MESSAGE: &[u8] = &[0xfe];
/// How deep texts are looked for within a message.
const TEXT_DEPTH: u8 = 16;

/// Hashes system texts; `None` without any.
fn system(reader: &mut Reader<'_>) -> Step<Option<u64>> {
    let mut hash = Texts::default();
    hash.value(reader, true, TEXT_DEPTH)?;
    Ok(hash.any.then(|| hash.state.digest()))
}

/// Hashes messages up to the first of the user into `found`, where there is one.
fn messages(reader: &mut Reader<'_>, found: &mut Option<u64>) -> Step<()> {
    let mut hash = Texts::default();
    match reader.peek()? {
        b'"' => {
            hash.text(reader)?;
            *found = Some(hash.state.digest());
            return Ok(());
        }
        b'[' => {}
        _ => {
            return reader.skip();
        }
    }
    let mut first = true;
    while reader.next_element(&mut first)? {
        if found.is_some() || reader.peek()? != b'{' {
            reader.skip()?;
        } else if hash.message(reader)? {
            *found = Some(hash.state.digest());
        }
    }
    Ok(())
}

/// A hash over texts.
struct Texts {
    state: Xxh3Default,
    any: bool,
}

impl Default for Texts {
    fn default() -> Self {
        Self { state: Xxh3Default::new(), any: false }
    }
}

impl Texts {
    /// Takes in a message and says whether it is the user's.
    fn message(&mut self, reader: &mut Reader<'_>) -> Step<bool> {
        let mut role = Vec::new();
        let mut first = true;
        while reader.next_member(&mut first)? {
            match Key::read(reader)? {
                Key::Role if reader.peek()? == b'"' => {
                    role.clear();
                    reader.string(&mut |text| role.extend_from_slice(text))?;
                }
                Key::Text => self.value(reader, true, TEXT_DEPTH)?,
                _ => self.value(reader, false, TEXT_DEPTH)?,
            }
        }
        self.state.update(&role);
        self.state.update(END_OF_MESSAGE);
        Ok(role == b"user")
    }

    /// Takes in the texts of a value: itself or its elements where `text` says that it is one, and whatever stands under
    /// a key for texts.
    fn value(&mut self, reader: &mut Reader<'_>, text: bool, depth: u8) -> Step<()> {
        let Some(deeper) = depth.checked_sub(1) else { return reader.skip() };
        let mut first = true;
        match reader.peek()? {
            b'"' if text => self.text(reader)?,
            b'[' => {
                while reader.next_element(&mut first)? {
                    self.value(reader, text, deeper)?;
                }
            }
            b'{' => {
                while reader.next_member(&mut first)? {
                    let text = Key::read(reader)? == Key::Text;
                    self.value(reader, text, deeper)?;
                }
            }
            _ => reader.skip()?,
        }
        Ok(())
    }

    fn text(&mut self, reader: &mut Reader<'_>) -> Step<()> {
        self.any = true;
        reader.string(&mut |text| self.state.update(text))?;
        self.state.update(END_OF_TEXT);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
