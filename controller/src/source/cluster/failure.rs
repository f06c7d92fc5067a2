//! Why a request to the API server came to nothing, in words for who has to mend it.

use kube::core::Status;
use thiserror::Error;

use super::resource::Resource;
use crate::objects::Kind;

/// Why a request came to nothing.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The version to go on from is too old: what happened since is no longer known.
    #[error("the API server no longer knows what happened since the last change that was seen")]
    Expired,
    /// The API server said no.
    #[error("the API server answers: {}", .0.message)]
    Refused(Box<Status>),
    /// There is no answer.
    #[error("the API server cannot be reached: {0}")]
    Away(String),
    /// There is an answer that makes no sense. What it says is not shown: it may be a Secret.
    #[error("the API server's answer is not what it should be")]
    Nonsense,
}

impl Failure {
    /// Tells the kinds of error apart.
    pub(super) fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::answered(status),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::Nonsense,
            error => Self::Away(whole_story(&error)),
        }
    }

    /// What the API server's answer means.
    pub(super) fn answered(status: Box<Status>) -> Self {
        if status.code == 410 || matches!(status.reason.as_str(), "Expired" | "Gone") {
            Self::Expired
        } else {
            Self::Refused(status)
        }
    }

    /// Whether it was said that there is no such object.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.is_not_found())
    }

    /// Whether it was said that the controller has no right to it.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 403)
    }

    /// What to do about it, where that can be told.
    pub(super) fn remedy(&self, resource: Resource) -> Option<String> {
        let Self::Refused(status) = self else { return None };
        match (status.code, resource) {
            (403, Resource::Secret | Resource::ConfigMap | Resource::Service) => {
                Some(format!("grant the controller's service account get, list and watch on {resource}"))
            }
            (403, _) => Some(format!("grant the controller's service account list and watch on {resource}")),
            (404, Resource::Own(Kind::Rule | Kind::Target | Kind::Upstream)) => {
                Some("install the CustomResourceDefinitions (chart sluicegate-crds)".to_owned())
            }
            (400, Resource::Own(_)) => Some("correct objectSelector in the controller's configuration".to_owned()),
            _ => None,
        }
    }
}

/// An error with its causes: the outermost alone says `client error (Connect)`.
fn whole_story(error: &dyn std::error::Error) -> String {
    let mut story = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !story.ends_with(&text) {
            story.push_str(": ");
            story.push_str(&text);
        }
        cause = error.source();
    }
    story
}
