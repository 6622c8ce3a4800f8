//! The conformance suite of the tests, for a selector of your own.

use httpoll::readiness::Selector;

#[path = "../../tests/it/conformance/loopback.rs"]
mod loopback;
#[path = "../../tests/it/conformance/sentences.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "some are about edge-triggered kernels"
)]
mod sentences;

use loopback::Loopback;
use sentences::{common_sentences, level_sentences};

/// A sentence, and how it is tried: a selector that does not keep it panics.
pub type Sentence = (&'static str, fn());

macro_rules! list {
    ($world:ty: $($sentence:ident)*) => {
        [$((stringify!($sentence), sentences::$sentence::<$world> as fn())),*]
    };
}

/// What a level-triggered selector promises.
pub fn level<S: Selector>() -> Vec<Sentence> {
    let common: &[Sentence] = &common_sentences!(list! Loopback<S>);
    [common, &level_sentences!(list! Loopback<S>)].concat()
}
