//! Judged by stories, and by a table that is never wrong because it never uses a number twice.

use std::collections::BTreeMap;

use exercises::{Symptom, Verdict, ensure};
use httpoll::kernel::sim::Schedule;
use httpoll::readiness::Token;

use super::answer::Slots;

pub fn check(round: u64) -> Verdict {
    a_client_leaves_and_another_comes()?;
    many_come_and_go()?;
    (0..20).try_for_each(|seed| any_order(round * 20 + seed))
}

fn a_client_leaves_and_another_comes() -> Verdict {
    let mut slots = Slots::new();
    let stays = slots.insert(0);
    let leaves = slots.insert(1);
    ensure!(
        slots.remove(leaves) == Some(1),
        "client 1 leaves, and cannot be removed"
    );
    let comes = slots.insert(2);
    let found = slots.get_mut(stays).copied();
    ensure!(
        found == Some(0),
        "an event of client 0, who is still there, reached {}",
        who(found)
    );
    let found = slots.get_mut(comes).copied();
    ensure!(
        found == Some(2),
        "an event of client 2, who has just come, reached {}",
        who(found)
    );
    if let Some(n) = slots.get_mut(leaves).copied() {
        let what = "an event of client 1, who has left, reached client";
        return Err(Symptom::new(format!("{what} {n}, who has the same slot")));
    }
    if slots.remove(leaves) == Some(2) {
        let what =
            "client 1, who has left, was closed once more, and client 2, who has the same slot";
        return Err(Symptom::new(format!("{what}, is gone")));
    }
    let found = slots.get_mut(comes).copied();
    ensure!(
        found == Some(2),
        "client 1 was closed once more; an event of client 2 then reached {}",
        who(found)
    );
    Ok(())
}

fn who(client: Option<u32>) -> String {
    client.map_or("nobody".to_owned(), |n| format!("client {n}"))
}

fn many_come_and_go() -> Verdict {
    let mut slots = Slots::new();
    let mut tokens = Vec::new();
    for n in 0..1_000 {
        let token = slots.insert(n);
        let slot = token.slot();
        ensure!(
            slot < 100,
            "at most 3 clients at a time, and slot {slot} is in use"
        );
        tokens.push(token);
        if tokens.len() == 3 {
            let token = tokens.remove(n as usize % 3);
            ensure!(
                slots.remove(token).is_some(),
                "a client who is there cannot be removed"
            );
        }
    }
    Ok(())
}

fn any_order(seed: u64) -> Verdict {
    let mut draw = Schedule::seeded(seed);
    let (mut slots, mut model) = (Slots::new(), BTreeMap::new());
    let mut tokens: Vec<Token> = Vec::new();
    for n in 0..200_u32 {
        if tokens.is_empty() || draw.pick(3) == 0 {
            let token = slots.insert(n);
            let twice = model.insert(token.0, n).is_some() || tokens.contains(&token);
            ensure!(!twice, "seed {seed}: two clients were given the same token");
            tokens.push(token);
            continue;
        }
        let token = tokens[draw.pick(tokens.len())];
        let (due, found) = match draw.pick(2) {
            0 => (model.remove(&token.0), slots.remove(token)),
            _ => (model.get(&token.0).copied(), slots.get_mut(token).copied()),
        };
        let (due, found) = (who(due), who(found));
        ensure!(due == found, "seed {seed}: a token of {due} led to {found}");
    }
    Ok(())
}
