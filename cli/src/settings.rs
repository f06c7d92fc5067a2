//! The process's own settings on disk. They are read at start; what somebody changes later takes effect at the next start,
//! and is told, since nobody should find out by an outage that a file which was edited weeks ago does not work.

use std::path::PathBuf;
use std::time::Duration;

use sluicegate_proxy::config::Config;
use sluicegate_proxy::observe::metrics::Metrics;
use tokio::task::block_in_place;
use tokio::time::{MissedTickBehavior, interval};

use crate::process::say;

/// How often they are looked at. What is told was there twice, so that nothing is said of a file that is being written.
const PERIOD: Duration = Duration::from_secs(1);

/// Reads the settings as a start would.
type Read = Box<dyn Fn() -> anyhow::Result<Config> + Send + Sync>;

/// The settings that a process was started with, and where they came from.
pub(crate) struct Settings {
    file: PathBuf,
    in_force: Config,
    read: Read,
}

impl Settings {
    /// The settings of `file`, as `read` reads them now.
    pub(crate) fn read(
        file: PathBuf,
        read: impl Fn() -> anyhow::Result<Config> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        Ok(Self { file, in_force: read()?, read: Box::new(read) })
    }

    /// What is in force.
    pub(crate) fn in_force(&self) -> &Config {
        &self.in_force
    }

    /// Tells of changes. Does not return.
    pub(crate) async fn watch(&self, metrics: &Metrics) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut told) = (None, None);
        loop {
            ticks.tick().await;
            let now = block_in_place(|| self.waiting());
            if now == seen && now != told {
                metrics.restart_needed(now.is_some());
                let again = || format!("{} says what is in force again\n", self.file.display());
                say(&now.clone().unwrap_or_else(again));
                told.clone_from(&now);
            }
            seen = now;
        }
    }

    /// What the file says that is not in force.
    fn waiting(&self) -> Option<String> {
        let file = self.file.display();
        match (self.read)() {
            Ok(config) => {
                let fields = self.in_force.differences(&config);
                let fields = fields.join(", ");
                (!fields.is_empty()).then(|| format!("{file} changed; to take effect at the next start: {fields}\n"))
            }
            Err(error) => Some(format!(
                "{file} changed and cannot be used; what was read at the start stays in force, and the next start would \
                 fail:\n{error:#}\n"
            )),
        }
    }
}
