//! The election over a real Lease.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use sluicegate_controller::config::Lease;
use sluicegate_controller::lead::{ClusterLease, Election, Identity, Leadership, Standing};
use sluicegate_tests::kubernetes::Cluster;
use sluicegate_tests::until;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Short enough for a test, long enough for a busy machine.
fn settings() -> Lease {
    Lease {
        name: "sluicegate-controller".to_owned(),
        duration: Duration::from_secs(8),
        renew_deadline: Duration::from_secs(5),
        retry_period: Duration::from_millis(500),
    }
}

struct Candidate {
    leadership: Leadership,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Candidate {
    fn start(kubeconfig: &Path, namespace: &str, pod: &str) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let (namespace, pod) = (namespace.to_owned(), pod.to_owned());
        let (stop, stopped) = oneshot::channel::<()>();
        let (send, view) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let options = KubeConfigOptions::default();
                let client =
                    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap()).unwrap();
                let leases = ClusterLease::new(client, &namespace, &settings().name);
                let identity = Identity { address: format!("{pod}.test:8443"), pod };
                let (election, leadership) = Election::new(leases, &identity, settings());
                send.send(leadership).unwrap();
                election.run(async move { drop(stopped.await) }).await;
            });
        });
        Self { leadership: view.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    fn wait_until_it_leads(&self) {
        until("it leads", || self.leadership.leads().then_some(()));
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

#[test]
fn one_leads_the_other_points_to_it_and_takes_over() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    let first = Candidate::start(cluster.kubeconfig(), namespace.name(), "first");
    first.wait_until_it_leads();
    let second = Candidate::start(cluster.kubeconfig(), namespace.name(), "second");
    let leader = || Standing::Follows { leader: Some("first.test:8443".to_owned()) };
    until("the other points to it", || (second.leadership.standing() == leader()).then_some(()));
    let lease = namespace.get("lease/sluicegate-controller");
    assert_eq!(lease["spec"]["holderIdentity"], "first_first.test:8443");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 8);

    // A clean stop gives the lease up: nobody waits for it to run out.
    let stopped = Instant::now();
    drop(first);
    second.wait_until_it_leads();
    assert!(stopped.elapsed() < settings().duration, "{:?}", stopped.elapsed());

    // An API server that stands still: the leader gives up at its deadline, and leads again afterwards in another term.
    cluster.signal("apiserver", "STOP");
    let frozen = Instant::now();
    until("it gives up", || (!second.leadership.leads()).then_some(()));
    assert!(frozen.elapsed() < settings().duration, "{:?}", frozen.elapsed());
    cluster.signal("apiserver", "CONT");
    second.wait_until_it_leads();
    assert_eq!(second.leadership.term(), Some(2));
}
