//! One connection's worth of the channel: a watch, and reports beside it.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use sluicegate_table::watch::Report;
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::saved::Keeper;
use super::ChannelSettings;
use super::connect::{Connection, ConnectionError};
use super::lines::Lines;
use super::received::{Received, Taken};
use super::report;
use crate::health::Found;
use crate::pace::Pace;

/// The least time between two reports that are due to the health of endpoints alone. What flaps goes as it then stands.
const BETWEEN_REPORTS: Duration = Duration::from_secs(1);
/// The most of a problem's text that is read.
const LONGEST_PROBLEM: usize = 64 * 1024;

/// How a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// The controller ended the watch: the token's time is over, or it stops.
    Finished,
    /// It does not lead.
    NotTheLeader {
        /// Who does.
        leader: Option<String>,
    },
    /// Anything else.
    Failed(ConnectionError),
}

/// One connection's worth of the channel.
pub(super) struct Session<'a> {
    pub(super) settings: &'a ChannelSettings,
    pub(super) received: &'a mut Received,
    pub(super) keeper: Option<&'a Keeper>,
    pub(super) reports: &'a watch::Sender<Report>,
}

/// What a problem's body tells.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    leader: Option<String>,
}

impl Session<'_> {
    /// Watches until something ends it. `true`: a version came.
    pub(super) async fn run(mut self, address: Option<&str>) -> (End, bool) {
        let mut progress = false;
        let end = match self.follow(address, &mut progress).await {
            Ok(end) => end,
            Err(error) => End::Failed(error),
        };
        self.received.abandon();
        (end, progress)
    }

    async fn follow(&mut self, address: Option<&str>, progress: &mut bool) -> Result<End, ConnectionError> {
        let connection = Connection::open(&self.settings.controller, address).await?;
        let answer = self.ask(&connection).await?;
        if answer.status() != StatusCode::OK {
            let status = answer.status();
            let problem = problem(answer).await;
            if status == StatusCode::SERVICE_UNAVAILABLE && problem.title == "not the leader" {
                return Ok(End::NotTheLeader { leader: problem.leader });
            }
            let detail = format!("{}: {}", problem.title, problem.detail);
            return Err(ConnectionError::Refused { status: status.as_u16(), detail });
        }
        // What has changed since the last connection's reports goes with the first.
        self.reports.send_replace(self.received.report());
        let reports = self.reports.subscribe();
        tokio::select! {
            end = self.read(answer.into_body(), progress) => end,
            never = report::send(&connection, reports) => match never {},
        }
    }

    /// Asks for the table, from where the last connection left off.
    async fn ask(&mut self, connection: &Connection) -> Result<Response<Incoming>, ConnectionError> {
        if let Some(version) = self.received.version() {
            let answer = connection.ask(&format!("/v1/table?watch=true&version={version}"), None).await?;
            if answer.status() != StatusCode::GONE {
                return Ok(answer);
            }
        }
        self.received.begin_afresh();
        let hashes = self.received.hashes();
        if hashes.is_empty() {
            return connection.ask("/v1/table?watch=true", None).await;
        }
        // Texts in a map can always be written.
        let hashes = serde_json::to_string(&hashes).unwrap_or_default();
        connection.ask("/v1/table?watch=true", Some(hashes)).await
    }

    async fn read(&mut self, mut body: Incoming, progress: &mut bool) -> Result<End, ConnectionError> {
        let silence = self.settings.silence;
        let mut lines = Lines::default();
        let mut found = self.received.found();
        let mut pace = Pace::new(BETWEEN_REPORTS);
        loop {
            let mut frame = pin!(timeout(silence, body.frame()));
            let frame = loop {
                tokio::select! {
                    frame = &mut frame => break frame.map_err(|_| ConnectionError::Silent(silence))?,
                    () = pace.due(change(&mut found)) => drop(self.reports.send_replace(self.received.report())),
                }
            };
            let Some(frame) = frame else {
                return Ok(End::Finished);
            };
            lines.push(&frame?.into_data().unwrap_or_else(|_| Bytes::new()))?;
            while let Some(line) = lines.next() {
                if let Taken::Commit(version) = self.received.take(&line)? {
                    tracing::debug!(%version, "a version has come");
                    self.received.commit(version);
                    *progress = true;
                    if let Some(keeper) = self.keeper {
                        keeper.keep(self.received.in_force());
                    }
                    self.reports.send_replace(self.received.report());
                }
            }
        }
    }
}

/// Done when something has changed that reports tell beside the table.
async fn change(found: &mut watch::Receiver<Found>) {
    if found.changed().await.is_err() {
        // Nobody is left who could find anything.
        std::future::pending::<()>().await;
    }
}

async fn problem(answer: Response<Incoming>) -> Problem {
    let body = Limited::new(answer.into_body(), LONGEST_PROBLEM).collect().await;
    body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok()).unwrap_or_default()
}
