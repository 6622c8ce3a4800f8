//! Your part: see README.md.

use exercises::http;

/// The server's side of one connection.
#[derive(Default)]
pub struct Server {
    input: Vec<u8>,
}

impl Server {
    /// Takes what one `read` returned. Returns what is to be sent now, which may be nothing.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.input.extend_from_slice(bytes);
        let mut output = Vec::new();
        if let Some(end) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
            output.extend(http::answer(&self.input[..end + 4]));
            self.input.clear();
        }
        output
    }
}
