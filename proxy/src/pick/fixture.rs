//! Pools and requests for the tests of picking.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use http::header::{COOKIE, HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sluicegate_table::{
    Affinity, Algorithm, EndpointAddress, Endpoints, Level, Member, ObjectKey, Pool, Protocol, Target, TargetState,
    Weight,
};

use super::{Balancer, MemberIndex, NoUsableTarget};
use crate::endpoint::{InFlight, Load, TargetRuntime};
use crate::health::{Outcome, Shared};
use crate::request::{BodyFacts, IdentityHeaders, RequestView};

/// A pool with its Targets: `t0`, `t1` and so on in the order of its levels.
pub(super) struct Fixture {
    pub(super) pool: Pool,
    pub(super) targets: Vec<Option<Arc<TargetRuntime>>>,
    pub(super) shared: Arc<Shared>,
}

impl Fixture {
    /// A pool of one level with these weights.
    pub(super) fn new(algorithm: Algorithm, weights: &[u8]) -> Self {
        let pool = Pool::new(algorithm, Vec::new());
        Self { pool, targets: Vec::new(), shared: Arc::default() }.level(1, weights)
    }

    /// Adds a level.
    pub(super) fn level(mut self, priority: u16, weights: &[u8]) -> Self {
        let first = self.targets.len();
        let members = weights.iter().enumerate().map(|(at, weight)| Member {
            target: ObjectKey::new("default", format!("t{}", first + at)),
            weight: Weight::try_from(*weight).unwrap(),
        });
        let level = Level { priority, members: members.collect() };
        for member in &level.members {
            self.targets.push(Some(TargetRuntime::shared_or_new(
                &member.target,
                &Arc::new(target()),
                None,
                None,
                &self.shared,
            )));
        }
        self.pool.levels.push(level);
        self
    }

    /// With this affinity.
    pub(super) fn affinity(mut self, affinity: Affinity) -> Self {
        self.pool.affinity = Some(affinity);
        self
    }

    /// Changes the Target of a member, as an edit does: its load stays.
    pub(super) fn edit(&mut self, member: usize, edit: impl FnOnce(&mut Target)) {
        let old = self.targets[member].clone().unwrap();
        let mut target = Target::clone(&old.target);
        edit(&mut target);
        self.replace(member, target, old.addresses.as_ref());
    }

    /// Has the Target of a member discovered at these addresses, given by their last bytes.
    pub(super) fn addresses(&mut self, member: usize, addresses: impl IntoIterator<Item = u8>) {
        let target = Target { discovered: true, ..Target::clone(&self.targets[member].as_ref().unwrap().target) };
        let address = |last| EndpointAddress { address: ([10, 0, 0, last], 80).into(), zone: None };
        let endpoints = Endpoints { addresses: addresses.into_iter().map(address).collect() };
        self.replace(member, target, Some(&Arc::new(endpoints)));
    }

    fn replace(&mut self, member: usize, target: Target, addresses: Option<&Arc<Endpoints>>) {
        let key = ObjectKey::new("default", format!("t{member}"));
        let last = self.targets[member].take();
        let new = TargetRuntime::shared_or_new(&key, &Arc::new(target), addresses, last.as_ref(), &self.shared);
        self.targets[member] = Some(new);
    }

    /// Puts a Target into this state.
    pub(super) fn state(&mut self, member: usize, state: TargetState) {
        self.edit(member, |target| target.state = state);
    }

    /// A balancer without a past.
    pub(super) fn balancer(&self) -> Balancer {
        Balancer::new(&self.pool, &self.targets, None)
    }

    /// The load of a member.
    pub(super) fn load(&self, member: usize) -> &Arc<Load> {
        &self.targets[member].as_ref().unwrap().endpoints[0].load
    }
}

fn target() -> Target {
    Target::new("127.0.0.1", 80, Protocol::Http)
}

/// What a request is made of.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) headers: HeaderMap,
    pub(super) ip: IpAddr,
    pub(super) tls: bool,
    pub(super) received: Instant,
    pub(super) content_length: Option<u64>,
    pub(super) body: Option<BodyFacts>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            ip: [192, 0, 2, 1].into(),
            tls: false,
            received: Instant::now(),
            content_length: Some(0),
            body: None,
        }
    }
}

impl Client {
    /// One that sends this header.
    pub(super) fn with_header(name: &'static str, value: &str) -> Self {
        let mut client = Self::default();
        client.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        client
    }

    /// One at this address.
    pub(super) fn at(ip: impl Into<IpAddr>) -> Self {
        Self { ip: ip.into(), ..Self::default() }
    }

    /// Lets time pass.
    pub(super) fn after(&mut self, time: Duration) {
        self.received += time;
    }

    /// Its request.
    pub(super) fn view(&self) -> RequestView<'_> {
        static IDENTITY: LazyLock<IdentityHeaders> = LazyLock::new(IdentityHeaders::default);
        RequestView {
            method: &Method::POST,
            host: "example.com",
            path: "/",
            query: None,
            headers: &self.headers,
            content_length: self.content_length,
            client_ip: self.ip,
            tls: self.tls,
            received: self.received,
            identity: &IDENTITY,
            body: self.body.as_ref(),
        }
    }

    /// The member that its request goes to. Cookies are kept as a browser keeps them.
    pub(super) fn pick(&mut self, balancer: &Balancer) -> usize {
        let picked = balancer.pick(&self.view(), &[]).unwrap();
        if let Some(set_cookie) = picked.set_cookie {
            let cookie = set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            self.headers.insert(COOKIE, HeaderValue::try_from(cookie).unwrap());
            self.headers.insert(SET_COOKIE, set_cookie);
        }
        picked.member.0 as usize
    }
}

/// The member that a request without anything particular goes to.
pub(super) fn pick(balancer: &Balancer) -> usize {
    pick_untried(balancer, &[])
}

/// The same for one that has tried these members.
pub(super) fn pick_untried(balancer: &Balancer, tried: &[u32]) -> usize {
    let tried: Vec<MemberIndex> = tried.iter().map(|member| MemberIndex(*member)).collect();
    balancer.pick(&Client::default().view(), &tried).unwrap().member.0 as usize
}

/// An attempt of a request without anything particular, with this outcome by member: the member that it goes to.
pub(super) fn attempt(balancer: &Balancer, outcome: impl FnOnce(usize) -> Outcome) -> Result<usize, NoUsableTarget> {
    let (member, in_flight) = begin(balancer, &[])?;
    balancer.judge(MemberIndex(member as u32), &in_flight, outcome(member));
    Ok(member)
}

/// The same, up to its outcome.
pub(super) fn begin(balancer: &Balancer, tried: &[u32]) -> Result<(usize, InFlight), NoUsableTarget> {
    let tried: Vec<MemberIndex> = tried.iter().map(|member| MemberIndex(*member)).collect();
    let picked = balancer.pick(&Client::default().view(), &tried)?;
    let mut candidates = balancer.levels.iter().flat_map(|level| &level.candidates);
    let candidate = candidates.find(|candidate| candidate.member == picked.member).unwrap();
    Ok((picked.member.0 as usize, InFlight::begin_as(&candidate.load, picked.probe)))
}

/// An answer with this status.
pub(super) fn answered(status: u16) -> Outcome {
    Outcome::Answered { status: StatusCode::from_u16(status).unwrap(), retry_after: None }
}

/// How many of `picks` requests each of `members` gets.
pub(super) fn count(members: usize, picks: usize, mut pick: impl FnMut() -> usize) -> Vec<usize> {
    let mut counts = vec![0; members];
    for _ in 0..picks {
        counts[pick()] += 1;
    }
    counts
}

/// Whether a count is what a share of so many independent draws makes likely: within seven standard deviations, which
/// chance exceeds less than once in a billion.
pub(super) fn is_likely(count: usize, draws: usize, share: f64) -> bool {
    let expected = draws as f64 * share;
    (count as f64 - expected).abs() <= 7.0 * (expected * (1.0 - share)).sqrt() + 0.5
}

/// Weights of 2 to 40 members that add up to 100, some of them 0: the gaps between sorted cuts.
pub(super) fn splits() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::strategy::Strategy;
    proptest::collection::vec(0..=100_u8, 1..40).prop_map(|mut cuts| {
        cuts.extend([0, 100]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    })
}
