//! Judged by clients of several kinds and a clock of its own.

use std::time::Duration;

use exercises::{Verdict, ensure};

use super::answer::HeadTimer;

/// What a client sends at which second, and whether it completes a head.
type Sent = (u64, bool);

/// When a client with this behaviour is cut off; `None` if it is not within five minutes.
fn cut_off(sent: &[Sent]) -> Option<u64> {
    // The server has been running for an hour.
    let start = Duration::from_secs(3_600);
    let mut timer = HeadTimer::new(start);
    for second in 0..=300 {
        let now = start + Duration::from_secs(second);
        for (_, is_complete) in sent.iter().filter(|(at, _)| *at == second) {
            timer.on_bytes(now, *is_complete);
        }
        if timer.deadline() <= now {
            return Some(second);
        }
    }
    None
}

pub fn check(_: u64) -> Verdict {
    let drips: Vec<Sent> = (0..=300).map(|second| (second, false)).collect();
    is_cut_off("that sends one byte a second", &drips, 10)?;

    let twice = [(0, true), (30, true)];
    let end = cut_off(&twice);
    let early = end.filter(|end| *end < 90);
    ensure!(
        early.is_none(),
        "a client that is idle for 30 s between two requests was cut off after {} s",
        early.unwrap_or_default()
    );
    let slower = [(0, false), (2, true), (31, false), (34, true)];
    let early = cut_off(&slower).filter(|end| *end < 94);
    ensure!(
        early.is_none(),
        "a client that takes 3 s for its second request was cut off after {} s",
        early.unwrap_or_default()
    );

    is_cut_off("that says nothing", &[], 60)?;
    is_cut_off("that stops in the middle of a head", &[(5, false)], 15)?;
    is_cut_off(
        "that says nothing after its first request",
        &[(1, false), (3, true)],
        63,
    )?;
    let mut later: Vec<Sent> = vec![(0, true)];
    later.extend((40..=300).map(|second| (second, false)));
    is_cut_off("that sends its second request byte by byte", &later, 50)
}

fn is_cut_off(who: &str, sent: &[Sent], due: u64) -> Verdict {
    let Some(end) = cut_off(sent) else {
        return Err(exercises::Symptom::new(format!(
            "a client {who} is still connected after 300 s"
        )));
    };
    ensure!(
        end == due,
        "a client {who} was cut off after {end} s instead of {due} s"
    );
    Ok(())
}
