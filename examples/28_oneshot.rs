//! Several threads that wait in one epoll, and meet in one connection, unless EPOLLONESHOT forbids.
//!
//! ```text
//! cargo run --example 28_oneshot                  four ways, half a second each
//! ```
//!
//! *Usage:* `28_oneshot [MILLISECONDS]` for each way; it needs no client and ends by itself.
//!
//! *Needs:* `cargo add rustix --features event`.
//!
//! *Shows:* an echo server whose threads share one epoll(7), with clients that compare what comes
//! back. Level-triggered, one piece of data wakes several threads. Edge-triggered it wakes one; but
//! the next piece wakes another, while the first is still at work: two threads are in one
//! connection ("together"), and pieces may change places ("mixed up"). EPOLLONESHOT disarms a
//! descriptor with its event, until epoll_ctl(2) arms it again: one thread at a time, for one more
//! system call per event ("armed").
//!
//! *Cannot:* be recommended. What is gained is that any idle thread takes any event; the price is
//! that call, and connections that wander from processor to processor. `27_http_loops` needs
//! neither: a connection stays with its loop.

#![allow(clippy::disallowed_methods, reason = "the library's rules are not the examples'")]

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

const THREADS: usize = 4;
const CLIENTS: usize = 4;

/// What a client sends before it reads: so many pieces, of so many bytes.
const PIECES: u8 = 16;
const PIECE: usize = 16;

/// How often a thread looks whether it shall end.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

#[derive(Default)]
struct Counts {
    echoes: AtomicU64,
    mixed_up: AtomicU64,
    events: AtomicU64,
    together: AtomicU64,
    armed: AtomicU64,
}

/// A connection as the threads share it.
struct Shared {
    socket: UnixStream,
    occupied: AtomicBool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let duration = match words.get(1) {
        Some(word) => word.parse().map_err(|error| format!("{word:?} milliseconds: {error}"))?,
        None => 500,
    };
    println!("way              mixed up  events/echo  together  armed/event");
    for (name, flags) in [
        ("level", EventFlags::IN),
        ("edge", EventFlags::IN | EventFlags::ET),
        ("level, oneshot", EventFlags::IN | EventFlags::ONESHOT),
        ("edge, oneshot", EventFlags::IN | EventFlags::ET | EventFlags::ONESHOT),
    ] {
        let counts = run(flags, Duration::from_millis(duration))?;
        let [echoes, mixed_up, events, together, armed] =
            [&counts.echoes, &counts.mixed_up, &counts.events, &counts.together, &counts.armed]
                .map(|count| count.load(Relaxed));
        println!(
            "{name:<15} {mixed_up:>9} {:>12.2} {together:>9} {:>12.2}",
            events as f64 / echoes.max(1) as f64,
            armed as f64 / events.max(1) as f64,
        );
    }
    Ok(())
}

fn run(flags: EventFlags, duration: Duration) -> io::Result<Counts> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut connections = Vec::new();
    let mut clients = Vec::new();
    for number in 0..CLIENTS as u64 {
        let (client, socket) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        client.set_read_timeout(Some(Duration::from_secs(5)))?;
        epoll::add(&epoll, &socket, EventData::new_u64(number), flags)?;
        connections.push(Shared { socket, occupied: AtomicBool::new(false) });
        clients.push(client);
    }
    let counts = Counts::default();
    let over = AtomicBool::new(false);
    let end = Instant::now() + duration;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    if let Err(error) = turn(&epoll, flags, &connections, &counts) {
                        eprintln!("{error}");
                    }
                }
            });
        }
        let asking: Vec<_> =
            clients.iter().map(|client| scope.spawn(|| ask(client, end, &counts))).collect();
        for client in asking {
            if !matches!(client.join(), Ok(Ok(()))) {
                eprintln!("a client was lost");
            }
        }
        over.store(true, Relaxed);
    });
    Ok(counts)
}

/// One event, as any of the threads takes it.
fn turn(
    epoll: impl std::os::fd::AsFd,
    flags: EventFlags,
    connections: &[Shared],
    counts: &Counts,
) -> io::Result<()> {
    let mut events: Vec<Event> = Vec::with_capacity(1);
    match epoll::wait(&epoll, spare_capacity(&mut events), Some(&LOOK)) {
        Err(rustix::io::Errno::INTR) => return Ok(()), // stopped, and continued
        result => result?,
    };
    for event in &events {
        let Some(connection) =
            usize::try_from(event.data.u64()).ok().and_then(|number| connections.get(number))
        else {
            continue;
        };
        counts.events.fetch_add(1, Relaxed);
        if connection.occupied.swap(true, Relaxed) {
            counts.together.fetch_add(1, Relaxed);
        }
        // An edge is told once, so all is read; whatever is told again may be read in part. A lock
        // around this would be right as well, and its threads would wait for each other.
        let drain = flags == EventFlags::IN | EventFlags::ET;
        let mut piece = [0; PIECE];
        let mut socket = &connection.socket;
        while let Ok(n @ 1..) = socket.read(&mut piece) {
            thread::yield_now(); // the work, which takes its time
            socket.write_all(&piece[..n])?;
            if !drain {
                break;
            }
        }
        connection.occupied.store(false, Relaxed);
        if flags.contains(EventFlags::ONESHOT) {
            epoll::modify(&epoll, socket, event.data, flags)?;
            counts.armed.fetch_add(1, Relaxed);
        }
    }
    Ok(())
}

/// A client: sends numbered pieces, reads as many bytes, and looks whether they are in order.
fn ask(mut client: &UnixStream, end: Instant, counts: &Counts) -> io::Result<()> {
    let sent: Vec<u8> = (0..PIECES).flat_map(|number| [number; PIECE]).collect();
    let mut came = vec![0; sent.len()];
    while Instant::now() < end {
        for piece in sent.chunks(PIECE) {
            client.write_all(piece)?;
            thread::yield_now();
        }
        client.read_exact(&mut came)?;
        counts.echoes.fetch_add(PIECES.into(), Relaxed);
        counts.mixed_up.fetch_add(u64::from(came != sent), Relaxed);
    }
    Ok(())
}
