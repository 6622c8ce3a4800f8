//! The counters as OpenMetrics text.
//!
//! *Floor 4.* Looks at what loops, threads and caches count, at a scrape, and not before.
//! Knows names, units and help texts; `prometheus-client` knows how they are written.
//!
//! *References:* the OpenMetrics specification, 1.0.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::counters::{
    ACCEPTED, BODY_BYTES, CALL, CALLS, CLOSED, Counts, LAG, LAG_BOUNDS, LAG_NANOS, PHASE, PHASES,
    Published, RECEIVED_BYTES, STATUS, WAKING, WAKINGS,
};
use crate::config::Backend;
use crate::conn::CloseReason;
use crate::driver::offload::{JobTally, JobsView};
use crate::http::Status;
use crate::service::{CacheTallies, Tallies, UploadTallies};

/// The media type of the text (OpenMetrics 1.0, "Content Type").
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the numbers come from.
pub(crate) struct MetricSource {
    pub(crate) loops: Vec<Arc<Published>>,
    pub(crate) jobs: Vec<JobsView>,
    pub(crate) tallies: Tallies,
    pub(crate) backend: Backend,
}

impl fmt::Debug for MetricSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} loops", self.loops.len())
    }
}

/// A registry that reads `source` at each scrape.
pub(crate) fn registry(source: MetricSource) -> Registry {
    let mut registry = Registry::with_prefix("httpoll");
    registry.register_collector(Box::new(source));
    registry
}

/// The whole text; nothing if a number cannot be written, which no String has ever done.
pub(crate) fn text(registry: &Registry) -> Option<String> {
    let mut text = String::new();
    let written = prometheus_client::encoding::text::encode(&mut text, registry);
    written.is_ok().then_some(text)
}

impl Collector for MetricSource {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = &Published::sum(&self.loops);
        let mut page = Scrape { counts, encoder };
        page.connections()?;
        page.answers()?;
        page.work(self.backend)?;
        page.jobs(self.jobs.iter().map(JobsView::tally).sum())?;
        page.uploads(&self.tallies.uploads)?;
        page.cache(&self.tallies.caches)
    }
}

/// One scrape.
struct Scrape<'c, 'e> {
    counts: &'c Counts,
    encoder: DescriptorEncoder<'e>,
}

impl Scrape<'_, '_> {
    fn connections(&mut self) -> fmt::Result {
        let help = "Connections that came in.";
        self.counter("connections_accepted", help, None, ACCEPTED)?;
        let help = "Connections by what they are doing.";
        let phases = self.cells(PHASE, &PHASES);
        self.family(MetricType::Gauge, "connections", help, "phase", phases)?;
        let help = "Connections that ended, by the reason; those kept out by --max-per-ip too.";
        let (kind, reasons) = (MetricType::Counter, self.cells(CLOSED, &CloseReason::NAMES));
        self.family(kind, "connections_closed", help, "reason", reasons)
    }

    fn answers(&mut self) -> fmt::Result {
        let counts = self.counts;
        let help = "Answers that were sent or cut short, by status.";
        let mut metric =
            self.encoder
                .encode_descriptor("responses", help, None, MetricType::Counter)?;
        for (at, status) in Status::ALL.iter().enumerate() {
            let count = counts.get(STATUS + at);
            if count > 0 {
                put(
                    &mut metric,
                    ("code", status.code().to_string()),
                    count,
                    true,
                )?;
            }
        }
        let help = "Bytes of content that were sent.";
        self.counter("response_body", help, Some(&Unit::Bytes), BODY_BYTES)?;
        let help = "Bytes of content that came with requests.";
        self.counter("request_body", help, Some(&Unit::Bytes), RECEIVED_BYTES)
    }

    fn work(&mut self, backend: Backend) -> fmt::Result {
        // On these an interest set is a list of our own: changing it is no call.
        let calls = match backend {
            Backend::Poll | Backend::Select => &CALLS[..CALLS.len() - 1],
            _ => &CALLS[..],
        };
        let help =
            "System calls on sockets and the selector; close(2) and the clock are not counted.";
        let (kind, calls) = (MetricType::Counter, self.cells(CALL, calls));
        self.family(kind, "system_calls", help, "call", calls)?;
        let help = "Waits that ended, by what ended them.";
        let (kind, causes) = (MetricType::Counter, self.cells(WAKING, &WAKINGS));
        self.family(kind, "wakes", help, "cause", causes)?;
        let help = "How long a turn of the loop took: what the next event had to wait for.";
        let (counts, unit) = (self.counts, Unit::Seconds);
        let kind = MetricType::Histogram;
        let mut metric = self
            .encoder
            .encode_descriptor("loop_lag", help, Some(&unit), kind)?;
        let bounds = LAG_BOUNDS.iter().map(|micros| *micros as f64 / 1e6);
        let buckets: Vec<_> = bounds
            .chain([f64::INFINITY])
            .enumerate()
            .map(|(at, bound)| (bound, counts.get(LAG + at)))
            .collect();
        let turns = buckets.iter().map(|(_, count)| count).sum();
        let sum = counts.get(LAG_NANOS) as f64 / 1e9;
        metric.encode_histogram::<NoLabelSet>(sum, turns, &buckets, None)
    }

    fn jobs(&mut self, jobs: JobTally) -> fmt::Result {
        let help = "Requests that wait for a thread, because their answer may wait for a disk.";
        let lanes = vec![("short", jobs.waiting[0]), ("long", jobs.waiting[1])];
        self.family(MetricType::Gauge, "jobs_waiting", help, "lane", lanes)?;
        let help = "Requests answered 503, because too many waited for a thread.";
        self.number("jobs_refused", help, None, jobs.refused)?;
        let help = "Requests whose client was gone before a thread was free.";
        self.number("jobs_void", help, None, jobs.voided)
    }

    fn uploads(&mut self, uploads: &UploadTallies) -> fmt::Result {
        let uploads = uploads.get();
        let help = "Files that were uploaded, and those of which nothing is left, \
                    because they were refused, failed or broke off.";
        let outcomes = vec![("kept", uploads.kept), ("dropped", uploads.dropped)];
        self.family(MetricType::Counter, "uploads", help, "outcome", outcomes)
    }

    fn cache(&mut self, caches: &CacheTallies) -> fmt::Result {
        let cache = caches.sum();
        let help = "Files looked for in memory and found.";
        self.number("cache_hits", help, None, cache.hits)?;
        let help = "Files looked for in memory and not found, or changed.";
        self.number("cache_misses", help, None, cache.misses)?;
        let help = "Files that left memory to make room.";
        self.number("cache_evictions", help, None, cache.evictions)?;
        let help = "Memory that cached files take.";
        let (kind, unit) = (MetricType::Gauge, Some(&Unit::Bytes));
        let mut metric = self.encoder.encode_descriptor("cache", help, unit, kind)?;
        metric.encode_gauge(&whole(cache.bytes))
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, cell: usize) -> fmt::Result {
        self.number(name, help, unit, self.counts.get(cell))
    }

    fn number(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let kind = MetricType::Counter;
        let mut metric = self.encoder.encode_descriptor(name, help, unit, kind)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    /// The numbers of these words, which stand from `first` on.
    fn cells(&self, first: usize, words: &[&'static str]) -> Vec<(&'static str, u64)> {
        let counts = (first..).map(|cell| self.counts.get(cell));
        words.iter().copied().zip(counts).collect()
    }

    /// A number for each word.
    fn family(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        label: &'static str,
        numbers: Vec<(&'static str, u64)>,
    ) -> fmt::Result {
        let counts_up = matches!(kind, MetricType::Counter);
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (word, number) in numbers {
            put(&mut metric, (label, word.to_owned()), number, counts_up)?;
        }
        Ok(())
    }
}

fn put(
    metric: &mut MetricEncoder<'_>,
    label: (&'static str, String),
    value: u64,
    counts_up: bool,
) -> fmt::Result {
    let labels = [label];
    let mut one = metric.encode_family(&labels)?;
    match counts_up {
        true => one.encode_counter::<NoLabelSet, _, f64>(&value, None),
        false => one.encode_gauge(&whole(value)),
    }
}

/// Gauges are signed. Between two numbers of one turn a sum may be seen that is less than nothing.
fn whole(value: u64) -> i64 {
    value.cast_signed().max(0)
}
