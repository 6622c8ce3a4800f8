//! What a connection may ask of the allocator, as a test and not a hope.

use std::sync::Arc;

use httpoll::conn::{Buffers, Connection, Limits, Step, Transmit};
use httpoll::http::Tick;
use httpoll::service::{Decoration, FilesConfig, Hello, Reply, Router, Service, hello};

pub(crate) use crate::counting::counted;
use crate::counting::held;

/// A connection with a router behind it, as an event loop carries one, but for the socket.
struct Carried {
    conn: Connection,
    router: Router,
    pool: Option<Box<Buffers>>,
    now: Tick,
}

impl Carried {
    fn new(router: Router) -> Self {
        let now = Tick::for_tests();
        Self {
            conn: Connection::new(Arc::new(Limits::default()), &now),
            router,
            pool: Some(Box::default()),
            now,
        }
    }

    /// Reads, answers, sends, and gives the buffers back. Returns how many bytes were sent.
    fn turn(&mut self, read: &[u8]) -> usize {
        self.conn.lend(self.pool.take().expect("idle"));
        self.conn.on_bytes(read, &self.now);
        while let Step::Request(request) = self.conn.next_step(&self.now) {
            let Reply::Now(response) = self.router.call(&request, &self.now) else {
                unreachable!("hello answers at once");
            };
            self.conn.respond(response, &self.now);
        }
        let mut sent = 0;
        while let Some(Transmit::Bytes { slices, .. }) = self.conn.next_transmit() {
            let n = slices.iter().map(|slice| slice.len()).sum();
            self.conn.on_sent(n, &self.now);
            sent += n;
        }
        self.pool = self.conn.reclaim();
        sent
    }
}

#[test]
fn hello_allocates_nothing() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let fields = "User-Agent: x\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: a=b\r\n\r\n";
    let absolute = "GET http://a:80/?b HTTP/1.1\r\nHost: b\r\n\r\n";
    let inputs = [
        get.to_owned(),
        get.repeat(16),
        absolute.to_owned(),
        [get.trim_end(), "\r\n", fields].concat(),
        ["\r\n", get].concat(),
    ];
    let config = FilesConfig {
        cors: true,
        ..FilesConfig::default()
    };
    let decorated = Hello::new(Decoration::new(&config));
    let (plain, decorated) = (
        Router::new().get("/", hello),
        Router::new().get("/", decorated),
    );
    for router in [plain, decorated] {
        let mut carried = Carried::new(router);
        for input in &inputs {
            let sent = carried.turn(input.as_bytes());
            assert!(sent > 0 && !carried.conn.has_buffers(), "{input:?}");
            let (count, again) = counted(|| carried.turn(input.as_bytes()));
            assert_eq!((count, again), (0, sent), "{input:?}");
        }
    }
}

/// Its buffers are back in the pool: 10,000 idle clients cost what the connections themselves take.
#[test]
fn an_idle_connection_holds_nothing() {
    let mut carried = Carried::new(Router::new().get("/", hello));
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    carried.turn(request);
    let before = held();
    for _ in 0..3 {
        carried.turn(request);
        assert!(!carried.conn.has_buffers());
    }
    assert_eq!(held(), before);
}
