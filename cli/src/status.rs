//! `sluicegate status`: what the controller and each proxy have, and every object that is not as it should be.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluicegate_controller::observe::FleetStatus;
use sluicegate_crds::status::Reason;
use sluicegate_crds::{Rule, Target, Upstream};
use sluicegate_table::watch::{BreakerState, EndpointReport, Report};

use crate::arguments::{Output, Status};
use crate::live::Installation;

/// An installation at one moment.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Picture {
    /// The pod that leads; `None`: none does.
    leader: Option<String>,
    /// What it says of itself and of the proxies.
    fleet: FleetStatus,
    /// The controllers that follow.
    followers: Vec<String>,
    /// Proxies that run and do not watch.
    unconnected: Vec<String>,
    /// The objects that are not as they should be.
    objects: Vec<Faulty>,
    /// How many objects there are in all.
    total: usize,
}

/// An object that is not as it should be.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Faulty {
    kind: String,
    namespace: String,
    name: String,
    conditions: Vec<Fault>,
}

/// A condition that is not as it should be.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Fault {
    #[serde(rename = "type")]
    type_: String,
    status: String,
    reason: String,
    message: String,
}

/// Prints the installation's status.
pub(crate) async fn status(arguments: &Status, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let installation = Installation::connect(&arguments.namespace).await?;
    let picture = picture(&installation).await?;
    match arguments.output {
        Output::Text => write!(out, "{}", text(&picture))?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &picture)?;
            writeln!(out)?;
        }
    }
    Ok(if is_well(&picture) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn picture(installation: &Installation) -> anyhow::Result<Picture> {
    let mut picture = Picture::default();
    for pod in installation.pods("controller").await? {
        let answer = installation.ask(&pod, Method::GET, "/status", Vec::new()).await?;
        let fleet: FleetStatus = serde_json::from_slice(&answer)?;
        if fleet.leads {
            picture.leader = Some(pod);
            picture.fleet = fleet;
        } else {
            picture.followers.push(pod);
        }
    }
    picture.unconnected = installation.pods("proxy").await?;
    picture.unconnected.retain(|pod| !picture.fleet.proxies.contains_key(pod));
    take_faulty::<Rule>(installation, &mut picture, |rule| rule.status.as_ref().map(|status| &*status.conditions))
        .await?;
    take_faulty::<Upstream>(installation, &mut picture, |upstream| {
        upstream.status.as_ref().map(|status| &*status.conditions)
    })
    .await?;
    take_faulty::<Target>(installation, &mut picture, |target| {
        target.status.as_ref().map(|status| &*status.conditions)
    })
    .await?;
    Ok(picture)
}

async fn take_faulty<T>(
    installation: &Installation,
    picture: &mut Picture,
    conditions: impl Fn(&T) -> Option<&[Condition]>,
) -> anyhow::Result<()>
where
    T: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let objects = Api::<T>::all(installation.client().clone()).list(&ListParams::default()).await?;
    picture.total += objects.items.len();
    for object in objects {
        let faults = faults(object.meta().generation, conditions(&object).unwrap_or_default());
        if !faults.is_empty() {
            let meta = object.meta();
            picture.objects.push(Faulty {
                kind: T::kind(&()).into_owned(),
                namespace: meta.namespace.clone().unwrap_or_default(),
                name: meta.name.clone().unwrap_or_default(),
                conditions: faults,
            });
        }
    }
    Ok(())
}

/// The conditions that are not as they should be; one that speaks of an older generation is not. No conditions at all
/// mean that no controller has looked at the object.
fn faults(generation: Option<i64>, conditions: &[Condition]) -> Vec<Fault> {
    let fault = |type_: &str, status: &str, reason: &str, message: String| Fault {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
    };
    if conditions.is_empty() {
        return vec![fault("Accepted", "Unknown", "Pending", "no controller has looked at it".to_owned())];
    }
    // Two conditions say when they are there that something is wrong.
    let should_be = |type_: &str| if type_ == "PartiallyInvalid" || type_ == "Progressing" { "False" } else { "True" };
    let old = |condition: &Condition| condition.observed_generation < generation;
    // What somebody has asked for is as it should be.
    let wanted = |condition: &Condition| {
        let by_hand = [Reason::Draining, Reason::Disabled].map(Reason::as_str);
        condition.type_ == "Healthy" && by_hand.contains(&condition.reason.as_str())
    };
    let as_it_should_be = |condition: &Condition| condition.status == should_be(&condition.type_) || wanted(condition);
    conditions
        .iter()
        .filter(|condition| !as_it_should_be(condition) || old(condition))
        .map(|condition| {
            let said = &condition.message;
            let message = if old(condition) { format!("of an older generation: {said}") } else { said.clone() };
            fault(&condition.type_, &condition.status, &condition.reason, message)
        })
        .collect()
}

fn is_behind(report: &Report, fleet: &FleetStatus) -> bool {
    report.applied.as_ref().map(ToString::to_string) != fleet.version
}

fn is_well(picture: &Picture) -> bool {
    let well = |report: &Report| report.ready && report.refused.is_empty() && !is_behind(report, &picture.fleet);
    picture.leader.is_some()
        && picture.unconnected.is_empty()
        && picture.objects.is_empty()
        && picture.fleet.proxies.values().all(well)
}

fn text(picture: &Picture) -> String {
    let mut lines = Vec::new();
    let fleet = &picture.fleet;
    match &picture.leader {
        Some(pod) => {
            let version = fleet.version.as_deref().unwrap_or("none yet");
            let FleetStatus { rules, upstreams, targets, .. } = fleet;
            lines.push(format!("controller {pod} leads: version {version}"));
            lines.push(format!("  {rules} Rules, {upstreams} Upstreams, {targets} Targets in force"));
        }
        None => {
            lines.push("no controller leads: the proxies serve what they have, and no change takes effect".to_owned());
        }
    }
    lines.extend(picture.followers.iter().map(|pod| format!("controller {pod} follows")));
    lines.extend(fleet.proxies.iter().flat_map(|(pod, report)| proxy_lines(pod, report, fleet)));
    lines.extend(picture.unconnected.iter().map(|pod| format!("proxy {pod} does not watch the controller")));
    let (total, faulty) = (picture.total, picture.objects.len());
    lines.push(if faulty == 0 {
        format!("all {total} objects are as they should be")
    } else {
        format!("not as they should be, {faulty} of {total} objects:")
    });
    for object in &picture.objects {
        lines.push(format!("  {} {}/{}", object.kind, object.namespace, object.name));
        let said =
            |fault: &Fault| format!("    {} {} ({}): {}", fault.type_, fault.status, fault.reason, fault.message);
        lines.extend(object.conditions.iter().map(said));
    }
    lines.join("\n") + "\n"
}

fn proxy_lines(pod: &str, report: &Report, fleet: &FleetStatus) -> Vec<String> {
    let applied = report.applied.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let ready = if report.ready { "ready" } else { "not ready" };
    let behind = if is_behind(report, fleet) { ", behind the controller" } else { "" };
    let mut lines = vec![format!("proxy {pod} is {ready}: version {applied}{behind}")];
    lines.extend(report.refused.iter().map(|refusal| format!("  refuses {}: {}", refusal.id, refusal.reason)));
    lines.extend(report.unknown.iter().map(|entry| format!("  does not know what {entry} is")));
    lines.extend(report.missing.iter().map(|id| format!("  has no valid version of {id}")));
    let mut unwell: BTreeMap<String, String> = BTreeMap::new();
    for endpoint in &report.endpoints {
        let address = endpoint.address.map_or_else(String::new, |address| format!(" at {address}"));
        unwell.insert(format!("{}{address}", endpoint.target), health(endpoint));
    }
    lines.extend(unwell.into_iter().map(|(endpoint, state)| format!("  sees {endpoint} {state}")));
    let broken = report.upstreams.iter();
    lines.extend(
        broken.map(|told| format!("  sees the circuit breaker of Upstream {} {:?}", told.upstream, told.breaker)),
    );
    lines
}

/// The health of an endpoint: `Unhealthy (CircuitOpen), circuit breaker HalfOpen`.
fn health(endpoint: &EndpointReport) -> String {
    let reason = endpoint.reason.map_or_else(String::new, |reason| format!(" ({reason:?})"));
    let breaker = endpoint.breaker.filter(|state| *state != BreakerState::Closed);
    let breaker = breaker.map_or_else(String::new, |state| format!(", circuit breaker {state:?}"));
    format!("{:?}{reason}{breaker}", endpoint.state)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
