//! Keeps everything, but looks for the empty line in the newest piece alone. It goes well until
//! the four bytes themselves are cut:
//! a request cut behind byte 24: it is complete, and no answer came

use exercises::http;

#[derive(Default)]
pub struct Server {
    input: Vec<u8>,
}

impl Server {
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.input.extend_from_slice(bytes);
        if !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            return Vec::new();
        }
        http::answer(&std::mem::take(&mut self.input))
    }
}
