//! The circuit breaker that an Upstream has for all of its Targets, in the Upstream's condition `Healthy`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluicegate_crds::status::{BreakerState, ConditionType, Reason};

use super::health::shown;
use super::merge::{Said, holds};
use super::witnesses::SeenBreaker;

/// What stands behind what is said of the Targets, before the count of proxies.
const OPEN_IN: &str = "; its circuit breaker is open in ";
/// What is said where all proxies agree.
const OPEN: &str = "no Target gets requests: the circuit breaker of the Upstream is open";

/// How the breaker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Circuit {
    pub(super) state: BreakerState,
    open: In,
}

/// In which proxies it is not closed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum In {
    None,
    /// So many proxies, of how many.
    Some(String),
    All,
}

impl Circuit {
    /// As the proxies see it.
    pub(super) fn observed(seen: SeenBreaker) -> Self {
        let open = match (seen.broken, seen.known) {
            (0, _) => In::None,
            (broken, known) if broken == known => In::All,
            (broken, known) => In::Some(format!("{broken}/{known} proxies")),
        };
        Self { state: shown(seen.state), open }
    }

    /// As the Upstream's condition told it; `None`: it said that the breaker is closed, or nothing. `state`: as the status told
    /// it besides.
    pub(super) fn told(condition: &Condition, state: Option<BreakerState>) -> Option<Self> {
        let open = if !holds(condition) && condition.reason == Reason::CircuitOpen.as_str() {
            In::All
        } else {
            In::Some(condition.message.split_once(OPEN_IN)?.1.to_owned())
        };
        Some(Self { state: state.unwrap_or(BreakerState::Open), open })
    }

    /// Whether it is closed for all that is known.
    pub(super) fn is_closed(&self) -> bool {
        self.open == In::None
    }

    /// `Healthy` of the Upstream, where `said` is what its Targets make of it.
    pub(super) fn condition(&self, said: Said) -> Said {
        match &self.open {
            In::None => said,
            In::Some(proxies) => {
                let message = format!("{}{OPEN_IN}{proxies}", said.message);
                // That nobody gets requests, in whichever proxy, is worse.
                let reason = if said.status == "True" { Reason::CircuitOpen.as_str().to_owned() } else { said.reason };
                Said { reason, message, ..said }
            }
            In::All => Said::new(ConditionType::Healthy, "False", Reason::CircuitOpen, OPEN.to_owned()),
        }
    }
}
