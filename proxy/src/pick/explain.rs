//! Explaining a pick: the same choice as for a request, without using up a turn.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;
use sluicegate_table::{Algorithm as AlgorithmName, ObjectKey};

use super::algorithm::{Algorithm, Because};
use super::sequence::Run;
use super::states::State;
use super::{Balancer, Member, MemberIndex};
use crate::request::RequestView;

/// Which targets a request could go to, and which one it would go to now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// How a target is picked.
    pub algorithm: AlgorithmName,
    /// What requests are recognised by that belong together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<String>,
    /// All members of the pool, levels in order.
    pub candidates: Vec<ExplainedMember>,
    /// The target that would be picked; `None`: the answer is 503.
    pub picked: Option<ObjectKey>,
    /// Which of its addresses, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Why that one.
    pub why: String,
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
        let chosen = self.choose(request, &[], Run::Dry).and_then(|(level, choice)| {
            let candidate = level.candidates.get(choice.position)?;
            Some((level.priority, candidate.member, choice.because))
        });
        let mut candidates: Vec<ExplainedMember> = self
            .members
            .iter()
            .map(|member| ExplainedMember {
                target: member.key.clone(),
                address: member.address,
                priority: member.priority,
                weight: member.weight,
                state: member.state,
                eligible: false,
                in_flight: None,
                score: None,
                picked: false,
            })
            .collect();
        for level in &self.levels {
            for candidate in &level.candidates {
                if let Some(member) = candidates.get_mut(candidate.member.0 as usize) {
                    member.eligible = chosen.is_some_and(|(priority, ..)| priority == level.priority);
                    member.in_flight = Some(candidate.load.in_flight());
                    member.score = level.algorithm.score(candidate, request.received);
                    member.picked = chosen.is_some_and(|(_, picked, _)| picked == candidate.member);
                }
            }
        }
        Explanation {
            algorithm: self.algorithm,
            affinity: self.affinity.as_ref().map(ToString::to_string),
            candidates,
            picked: chosen.and_then(|(_, member, _)| self.member(member)).map(|member| member.key.clone()),
            address: chosen.and_then(|(_, member, _)| self.member(member)).and_then(|member| member.address),
            why: match chosen {
                Some((priority, _, because)) => self.why(priority, because),
                None => "no target is usable".to_owned(),
            },
        }
    }

    fn member(&self, member: MemberIndex) -> Option<&Member> {
        self.members.get(member.0 as usize)
    }

    fn why(&self, priority: u16, because: Because) -> String {
        match because {
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
        let width = self.candidates.iter().map(|member| member.place().len()).max().unwrap_or(0);
        for member in &self.candidates {
            let mark = if member.picked { '>' } else { ' ' };
            let target = member.place();
            write!(
                f,
                "{mark} {target:width$}  priority {}  weight {:>3}  {}",
                member.priority, member.weight, member.state
            )?;
            if let Some(in_flight) = member.in_flight {
                write!(f, ", {in_flight} in flight")?;
            }
            if let Some(score) = member.score {
                write!(f, ", score {score:.6}")?;
            }
            if member.state == State::Usable && !member.eligible && self.picked.is_some() {
                f.write_str(", its priority level is not in use")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
