//! 600 bytes of requests at once, whose answers fit; then an answer that does not. It waits for each.

use httpoll::kernel::sim::Act;

/// What the client does.
pub fn script() -> Vec<Act> {
    vec![
        Act::Send(b"1\n".repeat(300)),
        Act::Await(300),
        Act::Send(b"5000\n".to_vec()),
        Act::Await(300 + 5_000),
        Act::Finish,
        Act::AwaitEnd,
    ]
}

/// So many bytes the server's socket holds for it.
pub fn send_buffer() -> usize {
    1_000
}
