//! Answers as long as there is a head, and takes each out when it is answered.

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
        while let Some(end) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = self.input.drain(..end + 4).collect();
            output.extend(http::answer(&head));
        }
        output
    }
}
