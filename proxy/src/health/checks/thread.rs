//! The thread that checks run on.
//!
//! Many short tasks that wait for sockets cost a runtime with several threads most of its time in waking one thread from
//! another; on a thread of their own they cost none of that, and keep neither scrapes nor the table waiting. It is started
//! with the first check: a proxy that checks nothing has none.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The thread that checks run on. Dropped, it ends, and all checks with it.
#[derive(Debug, Default)]
pub(crate) struct CheckThread(Option<Running>);

#[derive(Debug)]
struct Running {
    runtime: Handle,
    /// Ends the thread when it is dropped.
    _stop: oneshot::Sender<()>,
}

impl CheckThread {
    /// Runs a check. Where the system starts no thread any more, it runs on the caller's runtime.
    pub(crate) fn spawn(&mut self, check: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        if self.0.is_none() {
            match Running::start() {
                Ok(running) => self.0 = Some(running),
                Err(error) => tracing::warn!(%error, "no thread for health checks: they share the control threads"),
            }
        }
        match &self.0 {
            Some(running) => running.runtime.spawn(check),
            None => tokio::spawn(check),
        }
    }
}

impl Running {
    /// Waits for the thread to be there: a moment, once.
    fn start() -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, started) = mpsc::channel();
        // The runtime is made on the thread and ends there: on a thread of another runtime it could not be dropped.
        thread::Builder::new().name("checks".to_owned()).spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            drop(ready.send(Ok(runtime.handle().clone())));
            // An error means that whoever could say so has gone, which is the word to stop.
            let _ = runtime.block_on(stopped);
        })?;
        let runtime = started.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
        Ok(Self { runtime, _stop: stop })
    }
}
