//! A loop in a hundred lines, to be spoiled: does the simulator tell a right loop from a wrong one?
//!
//! Each request is one byte `k`, its answer `k` times `k` bytes. The rules are those of
//! `driver/event_loop/settle.rs`; each [`Mistake`] leaves one of them out.

use super::*;
use std::collections::VecDeque;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake {
    None,
    /// A slot whose budget ran out is not queued.
    BudgetForgotten,
    /// Requests already taken are not queued.
    InboxForgotten,
    /// A direction never leaves the interest set.
    NeverOut,
    /// A direction never enters it.
    NeverIn,
    /// An event that comes while nothing is wanted is dropped.
    EdgeDropped,
    /// A short read counts as drained although the peer has ended.
    EndForgotten,
}

struct Slot {
    socket: SimSocket,
    ready: Interest,
    armed: Interest,
    queued: bool,
    peer_ended: bool,
    ended: bool,
    inbox: VecDeque<u8>,
    outbox: VecDeque<u8>,
}

impl Slot {
    fn wanted(&self) -> Interest {
        Interest {
            readable: !self.ended && self.inbox.len() < 8,
            writable: !self.outbox.is_empty(),
        }
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty() && self.outbox.len() < 300
    }
}

struct Specimen<const EDGE: bool> {
    kernel: Sim<EDGE>,
    listener: SimListener,
    slots: Vec<Option<Slot>>,
    queue: VecDeque<usize>,
    mistake: Mistake,
}

impl<const EDGE: bool> Specimen<EDGE> {
    fn turn(&mut self) {
        let timeout = match self.queue.is_empty() {
            true => Duration::from_millis(100),
            false => Duration::ZERO,
        };
        let mut events = Vec::new();
        if self.kernel.wait(&mut events, Some(timeout)).is_err() {
            return;
        }
        self.accept();
        for event in events {
            let index = event.token.slot() as usize;
            if let Some(Some(slot)) = self.slots.get_mut(index) {
                let told = Interest {
                    readable: event.readable,
                    writable: event.writable,
                };
                slot.ready = slot.ready.or(match self.mistake {
                    Mistake::EdgeDropped => told.and(slot.wanted()),
                    _ => told,
                });
                slot.peer_ended |= event.read_closed;
                self.push(index);
            }
        }
        for _ in 0..self.queue.len() {
            let Some(index) = self.queue.pop_front() else {
                break;
            };
            let Some(mut slot) = self.slots[index].take() else {
                continue;
            };
            slot.queued = false;
            match self.serve(&mut slot) {
                true => {
                    self.slots[index] = Some(slot);
                    self.settle(index);
                }
                false if slot.armed.any() => self.kernel.deregister(&slot.socket).unwrap(),
                false => {}
            }
        }
    }

    fn push(&mut self, index: usize) {
        let Some(slot) = &mut self.slots[index] else {
            return;
        };
        if !slot.queued {
            slot.queued = true;
            self.queue.push_back(index);
        }
    }

    fn accept(&mut self) {
        while let Ok((socket, _)) = self.kernel.accept(&self.listener) {
            let index = self.slots.len();
            let token = Token::new(u32::try_from(index).unwrap(), 1);
            let armed = if EDGE { Interest::BOTH } else { Interest::READ };
            self.kernel.register(&socket, token, armed).unwrap();
            self.slots.push(Some(Slot {
                socket,
                ready: Interest::BOTH,
                armed,
                queued: false,
                peer_ended: false,
                ended: false,
                inbox: VecDeque::new(),
                outbox: VecDeque::new(),
            }));
            self.push(index);
        }
    }

    /// One read, one request, fifty bytes: budgets small enough to run out. `false`: close.
    fn serve(&mut self, slot: &mut Slot) -> bool {
        if slot.wanted().readable && slot.ready.readable {
            let mut into = [0; 5];
            match self.kernel.read(&mut slot.socket, &mut into) {
                Ok(0) => slot.ended = true,
                Ok(n) => {
                    let careful = slot.peer_ended && self.mistake != Mistake::EndForgotten;
                    slot.ready.readable = n == into.len() || careful;
                    slot.inbox.extend(&into[..n]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    slot.ready.readable = false;
                }
                Err(_) => return false,
            }
        }
        if slot.has_work() {
            let k = slot.inbox.pop_front().unwrap();
            slot.outbox.extend(answer(k));
        }
        if slot.wanted().writable && slot.ready.writable {
            let asked = slot.outbox.len().min(50);
            let bytes = &slot.outbox.make_contiguous()[..asked];
            match self
                .kernel
                .write(&mut slot.socket, &[IoSlice::new(bytes)], false)
            {
                Ok(n) => {
                    slot.outbox.drain(..n);
                    slot.ready.writable = n == asked;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    slot.ready.writable = false;
                }
                Err(_) => return false,
            }
        }
        !(slot.ended && slot.inbox.is_empty() && slot.outbox.is_empty())
    }

    fn settle(&mut self, index: usize) {
        let Some(slot) = &mut self.slots[index] else {
            return;
        };
        let wanted = slot.wanted();
        let mut come_back = slot.has_work() && self.mistake != Mistake::InboxForgotten;
        if EDGE {
            come_back |= wanted.and(slot.ready).any() && self.mistake != Mistake::BudgetForgotten;
        } else {
            let next = match self.mistake {
                Mistake::NeverOut => wanted.or(slot.armed),
                Mistake::NeverIn => wanted.and(slot.armed),
                _ => wanted,
            };
            if next != slot.armed {
                let token = Token::new(u32::try_from(index).unwrap(), 1);
                match (slot.armed.any(), next.any()) {
                    (true, true) => self.kernel.reregister(&slot.socket, token, next),
                    (true, false) => self.kernel.deregister(&slot.socket),
                    (false, _) => self.kernel.register(&slot.socket, token, next),
                }
                .unwrap();
                slot.armed = next;
            }
        }
        if come_back {
            self.push(index);
        }
    }
}

fn answer(k: u8) -> impl Iterator<Item = u8> {
    std::iter::repeat_n(k, usize::from(k) * usize::from(k))
}

/// Three clients that pipeline, wait for some of their answers, and go on.
fn clients(seed: u64) -> Vec<Vec<Vec<u8>>> {
    let mut draw = Schedule::seeded(!seed);
    let mut batch = || {
        let n = 1 + draw.pick(20);
        (0..n)
            .map(|_| 1 + u8::try_from(draw.pick(20)).unwrap())
            .collect()
    };
    (0..3).map(|_| vec![batch(), batch()]).collect()
}

/// `Ok`, or what went wrong.
fn run<const EDGE: bool>(seed: u64, mistake: Mistake) -> Result<(), String> {
    let mut kernel = Sim::<EDGE>::new(Schedule::seeded(seed));
    let listener = kernel.listen();
    kernel
        .watch(&listener, Token::new(u32::MAX, 0), true)
        .unwrap();
    let mut expected = Vec::new();
    for batches in clients(seed) {
        let mut answers: Vec<u8> = Vec::new();
        let mut script = Vec::new();
        for batch in batches {
            answers.extend(batch.iter().copied().flat_map(answer));
            script.extend([Act::Send(batch), Act::Await(answers.len())]);
        }
        // Some ends of file come together with data.
        let finish = script.len() - (expected.len() % 2);
        script.insert(finish, Act::Finish);
        script.push(Act::AwaitEnd);
        kernel.client(script, 64 + usize::try_from(seed % 400).unwrap());
        expected.push(answers);
    }
    let mut specimen = Specimen {
        kernel: kernel.clone(),
        listener,
        slots: Vec::new(),
        queue: VecDeque::new(),
        mistake,
    };
    while !kernel.is_over() {
        specimen.turn();
        if let Some(verdict) = kernel.verdict() {
            return Err(verdict.to_string());
        }
    }
    for (client, answers) in expected.iter().enumerate() {
        if kernel.received(client) != *answers {
            return Err(format!("client {client} got other bytes"));
        }
    }
    Ok(())
}

#[test]
fn a_right_loop_passes_every_schedule() {
    for seed in 0..150 {
        assert_eq!(
            run::<true>(seed, Mistake::None),
            Ok(()),
            "edge, seed {seed}"
        );
        assert_eq!(
            run::<false>(seed, Mistake::None),
            Ok(()),
            "level, seed {seed}"
        );
    }
}

#[test]
fn each_mistake_is_found_in_its_trigger() {
    fn check<const EDGE: bool>(mistake: Mistake, word: &str) {
        let found = (0..600).find_map(|seed| run::<EDGE>(seed, mistake).err());
        let found = found.unwrap_or_else(|| panic!("{mistake:?} passes, edge: {EDGE}"));
        assert!(
            found.starts_with(word),
            "{mistake:?}, edge: {EDGE}: {found}"
        );
    }
    check::<true>(Mistake::BudgetForgotten, "stall");
    check::<true>(Mistake::InboxForgotten, "stall");
    check::<false>(Mistake::InboxForgotten, "stall");
    check::<false>(Mistake::NeverOut, "spin");
    check::<false>(Mistake::NeverIn, "stall");
    check::<true>(Mistake::EdgeDropped, "stall");
    check::<true>(Mistake::EndForgotten, "stall");
    // What a trigger may forget without harm.
    assert_eq!(run::<false>(1, Mistake::BudgetForgotten), Ok(()));
    assert_eq!(run::<true>(1, Mistake::NeverOut), Ok(()));
}
