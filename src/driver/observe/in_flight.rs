//! What a stop waits for.
//!
//! *Floor 4.* Three numbers, written by a loop or by the threads of a waiting driver, and read by the
//! thread that waits for signals: a user who stops a server wants to know why it is still there.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::conn::Phase;

/// What a connection has under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owed {
    Download,
    Upload,
    /// An answer that is being made, or small ones.
    Other,
}

impl Owed {
    const fn of(phase: Phase) -> Self {
        match phase {
            // What lingers was given to the kernel, and is not known to have arrived.
            Phase::Replying | Phase::Ending | Phase::Lingering => Self::Download,
            Phase::AwaitBody | Phase::Draining => Self::Upload,
            _ => Self::Other,
        }
    }
}

/// Counts that are shared.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<[AtomicUsize; 3]>);

impl InFlight {
    /// A loop has so many left, some of which are in these phases.
    pub(crate) fn set(&self, left: usize, phases: impl Iterator<Item = Phase>) {
        let mut counts = [0; 3];
        for phase in phases {
            counts[Owed::of(phase) as usize] += 1;
        }
        counts[Owed::Other as usize] += left - counts.iter().sum::<usize>().min(left);
        for (shared, count) in self.0.iter().zip(counts) {
            shared.store(count, Ordering::Relaxed);
        }
    }

    /// One more, until the value is dropped.
    pub(crate) fn begin(&self) -> Begun {
        let owed = Cell::new(Owed::Other);
        self.0[Owed::Other as usize].fetch_add(1, Ordering::Relaxed);
        Begun(self.clone(), owed)
    }

    /// `2 downloads and 1 upload`; nothing if nothing is left in any of them.
    pub(crate) fn in_words(all: &[Self]) -> Option<String> {
        let words = ["download", "upload", "client"];
        let counted = words.iter().enumerate().filter_map(|(at, word)| {
            let of = |one: &Self| one.0[at].load(Ordering::Relaxed);
            match all.iter().map(of).sum::<usize>() {
                0 => None,
                1 => Some(format!("1 {word}")),
                many => Some(format!("{many} {word}s")),
            }
        });
        let counted: Vec<_> = counted.collect();
        let (last, others) = counted.split_last()?;
        match others {
            [] => Some(last.clone()),
            _ => Some(format!("{} and {last}", others.join(", "))),
        }
    }
}

/// One connection that a thread serves.
pub(crate) struct Begun(InFlight, Cell<Owed>);

impl Begun {
    /// It waits in this phase.
    pub(crate) fn is_in(&self, phase: Phase) {
        let owed = Owed::of(phase);
        let before = self.1.replace(owed);
        if owed != before {
            self.0.0[owed as usize].fetch_add(1, Ordering::Relaxed);
            self.0.0[before as usize].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.0[self.1.get() as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_counted_by_kind_over_all_loops() {
        let (a, b) = (InFlight::default(), InFlight::default());
        let words = || InFlight::in_words(&[a.clone(), b.clone()]);
        assert_eq!(words(), None);
        a.set(2, [Phase::Replying, Phase::AwaitBody].into_iter());
        assert_eq!(words().as_deref(), Some("1 download and 1 upload"));
        let begun = b.begin();
        let all = "1 download, 1 upload and 1 client";
        assert_eq!(words().as_deref(), Some(all));
        begun.is_in(Phase::Ending);
        begun.is_in(Phase::Lingering);
        assert_eq!(words().as_deref(), Some("2 downloads and 1 upload"));
        drop(begun);
        a.set(1, [Phase::AwaitReply].into_iter());
        assert_eq!(words().as_deref(), Some("1 client"));
        a.set(3, [Phase::Replying].into_iter());
        assert_eq!(words().as_deref(), Some("1 download and 2 clients"));
    }
}
