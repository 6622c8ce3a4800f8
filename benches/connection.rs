//! A whole conversation through the automaton: bytes in, bytes out, no socket.
//!
//! The program around it is the event loop's, without a kernel: lend buffers, feed, ask the
//! router, take what is to be sent, take the buffers back. So this is the user-space cost of a
//! request but for the loop's own bookkeeping, and what a change to the protocol core shows in.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use httpoll::conn::{Buffers, Connection, Limits, Step, Transmit};
use httpoll::http::Tick;
use httpoll::service::{Reply, Router, Service, hello};

const GET: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// One client that stays.
struct Conversation {
    conn: Connection,
    router: Router,
    buffers: Option<Box<Buffers>>,
    now: Tick,
}

impl Conversation {
    fn new() -> Self {
        let now = Tick::for_tests();
        Self {
            conn: Connection::new(Arc::new(Limits::default()), &now),
            router: Router::new().get("/", hello),
            buffers: Some(Box::default()),
            now,
        }
    }

    /// What one turn of a loop does with what it has read. Returns how many bytes are sent, and
    /// in how many writes.
    fn turn(&mut self, read: &[u8]) -> (usize, usize) {
        if let Some(buffers) = self.buffers.take() {
            self.conn.lend(buffers);
        }
        self.conn.on_bytes(read, &self.now);
        while let Step::Request(request) = self.conn.next_step(&self.now) {
            let Reply::Now(response) = self.router.call(&request, &self.now) else {
                unreachable!("this router answers at once");
            };
            self.conn.respond(response, &self.now);
        }
        let (mut bytes, mut writes) = (0, 0);
        while let Some(Transmit::Bytes { slices, .. }) = self.conn.next_transmit() {
            let n = black_box(&slices).iter().map(|s| s.len()).sum();
            self.conn.on_sent(n, &self.now);
            bytes += n;
            writes += 1;
        }
        self.buffers = self.conn.reclaim();
        (bytes, writes)
    }
}

fn conversations(c: &mut Criterion) {
    let mut group = c.benchmark_group("conversation");
    let browser = "GET /?q=1 HTTP/1.1\r\nHost: www.example.org\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
        Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
        Accept-Language: en-GB,en;q=0.7\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
        Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n\r\n";
    let upload = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        d\r\nHello, World!\r\n0\r\n\r\n";
    for (name, input, requests) in [
        ("hello", GET.to_owned(), 1),
        ("hello, browser", browser.to_owned(), 1),
        ("hello, pipelined 16", GET.repeat(16), 16),
        ("drained chunks", upload.to_owned(), 1),
    ] {
        let mut conversation = Conversation::new();
        let (bytes, writes) = conversation.turn(input.as_bytes());
        assert_eq!(bytes / ANSWER_BYTES, requests, "{name}");
        assert_eq!(writes, 1, "{name}: a batch is one write");
        group.throughput(Throughput::Elements(requests as u64));
        group.bench_function(name, |b| {
            b.iter(|| conversation.turn(black_box(input.as_bytes())));
        });
    }
    group.finish();
}

/// The answer to [`GET`].
const ANSWER_BYTES: usize = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
    .len();

criterion_group!(benches, conversations);
criterion_main!(benches);
