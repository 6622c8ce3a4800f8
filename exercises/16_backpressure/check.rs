//! Judged by the allocator: what is held for the client, whatever it is kept in.

use exercises::memory::held;
use exercises::small::answer;
use exercises::{Symptom, Verdict, ensure};

use super::answer::Client;

/// The bound of the task.
const HELD_MAX: isize = 128 * 1024;

pub fn check(_: u64) -> Verdict {
    let small = vec![100; 40_000];
    let large = vec![10_000; 2_000];
    conversation("a client that asks and reads nothing", &small, 0)?;
    conversation("a client whose requests ask for much", &large, 0)?;
    conversation(
        "a client that takes everything",
        &small[..5_000],
        usize::MAX,
    )?;
    conversation(
        "a client that takes a little at a time",
        &small[..1_000],
        700,
    )?;
    conversation(
        "a client that asks for much and takes a little at a time",
        &large[..50],
        3_000,
    )
}

/// A client that sends these requests as fast as it may, and takes so many bytes in each turn.
fn conversation(name: &str, requests: &[usize], takes: usize) -> Verdict {
    let sent: String = requests.iter().map(|n| format!("{n}\n")).collect();
    let mut unread = sent.as_bytes();
    let due: usize = requests.iter().sum();
    let mut got = 0;
    let before = held();
    let mut client = Client::default();
    while !unread.is_empty() || got < due {
        let reads = client.wants_read() && !unread.is_empty();
        if reads {
            let (piece, rest) = unread.split_at(unread.len().min(512));
            unread = rest;
            client.on_bytes(piece);
        }
        let most = if client.output.len() > client.input.len() {
            "answers"
        } else {
            "requests"
        };
        let now = held() - before;
        ensure!(
            now <= HELD_MAX,
            "{name}: {now} bytes of memory are held for it, most of them {most}; {HELD_MAX} are enough"
        );
        if takes == 0 && !reads {
            return Ok(()); // it would be read from no more
        }
        let n = client.output.len().min(takes);
        is_right(name, &client.output[..n], requests, got)?;
        got += n;
        client.output.drain(..n);
        client.on_room();
        if n == 0 && !reads && client.output.is_empty() {
            let here = client.input.iter().filter(|byte| **byte == b'\n').count();
            let what = format!("{here} requests are here, nothing is owed, and nothing is done");
            return Err(Symptom::new(format!("{name}: stall: {what}")));
        }
    }
    Ok(())
}

/// All requests of a conversation have answers of the same length.
fn is_right(name: &str, part: &[u8], requests: &[usize], at: usize) -> Verdict {
    let one = answer(requests[0]);
    let due = one.iter().cycle().skip(at % one.len());
    let wrong = part.iter().zip(due).position(|(got, due)| got != due);
    let wrong = wrong.map(|n| at + n);
    ensure!(
        wrong.is_none(),
        "{name}: byte {} of the answers is wrong",
        wrong.unwrap_or(0)
    );
    Ok(())
}
