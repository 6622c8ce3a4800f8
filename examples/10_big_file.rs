//! A gibibyte in small memory: partial sends resumed, and read/write against sendfile(2).
//!
//! ```text
//! cargo run --release --example 10_big_file                      a gibibyte of zeros, on port 9999
//! cargo run --release --example 10_big_file -- 9999 FILE         that file
//! cargo run --release --example 10_big_file -- client 9999 copy         or: sendfile
//! echo sendfile | nc 127.0.0.1 9999 | wc -c
//! ```
//!
//! *Needs:* `cargo add rustix --features event,fs`
//!
//! *Shows:* that `send` takes what the socket's buffer has room for and returns how much that was;
//! that the rest is to be sent from there, once the socket is writable again; and that the kernel
//! can move a file to a socket without our memory in between. The server prints calls, partial
//! ones, waits, time and its peak memory, which does not grow with the file.
//!
//! *Cannot:* serve two readers at once: while one is slow, the next one waits. The loop of
//! `24_http_epoll_level` has this same code, with what is left kept per client.
//!
//! *The tutorial* says rightly that `send` may send less ("1023M = send(1g数据)"), and then its
//! upload client ignores what `send` returns. A blocking socket hides it: there `send` nearly
//! always waits until it has taken everything.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use rustix::io::Errno;

const PIECE: usize = 256 * 1024;
/// A reader who takes nothing for so many seconds has gone, or may as well have.
const PATIENCE: i64 = 10;

#[derive(Default)]
struct Counts {
    bytes: u64,
    calls: u64,
    partial: u64,
    waits: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1);
    let mut word = || words.next();
    let first = word().map(|it| it.to_string_lossy().into_owned());
    if first.as_deref() == Some("client") {
        let port = word().map(|it| it.to_string_lossy().into_owned());
        let how = word().map_or("sendfile".into(), |it| it.to_string_lossy().into_owned());
        return client(&address(port), &how);
    }
    let file = match word() {
        None => zeros()?,
        // To open a pipe would wait for somebody to write into it.
        Some(path) if !fs::metadata(&path)?.is_file() => return Err("this is no file".into()),
        Some(path) => File::open(path)?,
    };
    server(&address(first), &file)
}

/// A port alone is one on this machine; `0.0.0.0:9999` would let other machines in.
fn address(word: Option<String>) -> String {
    let word = word.unwrap_or_else(|| "9999".to_owned());
    if word.contains(':') { word } else { format!("127.0.0.1:{word}") }
}

/// A file without a name and without content: all of it is a hole, which reads as zeros.
fn zeros() -> io::Result<File> {
    let file = File::from(memfd_create("zeros", MemfdFlags::CLOEXEC)?);
    file.set_len(1 << 30)?;
    Ok(file)
}

fn server(address: &str, file: &File) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    loop {
        let (stream, peer) = listener.accept()?;
        let begun = Instant::now();
        let mut counts = Counts::default();
        let end = match answer(&stream, file, &mut counts) {
            Ok(how) => how,
            Err(error) => format!("lost: {error}"),
        };
        let Counts { bytes, calls, partial, waits } = counts;
        let seconds = begun.elapsed().as_secs_f64();
        writeln!(
            io::stdout(),
            "{peer} {end}: {bytes} bytes in {seconds:.2} s; {calls} calls, {partial} partial, \
             {waits} waits; peak memory {}",
            peak_memory()
        )?;
    }
}

/// Reads one word and sends the file that way.
fn answer(mut stream: &TcpStream, file: &File, counts: &mut Counts) -> io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = Vec::new();
    BufReader::new(stream).take(16).read_until(b'\n', &mut line)?;
    stream.set_nonblocking(true)?; // from here on, send says how much it took instead of waiting
    match line.trim_ascii() {
        b"copy" => send_by_copy(stream, file, counts)?,
        b"sendfile" => send_by_kernel(stream, file, counts)?,
        _ => {
            stream.write_all("copy or sendfile?\n".as_bytes())?;
            return Ok("asked for neither".to_owned());
        }
    }
    Ok(String::from_utf8_lossy(line.trim_ascii()).into_owned())
}

/// read(2) into our memory, write(2) out of it: two copies, and what a send left is ours to keep.
fn send_by_copy(mut stream: &TcpStream, file: &File, counts: &mut Counts) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let n = file.read_at(&mut piece, counts.bytes)?;
        if n == 0 {
            return Ok(());
        }
        let mut rest = &piece[..n];
        while !rest.is_empty() {
            counts.calls += 1;
            match stream.write(rest) {
                Ok(n) => {
                    counts.partial += u64::from(n < rest.len());
                    counts.bytes += n as u64;
                    rest = &rest[n..]; // the next send begins where this one stopped
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(stream, counts)?,
                Err(error) => return Err(error),
            }
        }
    }
}

/// sendfile(2): the kernel moves pages of the file to the socket, and advances the offset itself.
fn send_by_kernel(stream: &TcpStream, file: &File, counts: &mut Counts) -> io::Result<()> {
    let mut offset = 0;
    loop {
        counts.calls += 1;
        match sendfile(stream, file, Some(&mut offset), PIECE) {
            Ok(0) => return Ok(()), // the end of the file, wherever it is by now
            Ok(n) => {
                counts.partial += u64::from(n < PIECE);
                counts.bytes = offset;
            }
            Err(Errno::AGAIN) => wait(stream, counts)?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until the socket has room again.
fn wait(stream: &TcpStream, counts: &mut Counts) -> io::Result<()> {
    counts.waits += 1;
    let limit = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
    match poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&limit))? {
        0 => Err(io::Error::other("takes nothing any more")),
        _ => Ok(()),
    }
}

/// The most memory that this process ever had, from proc(5).
fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap_or("unknown").trim().to_owned()
}

fn client(address: &str, how: &str) -> Result<(), Box<dyn Error>> {
    let mut stream =
        TcpStream::connect(address).map_err(|error| format!("cannot reach {address}: {error}"))?;
    writeln!(stream, "{how}")?;
    let begun = Instant::now();
    let mut piece = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => bytes += n as u64,
            // The program was stopped and goes on (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    writeln!(io::stdout(), "{bytes} bytes in {:.2} s", begun.elapsed().as_secs_f64())?;
    Ok(())
}
