//! The straight line, told by a clock of its own; and over a layer, to a real client.

#![expect(clippy::disallowed_methods, reason = "the server has a thread")]

use std::collections::VecDeque;
use std::io::{IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::registry::Registry;
use super::*;
use crate::conn::Limits;
use crate::http::{Request, Response, Source};
use crate::kernel::sim::layered::{
    END_OF_STREAM, FLIGHT_BYTES, HANDSHAKE, KEY_UPDATE, Layered, Lie, decode, encode,
};
use crate::kernel::{BlockingStream, Hold, Sent, Socket, SocketFd, Stop, Traced};
use crate::readiness::{Directions, Token};
use crate::service::Reply;

/// A client that is heard by the clock: what it sends, and how long after the last.
struct Script {
    now: Tick,
    acts: VecDeque<(u64, &'static str)>,
    inbox: Option<&'static str>,
    outbox: Vec<u8>,
}

impl Socket for Script {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inbox.take().unwrap_or_default();
        into[..bytes.len()].copy_from_slice(bytes.as_bytes());
        Ok(bytes.len())
    }

    fn write(&mut self, from: &[IoSlice<'_>], _: bool) -> io::Result<usize> {
        self.outbox.extend_from_slice(&from[0]);
        Ok(from[0].len())
    }

    fn send_file(&mut self, _: &dyn Source, _: u64, _: usize, _: bool) -> io::Result<Sent> {
        Ok(Sent::SourceEnd)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn unacknowledged(&self) -> usize {
        0
    }

    fn closes_cleanly(&self) -> bool {
        true
    }
}

impl Stream for Script {
    fn wait(&mut self, _: Directions, _: Option<Instant>) -> io::Result<Waited> {
        if let Some((seconds, bytes)) = self.acts.pop_front() {
            self.now.instant += Duration::from_secs(seconds);
            self.inbox = Some(bytes);
        }
        Ok(Waited::Ready)
    }

    fn now(&mut self) -> Tick {
        self.now
    }
}

/// Nothing is done with a connection while its thread waits.
struct Alone;

impl Waiting for Alone {
    fn lend<R>(&mut self, conn: Connection, wait: impl FnOnce() -> R) -> (Connection, R) {
        (conn, wait())
    }

    fn on_stop(&mut self) {}
}

fn settings(limits: Arc<Limits>) -> Settings {
    Settings {
        limits,
        grace: Duration::ZERO,
        ..Settings::default()
    }
}

/// The status of the first answer to this client.
fn status(acts: impl IntoIterator<Item = (u64, &'static str)>) -> String {
    let mut script = Script {
        now: Tick::for_tests(),
        acts: acts.into_iter().collect(),
        inbox: None,
        outbox: Vec::new(),
    };
    let limits = Arc::new(Limits::default());
    let conn = exchange::begin(Peer::Unix, &limits, &script.now);
    let settings = settings(limits);
    let mut hello = |_: &Request<'_>, _: &Tick| Reply::Now(Response::text("hi"));
    let mut observer = ();
    let told = Told::new(Token(0), &mut observer);
    let served = Served::new(&mut script, (&mut hello, &settings), told, Peer::Unix);
    serve_connection(served, conn, &mut Alone);
    String::from_utf8_lossy(&script.outbox[..12]).into_owned()
}

#[test]
fn what_came_in_time_is_served_before_anybody_is_late() {
    let head = [(0, "GET / HTTP/1.1\r\nHo"), (60, "st: a\r\n\r\n")];
    assert_eq!(status(head), "HTTP/1.1 200");
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(status([(0, post), (60, "hello")]), "HTTP/1.1 200");
}

#[test]
fn a_client_that_never_stops_sending_is_late_all_the_same() {
    let begin = [(0, "GET / HTTP/1.1\r\nHost: a\r\nX: ")];
    let drip = begin.into_iter().chain([(1, "x"); 11]);
    let end = drip.chain([(0, "\r\n\r\n")]);
    assert_eq!(status(end), "HTTP/1.1 408");
}

/// What a client of [`Layered`] receives that says `acts`, each when so many bytes have come; how
/// often the server waited; and whether the client had to give up.
struct Talk {
    received: Vec<u8>,
    waits: u64,
    stalled: bool,
}

/// A client of one connection that is served to its end, over a layer or without one, by a thread
/// that is alone or one of many.
fn talk(layer: Option<Option<Lie>>, alone: bool, acts: &[(&[u8], usize)]) -> Talk {
    let (own, mut client) = UnixStream::pair().unwrap();
    own.set_nonblocking(true).unwrap();
    let patience = PATIENCE[usize::from(!matches!(layer, Some(Some(_))))];
    client.set_read_timeout(Some(patience)).unwrap();
    let stream = BlockingStream::new(SocketFd::new(own.into()), Stop::new().unwrap());
    let server = std::thread::spawn(move || {
        let hold = (!alone).then(|| stream.hold());
        match layer {
            None => serve_counted(stream, hold, patience),
            Some(lie) => serve_counted(Layered::new(stream, lie), hold, patience),
        }
    });
    let (mut received, mut stalled) = (Vec::new(), false);
    for (bytes, then) in acts {
        client.write_all(bytes).unwrap();
        let missing = then.saturating_sub(received.len());
        let got = (&client).take(missing as u64).read_to_end(&mut received);
        stalled |= got.is_err();
    }
    if layer.is_none() {
        client.shutdown(Shutdown::Write).unwrap();
    }
    let rest = client.read_to_end(&mut received);
    stalled |= rest.is_err();
    drop(client);
    Talk {
        received,
        waits: server.join().unwrap(),
        stalled,
    }
}

fn serve_counted<T: Stream>(stream: T, hold: Option<Hold>, patience: Duration) -> u64 {
    let waits = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&waits);
    let sink = move |line: &str| {
        counted.fetch_add(u64::from(line.starts_with('#')), Relaxed);
    };
    let mut stream = Traced::printing(stream, Box::new(sink));
    let limits = Arc::new(Limits {
        header_timeout: 2 * patience,
        idle_timeout: 2 * patience,
        ..Limits::default()
    });
    let now = stream.now();
    let conn = exchange::begin(Peer::Unix, &limits, &now);
    let settings = settings(limits);
    let mut service = |request: &Request<'_>, _: &Tick| {
        let n = request.path()[1..].parse().unwrap_or(0);
        Reply::Now(Response::text("x".repeat(n)))
    };
    let mut observer = ();
    let told = Told::new(Token(0), &mut observer);
    let served = Served::new(&mut stream, (&mut service, &settings), told, Peer::Unix);
    match hold {
        None => serve_connection(served, conn, &mut Alone),
        Some(hold) => {
            let share = Share::take(None, Peer::Unix).unwrap();
            let mut place = Arc::new(Registry::default()).enter(conn, hold, share, &now);
            serve_connection(served, place.take_back(), &mut place)
        }
    };
    waits.load(Relaxed)
}

/// Without the one field that says when.
fn undated(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("Date:")).collect()
}

#[test]
fn a_layer_is_honoured_by_drivers_that_wait() {
    let get = |n: usize| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
    let many = [get(20_000), get(7), get(0)].concat().repeat(20);
    let (one, post) = (
        get(5),
        b"POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n",
    );
    let post = [&post[..], &[b'x'; 9_000]].concat();
    let plain = talk(None, true, &[(&one, 0), (&many, 0), (&post, 0)]);
    assert!(!plain.stalled);
    let update = [&encode(&one), KEY_UPDATE[0], KEY_UPDATE[1], &encode(&many)].concat();
    let acts = [
        (HANDSHAKE[0], FLIGHT_BYTES),
        (HANDSHAKE[1], 0),
        (&update, 0),
        (&encode(&post), 0),
        (END_OF_STREAM, 0),
    ];
    for alone in [true, false] {
        let layered = talk(Some(None), alone, &acts);
        assert!(!layered.stalled);
        let heard = decode(&layered.received);
        assert_eq!(undated(&heard), undated(&plain.received));
        assert!(layered.waits < 300, "{} waits", layered.waits);
    }
    // What is held and forgotten waits for an event, and what is owed and forgotten is announced
    // again and again.
    for (lie, word) in [
        (Lie::HoldsNothing, "stall"),
        (Lie::HoldsNoEnd, "stall"),
        (Lie::OwesNothing, "spin"),
    ] {
        let failed = talk(Some(Some(lie)), true, &acts);
        let spins = failed.waits > 1_000;
        assert!(failed.stalled, "{lie:?}");
        assert_eq!(if spins { "spin" } else { "stall" }, word, "{lie:?}");
    }
}

/// How long a client waits for the next byte: one that will not get it, and one that will.
const PATIENCE: [Duration; 2] = [Duration::from_millis(400), Duration::from_secs(20)];
