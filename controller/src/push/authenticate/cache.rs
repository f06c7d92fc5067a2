//! What is known of tokens, by their hashes: a token itself is kept nowhere.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Caller, Refused};

/// How many tokens are remembered.
const MOST: usize = 8192;

/// Stands for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// What is known of tokens, and until when.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<TokenHash, (Result<Caller, Refused>, Instant)>);

impl Cache {
    pub(super) fn get(&self, token: &TokenHash) -> Option<Result<Caller, Refused>> {
        let (known, until) = self.0.get(token)?;
        (Instant::now() < *until).then(|| known.clone())
    }

    pub(super) fn put(&mut self, token: TokenHash, known: Result<Caller, Refused>, until: Instant) {
        if self.0.len() >= MOST {
            let now = Instant::now();
            self.0.retain(|_, (_, until)| now < *until);
        }
        if self.0.len() >= MOST {
            // Strangers fill it; the proxies are worth remembering.
            self.0.retain(|_, (known, _)| known.is_ok());
        }
        if self.0.len() < MOST {
            self.0.insert(token, (known, until));
        }
    }
}
