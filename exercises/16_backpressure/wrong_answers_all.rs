//! Reads no more when much is owed, but answers all it has read. That may be much, too:
//! a client whose requests ask for much: 851968 bytes of memory are held for it, most of them answers;
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
        self.output.len() <= OWED_MAX
    }

    /// Bytes were read.
    pub fn on_bytes(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while let Some(n) = self.next_request() {
            self.output.extend(answer(n));
        }
    }

    /// Bytes of `output` were sent, and taken out.
    pub fn on_room(&mut self) {}

    /// Takes the next request out of `input`.
    fn next_request(&mut self) -> Option<usize> {
        let end = self.input.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.input.drain(..=end).collect();
        String::from_utf8_lossy(&line).trim_end().parse().ok()
    }
}
