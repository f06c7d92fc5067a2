//! A text that no log, dump or answer may show.

use std::cell::Cell;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

thread_local! {
    static REVEALING: Cell<bool> = const { Cell::new(false) };
}

/// A secret text. `Debug` and `Serialize` show `<redacted>`; only [`SecretText::reveal`] gives the text, and within
/// [`revealing`] `Serialize` does.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

const REDACTED: &str = "<redacted>";

impl SecretText {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it to the target.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if REVEALING.get() { &self.0 } else { REDACTED })
    }
}

/// Serialises with the secrets in it: for the watch channel and the saved table alone. Everything that is serialised
/// elsewhere, on this thread later or on others meanwhile, stays without them.
pub fn revealing<T>(serialise: impl FnOnce() -> T) -> T {
    /// Puts back what was, even if serialising panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            REVEALING.set(self.0);
        }
    }
    let _before = Before(REVEALING.replace(true));
    serialise()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::{SecretText, revealing};

    #[test]
    fn secrets_show_only_while_revealing() {
        let secret = SecretText::new("planted");
        let shown = || serde_json::to_string(&secret).unwrap();
        assert_eq!(shown(), r#""<redacted>""#);
        assert_eq!(revealing(shown), r#""planted""#);
        assert_eq!(shown(), r#""<redacted>""#);
        let panicked = std::panic::catch_unwind(|| revealing(|| panic!("while serialising")));
        assert!(panicked.is_err());
        assert_eq!(shown(), r#""<redacted>""#);
    }
}
