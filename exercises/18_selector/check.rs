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
            let (begin, rest) = why.split_at(why.floor_char_boundary(90));
            let more = if rest.is_empty() { "" } else { " …" };
            Symptom::new(format!("{sentence}: {begin}{more}")).seen([why.as_str()])
        })?;
    }
    Ok(())
}
