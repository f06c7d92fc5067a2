#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const HERE: WorkerId = WorkerId(0);
const THERE: WorkerId = WorkerId(1);

fn open(gate: &Arc<Gate>) -> Permit {
    match gate.enter(HERE, Priority::Normal, 0).unwrap() {
        Admission::Open(permit) => permit,
        Admission::Wait(_) => panic!("the gate is full"),
    }
}

fn wait(gate: &Arc<Gate>, worker: WorkerId, priority: Priority) -> Waiting {
    match gate.enter(worker, priority, 0).unwrap() {
        Admission::Open(_) => panic!("the gate has room"),
        Admission::Wait(waiting) => waiting,
    }
}

fn granted(waiting: &mut Waiting) -> Option<Grant> {
    waiting.grant.try_recv().ok()
}

#[test]
fn without_a_limit_everyone_may_open() {
    let gate = Gate::new(None, 0);
    let permits: Vec<Permit> = (0..1000).map(|_| open(&gate)).collect();
    assert_eq!(gate.open(), 1000);
    drop(permits);
    assert_eq!(gate.open(), 0);
}

#[test]
fn as_many_wait_as_may_and_the_next_is_refused_at_once() {
    let gate = Gate::new(Some(1), 2);
    let _only = open(&gate);
    let _waiting = [wait(&gate, HERE, Priority::Normal), wait(&gate, HERE, Priority::Normal)];
    assert!(matches!(gate.enter(HERE, Priority::Critical, 0), Err(ForwardError::Overloaded)));
    assert_eq!((gate.open(), gate.pending()), (1, 2));
}

#[test]
fn a_permit_goes_to_the_first_by_priority_then_by_arrival() {
    let gate = Gate::new(Some(1), 10);
    let first = open(&gate);
    let mut low = wait(&gate, HERE, Priority::Low);
    let mut normal = wait(&gate, HERE, Priority::Normal);
    let mut later = wait(&gate, THERE, Priority::Normal);
    let mut critical = wait(&gate, THERE, Priority::Critical);
    drop(first);
    for (waiting, others) in [(&mut critical, 3), (&mut normal, 2), (&mut later, 1), (&mut low, 0)] {
        let Some(Grant::Open(permit)) = granted(waiting) else { panic!("not this one's turn") };
        assert_eq!((gate.open(), gate.pending()), (1, others));
        drop(permit);
    }
    assert_eq!((gate.open(), gate.pending()), (0, 0));
}

#[test]
fn a_waiter_that_goes_leaves_the_queue() {
    let gate = Gate::new(Some(1), 2);
    let only = open(&gate);
    let gone = wait(&gate, HERE, Priority::Normal);
    let mut stays = wait(&gate, HERE, Priority::Normal);
    drop(gone);
    assert_eq!(gate.pending(), 1);
    drop(only);
    assert!(matches!(granted(&mut stays), Some(Grant::Open(_))));
}

#[test]
fn a_permit_is_not_lost_with_a_waiter_that_was_granted_it_and_went() {
    let gate = Gate::new(Some(1), 2);
    let only = open(&gate);
    let gone = wait(&gate, HERE, Priority::Normal);
    drop(only);
    assert_eq!(gate.open(), 1, "the grant is on its way");
    drop(gone);
    assert_eq!(gate.open(), 0);
    open(&gate);
}

#[test]
fn an_idle_connection_goes_to_a_waiter_of_its_own_worker_only() {
    let gate = Gate::new(Some(1), 2);
    let _only = open(&gate);
    let mut here = wait(&gate, HERE, Priority::Normal);
    assert!(!gate.pass_idle(THERE, |_| panic!("another worker's connection is of no use here")));
    let ticket = here.ticket;
    assert!(gate.pass_idle(HERE, |given| assert_eq!(given, ticket)));
    assert!(matches!(granted(&mut here), Some(Grant::Reserved)));
    assert_eq!(gate.pending(), 0);
    assert!(!gate.pass_idle(HERE, |_| panic!("nobody waits")));
}

#[test]
fn under_contention_the_limit_holds_and_nobody_is_forgotten() {
    const LIMIT: u32 = 3;
    let gate = Gate::new(Some(LIMIT), 1000);
    let inside = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..8)
        .map(|worker| {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            std::thread::spawn(move || {
                for _ in 0..2000 {
                    let permit = match gate.enter(WorkerId(worker), Priority::Normal, 0).unwrap() {
                        Admission::Open(permit) => permit,
                        Admission::Wait(mut waiting) => {
                            match std::mem::replace(&mut waiting.grant, oneshot::channel().1).blocking_recv().unwrap() {
                                Grant::Open(permit) => permit,
                                Grant::Reserved => panic!("no connection was passed on"),
                            }
                        }
                    };
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < LIMIT);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((gate.open(), gate.pending()), (0, 0));
}
