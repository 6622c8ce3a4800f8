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
            let said = why.rsplit_once(" (").map_or(&*why, |(said, _)| said);
            let mut begin: String = said.chars().take(90).collect();
            if begin.len() < said.len() {
                begin.push_str(" …");
            }
            let whole = format!("{why}, in tests/it/conformance");
            Symptom::new(format!("{sentence}: {begin}")).seen([whole])
        })?;
    }
    Ok(())
}
