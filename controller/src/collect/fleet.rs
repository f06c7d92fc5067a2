//! The proxies that are connected and what each last reported.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluicegate_table::watch::Report;
use tokio::sync::Notify;

/// Identifies a proxy: the UID of its pod, as its token proves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProxyId(pub String);

/// A connected proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Its pod's name.
    pub pod: String,
    /// Open watches; more than one for a moment where it connects anew.
    pub watches: u32,
    /// What it last reported.
    pub report: Report,
}

/// The connected proxies. Shared by the channel, which writes it, and status, which reads it.
#[derive(Debug, Default)]
pub struct Fleet {
    proxies: Mutex<BTreeMap<ProxyId, Proxy>>,
    changing: Notify,
}

impl Fleet {
    /// A proxy has begun to watch.
    pub fn connected(&self, id: &ProxyId, pod: &str) {
        let mut proxies = self.lock();
        let proxy = proxies.entry(id.clone()).or_default();
        pod.clone_into(&mut proxy.pod);
        proxy.watches += 1;
        drop(proxies);
        self.changing.notify_one();
    }

    /// One of a proxy's watches has ended; with the last one it is forgotten.
    pub fn disconnected(&self, id: &ProxyId) {
        let mut proxies = self.lock();
        if let Some(proxy) = proxies.get_mut(id) {
            proxy.watches = proxy.watches.saturating_sub(1);
            if proxy.watches == 0 {
                proxies.remove(id);
            }
        }
        drop(proxies);
        self.changing.notify_one();
    }

    /// A proxy has reported. Reports of proxies that do not watch are dropped: they say nothing about what is in force.
    pub fn reported(&self, id: &ProxyId, report: Report) {
        let mut proxies = self.lock();
        if let Some(proxy) = proxies.get_mut(id) {
            proxy.report = report;
        }
        drop(proxies);
        self.changing.notify_one();
    }

    /// The proxies as they are now.
    pub fn proxies(&self) -> BTreeMap<ProxyId, Proxy> {
        self.lock().clone()
    }

    /// Returns when something has changed since the last call returned. For one reader only.
    pub async fn changed(&self) {
        self.changing.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProxyId, Proxy>> {
        // Each change is complete before the lock is given back, so what a panicking holder leaves is whole.
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
