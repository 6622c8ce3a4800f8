//! Mistakes of other servers, each in ten lines, and beside it what is right.
//!
//! ```text
//! cargo run --example 30_defects                 all of them
//! cargo run --example 30_defects -- armed        one of: armed overwritten full whole one-read
//!                                                    stopped end error short
//! ```
//!
//! *Needs:* `cargo add rustix --features event,net`.
//!
//! *Shows:* what a mistake looks like from outside: a loop that spins, a connection that nobody
//! comes back to, bytes that nobody sent. Both ends of each connection are here, and loopback
//! delivers within the sending call, so that each run ends the same way.
//!
//! *Cannot:* show the mistakes in a server, where a client and some patience are needed to see
//! them: that is how they got into good servers. Which ones they are from: `tour/21-others-mistakes.md`.

#![allow(clippy::disallowed_methods, reason = "the library's rules are not the examples'")]

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

const IN: EventFlags = EventFlags::IN;
const EDGE: EventFlags = EventFlags::IN.union(EventFlags::ET);
const BOTH: EventFlags = EventFlags::IN.union(EventFlags::OUT);

type Mistake = fn() -> io::Result<()>;

fn main() -> Result<(), Box<dyn Error>> {
    let all: [(&str, Mistake); 9] = [
        ("armed", armed),
        ("overwritten", overwritten),
        ("full", full),
        ("whole", whole),
        ("one-read", one_read),
        ("stopped", stopped),
        ("end", end),
        ("error", error),
        ("short", short),
    ];
    let chosen = env::args_os().nth(1).map(|word| word.to_string_lossy().into_owned());
    let mut some = false;
    for (name, mistake) in all {
        if chosen.as_ref().is_none_or(|chosen| chosen == name) {
            println!("{name}");
            mistake()?;
            some = true;
        }
    }
    some.then_some(()).ok_or_else(|| "there is no such mistake here".into())
}

/// Our end of a connection, which does not block, and the client's.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (ours, _) = listener.accept()?;
    ours.set_nonblocking(true)?;
    Ok((ours, client))
}

fn watch(socket: &TcpStream, flags: EventFlags) -> io::Result<OwnedFd> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, socket, EventData::new_u64(0), flags)?;
    Ok(epoll)
}

/// What the kernel tells now, if anything.
fn told(epoll: &OwnedFd) -> io::Result<Option<EventFlags>> {
    let mut event = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
    let soon = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    let n = epoll::wait(epoll, &mut event, Some(&soon))?;
    Ok((n > 0).then_some(event[0].flags))
}

fn name(told: Option<EventFlags>) -> String {
    let names = told.map(|flags| flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>());
    // It is told with whatever comes next.
    names.map_or("nothing, until the client sends more".to_owned(), |names| names.join("|"))
}

/// IN and OUT watched from the beginning, level-triggered, and the client says nothing.
fn armed() -> io::Result<()> {
    for (what, flags) in [("IN|OUT", BOTH), ("IN", IN)] {
        let (ours, _client) = pair()?;
        let epoll = watch(&ours, flags)?;
        let (begun, mut wakes) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_millis(50) {
            wakes += u32::from(told(&epoll)?.is_some());
        }
        println!("  {what:<7} watched, an idle client: {wakes} wakes in 50 ms");
    }
    Ok(())
}

/// A request in two pieces, each read to the beginning of the buffer.
fn overwritten() -> io::Result<()> {
    for right in [false, true] {
        let (mut ours, mut client) = pair()?;
        let (mut request, mut read) = ([b'.'; 16], 0);
        for piece in ["GET /a HT", "TP/1.1"] {
            client.write_all(piece.as_bytes())?;
            read += ours.read(&mut request[if right { read } else { 0 }..])?;
        }
        let how = if right { "behind the first" } else { "over the first" };
        println!("  the second read {how:<17} {:?}", String::from_utf8_lossy(&request[..read]));
    }
    Ok(())
}

/// The buffer is full, so the next read is into no room, and returns 0: the end of the stream?
fn full() -> io::Result<()> {
    let (mut ours, mut client) = pair()?;
    client.write_all(b"GET /long HTTP/1.1\r\n\r\n")?;
    let mut buffer = [0; 8];
    let n = ours.read(&mut buffer)?;
    println!("  read into {} bytes of room: {n}", buffer.len());
    println!("  read into no room: {}, and the client is there", ours.read(&mut buffer[n..])?);
    println!("  read into 8 bytes again: {}", ours.read(&mut buffer)?);
    Ok(())
}

/// All of the buffer is used, whatever was read into it.
fn whole() -> io::Result<()> {
    let (mut ours, mut client) = pair()?;
    let mut buffer = [b'.'; 12];
    client.write_all(b"a secret")?;
    let _ = ours.read(&mut buffer)?;
    client.write_all(b"GET")?;
    let n = ours.read(&mut buffer)?;
    println!("  the whole buffer: {:?}", String::from_utf8_lossy(&buffer));
    println!("  what was read:    {:?}", String::from_utf8_lossy(&buffer[..n]));
    Ok(())
}

/// One read for each event, under edge.
fn one_read() -> io::Result<()> {
    for (what, flags) in [("edge", EDGE), ("level", IN)] {
        let (mut ours, mut client) = pair()?;
        let epoll = watch(&ours, flags)?;
        client.write_all(&[b'x'; 600])?;
        let first = told(&epoll)?;
        let n = ours.read(&mut [0; 512])?;
        println!("  {what:<5} 600 bytes: {}, read {n}, {}", name(first), name(told(&epoll)?));
    }
    Ok(())
}

/// A read that a signal interrupted before it had anything (EINTR) is taken for one that would wait
/// (EAGAIN). No signal is needed to see what follows: nothing is read, and the loop waits.
fn stopped() -> io::Result<()> {
    for right in [false, true] {
        let (mut ours, mut client) = pair()?;
        let epoll = watch(&ours, EDGE)?;
        client.write_all(b"GET")?;
        let first = name(told(&epoll)?);
        let (what, n) = if right { ("again", ours.read(&mut [0; 64])?) } else { ("break", 0) };
        let next = if n > 0 { "drained".to_owned() } else { name(told(&epoll)?) };
        println!("  EINTR => {what}: {first}, read {n}, {next}");
    }
    Ok(())
}

/// The end comes while the bytes before it are read, and is read with them. Its event comes all the
/// same: something did change since the last one.
fn end() -> io::Result<()> {
    let (mut ours, mut client) = pair()?;
    let epoll = watch(&ours, EDGE)?;
    client.write_all(b"answer")?;
    let first = name(told(&epoll)?);
    client.shutdown(Shutdown::Write)?;
    let both = [ours.read(&mut [0; 64])?, ours.read(&mut [0; 64])?];
    println!("  {first}: read {}, read {}, done", both[0], both[1]);
    println!(
        "  {}: read {}, done before: count it once",
        name(told(&epoll)?),
        ours.read(&mut [0; 64])?
    );
    Ok(())
}

/// A client is gone. That is an event about one connection.
fn error() -> io::Result<()> {
    let (mut ours, client) = pair()?;
    let (mut another, mut well) = pair()?;
    let epoll = watch(&ours, IN)?;
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    drop(client); // a reset
    println!("  {}: exit(1) would end everybody", name(told(&epoll)?));
    if let Err(error) = ours.read(&mut [0; 64]) {
        println!("  read: {}, close that one", error.kind());
    }
    well.write_all(b"GET")?;
    println!("  the next client: read {}", another.read(&mut [0; 64])?);
    Ok(())
}

/// A short read "must" have emptied the socket: not if the end came with the bytes.
fn short() -> io::Result<()> {
    for (what, flags) in [("IN", EDGE), ("IN|RDHUP", EDGE.union(EventFlags::RDHUP))] {
        let (mut ours, mut client) = pair()?;
        let epoll = watch(&ours, flags)?;
        client.write_all(b"GET")?;
        client.shutdown(Shutdown::Write)?;
        let first = told(&epoll)?;
        let n = ours.read(&mut [0; 64])?;
        let ended = first.is_some_and(|flags| flags.contains(EventFlags::RDHUP));
        let next = match ended {
            true => format!("so read on: {}", ours.read(&mut [0; 64])?),
            false if told(&epoll)?.is_none() => "nothing, and the end is not read".to_owned(),
            false => "the end is told by itself".to_owned(),
        };
        println!("  {what:<8} watched: {}, read {n} of 64, {next}", name(first));
    }
    Ok(())
}
