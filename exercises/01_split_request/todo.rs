//! Your part: see README.md.

use exercises::http;

/// The server's side of one connection.
#[derive(Default)]
pub struct Server {
    // Add what has to be remembered from one call to the next.
}

impl Server {
    /// Takes what one `read` returned. Returns what is to be sent now, which may be nothing.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        http::answer(bytes)
    }
}
