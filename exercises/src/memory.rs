//! What the allocator has seen; the counter is that of the tests.

use crate::counting;

/// How often `work` asked for memory.
pub fn counted<T>(work: impl FnOnce() -> T) -> (usize, T) {
    counting::counted(work)
}

/// The bytes that this thread has asked for and not given back.
pub fn held() -> isize {
    counting::held()
}
