//! One endpoint's checks, one after the other.
//!
//! The first comes at once. Proxies that got the endpoint at the same moment would then be in step, so the second comes
//! after a random part of the interval, and each later one after 0.9 to 1.0 of it: never more, so that what fails is found
//! within `unhealthyThreshold` × `interval` + `timeout`.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use hyper::body::Incoming;
use sluicegate_table::Probe;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::Connection;
use super::dial::Dialer;
use super::failure::CheckFailure;
use super::grpc_check::GrpcQuestion;
use super::http_check::{HttpQuestion, Then, drained};
use super::subject::Subject;
use crate::pick::fast_random;

/// The least part of the interval that is between two checks, in thousandths.
const LEAST: u32 = 900;
/// Checks begin at multiples of this, so that a thread that wakes for one does several: waking costs more than a check.
const TICK: Duration = Duration::from_millis(20);
/// The shortest interval of which a tick is so small a part that checks keep their distance all the same.
const LONG: Duration = Duration::from_secs(1);

/// Asks for ever. `tell` gets what became of each check.
pub(crate) async fn keep_checking(
    subject: Subject,
    dialer: Dialer,
    mut tell: impl FnMut(Result<(), CheckFailure>),
) -> Infallible {
    let mut due = Due::first(subject.check.interval);
    let mut checker = Checker::new(subject, dialer);
    loop {
        tell(checker.check().await);
        checker.wait_until(due.next()).await;
    }
}

/// When checks begin.
struct Due {
    interval: Duration,
    at: Instant,
    first: bool,
}

impl Due {
    /// The first is due now.
    fn first(interval: Duration) -> Self {
        Self { interval, at: Instant::now(), first: true }
    }

    /// The next one's time. From beginning to beginning, however long each takes.
    fn next(&mut self) -> Instant {
        let tick = if self.interval >= LONG { TICK } else { Duration::ZERO };
        let least = if std::mem::take(&mut self.first) { Duration::ZERO } else { self.interval * LEAST / 1000 + tick };
        let (drawn, _) = fast_random::below(1001);
        let next = self.at + least + self.interval.saturating_sub(least) * drawn / 1000;
        // After a check that took longer than that, at once; what was missed is not made up for.
        self.at = rounded_down(next, tick).max(Instant::now());
        self.at
    }
}

/// The last tick that is no later than `time`.
fn rounded_down(time: Instant, tick: Duration) -> Instant {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let since = time.saturating_duration_since(*FIRST.get_or_init(Instant::now));
    let over = since.as_nanos().checked_rem(tick.as_nanos()).unwrap_or(0);
    time - Duration::from_nanos(over as u64)
}

/// Checks one endpoint.
pub(super) struct Checker {
    subject: Subject,
    dialer: Dialer,
    question: Result<Question, &'static str>,
    /// Kept for the next check, with what is left of the last one's answer.
    kept: Option<(Connection, Option<Incoming>)>,
}

enum Question {
    Tcp,
    Http(Box<HttpQuestion>),
    Grpc(GrpcQuestion),
}

impl Checker {
    pub(super) fn new(subject: Subject, dialer: Dialer) -> Self {
        let question = match &subject.check.probe {
            Probe::Tcp => Ok(Question::Tcp),
            Probe::Http(probe) => HttpQuestion::new(probe, &subject).map(|question| Question::Http(Box::new(question))),
            Probe::Grpc { service } => GrpcQuestion::new(service, &subject).map(Question::Grpc),
        };
        Self { subject, dialer, question, kept: None }
    }

    /// One check.
    pub(super) async fn check(&mut self) -> Result<(), CheckFailure> {
        let within = self.subject.check.timeout;
        timeout(within, self.ask()).await.unwrap_or(Err(CheckFailure::TimedOut(within)))
    }

    /// Asks. Dropped before its end, it leaves no connection behind.
    async fn ask(&mut self) -> Result<(), CheckFailure> {
        let question = match &self.question {
            Ok(Question::Tcp) => return self.dialer.stream(&self.subject).await.map(drop).map_err(Into::into),
            Ok(question) => question,
            Err(why) => return Err(CheckFailure::Internal(why)),
        };
        let mut kept = self.kept.take().map(|(connection, _)| connection).filter(Connection::is_usable);
        loop {
            let is_new = kept.is_none();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.dialer.http(&self.subject).await?,
            };
            let request = match question {
                Question::Http(question) => question.request(connection.is_http2()),
                Question::Grpc(question) => question.request(),
                Question::Tcp => return Ok(()),
            };
            let answer = match connection.ask(request).await {
                Ok(answer) => answer,
                Err(error) if is_new => return Err(CheckFailure::Broken(error)),
                // The endpoint may have closed it just then, as it may at any time between two requests.
                Err(_) => continue,
            };
            let judged = match question {
                Question::Http(question) => question.judge(answer, &mut connection).await,
                Question::Grpc(question) => question.judge(answer, &mut connection).await,
                Question::Tcp => return Ok(()),
            };
            self.kept = match judged.then {
                Then::Close => None,
                Then::Keep => Some((connection, None)),
                Then::Drain(rest) => Some((connection, Some(rest))),
            };
            return judged.verdict;
        }
    }

    /// Waits. Meanwhile the last answer is read to its end, and a connection that the endpoint closes is let go of.
    pub(super) async fn wait_until(&mut self, time: Instant) {
        let mut sleep = pin!(sleep_until(time));
        if let Some((connection, rest)) = &mut self.kept {
            let ended = match rest.take() {
                None => true,
                Some(rest) => tokio::select! {
                    biased;
                    ended = connection.during(drained(rest)) => ended,
                    () = &mut sleep => false,
                },
            };
            if ended {
                tokio::select! {
                    biased;
                    () = &mut sleep => return,
                    () = connection.closed() => {}
                }
            }
            self.kept = None;
        }
        sleep.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_check_is_at_once_and_later_ones_come_never_late_and_never_in_step() {
        let interval = Duration::from_secs(10);
        let mut seconds = Vec::new();
        let mut gaps = Vec::new();
        for _ in 0..500 {
            let begun = Instant::now();
            let mut due = Due::first(interval);
            assert_eq!(due.at, begun);
            let mut last = due.next();
            seconds.push(last - begun);
            for _ in 0..20 {
                let next = due.next();
                gaps.push(next - last);
                last = next;
            }
        }
        assert!(seconds.iter().all(|gap| *gap <= interval));
        assert!(gaps.iter().all(|gap| (interval * 9 / 10..=interval).contains(gap)));
        // Of 500 draws each tenth of the range has some, as a uniform draw gives but for one time in 10^20.
        for tenth in 0..10 {
            let among = |gaps: &[Duration], from: Duration, range: Duration| {
                let (low, high) = (from + range * tenth / 10, from + range * (tenth + 1) / 10);
                gaps.iter().any(|gap| (low..=high).contains(gap))
            };
            assert!(among(&seconds, Duration::ZERO, interval), "{tenth}");
            assert!(among(&gaps, interval * 9 / 10, interval / 10), "{tenth}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_takes_longer_than_the_interval_is_followed_at_once() {
        let mut due = Due::first(Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(due.next(), Instant::now());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(due.next() <= Instant::now() + Duration::from_secs(1));
    }
}
