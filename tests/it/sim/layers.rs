//! A layer beneath the protocol, honoured by the loop under every schedule; and what a layer that
//! says less, or more, than is true costs.

use httpoll::kernel::sim::layered::{
    END_OF_STREAM, FLIGHT_BYTES, HANDSHAKE, KEY_UPDATE, Lie, REKEYED_BYTES, encode,
};
use httpoll::kernel::sim::{Act, Schedule};

use super::conversation::Conversation;
use super::schedules::{Cast, run, schedules};

impl Conversation {
    /// The same through the layer: what is said in records, and what is heard with what the layer
    /// itself says in between.
    pub(crate) fn layered(self, draw: &mut Schedule) -> Self {
        let send = |bytes: &[u8]| Act::Send(bytes.to_vec());
        let mut script = vec![send(HANDSHAKE[0])];
        // A client that says no more, or takes no more: the time for a head is also that for this.
        let silent = draw.pick(12);
        if silent == 1 || silent == 2 {
            if silent == 2 {
                script.insert(0, Act::StopReceiving);
            }
            script.push(Act::Vanish);
            let (answers, prefix) = (Vec::new(), true);
            return Self {
                script,
                answers,
                prefix,
                ..self
            };
        }
        let (mut own, mut heard) = (FLIGHT_BYTES, 0);
        script.extend([Act::Await(own), send(HANDSHAKE[1])]);
        let mut acts = self.script.into_iter().peekable();
        while let Some(act) = acts.next() {
            match act {
                Act::Send(bytes) => {
                    let batch = matches!(acts.peek(), Some(Act::Await(_)));
                    let update = if batch { draw.pick(4) } else { 0 };
                    let middle = draw.pick(bytes.len().max(1));
                    let (before, after) = bytes.split_at(middle);
                    own += if update > 1 { REKEYED_BYTES } else { 0 };
                    match update {
                        // Alone, and its second half after its answer only.
                        2 => script.extend([
                            send(KEY_UPDATE[0]),
                            Act::Await(own + heard),
                            send(KEY_UPDATE[1]),
                            Act::Send(encode(&bytes)),
                        ]),
                        // In the middle of requests, whose answers may be under way.
                        3 => script.extend([
                            Act::Send([&encode(before), KEY_UPDATE[0]].concat()),
                            Act::Send([KEY_UPDATE[1], &encode(after)].concat()),
                        ]),
                        _ => script.push(Act::Send(encode(&bytes))),
                    }
                }
                Act::Await(n) => {
                    heard = n;
                    script.push(Act::Await(own + heard));
                }
                Act::Finish => {
                    script.push(send(END_OF_STREAM));
                    if draw.pick(2) == 1 {
                        script.push(Act::Finish);
                    }
                }
                other => script.push(other),
            }
        }
        Self { script, ..self }
    }
}

#[test]
fn a_layer_is_honoured_under_every_schedule() {
    schedules(800, |seed| Cast::draw(seed).layered(seed, None));
}

fn check<const EDGE: bool>(lie: Lie, word: &str) {
    let failed = (0..SEEDS).find_map(|seed| {
        let cast = Cast::draw(seed).layered(seed, Some(lie));
        run::<EDGE>(&cast, Schedule::seeded(seed), false).err()
    });
    let failed = failed.expect("the mistake is not noticed");
    assert!(failed.starts_with(word), "{lie:?}, edge {EDGE}: {failed}");
}

#[test]
fn a_layer_that_is_forgotten_stalls_or_spins() {
    for (lie, edge, level) in [
        (Lie::HoldsNothing, "stall", "stall"),
        (Lie::HoldsNoEnd, "stall", "stall"),
        // What has come for the handshake is not taken: level says so again and again.
        (Lie::OwesNothing, "stall", "spin"),
        (Lie::HoldsForever, "spin", "spin"),
        (Lie::OwesForever, "spin", "spin"),
    ] {
        check::<true>(lie, edge);
        check::<false>(lie, level);
    }
}

/// Enough for the rarest mistake, and few enough for a debug build.
const SEEDS: u64 = 150;
