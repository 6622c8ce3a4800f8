//! Keeps what came, and looks for the end of the head in all of it.

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
        let end = self.input.windows(4).position(|four| four == b"\r\n\r\n");
        match end {
            None => Vec::new(),
            Some(end) => {
                let head: Vec<u8> = self.input.drain(..end + 4).collect();
                http::answer(&head)
            }
        }
    }
}
