//! A client that sees every byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::harness::Program;
use crate::uninterrupted::uninterrupted;

pub(super) struct Client {
    pub(super) stream: TcpStream,
    input: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) content: Vec<u8>,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|field| field.0 == name).map(|field| field.1)
    }
}

impl Client {
    pub(super) fn of(program: &Program) -> Self {
        Self {
            stream: program.connect(),
            input: Vec::new(),
        }
    }

    /// A server may have closed already: what it said before is what counts.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub(super) fn get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        self.answer(false).unwrap()
    }

    pub(super) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next answer; none if the connection ends instead.
    pub(super) fn answer(&mut self, head_only: bool) -> Option<Answer> {
        let end = loop {
            let end = self.input.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None if self.more() => {}
                None => return None,
            }
        };
        let head: Vec<u8> = self.input.drain(..end).collect();
        let mut answer = Answer {
            head: String::from_utf8(head).unwrap(),
            status: 0,
            content: Vec::new(),
        };
        answer.status = answer.head["HTTP/1.1 ".len()..][..3].parse().unwrap();
        let length: usize = answer.field("Content-Length")?.parse().unwrap();
        if !head_only {
            while self.input.len() < length {
                assert!(self.more(), "{} of {length} bytes", self.input.len());
            }
            answer.content = self.input.drain(..length).collect();
        }
        Some(answer)
    }

    /// Whether it closes without another byte. Fails if it just waits.
    pub(super) fn is_closed(&mut self) -> bool {
        self.input.is_empty() && !self.more()
    }

    pub(super) fn wait_for_a_byte(&mut self) {
        assert!(self.more());
    }

    /// How many bytes come before it closes.
    pub(super) fn rest(&mut self) -> usize {
        while self.more() {}
        self.input.len()
    }

    fn more(&mut self) -> bool {
        let mut piece = [0; 65536];
        match uninterrupted(|| self.stream.read(&mut piece)) {
            Ok(n) => {
                self.input.extend_from_slice(&piece[..n]);
                n > 0
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }
}
