//! Bounds the answers and reads on: now it is the requests that pile up.
//! a client that asks and reads nothing: 131072 bytes of memory are held for it, most of them requests;
//! 131072 are enough

use exercises::small::answer;

/// More than this is not owed to a client.
const OWED_MAX: usize = 16 * 1024;

/// The server's side of one connection.
#[derive(Default)]
pub struct Client {
    /// Requests without an answer, the last one perhaps in part.
    pub input: Vec<u8>,
    /// Answers that are not sent yet.
    pub output: Vec<u8>,
}

impl Client {
    /// Whether more would be read from it now.
    pub fn wants_read(&self) -> bool {
        true
    }

    /// Bytes were read.
    pub fn on_bytes(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.make_answers();
    }

    /// Bytes of `output` were sent, and taken out.
    pub fn on_room(&mut self) {
        self.make_answers();
    }

    fn make_answers(&mut self) {
        while self.output.len() <= OWED_MAX {
            let Some(n) = self.next_request() else { return };
            self.output.extend(answer(n));
        }
    }

    /// Takes the next request out of `input`.
    fn next_request(&mut self) -> Option<usize> {
        let end = self.input.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.input.drain(..=end).collect();
        String::from_utf8_lossy(&line).trim_end().parse().ok()
    }
}
