//! What a scrape tells of the health of endpoints.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use prometheus_client::encoding::DescriptorEncoder;
use sluicegate_table::BreakerScope;
use sluicegate_table::watch::{BreakerState, EndpointState, UnhealthyReason};

use super::exposition::{counter, counter_family, gauge_family};
use super::health::EndpointTotals;
use super::{BreakerGauges, Gauges};

pub(super) fn expose(
    encoder: &mut DescriptorEncoder<'_>,
    gauges: &dyn Gauges,
    endpoints: &[EndpointTotals],
) -> fmt::Result {
    members(encoder, gauges)?;
    levels(encoder, gauges)?;
    breakers(encoder, gauges)?;
    counts(encoder, endpoints)
}

fn members(encoder: &mut DescriptorEncoder<'_>, gauges: &dyn Gauges) -> fmt::Result {
    let members = gauges.members();
    let labels: Vec<[String; 5]> = members
        .iter()
        .map(|member| {
            let known = |text: &Option<String>| text.clone().unwrap_or_default();
            let (upstream, target) = (member.upstream.to_string(), member.target.to_string());
            [upstream, target, text(member.address), known(&member.region), known(&member.zone)]
        })
        .collect();
    let help = "1: the endpoint gets requests of this upstream. 0: it gets none while others do.";
    let mut family = gauge_family(encoder, "gateway_upstream_health", help)?;
    for (member, [upstream, target, address, datacenter, zone]) in members.iter().zip(&labels) {
        let labels = [
            ("upstream", upstream.as_str()),
            ("target", target.as_str()),
            ("address", address.as_str()),
            ("datacenter", datacenter.as_str()),
            ("zone", zone.as_str()),
        ];
        family.encode_family(&labels)?.encode_gauge(&u64::from(member.healthy))?;
    }
    // What follows is the endpoint's, whichever upstream sends to it.
    let endpoints: BTreeMap<_, _> =
        members.iter().zip(&labels).map(|(member, [_, target, address, _, _])| ((target, address), member)).collect();
    let help = "How much of its share an endpoint gets: less than 1 while it is on its way back.";
    let mut family = gauge_family(encoder, "sluicegate_upstream_share", help)?;
    for ((target, address), member) in &endpoints {
        let labels = [("target", target.as_str()), ("address", address.as_str())];
        family.encode_family(&labels)?.encode_gauge(&member.share)?;
    }
    let help = "How often real answers had an endpoint ejected.";
    let mut family = counter_family(encoder, "sluicegate_upstream_ejections", help)?;
    for ((target, address), member) in &endpoints {
        counter(&mut family, &[("target", target.as_str()), ("address", address.as_str())], member.ejections)?;
    }
    Ok(())
}

fn levels(encoder: &mut DescriptorEncoder<'_>, gauges: &dyn Gauges) -> fmt::Result {
    let help = "1: so little of the level is healthy that ejected endpoints are used too; level any: so little of all.";
    let mut family = gauge_family(encoder, "sluicegate_upstream_panic", help)?;
    for level in gauges.levels() {
        let upstream = level.upstream.to_string();
        let priority = level.priority.map_or_else(|| "any".to_owned(), |priority| priority.to_string());
        let labels = [("upstream", upstream.as_str()), ("level", priority.as_str())];
        family.encode_family(&labels)?.encode_gauge(&u64::from(level.panics))?;
    }
    Ok(())
}

fn breakers(encoder: &mut DescriptorEncoder<'_>, gauges: &dyn Gauges) -> fmt::Result {
    let breakers = gauges.breakers();
    let of = |breaker: &BreakerGauges| (breaker.service.to_string(), scope(breaker.scope), text(breaker.address));
    let labels: Vec<_> = breakers.iter().map(of).collect();
    let help = "1 for the state that a circuit breaker is in, 0 for the others.";
    let mut family = gauge_family(encoder, "gateway_circuit_breaker_state", help)?;
    for (breaker, (service, scope, address)) in breakers.iter().zip(&labels) {
        for (state, word) in
            [(BreakerState::Closed, "closed"), (BreakerState::Open, "open"), (BreakerState::HalfOpen, "half_open")]
        {
            let labels =
                [("service", service.as_str()), ("scope", *scope), ("address", address.as_str()), ("state", word)];
            family.encode_family(&labels)?.encode_gauge(&u64::from(breaker.state == state))?;
        }
    }
    let help = "How often a circuit breaker opened.";
    let mut family = counter_family(encoder, "sluicegate_circuit_breaker_openings", help)?;
    for (breaker, (service, scope, address)) in breakers.iter().zip(&labels) {
        let labels = [("service", service.as_str()), ("scope", *scope), ("address", address.as_str())];
        counter(&mut family, &labels, breaker.openings)?;
    }
    Ok(())
}

fn counts(encoder: &mut DescriptorEncoder<'_>, endpoints: &[EndpointTotals]) -> fmt::Result {
    let help = "Changes of an endpoint's state, and the reason where it became unhealthy.";
    let mut family = counter_family(encoder, "gateway_upstream_health_transitions", help)?;
    for endpoint in endpoints {
        for ((from, to, reason), count) in &endpoint.changes {
            let labels = [
                ("target", endpoint.target.as_str()),
                ("address", endpoint.address.as_str()),
                ("from", state(*from)),
                ("to", state(*to)),
                ("reason", reason.map_or("", because)),
            ];
            counter(&mut family, &labels, *count)?;
        }
    }
    let help = "Active checks of an endpoint, by what became of them.";
    let mut family = counter_family(encoder, "sluicegate_health_checks", help)?;
    for endpoint in endpoints {
        for (result, count) in &endpoint.checks {
            let labels = [
                ("target", endpoint.target.as_str()),
                ("address", endpoint.address.as_str()),
                ("result", result.word()),
            ];
            counter(&mut family, &labels, *count)?;
        }
    }
    Ok(())
}

fn text(address: Option<SocketAddr>) -> String {
    address.map_or_else(String::new, |address| address.to_string())
}

fn scope(scope: BreakerScope) -> &'static str {
    match scope {
        BreakerScope::Endpoint => "Endpoint",
        BreakerScope::Upstream => "Upstream",
    }
}

fn state(state: EndpointState) -> &'static str {
    match state {
        EndpointState::Healthy => "Healthy",
        EndpointState::Unhealthy => "Unhealthy",
        EndpointState::Draining => "Draining",
        EndpointState::Disabled => "Disabled",
    }
}

fn because(reason: UnhealthyReason) -> &'static str {
    match reason {
        UnhealthyReason::CircuitOpen => "CircuitOpen",
        UnhealthyReason::Resting => "Resting",
        UnhealthyReason::Ejected => "Ejected",
        UnhealthyReason::FailedChecks => "FailedChecks",
        UnhealthyReason::NotChecked => "NotChecked",
    }
}
