//! What the loops of a server have in common, and the share of each.
//!
//! *Floor 4.* Plain values, made from a [`Config`]; starts nothing.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use super::descriptors::room;
use crate::config::{Backend, Config};
use crate::conn::Limits;
use crate::driver::mailbox::OtherLoops;
use crate::driver::observe::Watchers;
use crate::driver::observe::counters::{Metrics, Published};
use crate::driver::observe::in_flight::InFlight;
use crate::driver::observe::lines::{Lines, LogEnd, Standard, lost_comment};
use crate::driver::observe::log::{AccessLog, LogBuffer};
use crate::driver::observe::observer::Observer;
use crate::driver::per_address::PerAddress;
use crate::driver::record::file::RecordFile;
use crate::driver::record::live::Broadcast;
use crate::driver::record::printed::printed_to;
use crate::driver::record::{Heading, RecordedLoop};
use crate::driver::settings::Settings;
use crate::http::TrustedProxies;
use crate::kernel::{Faults, Injector};
use crate::readiness::Trigger;

/// What the loops have in common.
pub(super) struct WorkerPlan {
    limits: Arc<Limits>,
    /// Connections that no loop has a share of yet, and loops that have none.
    connections_left: usize,
    loops_left: usize,
    pub(super) per_address: Option<PerAddress>,
    pub(super) threads_max: usize,
    pub(super) grace: Duration,
    /// Where turns are printed, or the calls of a driver without a loop, and how that ends.
    pub(super) trace: Option<(Lines, Option<LogEnd>)>,
    pub(super) faults: Option<Faults>,
    pub(super) log: Option<AccessLog>,
    /// Where it says why a stop takes its time.
    pub(super) told: Option<AccessLog>,
    pub(super) in_flight: Vec<InFlight>,
    other_loops: OtherLoops,
    pub(super) proxies: Option<Arc<TrustedProxies>>,
    pub(super) backend: Backend,
    record: Option<RecordFile>,
    /// Where turns go to those who watch; `None` without an operators' address.
    pub(super) live: Option<Broadcast>,
    /// Loops that have been given what records them.
    recorded: usize,
    /// Where each loop shows its numbers; `None` without an operators' address.
    pub(super) shown: Option<Vec<Arc<Published>>>,
}

impl WorkerPlan {
    pub(super) fn new(
        config: &Config,
        log: Option<AccessLog>,
        told: Option<AccessLog>,
    ) -> io::Result<Self> {
        let mut limits = Limits::clone(&config.limits);
        limits.report_finished = log.is_some() || config.admin.is_some() || config.trace;
        limits.report_lines = log.is_some();
        limits.report_fields = (log.as_ref()).is_some_and(|log| log.format().shows_fields());
        limits.close_always |= config.backend == Backend::Blocking;
        let room = room(config);
        let connections = match config.connections_max {
            0 => room,
            stated => stated.min(room),
        };
        let trace = config
            .trace
            .then(|| trace_lines(log.as_ref().or(told.as_ref())));
        let per_ip = u32::try_from(config.connections_per_ip_max).unwrap_or(u32::MAX);
        Ok(Self {
            limits: Arc::new(limits),
            connections_left: connections,
            loops_left: config.workers,
            per_address: (per_ip > 0).then(|| PerAddress::new(per_ip)),
            threads_max: config.threads_max.min(connections),
            grace: config.grace,
            trace: trace.transpose()?,
            faults: config.faults.clone(),
            log,
            told,
            in_flight: Vec::new(),
            other_loops: OtherLoops::default(),
            proxies: trusted(&config.trusted_proxies),
            backend: config.backend,
            record: None,
            live: (config.admin.as_ref()).and_then(|_| heading(config.backend).map(Broadcast::new)),
            recorded: 0,
            shown: config.admin.as_ref().map(|_| Vec::new()),
        })
    }

    /// Who watches another loop, or driver that waits.
    pub(super) fn watchers(&mut self) -> Watchers {
        let metrics = self.shown.as_mut().map(|shown| {
            let place = Published::new();
            shown.push(Arc::clone(&place));
            Metrics::new(place)
        });
        let log = self.log.clone().map(LogBuffer::new);
        (metrics.is_some() || log.is_some()).then_some((metrics, log))
    }

    /// Has the loops recorded, too. A driver without a loop is not.
    pub(super) fn recorded_to(mut self, out: Option<Box<dyn Write + Send>>) -> io::Result<Self> {
        let begun = out.zip(heading(self.backend));
        let begun = begun.map(|(out, heading)| RecordFile::begin(out, &heading));
        self.record = begun.transpose()?;
        // Answers belong to it.
        Arc::make_mut(&mut self.limits).report_finished |= self.record.is_some();
        Ok(self)
    }

    /// What spoils calls of the next loop, if that was asked for.
    pub(super) fn injector(&self) -> Option<Injector> {
        let number = self.recorded as u64;
        (self.faults.as_ref()).map(|faults| Injector::new(faults, number))
    }

    /// What records another loop, if anything does.
    pub(super) fn recorders(
        &mut self,
        injector: Option<&Injector>,
    ) -> Option<impl Observer + Send + use<>> {
        let of = RecordedLoop {
            worker: self.recorded,
            last_fault: injector.map(Injector::last).unwrap_or_default(),
        };
        self.recorded += 1;
        let file = self.record.as_ref().map(|record| record.observer(&of));
        let live = self.live.as_ref().map(|live| live.observer(&of));
        let heading = heading(self.backend);
        let printed = self.trace.as_ref().zip(heading);
        let printed = printed.map(|((lines, _), heading)| printed_to(lines, heading.trigger, &of));
        let is_any = file.is_some() || live.is_some() || printed.is_some();
        is_any.then_some((file, (live, printed)))
    }

    /// No further loop is recorded. Gives what waits for the record's end.
    pub(super) fn close_record(&mut self) -> Option<LogEnd> {
        self.record.take().map(RecordFile::close)
    }

    /// How many connections the next loop may hold: what is left, divided among those that are. One
    /// at least, even where so few descriptors are left that all loops together then hold more.
    fn share(&mut self) -> usize {
        let share = self.connections_left.div_ceil(self.loops_left.max(1));
        self.connections_left -= share;
        self.loops_left = self.loops_left.saturating_sub(1);
        share.max(1)
    }

    /// Where another loop, or driver that waits, counts what a stop waits for.
    fn in_flight(&mut self) -> InFlight {
        let count = InFlight::default();
        self.in_flight.push(count.clone());
        count
    }

    pub(super) fn settings(&mut self) -> Settings {
        Settings {
            in_flight: self.in_flight(),
            limits: Arc::clone(&self.limits),
            connections_max: self.share(),
            per_address: self.per_address.clone(),
            grace: self.grace,
            other_loops: self.other_loops.clone(),
            proxies: self.proxies.clone(),
            ..Settings::default()
        }
    }
}

/// The heading of a record of its loops; `None` without a loop.
fn heading(backend: Backend) -> Option<Heading> {
    let trigger = match backend {
        Backend::Edge => Trigger::Edge,
        Backend::Level | Backend::Poll | Backend::Select => Trigger::Level,
        Backend::Threads | Backend::Blocking => return None,
    };
    Some(Heading::new(backend.name(), trigger))
}

/// Where the trace is printed: on standard error. If that is where access lines go too, as on a
/// terminal, the same writer writes both, so that they stand in the order in which things happened.
fn trace_lines(log: Option<&AccessLog>) -> io::Result<(Lines, Option<LogEnd>)> {
    match log.and_then(AccessLog::lines_on_stderr) {
        Some(lines) => Ok((lines, None)),
        None => {
            let (lines, end) = Lines::start("trace", Standard::error(), lost_comment)?;
            Ok((lines, Some(end)))
        }
    }
}

/// `None` where no proxy is trusted, so that no field is looked for.
fn trusted(proxies: &TrustedProxies) -> Option<Arc<TrustedProxies>> {
    (*proxies != TrustedProxies::default()).then(|| Arc::new(proxies.clone()))
}
