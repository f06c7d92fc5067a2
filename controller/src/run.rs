//! Running a controller: from what the cluster holds to what proxies obey and people read.
//!
//! One task turns what the source shows into versions of the table. While another controller leads it only keeps the
//! objects up to date; when this one is elected it compiles all of them once, in an epoch of its own, and from then on what
//! changes. Pushing, collecting and writing run beside it and ask for themselves whether this controller leads.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use kube::Client;
use sluicegate_table::Table;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::collect::Fleet;
use crate::compile::{Claims, Compiler, NotAHostname, Step};
use crate::config::Config;
use crate::lead::{ClusterLease, Election, Identity, Leadership};
use crate::objects::Objects;
use crate::observe::{self, Observed};
use crate::publish::Published;
use crate::push::authenticate::{Authenticator, KubernetesReviewer};
use crate::push::clock::Clock;
use crate::push::{Certificates, Keeper, Server, Settings, StartError};
use crate::source::cluster::{Batch, Cluster};
use crate::status::{Verdicts, Writer};

/// Where this controller runs, as the downward API tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its namespace, which is its proxies', too.
    pub namespace: String,
    /// Its pod's name.
    pub pod: String,
    /// Its pod's address.
    pub address: String,
}

/// Why a controller could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address cannot be had.
    #[error("cannot listen on {address} for {what}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What for.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// A claim names what is no host name.
    #[error(transparent)]
    Claims(#[from] NotAHostname),
    /// The watch channel cannot be set up.
    #[error(transparent)]
    Channel(#[from] StartError),
    /// A part of the controller ended, which none does by itself. To go on would be to lead without it.
    #[error("a part of the controller ended{}", .0.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    Ended(Option<JoinError>),
}

/// Runs a controller until `stop` is done. Then it gives up its lease, if it leads, and ends. `shielded` wraps the admin
/// endpoints, so that they answer as those of a proxy do: this machine and no page in a browser.
///
/// # Errors
/// Before it has started, and where one of its parts ends for good. Whatever else fails is tried again for ever.
pub async fn run(
    client: Client,
    config: Config,
    place: Place,
    shielded: impl FnOnce(Router) -> Router,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let host = if place.address.contains(':') { format!("[{}]", place.address) } else { place.address.clone() };
    let identity = Identity { pod: place.pod.clone(), address: format!("{host}:{}", config.channel.address.port()) };
    let leases = ClusterLease::new(client.clone(), &place.namespace, &config.lease.name);
    let (election, leadership) = Election::new(leases, &identity, config.lease.clone());
    let fleet = Arc::new(Fleet::default());
    let (publish, published) = watch::channel(Published::default());
    let observed = Observed::new(published.clone(), Arc::clone(&fleet), leadership.clone());

    let mut tasks = JoinSet::new();
    let admin = bind(config.admin.address, "the admin endpoints").await?;
    tasks.spawn(serve(admin, shielded(observe::admin(observed.clone()))));
    let shown = bind(config.observe.address, "the observe endpoints").await?;
    tasks.spawn(serve(shown, observe::observe(observed.clone())));

    let certificates = Certificates::default();
    let keeper = Keeper::new(
        &client,
        &place.namespace,
        &config.channel,
        leadership.clone(),
        certificates.clone(),
        Clock::default(),
    );
    tasks.spawn(keeper.run());
    let reviewer = Arc::new(KubernetesReviewer::new(client.clone(), &config.channel.audience));
    let (audience, account) = (&config.channel.audience, &config.proxies.service_account);
    let authenticator = Authenticator::new(reviewer, audience, &place.namespace, account, Clock::default());
    let settings = Settings::new(config.channel.address);
    let mut channel =
        Server::start(&settings, published, Arc::clone(&fleet), leadership.clone(), authenticator, &certificates)
            .await?;

    let (cluster, batches) = Cluster::start(&client, &place.namespace, &config);
    let cluster = Arc::new(cluster);
    let (verdicts, said) = mpsc::unbounded_channel();
    let mut writer = Writer::over_cluster(&client, &place.pod, cluster, said, fleet, leadership.clone());
    let claims = Claims::new(&config.hostnames)?;
    let sources = observed.clone();
    let making = Making { claims, leadership, duty: Duty::Waits, published: publish, verdicts, observed };
    tasks.spawn(making.run(batches));

    let mut ended = None;
    {
        let mut over = pin!(async {
            tokio::select! {
                () = stop => {}
                part = tasks.join_next() => ended = Some(part.and_then(Result::err)),
                error = channel.ended() => ended = Some(error),
                error = writer.ended() => ended = Some(error),
            }
        });
        // Who has nothing to publish must not lead: another one may have.
        let listed = tokio::select! {
            biased;
            () = &mut over => false,
            () = sources.until_listed() => true,
        };
        if listed {
            // It ends last: while there is a lease to give up, somebody else could lead.
            election.run(over).await;
        }
    }
    match ended {
        None => Ok(()),
        Some(error) => Err(RunError::Ended(error)),
    }
}

async fn bind(address: SocketAddr, what: &'static str) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|error| RunError::Listen { address, what, error })
}

async fn serve(listener: TcpListener, endpoints: Router) {
    if let Err(error) = axum::serve(listener, endpoints).await {
        tracing::error!(%error, "an endpoint's listener failed");
    }
}

/// A name for a term that no other term of any controller has.
fn epoch() -> String {
    // The standard library draws its hash keys at random.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// The task that makes versions.
pub(crate) struct Making {
    claims: Claims,
    leadership: Leadership,
    duty: Duty,
    published: watch::Sender<Published>,
    verdicts: mpsc::UnboundedSender<Verdicts>,
    observed: Observed,
}

/// What this controller does with what changes.
enum Duty {
    /// Nothing has been listed yet.
    Waits,
    /// It keeps it.
    Follows(Objects),
    /// It compiles it.
    Leads { term: u64, epoch: String, compiler: Box<Compiler> },
}

impl Making {
    /// Makes versions for as long as there is a source.
    pub(crate) async fn run(mut self, mut batches: mpsc::Receiver<Batch>) {
        // One for all turns: a new clone would not know that this change of standing was seen, and be woken for ever.
        let mut leadership = self.leadership.clone();
        loop {
            tokio::select! {
                batch = batches.recv() => match batch {
                    Some(batch) => self.take(batch),
                    None => return,
                },
                () = leadership.changed() => {}
            }
            self.take_up_duty();
        }
    }

    fn take(&mut self, batch: Batch) {
        let changes = match batch {
            Batch::Initial(changes) => {
                self.observed.listed();
                self.duty = Duty::Follows(Objects::default());
                changes
            }
            Batch::Changes(changes) => changes,
        };
        match &mut self.duty {
            // Changes come after everything was listed.
            Duty::Waits => {}
            Duty::Follows(objects) => changes.into_iter().for_each(|change| objects.apply(change)),
            Duty::Leads { epoch, compiler, .. } => {
                let step = compiler.apply(changes);
                let epoch = epoch.clone();
                self.publish(epoch, step);
            }
        }
    }

    /// Begins to lead, or ceases to, as the election has it.
    fn take_up_duty(&mut self) {
        let elected = self.leadership.term();
        let objects = match mem::replace(&mut self.duty, Duty::Waits) {
            Duty::Waits => return,
            Duty::Leads { term, epoch, compiler } if elected == Some(term) => {
                self.duty = Duty::Leads { term, epoch, compiler };
                return;
            }
            Duty::Leads { compiler, .. } => compiler.into_objects(),
            Duty::Follows(objects) => objects,
        };
        let Some(term) = elected else {
            self.duty = Duty::Follows(objects);
            return;
        };
        let mut compiler = Box::new(Compiler::new(self.claims.clone(), Table::default()));
        let epoch = epoch();
        let step = compiler.apply(objects.into_changes());
        tracing::info!(epoch, rules = step.table.routes.len(), "this controller leads");
        self.duty = Duty::Leads { term, epoch: epoch.clone(), compiler };
        self.publish(epoch, step);
    }

    fn publish(&self, epoch: String, step: Step) {
        let Step { table, keep, since, statuses } = step;
        let published = Published { epoch, table, keep, since };
        self.published.send_replace(published.clone());
        if self.verdicts.send(Verdicts { published, statuses }).is_err() {
            tracing::error!("nobody writes statuses any more");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::lead::Standing;

    /// Counts how often a task asks to be polled again.
    #[derive(Default)]
    struct Asked(AtomicUsize);

    impl Wake for Asked {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leads_rests_until_something_changes() {
        let (stand, standing) = watch::channel(Standing::Follows { leader: None });
        let leadership = Leadership::new(standing);
        let (publish, published) = watch::channel(Published::default());
        let (verdicts, _said) = mpsc::unbounded_channel();
        let observed = Observed::new(published.clone(), Arc::default(), leadership.clone());
        let claims = Claims::new(&[]).unwrap();
        let making =
            Making { claims, leadership, duty: Duty::Waits, published: publish, verdicts, observed: observed.clone() };
        let (send, batches) = mpsc::channel(1);
        let mut running = pin!(making.run(batches));
        let asked = Arc::<Asked>::default();
        let waker = Waker::from(Arc::clone(&asked));
        let mut poll = |before: &dyn Fn()| {
            before();
            asked.0.store(0, Ordering::Relaxed);
            let ended = running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            (ended, asked.0.load(Ordering::Relaxed))
        };
        let until = Instant::now() + Duration::from_secs(10);
        assert_eq!(poll(&|| send.try_send(Batch::Initial(Vec::new())).unwrap()), (false, 0));
        observed.until_listed().await;
        assert_eq!(poll(&|| drop(stand.send_replace(Standing::Leads { until, term: 1 }))), (false, 0));
        assert!(!published.borrow().epoch.is_empty(), "it leads");
        assert_eq!(poll(&|| send.try_send(Batch::Changes(Vec::new())).unwrap()), (false, 0));
        drop(send);
        assert_eq!(poll(&|| ()), (true, 0), "without a source it ends, and the controller with it");
    }
}
