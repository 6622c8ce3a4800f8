//! Judged by the conformance suite, on real sockets.

use exercises::conformance::level;
use exercises::judge::{attempt, trying};
use exercises::{Symptom, Verdict};

use super::answer::MyPoll;

pub fn check(_: u64) -> Verdict {
    for (sentence, holds) in level::<MyPoll>() {
        let sentence = sentence.replace('_', " ");
        trying(sentence.clone());
        attempt(holds).map_err(|why| {
            // The place is of use to you, and changes with every line that is added there.
            let (said, place) = why.rsplit_once(" (").unwrap_or((&why, ""));
            let place = format!("In tests/it/conformance ({place}");
            Symptom::new(format!("{sentence}: {said}")).seen([place])
        })?;
    }
    Ok(())
}
