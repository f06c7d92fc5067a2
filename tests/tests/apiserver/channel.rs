//! The watch channel's certificate in a real Secret, and real tokens.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use sluicegate_controller::config::Channel;
use sluicegate_controller::lead::{Leadership, Standing};
use sluicegate_controller::push::authenticate::{Authenticator, KubernetesReviewer, Refused};
use sluicegate_controller::push::clock::Clock;
use sluicegate_controller::push::{Certificates, Keeper};
use sluicegate_tests::kubernetes::{Cluster, Namespace, Token};
use tokio::sync::watch;
use tokio::time::Instant;

const SECRET: &str = "secret/sluicegate-channel";
const MAP: &str = "configmap/sluicegate-channel-ca";

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn client(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap()).unwrap()
}

/// Runs keepers, which lead or not, while `test` waits for what comes of them.
fn keeping(namespace: &Namespace<'_>, leads: &[bool], channel: &Channel, test: impl FnOnce(&[Certificates]) + Send) {
    let certificates: Vec<Certificates> = leads.iter().map(|_| Certificates::default()).collect();
    let (stop, mut stopped) = watch::channel(());
    std::thread::scope(|scope| {
        let (served, name, cluster) = (certificates.clone(), namespace.name(), namespace.cluster());
        scope.spawn(move || {
            on_runtime(async move {
                let client = client(cluster).await;
                let mut standings = Vec::new();
                for (leads, certificates) in leads.iter().zip(served) {
                    let until = Instant::now() + Duration::from_hours(1);
                    let follows = Standing::Follows { leader: None };
                    let standing = if *leads { Standing::Leads { term: 1, until } } else { follows };
                    let (standing, view) = watch::channel(standing);
                    standings.push(standing);
                    let leadership = Leadership::new(view);
                    let keeper = Keeper::new(&client, name, channel, leadership, certificates, Clock::default());
                    tokio::spawn(keeper.run());
                }
                drop(stopped.changed().await);
            });
        });
        // Dropped at its end, or when it panics.
        let _stop = stop;
        test(&certificates);
    });
}

#[test]
fn controllers_that_race_agree_on_one_certificate_and_publish_its_authority() {
    let namespace = Cluster::shared().namespace();
    keeping(&namespace, &[true, true, false], &Channel::default(), |certificates| {
        let map = namespace.wait(MAP, "the authority is published", |map| map["data"]["ca.crt"].is_string());
        for served in certificates {
            sluicegate_tests::until("each serves it", || served.is_set().then_some(()));
        }
        // What somebody damages is made anew, and published.
        namespace.patch(SECRET, &json!({"data": {"ca.key": null, "ca.crt": null}}));
        let authority = |map: &Value| map["data"]["ca.crt"].clone();
        namespace.wait(MAP, "the new authority is published", |now| {
            authority(now).is_string() && authority(now) != authority(&map)
        });
        // So is a ConfigMap that somebody deletes.
        namespace.delete(MAP);
        namespace.wait(MAP, "it is published again", |map| map["data"]["ca.crt"].is_string());
    });
    let secret = namespace.get(SECRET);
    assert_eq!(secret["type"], "kubernetes.io/tls");
    assert!(secret["data"]["tls.key"].is_string());
}

#[test]
fn a_secret_of_the_users_own_is_followed_and_never_written() {
    let namespace = Cluster::shared().namespace();
    let own = |names: &[&str]| {
        let made = sluicegate_tests::certificates::Certificates::new(names);
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sluicegate-channel"},
            "stringData": {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": made.authority},
        })
    };
    let channel = Channel { managed: false, ..Channel::default() };
    keeping(&namespace, &[true], &channel, |certificates| {
        for names in [["one"], ["two"]] {
            let secret = own(&names);
            namespace.apply(&secret.to_string());
            let version = || namespace.get(SECRET)["metadata"]["resourceVersion"].clone();
            let applied = version();
            namespace
                .wait(MAP, "its authority is published", |map| map["data"]["ca.crt"] == secret["stringData"]["ca.crt"]);
            assert!(certificates[0].is_set());
            assert_eq!(version(), applied, "nobody wrote to it");
        }
    });
}

#[test]
fn only_the_proxies_own_tokens_are_taken() {
    let namespace = Cluster::shared().namespace();
    namespace.service_account("sluicegate-proxy");
    namespace.service_account("stranger");
    let uid = namespace.pod("proxy-0", "sluicegate-proxy");
    namespace.pod("other-0", "stranger");
    let good = Token { audience: "sluicegate", pod: Some("proxy-0"), ..Token::default() };
    let token = namespace.token("sluicegate-proxy", good);
    let another_audience = namespace.token("sluicegate-proxy", Token { audience: "", ..good });
    let stranger = namespace.token("stranger", Token { pod: Some("other-0"), ..good });
    let no_pod = namespace.token("sluicegate-proxy", Token { pod: None, ..good });
    on_runtime(async {
        let reviewer = Arc::new(KubernetesReviewer::new(client(namespace.cluster()).await, "sluicegate"));
        let clock = Clock::new(SystemTime::now);
        let authenticator = Authenticator::new(reviewer, "sluicegate", namespace.name(), "sluicegate-proxy", clock);
        let caller = authenticator.authenticate(&token).await.unwrap();
        assert_eq!((caller.id.0, caller.pod.as_str()), (uid, "proxy-0"));
        let left = caller.expires - Instant::now();
        assert!(left > Duration::from_mins(50) && left <= Duration::from_hours(1), "{left:?}");
        assert_eq!(authenticator.authenticate(&another_audience).await, Err(Refused::Unknown));
        assert!(matches!(authenticator.authenticate(&stranger).await, Err(Refused::Account { .. })));
        assert_eq!(authenticator.authenticate(&no_pod).await, Err(Refused::NoPod));
        assert_eq!(authenticator.authenticate("nonsense").await, Err(Refused::Unknown));
    });
}
