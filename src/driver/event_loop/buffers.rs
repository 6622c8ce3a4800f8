//! The loop's pool of buffers: lent to a connection that owes something, back when it does not.
//!
//! *Floor 4.* Its size follows the connections that are busy at once, not those that are open.

use crate::conn::{Buffers, Connection};

/// Sets of buffers kept for the next connection; more are given back to the allocator.
const KEPT_MAX: usize = 256;

/// Bytes of memory for answers kept for the next connection.
const OUTPUT_KEPT_MAX: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Pool {
    #[expect(
        clippy::vec_box,
        reason = "a connection holds a pointer, not a set of buffers"
    )]
    free: Vec<Box<Buffers>>,
    /// What answers are encoded into. A connection has it while it is served, and keeps it only if the
    /// socket does not take all: so answers of one turn are written to the same memory, one after
    /// the other, which the processor has at hand. With memory of their own, 64 answers of 4 KiB cost
    /// 3 % more. (What is made elsewhere, by a job, is encoded into the connection's own.)
    output: Vec<u8>,
}

impl Pool {
    /// Lends buffers to a connection that has none.
    pub(super) fn lend(&mut self, conn: &mut Connection) {
        if !conn.has_buffers() {
            conn.lend(self.free.pop().unwrap_or_default());
        }
    }

    /// Lends the memory for answers to a connection that is about to be served and owes nothing. Whether
    /// it did: only then it is to be taken back.
    pub(super) fn lend_output(&mut self, conn: &mut Connection) -> bool {
        conn.exchange_output(&mut self.output)
    }

    /// Takes it back, unless a part of an answer waits in it.
    pub(super) fn take_output(&mut self, conn: &mut Connection) {
        conn.exchange_output(&mut self.output);
        if self.output.capacity() > OUTPUT_KEPT_MAX {
            self.output = Vec::new();
        }
    }

    /// Takes them back if nothing is owed.
    pub(super) fn reclaim(&mut self, conn: &mut Connection) {
        if let Some(buffers) = conn.reclaim()
            && self.free.len() < KEPT_MAX
        {
            self.free.push(buffers);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conn::{Limits, Step};
    use crate::http::{Response, Tick};

    #[test]
    fn memory_for_answers_is_not_lent_to_who_has_one_in_it() {
        let now = Tick::for_tests();
        let mut pool = Pool {
            output: Vec::with_capacity(100),
            ..Pool::default()
        };
        let mut conn = Connection::new(Arc::new(Limits::default()), &now);
        pool.lend(&mut conn);
        conn.on_bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &now);
        assert!(matches!(conn.next_step(&now), Step::Request(_)));
        // Made elsewhere, and so before the connection is served.
        conn.respond(Response::text("hi"), &now);
        assert!(!pool.lend_output(&mut conn));
        assert_eq!(pool.output.capacity(), 100);
    }

    #[test]
    fn memory_for_large_answers_is_given_back() {
        let now = Tick::for_tests();
        let mut pool = Pool::default();
        let mut conn = Connection::new(Arc::new(Limits::default()), &now);
        for capacity in [OUTPUT_KEPT_MAX, OUTPUT_KEPT_MAX + 1] {
            pool.output = Vec::with_capacity(capacity);
            pool.take_output(&mut conn);
            assert_eq!(pool.output.capacity() > 0, capacity == OUTPUT_KEPT_MAX);
        }
    }
}
