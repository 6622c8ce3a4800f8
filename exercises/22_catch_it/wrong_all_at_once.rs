//! One large batch, for answers that do not fit. The socket fills up, and a report that there is room again
//! says that there is something to read, too: it repairs the first loop.
//! the loop that reads 512 bytes for each report: nobody noticed, although 900 bytes came at once

use httpoll::kernel::sim::Act;

/// What the client does.
pub fn script() -> Vec<Act> {
    vec![
        Act::Send(b"12\n".repeat(300)),
        Act::Await(12 * 300),
        Act::Finish,
        Act::AwaitEnd,
    ]
}

/// So many bytes the server's socket holds for it.
pub fn send_buffer() -> usize {
    1_000
}
