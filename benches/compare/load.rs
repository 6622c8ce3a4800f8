//! What a client does: one thread, an epoll(7) of its own, and connections that ask as soon as they
//! are answered.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::server::Counts;
use crate::{Sample, must};

const REQUEST: &[u8] = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n";

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections to one server.
pub(crate) struct Load {
    address: SocketAddr,
    epoll: OwnedFd,
    clients: Vec<Connection>,
    _idle: Vec<TcpStream>,
    /// How long an answer is, head and content.
    answer: usize,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    asked: Instant,
    got: usize,
    /// It waits for an answer.
    busy: bool,
}

/// What was done in a turn.
pub(crate) struct Done {
    pub(crate) seconds: f64,
    pub(crate) requests: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Done {
    /// In `seconds`, requests of such latencies, in microseconds.
    fn new(seconds: f64, mut latencies: Vec<f64>) -> Self {
        latencies.sort_by(f64::total_cmp);
        let at = |percent: usize| latencies[latencies.len() * percent / 100];
        Self {
            seconds,
            requests: latencies.len() as f64,
            p50: at(50),
            p99: at(99),
        }
    }

    pub(crate) fn sample(self, used: Counts) -> Sample {
        Sample {
            per_second: self.requests / self.seconds,
            cpu: used.cpu_ns as f64 / 1e3 / self.requests,
            calls: used.calls as f64 / self.requests,
            wakes: used.wakes as f64 / self.requests,
            p50: self.p50,
            p99: self.p99,
        }
    }
}

impl Load {
    pub(crate) fn new(address: SocketAddr, connections: usize, idle: usize) -> Self {
        let mut load = Self {
            address,
            epoll: must(epoll::create(CreateFlags::CLOEXEC)),
            clients: Vec::new(),
            _idle: (0..idle).map(|_| served(address).0).collect(),
            answer: served(address).1,
            buffer: vec![0; 64 << 10],
        };
        load.clients = (0..connections).map(|at| load.connect(at)).collect();
        load
    }

    fn connect(&self, at: usize) -> Connection {
        let stream = must(TcpStream::connect(self.address));
        must(stream.set_nodelay(true));
        must(stream.set_nonblocking(true));
        let data = EventData::new_u64(at as u64);
        must(epoll::add(
            &self.epoll,
            stream.as_fd(),
            data,
            EventFlags::IN,
        ));
        Connection {
            stream,
            asked: Instant::now(),
            got: 0,
            busy: false,
        }
    }

    /// Asks for so long, and waits for the last answers.
    pub(crate) fn turn(&mut self, time: Duration) -> Done {
        let begun = Instant::now();
        let mut latencies = Vec::new();
        self.clients.iter_mut().for_each(Connection::ask);
        while self.clients.iter().any(|client| client.busy) {
            let mut events = Vec::with_capacity(128);
            let buffer = rustix::buffer::spare_capacity(&mut events);
            let patience = must(Timespec::try_from(PATIENCE));
            let n = must(epoll::wait(&self.epoll, buffer, Some(&patience)));
            assert_ne!(n, 0, "no answer in {PATIENCE:?}");
            for event in &events {
                let at = usize::try_from({ event.data }.u64()).unwrap_or_default();
                if self.read(at) {
                    let client = &mut self.clients[at];
                    latencies.push(client.asked.elapsed().as_secs_f64() * 1e6);
                    client.busy = false;
                    if begun.elapsed() < time {
                        client.ask();
                    }
                }
            }
        }
        Done::new(begun.elapsed().as_secs_f64(), latencies)
    }

    /// Reads what is there. Whether an answer is complete.
    fn read(&mut self, at: usize) -> bool {
        let client = &mut self.clients[at];
        match client.stream.read(&mut self.buffer) {
            // `blocking` closes behind each answer.
            Ok(0) => {
                let was_busy = client.busy;
                self.clients[at] = self.connect(at);
                if was_busy {
                    self.clients[at].ask();
                }
                false
            }
            Ok(n) => {
                client.got += n;
                client.got >= self.answer
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Connection {
    fn ask(&mut self) {
        (self.asked, self.got, self.busy) = (Instant::now(), 0, true);
        match self.stream.write(REQUEST) {
            Ok(n) => assert_eq!(n, REQUEST.len(), "a request fits every buffer"),
            // Closed meanwhile: the read will tell.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A connection that was answered once, and the length of the answer.
fn served(address: SocketAddr) -> (TcpStream, usize) {
    let mut stream = must(TcpStream::connect(address));
    must(stream.set_read_timeout(Some(PATIENCE)));
    must(stream.write_all(REQUEST));
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = must(stream.read(&mut piece));
        assert_ne!(n, 0, "closed within an answer");
        answer.extend_from_slice(&piece[..n]);
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if head.is_some_and(|head| answer.len() >= head + 4 + 1024) {
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "another answer");
            return (stream, answer.len());
        }
    }
}
