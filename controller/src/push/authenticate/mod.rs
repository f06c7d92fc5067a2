//! Who asks for the table.
//!
//! The table holds the targets' credentials, so it goes to the proxies' own service account and to nobody else. A
//! `TokenReview` by itself says little: it vouches for *any* account that holds a token of our audience, so the audience and
//! the account's name are checked here.

mod cache;
mod expiry;
mod review;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::cache::{Cache, TokenHash};
use super::clock::Clock;
use crate::collect::ProxyId;

pub use review::{KubernetesReviewer, Review, ReviewError, Reviewer, Reviewing};

/// The longest that a token is believed without asking again: a pod that is deleted makes its token void.
const LONGEST: Duration = Duration::from_hours(1);
/// How long it is remembered that a token is not good.
const REFUSAL: Duration = Duration::from_secs(10);
/// How many tokens are asked about at a time: strangers must not make this a load on the API server.
const AT_A_TIME: usize = 16;

/// Says who asks.
pub struct Authenticator {
    reviewer: Arc<dyn Reviewer>,
    audience: String,
    account: String,
    clock: Clock,
    places: Semaphore,
    cache: Mutex<Cache>,
}

/// A proxy that has proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Identifies it.
    pub id: ProxyId,
    /// Its pod's name.
    pub pod: String,
    /// When its token is no longer good.
    pub expires: Instant,
}

/// Why somebody gets nothing. Says nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no token.
    #[error("send the proxy's service-account token as `authorization: Bearer TOKEN`")]
    NoToken,
    /// Kubernetes does not know the token, or it is no longer good.
    #[error("Kubernetes does not accept the token: it has expired, or is none of this cluster's")]
    Unknown,
    /// The token is for others.
    #[error("the token is not for the audience {audience:?}")]
    Audience {
        /// The channel's audience.
        audience: String,
    },
    /// The token is another account's.
    #[error("the table is for {account:?} alone, and the token is another account's")]
    Account {
        /// The proxies' account.
        account: String,
    },
    /// The token is not a pod's.
    #[error("the token is not bound to a pod: proxies use a projected service-account token")]
    NoPod,
    /// The API server did not answer.
    #[error("the API server cannot be asked about the token: {0}")]
    Unavailable(String),
}

impl Authenticator {
    /// Accepts tokens for `audience` of the service account `account` in `namespace`.
    pub fn new(reviewer: Arc<dyn Reviewer>, audience: &str, namespace: &str, account: &str, clock: Clock) -> Self {
        Self {
            reviewer,
            audience: audience.to_owned(),
            account: format!("system:serviceaccount:{namespace}:{account}"),
            clock,
            places: Semaphore::new(AT_A_TIME),
            cache: Mutex::default(),
        }
    }

    /// Whose token it is.
    pub async fn authenticate(&self, token: &str) -> Result<Caller, Refused> {
        let hash = TokenHash::of(token);
        if let Some(known) = self.cache().get(&hash) {
            return known;
        }
        // The semaphore is never closed.
        let Ok(_place) = self.places.acquire().await else {
            return Err(Refused::Unavailable("stopping".to_owned()));
        };
        if let Some(known) = self.cache().get(&hash) {
            return known;
        }
        let review = match self.reviewer.review(token).await {
            Ok(review) => review,
            Err(error) => return Err(Refused::Unavailable(error.to_string())),
        };
        let outcome = self.judge(token, review);
        let until = outcome.as_ref().map_or_else(|_| Instant::now() + REFUSAL, |caller| caller.expires);
        self.cache().put(hash, outcome.clone(), until);
        outcome
    }

    fn judge(&self, token: &str, review: Review) -> Result<Caller, Refused> {
        if !review.authenticated {
            return Err(Refused::Unknown);
        }
        if !review.audiences.contains(&self.audience) {
            return Err(Refused::Audience { audience: self.audience.clone() });
        }
        if review.user != self.account {
            return Err(Refused::Account { account: self.account.clone() });
        }
        let (Some(pod), Some(uid)) = (review.pod_name, review.pod_uid) else {
            return Err(Refused::NoPod);
        };
        // The token is genuine, so what it says of itself is true.
        let left = expiry::expiry(token)
            .map_or(LONGEST, |expiry| expiry.duration_since(self.clock.now()).unwrap_or_default().min(LONGEST));
        if left.is_zero() {
            return Err(Refused::Unknown);
        }
        Ok(Caller { id: ProxyId(uid), pod, expires: Instant::now() + left })
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Each change is complete before the lock is given back.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("audience", &self.audience)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
