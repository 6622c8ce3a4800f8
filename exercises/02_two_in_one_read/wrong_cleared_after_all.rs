//! Answers all that are complete, and then clears the buffer: with it goes the beginning of the next.
//! one request and a half in one read: /2 is answered by "HTTP/1.1 400 Bad Request"

use exercises::http;

#[derive(Default)]
pub struct Server {
    input: Vec<u8>,
}

impl Server {
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.input.extend_from_slice(bytes);
        let mut output = Vec::new();
        let mut at = 0;
        while let Some(end) = self.input[at..]
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
        {
            output.extend(http::answer(&self.input[at..at + end + 4]));
            at += end + 4;
        }
        if at > 0 {
            self.input.clear();
        }
        output
    }
}
