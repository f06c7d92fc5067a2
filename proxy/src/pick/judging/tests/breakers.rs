//! What attempts do to circuit breakers, of an endpoint and of a pool as a whole.

use super::*;

#[test]
fn a_broken_body_lengthens_the_row_of_a_breaker_of_either_scope() {
    for scope in [BreakerScope::Endpoint, BreakerScope::Upstream] {
        let fixture = guarded(&[100], scope);
        let balancer = fixture.balancer();
        let open = || begin(&balancer, &[]).is_err();
        for failures in 0..breaker().failure_threshold {
            assert!(!open(), "{scope:?}: after {failures}");
            let (_, in_flight) = begin(&balancer, &[]).unwrap();
            balancer.judge(MemberIndex(0), &in_flight, answered(200));
            balancer.judge(MemberIndex(0), &in_flight, BAD);
        }
        assert!(open(), "{scope:?}");
    }
}

#[test]
fn a_broken_body_is_no_success_of_the_window() {
    for scope in [BreakerScope::Endpoint, BreakerScope::Upstream] {
        let mut fixture = guarded(&[100], scope);
        let settings = fixture.pool.circuit_breaker.as_mut().unwrap();
        (settings.failure_threshold, settings.minimum_success_percent) = (1_000, Some(30));
        let balancer = fixture.balancer();
        for attempts in 0..breaker().minimum_requests {
            let (_, in_flight) = begin(&balancer, &[]).unwrap_or_else(|_| panic!("{scope:?}: open after {attempts}"));
            balancer.judge(MemberIndex(0), &in_flight, answered(200));
            balancer.judge(MemberIndex(0), &in_flight, BAD);
        }
        assert!(begin(&balancer, &[]).is_err(), "{scope:?}");
    }
}

#[test]
fn a_good_answer_ends_the_row_that_a_broken_body_has_taken_up_again() {
    for scope in [BreakerScope::Endpoint, BreakerScope::Upstream] {
        let fixture = guarded(&[100], scope);
        let balancer = fixture.balancer();
        for _ in 0..3 {
            for _ in 1..breaker().failure_threshold {
                let (_, in_flight) = begin(&balancer, &[]).unwrap();
                balancer.judge(MemberIndex(0), &in_flight, answered(200));
                balancer.judge(MemberIndex(0), &in_flight, BAD);
            }
            attempt(&balancer, |_| answered(200)).unwrap();
        }
        assert!(attempt(&balancer, |_| answered(200)).is_ok(), "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_opens_lets_exactly_its_probes_through_and_closes() {
    let fixture = guarded(&[50, 50], BreakerScope::Endpoint);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let balancer = fixture.balancer();
    assert_eq!(fail(&balancer, answered(500)), 5);
    assert_eq!(view(&fixture, 0).breaker, BreakerState::Open);
    assert!(matches!(begin(&balancer, &[1]), Err(NoUsableTarget::Open)));
    for round in 0..3 {
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(view(&fixture, 0).breaker, BreakerState::HalfOpen);
        assert_eq!(fail(&balancer, answered(500)), 2, "in round {round} two failures decide");
        assert_eq!(view(&fixture, 0).breaker, BreakerState::Open);
    }
    tokio::time::sleep(Duration::from_secs(61)).await;
    let mut probes: Vec<InFlight> = (0..3).map(|_| begin(&balancer, &[1]).unwrap().1).collect();
    assert!(matches!(begin(&balancer, &[1]), Err(NoUsableTarget::Open)), "three at a time");
    assert_eq!(attempt(&balancer, |_| answered(200)), Ok(1), "others go elsewhere");
    // One client goes away: its place is another's.
    drop(probes.pop());
    probes.push(begin(&balancer, &[1]).unwrap().1);
    assert!(begin(&balancer, &[1]).is_err());
    for probe in &probes {
        balancer.judge(MemberIndex(0), probe, answered(200));
    }
    assert_eq!(view(&fixture, 0).breaker, BreakerState::Closed);
    // Nothing says over how long it returns.
    let during = count(2, 10_000, || pick(&balancer))[0];
    assert!((300..800).contains(&during), "about a tenth of its half: {during}");
    tokio::time::sleep(PassiveCheck::RECOVERY + Duration::from_secs(1)).await;
    assert_eq!(count(2, 100, || pick(&balancer)), [50, 50]);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_breaker_guards_all_and_outlives_an_edit() {
    let fixture = guarded(&[50, 50], BreakerScope::Upstream);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let balancer = fixture.balancer();
    for _ in 0..5 {
        attempt(&balancer, |_| Outcome::Slow).unwrap();
    }
    assert_eq!(attempt(&balancer, |_| BAD), Err(NoUsableTarget::Open));
    assert_eq!((view(&fixture, 0).reason(), view(&fixture, 1).reason()), (None, None));
    let balancer = Balancer::new(&fixture.pool, &fixture.targets, Some(&balancer));
    assert_eq!(balancer.breaker().unwrap().view().breaker, BreakerState::Open);
    tokio::time::sleep(Duration::from_secs(61)).await;
    let probes: Vec<(usize, InFlight)> = (0..3).map(|_| begin(&balancer, &[]).unwrap()).collect();
    assert!(matches!(begin(&balancer, &[]), Err(NoUsableTarget::Open)));
    assert!(matches!(begin(&balancer, &[0, 1]), Err(NoUsableTarget::Open)));
    for (member, probe) in &probes {
        balancer.judge(MemberIndex(*member as u32), probe, answered(200));
    }
    assert_eq!(balancer.breaker().unwrap().view().breaker, BreakerState::Closed);
    assert_eq!(balancer.breaker().unwrap().word(), Word::default(), "nobody else could take over a share of the whole");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_breaker_that_came_before_its_targets_is_seen_and_half_opens_all_the_same() {
    let fixture = guarded(&[50, 50], BreakerScope::Upstream);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let without = Balancer::new(&fixture.pool, &[None, None], None);
    let balancer = Balancer::new(&fixture.pool, &fixture.targets, Some(&without));
    let generation = fixture.shared.generation();
    for _ in 0..5 {
        attempt(&balancer, |_| BAD).unwrap();
    }
    assert_ne!(fixture.shared.generation(), generation, "who listens is told");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(balancer.breaker().unwrap().view().breaker, BreakerState::HalfOpen);
    // Targets that are gone for a moment change nothing.
    let without = Balancer::new(&fixture.pool, &[None, None], Some(&balancer));
    let balancer = Balancer::new(&fixture.pool, &fixture.targets, Some(&without));
    assert_eq!(balancer.breaker().unwrap().view().breaker, BreakerState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn the_probes_of_a_pool_without_a_breaker_count_too() {
    let fixture = guarded(&[100], BreakerScope::Endpoint);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    assert_eq!(fail(&fixture.balancer(), BAD), 5);
    let mut plain = fixture.pool.clone();
    plain.circuit_breaker = None;
    let balancer = Balancer::new(&plain, &fixture.targets, None);
    assert_eq!(attempt(&balancer, |_| BAD), Err(NoUsableTarget::Open));
    tokio::time::sleep(Duration::from_secs(61)).await;
    for _ in 0..3 {
        attempt(&balancer, |_| answered(200)).unwrap();
    }
    assert_eq!(view(&fixture, 0).breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_let_go_of_its_place_counts_no_more() {
    let mut fixture = guarded(&[100], BreakerScope::Endpoint);
    let settings = fixture.pool.circuit_breaker.as_mut().unwrap();
    (settings.probes, settings.successes, settings.success_threshold) = (1, 1, 2);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let balancer = fixture.balancer();
    assert_eq!(fail(&balancer, BAD), 5);
    tokio::time::sleep(Duration::from_secs(61)).await;
    let (_, slow) = begin(&balancer, &[]).unwrap();
    assert!(begin(&balancer, &[]).is_err());
    slow.probe().unwrap().let_go();
    let (_, other) = begin(&balancer, &[]).unwrap();
    assert!(begin(&balancer, &[]).is_err(), "one place is given once");
    for outcome in [answered(200), BAD] {
        balancer.judge(MemberIndex(0), &slow, outcome);
        assert_eq!(view(&fixture, 0).breaker, BreakerState::HalfOpen);
        assert!(begin(&balancer, &[]).is_err());
    }
    balancer.judge(MemberIndex(0), &other, answered(200));
    assert_eq!(view(&fixture, 0).breaker, BreakerState::HalfOpen, "this is the first success of two");
    drop(slow);
    let (_, last) = begin(&balancer, &[]).unwrap();
    assert!(begin(&balancer, &[]).is_err());
    balancer.judge(MemberIndex(0), &last, answered(200));
    assert_eq!(view(&fixture, 0).breaker, BreakerState::Closed);
}
