//! Explaining a pick: the same choice as for a request, without using up a turn.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;
use sluicegate_table::watch::BreakerState;
use sluicegate_table::{Algorithm as AlgorithmName, ObjectKey};

pub use self::health::ExplainedHealth;
use super::algorithm::{Algorithm, Because};
use super::sequence::Run;
use super::states::State;
use super::{Balancer, Chosen, Member, MemberIndex, NoUsableTarget, Panic, unusable};
use crate::request::RequestView;

mod health;

/// Which targets a request could go to, and which one it would go to now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// How a target is picked.
    pub algorithm: AlgorithmName,
    /// What requests are recognised by that belong together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<String>,
    /// How the circuit breaker of the Upstream as a whole stands, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
    /// Why targets are used that are not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panic: Option<Panic>,
    /// All members of the pool, levels in order.
    pub candidates: Vec<ExplainedMember>,
    /// The target that would be picked; `None`: the answer is 503.
    pub picked: Option<ObjectKey>,
    /// Which of its addresses, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Why that one.
    pub why: String,
    /// Why there is none.
    #[serde(skip)]
    pub(crate) none: Option<NoUsableTarget>,
}

/// A member of the pool. A Target with several addresses is as many.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedMember {
    /// The Target's key.
    pub target: ObjectKey,
    /// The address, where the Target's place is discovered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Its priority number.
    pub priority: u16,
    /// The Target's weight, as the table has it.
    pub weight: u8,
    /// Whether it may get requests, or why not.
    pub state: State,
    /// What is known of its health, where that is not simply good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<ExplainedHealth>,
    /// Whether it is in the level that is in use and may get this request.
    pub eligible: bool,
    /// Requests in flight, where it may get requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// What the algorithm compares, smaller is better. `LeastConnections`: requests in flight divided by weight.
    /// `LeastLatency`: seconds, times requests in flight plus one, divided by weight. The weight of a Target with several
    /// addresses is divided among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Whether it would be picked.
    pub picked: bool,
}

impl Balancer {
    /// Explains what [`Balancer::pick`] would do with a request. Where the choice is by chance, another request may be
    /// picked another target.
    pub fn explain(&self, request: &RequestView<'_>) -> Explanation {
        let breaker = self.breaker().map(|breaker| breaker.view().breaker);
        let gate = self.lets_in();
        let chosen = if gate { self.choose(request, &[], Run::Dry) } else { None };
        let in_use = chosen.map(|chosen| (chosen.level.priority, chosen.pass));
        let picked = chosen.map(|chosen| chosen.candidate.member);
        let none = match chosen {
            Some(_) => None,
            None if !gate => Some(NoUsableTarget::Open),
            None => Some(unusable(&self.levels, &[])),
        };
        let mut candidates: Vec<ExplainedMember> = self
            .members
            .iter()
            .map(|member| ExplainedMember {
                target: member.key.clone(),
                address: member.address,
                priority: member.priority,
                weight: member.weight,
                state: member.state,
                health: None,
                eligible: false,
                in_flight: None,
                score: None,
                picked: false,
            })
            .collect();
        for level in &self.levels {
            for candidate in &level.candidates {
                if let Some(member) = candidates.get_mut(candidate.member.0 as usize) {
                    member.health = ExplainedHealth::of(candidate);
                    member.eligible = in_use.is_some_and(|(priority, pass)| {
                        priority == level.priority && level.candidates(request.received, &[], pass).is_free(candidate)
                    });
                    member.in_flight = Some(candidate.load.in_flight());
                    member.score = level.algorithm.score(candidate, request.received);
                    member.picked = picked == Some(candidate.member);
                }
            }
        }
        Explanation {
            algorithm: self.algorithm,
            affinity: self.affinity.as_ref().map(ToString::to_string),
            breaker,
            panic: self.panic(),
            candidates,
            picked: picked.and_then(|member| self.member(member)).map(|member| member.key.clone()),
            address: picked.and_then(|member| self.member(member)).and_then(|member| member.address),
            why: chosen.map(|chosen| self.why(chosen)).or(none.map(|none| none.to_string())).unwrap_or_default(),
            none,
        }
    }

    fn member(&self, member: MemberIndex) -> Option<&Member> {
        self.members.get(member.0 as usize)
    }

    fn why(&self, chosen: Chosen<'_>) -> String {
        let priority = chosen.level.priority;
        match chosen.because {
            Because::Affine => match &self.affinity {
                Some(affinity) if affinity.tells_clients() => format!("{affinity} names it"),
                Some(affinity) => format!("{affinity} is hashed to it"),
                None => "the request belongs to it".to_owned(),
            },
            Because::Only => format!("no other target of priority {priority} is usable"),
            Because::Turn => "it is its turn".to_owned(),
            Because::StandsIn => "it stands in for a target that is not usable and whose turn it is".to_owned(),
            Because::Drawn => "it was drawn by weight; the next request is drawn anew".to_owned(),
            Because::Least => "its score is the least".to_owned(),
            Because::LeastByTurn => "its score is the least, shared with others, and ties go by turn".to_owned(),
            Because::LesserOfTwo => {
                "its score is the lesser of two targets drawn by weight; the next request is drawn anew".to_owned()
            }
        }
    }
}

impl ExplainedMember {
    fn place(&self) -> String {
        place(&self.target, self.address)
    }
}

/// An endpoint in a text.
fn place(target: &ObjectKey, address: Option<SocketAddr>) -> String {
    address.map_or_else(|| target.to_string(), |address| format!("{target} {address}"))
}

impl fmt::Display for Explanation {
    /// A few lines of text: the pick, then a line for each member.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.picked {
            Some(target) => {
                writeln!(f, "{:?} picks {}: {}", self.algorithm, place(target, self.address), self.why)?;
            }
            None => writeln!(f, "{:?} picks nothing: {}", self.algorithm, self.why)?,
        }
        if let Some(affinity) = &self.affinity {
            writeln!(f, "affinity by {affinity}")?;
        }
        if let Some(breaker) = self.breaker {
            writeln!(f, "circuit breaker of the Upstream: {breaker:?}")?;
        }
        if let Some(panic) = self.panic {
            writeln!(f, "panic: {panic}")?;
        }
        let width = self.candidates.iter().map(|member| member.place().len()).max().unwrap_or(0);
        let in_use = self.candidates.iter().find(|member| member.picked).map(|member| member.priority);
        for member in &self.candidates {
            let mark = if member.picked { '>' } else { ' ' };
            let target = member.place();
            write!(f, "{mark} {target:width$}  priority {}  weight {:>3}  ", member.priority, member.weight)?;
            match &member.health {
                Some(health) => write!(f, "{health}")?,
                None => write!(f, "{}", member.state)?,
            }
            if let Some(in_flight) = member.in_flight {
                write!(f, ", {in_flight} in flight")?;
            }
            if let Some(score) = member.score {
                write!(f, ", score {score:.6}")?;
            }
            if member.state == State::Usable && in_use.is_some_and(|priority| priority != member.priority) {
                f.write_str(", its priority level is not in use")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
