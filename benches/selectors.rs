//! **What one ready descriptor costs among N idle ones**: the C10K figure, as a line per selector.
//!
//! N descriptors are watched and silent, one more is made ready, the wait finds it, it is made
//! silent again. Setting and clearing are one system call each, the same for all: what grows with
//! N is the wait. select(2) and poll(2) hand the kernel the whole set every time; epoll(7) left it
//! there. That edge and level lie on one line is the other lesson: the trigger decides what must
//! be remembered, not what a wait costs.
//!
//! select(2) ends at 1,000: descriptor 1,024 does not fit its sets.
//!
//! `cargo bench --bench selectors` draws `target/criterion/one ready among N idle/report/lines.svg`.

use std::hint::black_box;
use std::os::fd::{AsFd, OwnedFd};

use criterion::measurement::WallTime;
use criterion::{
    AxisScale, BenchmarkGroup, BenchmarkId, Criterion, PlotConfiguration, criterion_group,
    criterion_main,
};
use httpoll::readiness::{
    Directions, EpollEdge, EpollLevel, FD_SETSIZE, PollArray, SelectSets, Selector, Token,
};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const IDLE: [u32; 4] = [10, 100, 1_000, 10_000];

/// Descriptors that are neither idle nor the ready one: the standard three, epoll's own, and
/// whatever the harness holds open.
const OTHERS: u64 = 64;

fn selectors(c: &mut Criterion) {
    let idle_max = raise_descriptor_limit();
    let mut group = c.benchmark_group("one ready among N idle");
    group.plot_config(PlotConfiguration::default().summary_scale(AxisScale::Logarithmic));
    for n in IDLE.into_iter().filter(|n| u64::from(*n) <= idle_max) {
        if n < FD_SETSIZE.unsigned_abs() {
            one_ready::<SelectSets>(&mut group, n);
        }
        one_ready::<PollArray>(&mut group, n);
        one_ready::<EpollLevel>(&mut group, n);
        one_ready::<EpollEdge>(&mut group, n);
    }
    group.finish();
}

fn one_ready<S: Selector>(group: &mut BenchmarkGroup<'_, WallTime>, idle: u32) {
    let mut selector = must(S::new());
    let watched: Vec<OwnedFd> = (0..=idle).map(|slot| watch(&mut selector, slot)).collect();
    let mut events = Vec::new();
    let Some(ready) = watched.last() else { return };
    group.bench_with_input(BenchmarkId::new(S::NAME, idle), &idle, |b, _| {
        b.iter(|| {
            must(rustix::io::write(ready, &1_u64.to_ne_bytes()));
            must(selector.wait(&mut events, None));
            assert_eq!(events.len(), 1);
            assert_eq!(black_box(&events)[0].token, Token::new(idle, 0));
            must(rustix::io::read(ready, &mut [0; 8]));
        });
    });
}

/// An eventfd(2): readable while its counter is not zero, and it starts at zero.
fn watch<S: Selector>(selector: &mut S, slot: u32) -> OwnedFd {
    let fd = must(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK));
    must(selector.register(fd.as_fd(), Token::new(slot, 0), Directions::READ));
    fd
}

/// As many descriptors as this process may have. Returns how many of them can be idle ones.
fn raise_descriptor_limit() -> u64 {
    let most = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: most,
        maximum: most,
    };
    must(setrlimit(Resource::Nofile, raised));
    let idle_max = most.unwrap_or(u64::MAX) - OTHERS;
    if idle_max < u64::from(IDLE[IDLE.len() - 1]) {
        eprintln!("only up to {idle_max} descriptors: raise the hard limit (ulimit -Hn) for more");
    }
    idle_max
}

/// A bench that cannot go on has nothing to report.
fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

criterion_group!(benches, selectors);
criterion_main!(benches);
