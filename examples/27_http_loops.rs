//! A loop per processor, and three ways to share out new clients; each answer says who took them.
//!
//! ```text
//! cargo run --example 27_http_loops               SO_REUSEPORT, at http://127.0.0.1:8080/
//! cargo run --example 27_http_loops -- exclusive  one listener, with EPOLLEXCLUSIVE
//! cargo run --example 27_http_loops -- shared     one listener, without
//! for i in $(seq 100); do curl -s http://127.0.0.1:8080/; done | tail -4
//! ```
//!
//! *Usage:* `27_http_loops [reuseport|exclusive|shared] [PORT|ADDRESS:PORT]`; port 0 is any free
//! one.
//!
//! *Needs:* `cargo add rustix --features event,net`.
//!
//! *Shows:* a loop needs no lock if it shares nothing but the way in. With SO_REUSEPORT each has a
//! listener of its own, and the kernel chooses by a hash of the addresses: even over many clients,
//! but a loop that is busy keeps those it was given waiting. With one listener in the epoll of each
//! loop, whoever is idle takes the next one; but a new client wakes every loop that waits, and those
//! that are too late find nothing ("in vain"), unless EPOLLEXCLUSIVE says that one is enough. That one is
//! often the same one.
//!
//! *Cannot:* serve more than this one page, once per connection. For files see
//! `25_http_epoll_edge`; `httpoll --workers auto` is both.

#![allow(clippy::disallowed_methods, reason = "the library's rules are not the examples'")]

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};

const MAX_HEAD: usize = 8 * 1024;

/// How long to let clients wait when no descriptor is left for them.
const PAUSE: Duration = Duration::from_millis(100);

/// What one loop has done. Others only read it.
#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    in_vain: AtomicU64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let ways = ["reuseport", "exclusive", "shared"];
    let given = words.get(1).filter(|word| ways.contains(&word.as_str()));
    let way = given.map_or("reuseport", String::as_str);
    let address = words.get(if given.is_some() { 2 } else { 1 });
    let mut address = address.map_or("8080", String::as_str).to_owned();
    if !address.contains(':') {
        address = format!("127.0.0.1:{address}"); // this machine only, unless told
    }
    let first = listener(&address, way == "reuseport")
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = first.local_addr()?.to_string();
    // With one processor there are two loops all the same, for there is nothing to see in one.
    let loops = thread::available_parallelism()?.get().max(2);
    let mut listeners = vec![first];
    while listeners.len() < loops {
        listeners.push(match way {
            "reuseport" => listener(&address, true)?,
            _ => listeners[0].try_clone()?, // another descriptor of the same socket
        });
    }
    println!("listening on http://{address}/ with {loops} loops, {way}");
    let flags = match way {
        "exclusive" => EventFlags::IN | EventFlags::EXCLUSIVE,
        _ => EventFlags::IN,
    };
    let counts: Vec<Counts> = listeners.iter().map(|_| Counts::default()).collect();
    thread::scope(|scope| {
        for (me, listener) in listeners.iter().enumerate() {
            let counts = &counts;
            scope.spawn(move || match run(listener, flags, me, counts) {
                Ok(()) => {}
                Err(error) => eprintln!("loop {me}: {error}"),
            });
        }
    });
    Ok(())
}

/// Std's `bind` would do, if it could set SO_REUSEPORT before.
fn listener(address: &str, reuseport: bool) -> io::Result<TcpListener> {
    let addresses = address.to_socket_addrs()?;
    let address = addresses.last().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket(family, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, reuseport)?;
    bind(&socket, &address)?;
    listen(&socket, 1024)?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// One loop: an epoll of its own, connections of its own.
fn run(listener: &TcpListener, flags: EventFlags, me: usize, counts: &[Counts]) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, number(listener), flags)?;
    let mut connections: HashMap<RawFd, (TcpStream, Vec<u8>)> = HashMap::new();
    let mut events: Vec<Event> = Vec::with_capacity(64);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => {} // stopped, and continued
            result => drop(result?),
        }
        for event in &events {
            let fd = RawFd::try_from(event.data.u64()).unwrap_or(-1);
            if let Some((socket, head)) = connections.get_mut(&fd) {
                if answer(socket, head, me, counts).is_ok_and(|over| !over) {
                    continue; // the head goes on
                }
                connections.remove(&fd);
                continue;
            }
            // One for each event: the others are told again, perhaps to another loop.
            match listener.accept() {
                Ok((socket, _)) => {
                    counts[me].accepted.fetch_add(1, Relaxed);
                    socket.set_nonblocking(true)?;
                    if epoll::add(&epoll, &socket, number(&socket), EventFlags::IN).is_ok() {
                        connections.insert(socket.as_raw_fd(), (socket, Vec::new()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    counts[me].in_vain.fetch_add(1, Relaxed);
                }
                Err(_) => thread::sleep(PAUSE), // and its clients with it: 24 does better
            }
        }
    }
}

/// What epoll hands back with each event: any 64 bits; here the number of the descriptor.
fn number(fd: &impl AsRawFd) -> EventData {
    EventData::new_u64(fd.as_raw_fd().unsigned_abs().into())
}

/// Reads on, and answers once the head is complete. True: the connection is over.
fn answer(
    socket: &mut TcpStream,
    head: &mut Vec<u8>,
    me: usize,
    counts: &[Counts],
) -> io::Result<bool> {
    let mut piece = [0; 1024];
    let n = match socket.read(&mut piece) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        result => result?,
    };
    head.extend_from_slice(&piece[..n]);
    let (status, mut text) = match head.windows(4).any(|four| four == b"\r\n\r\n") {
        false if n > 0 && head.len() < MAX_HEAD => return Ok(false),
        false if n == 0 => return Ok(true),
        false => ("431 Request Header Fields Too Large", String::new()),
        true if head.starts_with(b"GET / ") => ("200 OK", format!("answered by loop {me}\n")),
        true => ("404 Not Found", String::new()),
    };
    for (number, count) in counts.iter().enumerate() {
        let (accepted, in_vain) = (count.accepted.load(Relaxed), count.in_vain.load(Relaxed));
        writeln!(text, "loop {number}: {accepted} accepted, {in_vain} in vain")
            .map_err(io::Error::other)?;
    }
    let length = text.len();
    // A new socket takes more than this, so it is written at once, and whole.
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}"
    );
    socket.write_all(answer.as_bytes())?;
    Ok(true)
}
