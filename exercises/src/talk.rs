//! Byte conversations with a driver that waits: a client that sends, then waits for its answers, then
//! sends again, as clients do. A driver that reads while the client waits for it would wait for ever;
//! here it is told.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use httpoll::conn::Connection;
use httpoll::http::{Request, Response, Tick};

use crate::http::{answers, connection, now, respond};
use crate::judge::{stuck, trying};
use crate::{Symptom, Verdict};

/// What a client does.
pub struct Talk {
    pub name: &'static str,
    /// Each is sent when the answers to those before have come.
    pub batches: Vec<Vec<u8>>,
    pub end: End,
}

/// How a client ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// When it has its answers.
    Leaves,
    /// Together with its last request.
    WithTheLastRequest,
    /// When the server has ended.
    WaitsForTheServer,
}

/// The driver under test.
pub type Driver =
    fn(&mut Stream, &mut Connection, fn(&Request<'_>) -> Response, &Tick) -> io::Result<()>;

impl Talk {
    /// One conversation, sent in pieces of so many bytes.
    ///
    /// # Errors
    /// What is wrong with the driver.
    pub fn hold(&self, piece: usize, driver: Driver) -> Verdict {
        let name = self.name;
        trying(format!("{name}, in pieces of {piece} bytes"));
        let now = now();
        let mut conn = connection(&now);
        let mut stream = Stream::new(self, piece);
        let ended = driver(&mut stream, &mut conn, respond, &now);
        let (got, due) = (
            &stream.got,
            stream.due.last().map_or(&[][..], Vec::as_slice),
        );
        let same = got.iter().zip(due).take_while(|(a, b)| a == b).count();
        let (got, due) = (got.len(), due.len());
        let what = match ended {
            _ if same < got => format!("byte {same} of the answers is wrong"),
            Err(error) => format!("the driver failed: {error}"),
            Ok(()) if got < due => {
                format!("{got} of {due} bytes were sent, and the connection was closed")
            }
            Ok(()) => return Ok(()),
        };
        Err(Symptom::new(format!("{name}: {what}")))
    }
}

/// The server's end: `read` waits for the client, `write` takes some of the bytes.
pub struct Stream {
    name: &'static str,
    batches: VecDeque<Vec<u8>>,
    /// What must have come when the next batch is sent, and at the end.
    due: Vec<Vec<u8>>,
    sent_batches: usize,
    end: End,
    piece: usize,
    /// Sent and not read.
    inbox: VecDeque<u8>,
    got: Vec<u8>,
    shut: bool,
    calls: u32,
}

impl Stream {
    fn new(talk: &Talk, piece: usize) -> Self {
        let due = (1..=talk.batches.len()).map(|n| answers(&talk.batches[..n].concat()));
        Self {
            name: talk.name,
            batches: talk.batches.clone().into(),
            due: due.collect(),
            sent_batches: 0,
            end: talk.end,
            piece,
            inbox: VecDeque::new(),
            got: Vec::new(),
            shut: false,
            calls: 0,
        }
    }

    /// Ends the sending half.
    pub fn shutdown_write(&mut self) {
        self.shut = true;
    }

    /// Whether nothing is under way that a close would destroy.
    pub fn closes_cleanly(&self) -> bool {
        self.inbox.is_empty()
    }

    fn count(&mut self) {
        self.calls += 1;
        if self.calls > 500_000 {
            stuck(format!("{}: hang: 500000 calls, and no end", self.name));
        }
    }

    /// The client's next move, when all it has sent was read. Whether that was its end.
    fn next(&mut self) -> bool {
        let due = match self.sent_batches {
            0 => 0,
            n => self.due[n - 1].len(),
        };
        let (got, is_last) = (self.got.len(), self.batches.is_empty());
        if self.shut || is_last && self.end == End::WithTheLastRequest {
            return true;
        }
        if got < due {
            let name = self.name;
            stuck(format!(
                "{name}: the driver waits for bytes, the client waits for its answer: it has {got} of {due} bytes"
            ));
        }
        if is_last && self.end == End::WaitsForTheServer {
            let name = self.name;
            stuck(format!(
                "{name}: the driver waits for bytes, the client waits for the end"
            ));
        }
        match self.batches.pop_front() {
            Some(batch) => self.inbox.extend(batch),
            None => return true,
        }
        self.sent_batches += 1;
        false
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.count();
        if self.inbox.is_empty() && self.next() {
            return Ok(0);
        }
        let n = self.inbox.len().min(self.piece);
        let n = n.min(into.len());
        for (to, from) in into.iter_mut().zip(self.inbox.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count();
        let room = [7, 300, 1, 40][self.calls as usize % 4];
        let n = bytes.len().min(room);
        self.got.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
