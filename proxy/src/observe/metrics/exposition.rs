//! The text that a scrape gets: `OpenMetrics` where the scraper accepts it, else Prometheus' older text format.
//!
//! `prometheus-client` writes the former, label escaping included. The older format differs in the comment lines only: a
//! counter is described under its full name, an info metric is a gauge, and there is no end mark.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use super::process::ProcessNumbers;
use super::requests::{BOUNDS, RouteTotals};
use super::series::SeriesKey;
use super::{Gauges, Metrics, health_exposition as health};

/// A text format for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Prometheus,
}

impl Format {
    /// The format to answer a request with this `Accept` header: `OpenMetrics` only to those that name it.
    pub fn accepted(accept: Option<&str>) -> Self {
        let named = accept.unwrap_or_default().split(',').any(|part| {
            let mut words = part.split(';').map(str::trim);
            let refused = |word: &str| word.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
            words.next() == Some("application/openmetrics-text") && !words.any(refused)
        });
        if named { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type` of the text.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Metrics {
    /// All metrics as text, with the numbers of the table in force from `gauges`.
    ///
    /// # Errors
    /// Only when a value refuses to be formatted, which none of ours does.
    pub fn scrape(self: &Arc<Self>, gauges: Arc<dyn Gauges>, format: Format) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape { metrics: Arc::clone(self), gauges }));
        let mut text = String::with_capacity(64 * 1024);
        text::encode(&mut text, &registry)?;
        Ok(match format {
            Format::OpenMetrics => text,
            Format::Prometheus => older_format(&text),
        })
    }
}

/// `OpenMetrics` text as Prometheus' text format 0.0.4.
fn older_format(text: &str) -> String {
    let mut older = String::with_capacity(text.len());
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Its name depends on the type, which the next line says.
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                push_line(&mut older, &["# HELP ", name, suffix, " ", help]);
            }
            push_line(&mut older, &["# TYPE ", name, suffix, " ", kind]);
        } else if line != "# EOF" && !line.starts_with("# UNIT ") {
            push_line(&mut older, &[line]);
        }
    }
    older
}

fn push_line(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied());
    text.push('\n');
}

/// One scrape: sums everything when encoded.
#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    gauges: Arc<dyn Gauges>,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let encoder = &mut encoder;
        self.routes(encoder)?;
        self.targets(encoder)?;
        health::expose(encoder, &*self.gauges, &self.metrics.endpoints.totals())?;
        self.listeners(encoder)?;
        self.configuration(encoder)?;
        process(encoder, &ProcessNumbers::read())
    }
}

impl Scrape {
    fn routes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let totals = self.metrics.routes.totals(Instant::now());
        let help = "Requests answered, by the route that took them (- for none), method, status and upstream.";
        let mut family = counter_family(encoder, "gateway_route_requests", help)?;
        for ((route, upstream), totals) in &totals {
            for (outcome, requests) in &totals.outcomes {
                let labels = [
                    ("route", route.as_str()),
                    ("method", outcome.method()),
                    ("status_code", &outcome.status().to_string()),
                    ("upstream", upstream.as_str()),
                ];
                counter(&mut family, &labels, *requests)?;
            }
        }
        let help = "Seconds from a request's head until the end of its answer.";
        let mut family =
            encoder.encode_descriptor("gateway_route_duration_seconds", help, None, MetricType::Histogram)?;
        for (key, totals) in &totals {
            durations(&mut family, key, totals)?;
        }
        attempts(encoder, &totals)?;
        let help = "Answers that Sluicegate made itself, by the reason in x-sluicegate-reason.";
        let mut family = counter_family(encoder, "sluicegate_answers", help)?;
        for (reason, answers) in self.metrics.answers.totals() {
            counter(&mut family, &[("reason", reason.word())], answers)?;
        }
        Ok(())
    }

    fn targets(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests in flight to a target, from the pick until the end of the answer's body.";
        let mut family = gauge_family(encoder, "sluicegate_upstream_requests_in_flight", help)?;
        for target in self.gauges.targets() {
            let key = target.target.to_string();
            family.encode_family(&[("target", key.as_str())])?.encode_gauge(&target.in_flight)?;
        }
        let upstreams: Vec<_> = self
            .gauges
            .upstream_targets()
            .into_iter()
            .map(|numbers| (numbers.upstream.to_string(), numbers.target.to_string(), numbers))
            .collect();
        let help = "Connections of an upstream to a target in use and idle, and requests pending for one.";
        let mut family = gauge_family(encoder, "sluicegate_upstream_connections", help)?;
        for (upstream, target, numbers) in &upstreams {
            let counts = numbers.connections;
            for (state, count) in [("active", counts.active), ("idle", counts.idle), ("pending", counts.pending)] {
                let labels = [("upstream", upstream.as_str()), ("target", target.as_str()), ("state", state)];
                family.encode_family(&labels)?.encode_gauge(&count)?;
            }
        }
        let help = "How often a target was picked for an upstream.";
        let mut family = counter_family(encoder, "sluicegate_target_picks", help)?;
        for ((upstream, target), picks) in self.metrics.picks.totals(Instant::now()) {
            counter(&mut family, &[("upstream", upstream.as_str()), ("target", target.as_str())], picks)?;
        }
        Ok(())
    }

    fn listeners(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let listeners = self.metrics.listeners.totals();
        let mut family = counter_family(encoder, "sluicegate_listener_accepted", "Connections accepted from clients.")?;
        for (address, totals) in &listeners {
            counter(&mut family, &[("listener", address.as_str())], totals.accepted)?;
        }
        let mut family = gauge_family(encoder, "sluicegate_listener_connections", "Connections open with clients.")?;
        for (address, totals) in &listeners {
            family.encode_family(&[("listener", address.as_str())])?.encode_gauge(&totals.open)?;
        }
        Ok(())
    }

    fn configuration(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        use std::sync::atomic::Ordering::Relaxed;
        let configuration = &self.metrics.configuration;
        let help = "The version of the table in force; 0 before the first.";
        gauge(encoder, "sluicegate_table_version", help, self.gauges.table_version().unwrap_or(0))?;
        let help = "Errors in the configuration now; what they are in is refused.";
        gauge(encoder, "sluicegate_config_errors", help, configuration.errors.load(Relaxed))?;
        let help = "Warnings about the configuration now.";
        gauge(encoder, "sluicegate_config_warnings", help, configuration.warnings.load(Relaxed))?;
        let help = "1: the settings on disk are others than those in force, or cannot be used.";
        gauge(encoder, "sluicegate_config_restart_needed", help, configuration.restart_needed.load(Relaxed))?;
        let help = "How often the configuration was read.";
        let mut family = counter_family(encoder, "sluicegate_config_readings", help)?;
        counter(&mut family, &[], configuration.readings.load(Relaxed))?;
        if let Some(log) = self.metrics.access_log.get() {
            let help = "Entries of the access log that were lost because it could not be written fast enough.";
            let mut family = counter_family(encoder, "sluicegate_access_log_dropped", help)?;
            counter(&mut family, &[], log.dropped())?;
        }
        let mut family = encoder.encode_descriptor("sluicegate_build", "The program.", None, MetricType::Info)?;
        family.encode_info(&[("version", env!("CARGO_PKG_VERSION"))].as_slice())
    }
}

/// Only what has happened: most routes try nothing again and most upstreams have no fallback.
fn attempts(encoder: &mut DescriptorEncoder<'_>, totals: &[(SeriesKey, RouteTotals)]) -> fmt::Result {
    let mut upstreams: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
    let mut routes: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
    let mut fallbacks: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
    for ((route, upstream), totals) in totals {
        let add = |to: &mut BTreeMap<_, u64>, label, counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            for (word, count) in counts.filter(|(_, count)| *count > 0) {
                *to.entry((label, word)).or_default() += count;
            }
        };
        add(&mut upstreams, upstream.as_str(), &mut totals.attempts.outcomes());
        add(&mut routes, route.as_str(), &mut totals.attempts.decisions());
        add(&mut fallbacks, upstream.as_str(), &mut totals.attempts.fallbacks());
    }
    let families = [
        (
            "gateway_upstream_attempts",
            "Attempts to have a target answer, by what became of them.",
            "upstream",
            "outcome",
            upstreams,
        ),
        (
            "gateway_retries",
            "Failed attempts of requests that may be tried again, by what was decided.",
            "route",
            "decision",
            routes,
        ),
        (
            "gateway_fallbacks",
            "Answers in place of an upstream whose circuit breakers are open.",
            "upstream",
            "fallback",
            fallbacks,
        ),
    ];
    for (name, help, label, word, counts) in families {
        let mut family = counter_family(encoder, name, help)?;
        for ((of, value), count) in counts {
            counter(&mut family, &[(label, of), (word, value)], count)?;
        }
    }
    Ok(())
}

fn process(encoder: &mut DescriptorEncoder<'_>, numbers: &ProcessNumbers) -> fmt::Result {
    if let Some(seconds) = numbers.cpu_seconds {
        let help = "Processor time, user and system, in seconds.";
        let mut family = counter_family(encoder, "process_cpu_seconds", help)?;
        family.encode_counter::<NoLabelSet, f64, f64>(&seconds, None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    if let Some(seconds) = numbers.start_time_seconds {
        let help = "When the process started, in seconds since the epoch.";
        let mut family = gauge_family(encoder, "process_start_time_seconds", help)?;
        family.encode_gauge(&seconds)?;
    }
    let gauges = [
        ("process_resident_memory_bytes", "Resident memory.", numbers.resident_bytes),
        ("process_virtual_memory_bytes", "Virtual memory.", numbers.virtual_bytes),
        ("process_threads", "Threads.", numbers.threads),
        ("process_open_fds", "Open file descriptors.", numbers.open_fds),
        ("process_max_fds", "The limit on open file descriptors.", numbers.max_fds),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            gauge(encoder, name, help, value)?;
        }
    }
    Ok(())
}

fn durations(family: &mut MetricEncoder<'_>, (route, upstream): &SeriesKey, totals: &RouteTotals) -> fmt::Result {
    let bounds = BOUNDS.iter().map(|nanoseconds| *nanoseconds as f64 / 1e9).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(totals.buckets).collect();
    let count = totals.buckets.iter().sum();
    let sum = totals.nanoseconds as f64 / 1e9;
    let labels = [("route", route.as_str()), ("upstream", upstream.as_str())];
    family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

pub(super) fn counter_family<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

pub(super) fn gauge_family<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

pub(super) fn counter(family: &mut MetricEncoder<'_>, labels: &[(&str, &str)], value: u64) -> fmt::Result {
    let no_exemplar = None::<&Exemplar<NoLabelSet, f64>>;
    if labels.is_empty() {
        return family.encode_counter(&value, no_exemplar);
    }
    family.encode_family(&labels)?.encode_counter(&value, no_exemplar)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    gauge_family(encoder, name, help)?.encode_gauge(&value)
}

#[cfg(test)]
#[path = "exposition_tests.rs"]
mod tests;
