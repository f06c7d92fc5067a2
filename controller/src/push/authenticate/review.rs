//! Asking Kubernetes whose token it is.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::timeout;

/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is said of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Whether it is good.
    pub authenticated: bool,
    /// Those of the audiences asked about that it is for.
    pub audiences: Vec<String>,
    /// The account's full name.
    pub user: String,
    /// The name of the pod that it is bound to.
    pub pod_name: Option<String>,
    /// The pod's UID.
    pub pod_uid: Option<String>,
}

/// Nobody could say. Holds nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

/// A review under way.
pub type Reviewing<'a> = Pin<Box<dyn Future<Output = Result<Review, ReviewError>> + Send + 'a>>;

/// Says whose token it is.
pub trait Reviewer: Send + Sync {
    /// Asks about one token.
    fn review<'a>(&'a self, token: &'a str) -> Reviewing<'a>;
}

/// Asks Kubernetes, with a `TokenReview`.
pub struct KubernetesReviewer {
    reviews: Api<TokenReview>,
    audience: String,
}

impl KubernetesReviewer {
    /// Asks about tokens for `audience`.
    pub fn new(client: Client, audience: &str) -> Self {
        Self { reviews: Api::all(client), audience: audience.to_owned() }
    }

    async fn ask(&self, token: &str) -> Result<Review, ReviewError> {
        let spec = TokenReviewSpec { audiences: Some(vec![self.audience.clone()]), token: token.to_owned() };
        let question = TokenReview { spec, ..TokenReview::default() };
        let parameters = PostParams::default();
        let answer = match timeout(PATIENCE, self.reviews.create(&parameters, &question)).await {
            Ok(Ok(answer)) => answer,
            // The library's error might hold the request, and the request holds the token.
            Ok(Err(kube::Error::Api(status))) => {
                return Err(ReviewError(format!("{} ({})", status.reason, status.code)));
            }
            Ok(Err(_)) => return Err(ReviewError("it cannot be reached".to_owned())),
            Err(_) => return Err(ReviewError(format!("it did not answer within {PATIENCE:?}"))),
        };
        let status = answer.status.unwrap_or_default();
        let user = status.user.unwrap_or_default();
        let mut extra = user.extra.unwrap_or_default();
        let mut first = |name: &str| extra.remove(name).and_then(|values| values.into_iter().next());
        Ok(Review {
            authenticated: status.authenticated.unwrap_or_default(),
            audiences: status.audiences.unwrap_or_default(),
            user: user.username.unwrap_or_default(),
            pod_name: first("authentication.kubernetes.io/pod-name"),
            pod_uid: first("authentication.kubernetes.io/pod-uid"),
        })
    }
}

impl Reviewer for KubernetesReviewer {
    fn review<'a>(&'a self, token: &'a str) -> Reviewing<'a> {
        Box::pin(self.ask(token))
    }
}

impl fmt::Debug for KubernetesReviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesReviewer").field("audience", &self.audience).finish_non_exhaustive()
    }
}
