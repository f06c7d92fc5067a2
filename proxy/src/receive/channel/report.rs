//! Telling the controller what this proxy serves from.

use std::convert::Infallible;
use std::time::Duration;

use sluicegate_table::watch::Report;
use tokio::sync::watch;
use tokio::time::sleep;

use super::connect::Connection;

/// The wait before a report that was not taken is sent again.
const AGAIN: Duration = Duration::from_secs(1);

/// Sends the latest report, and each later one; those that change while one is under way become one.
pub(super) async fn send(connection: &Connection, mut reports: watch::Receiver<Report>) -> Infallible {
    reports.mark_changed();
    loop {
        if reports.changed().await.is_err() {
            // The channel itself is ending.
            return std::future::pending().await;
        }
        let report = reports.borrow_and_update().clone();
        let Ok(text) = serde_json::to_string(&report) else {
            continue;
        };
        match connection.ask("/v1/reports", Some(text)).await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) if answer.status().is_server_error() => {
                tracing::debug!(status = answer.status().as_u16(), "the controller cannot take a report now");
                sleep(AGAIN).await;
                reports.mark_changed();
            }
            Ok(answer) => {
                tracing::warn!(status = answer.status().as_u16(), "the controller does not take this proxy's report");
            }
            Err(error) => {
                tracing::debug!(%error, "a report did not arrive");
                sleep(AGAIN).await;
                reports.mark_changed();
            }
        }
    }
}
