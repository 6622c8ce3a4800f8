//! Does not wait for its answers. What it did not get, it does not miss; and the right loop cannot serve
//! somebody who has gone:
//! the right loop fails: client 0 received nothing: 0 of 5300 bytes, then the end

use httpoll::kernel::sim::Act;

/// What the client does.
pub fn script() -> Vec<Act> {
    vec![
        Act::Send(b"1\n".repeat(300)),
        Act::Send(b"5000\n".to_vec()),
        Act::Close,
    ]
}

/// So many bytes the server's socket holds for it.
pub fn send_buffer() -> usize {
    1_000
}
