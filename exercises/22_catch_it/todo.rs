//! Your part: see README.md.

use httpoll::kernel::sim::Act;

/// What the client does.
pub fn script() -> Vec<Act> {
    vec![
        Act::Send(b"12\n".to_vec()),
        Act::Await(12),
        Act::Finish,
        Act::AwaitEnd,
    ]
}

/// So many bytes the server's socket holds for it.
pub fn send_buffer() -> usize {
    64 * 1024
}
