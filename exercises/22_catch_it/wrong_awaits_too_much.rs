//! Counts the bytes it sends, not those it asks for. Nobody could serve it:
//! the right loop fails: stall: slot 0 has room for 1000 bytes, client 0 has 300 and waits for 600

use httpoll::kernel::sim::Act;

/// What the client does.
pub fn script() -> Vec<Act> {
    vec![
        Act::Send(b"1\n".repeat(300)),
        Act::Await(600),
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
