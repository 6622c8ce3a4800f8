//! A file server in blocking calls: a thread per client.
//!
//! ```text
//! cargo run --example 21_http_threads       the directory www, at http://127.0.0.1:8080/
//! curl -i http://127.0.0.1:8080/style.css
//! nc 127.0.0.1 8080                         say nothing: curl is answered all the same
//! ```
//!
//! *Usage:* `21_http_threads [PORT|ADDRESS:PORT] [DIR]`; port 0 is any free one.
//!
//! *Needs:* `cargo add httparse mime_guess`.
//!
//! *Shows:* what changes when each client has a thread that may wait for it: a few lines, and not
//! one of them in the part about HTTP.
//!
//! *Cannot:* carry many: each client that says nothing costs a stack and a task of the kernel, so
//! there is a bound, 512, and who comes when it is reached is turned away. In `22_http_select` one
//! thread waits for all of them; `diff` the two.
//!
//! *Not here:* percent-encoding, dates, ranges, deadlines. Links in DIR are followed wherever they
//! lead. `26_http_mio` decodes; the server of this package has the rest.

#![allow(clippy::disallowed_methods, reason = "the library's rules are not the examples'")]

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mime_guess::Mime;

/// Whether a client may send another request.
const KEEP_ALIVE: bool = true;

/// How many clients there may be at a time. One more is closed at once.
const THREADS_MAX: usize = 512;

/// How long to let clients wait when no descriptor is left for them.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let listener = start()?;
    // Each thread owns a clone, so their number is the number of threads, however these end.
    let alive = Arc::new(());
    loop {
        match listener.accept() {
            Ok((socket, _)) if Arc::strong_count(&alive) <= THREADS_MAX => {
                let alive = Arc::clone(&alive);
                // Without room for another thread the closure is dropped, and the socket with it.
                let _ = thread::Builder::new().spawn(move || {
                    converse(Connection::new(socket));
                    drop(alive);
                });
            }
            Ok(_) => {}
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Returns when this client is done: an error is the end of it, never of the server.
fn converse(mut connection: Connection) {
    while matches!(connection.step(), Ok(true)) {}
}

// ---------- HTTP over one socket: from here on the same text in 20 to 25 ----------

/// A longer head is refused. No client holds more memory than this and one piece of a file.
const MAX_HEAD: usize = 8 * 1024;
const PIECE: u64 = 64 * 1024;

struct Connection {
    socket: TcpStream,
    /// What came in and is not answered yet: part of a head, or several requests.
    input: Vec<u8>,
    /// What goes out next. The rest of the answer is still in `file`.
    output: Vec<u8>,
    file: Option<io::Take<File>>,
    /// No request is answered after the present one.
    last: bool,
}

impl Connection {
    fn new(socket: TcpStream) -> Self {
        // Nagle's algorithm would hold a short last piece back until the others are acknowledged.
        let _ = socket.set_nodelay(true);
        Self { socket, input: Vec::new(), output: Vec::new(), file: None, last: false }
    }

    /// It wants to write, or else to read, never both: who does not take an answer is not read
    /// from, so that its requests wait in the kernel, and then in the client (backpressure).
    fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// At most one read(2) and one write(2); either may move less than it could. False and errors
    /// are the end, except `WouldBlock`: that is "not now", from a non-blocking socket.
    fn step(&mut self) -> io::Result<bool> {
        if !self.wants_write() {
            // There is room, for a full input was answered: read(2) into no room returns 0, and
            // that would look like the end of the stream.
            let mut buffer = [0; MAX_HEAD];
            let room = &mut buffer[self.input.len()..];
            let n = self.socket.read(room)?;
            if n == 0 {
                return Ok(false);
            }
            self.input.extend_from_slice(&room[..n]);
            self.refill()?;
        }
        if self.wants_write() {
            let n = self.socket.write(&self.output)?;
            self.output.drain(..n);
            self.refill()?;
        }
        Ok(true)
    }

    /// Once the output is gone: the next piece of the file, or else the next answer.
    fn refill(&mut self) -> io::Result<()> {
        if self.output.is_empty() && self.file.is_none() {
            if self.last {
                // close(2) with bytes of the client unread is a reset, and that may destroy what it
                // has not read yet (RFC 9112 §9.6). So only this direction ends; what comes is
                // dropped.
                self.input.clear();
                return self.socket.shutdown(Shutdown::Write);
            }
            self.answer()?;
        }
        if self.output.len() < MAX_HEAD
            && let Some(file) = &mut self.file
        {
            let n = file.take(PIECE).read_to_end(&mut self.output)?;
            if file.limit() == 0 {
                self.file = None;
            } else if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into()); // the file has shrunk
            }
        }
        Ok(())
    }

    /// Answers the first request of the input, if its head is complete.
    fn answer(&mut self) -> io::Result<()> {
        let head_only = self.input.starts_with(b"HEAD ");
        let found = match parse(&self.input) {
            Ok(None) => return Ok(()),
            Ok(Some((length, target, keep_alive))) => {
                self.input.drain(..length);
                self.last = !keep_alive;
                open(&target)
            }
            Err(status) => {
                self.last = true; // where the next head begins is unknown
                Err(status)
            }
        };
        let (status, kind, length) = match &found {
            Ok((file, kind)) => ("200 OK", kind.essence_str(), file.limit()),
            Err(status) => (*status, "text/plain", status.len() as u64),
        };
        let connection = if self.last { "close" } else { "keep-alive" };
        write!(
            self.output,
            "HTTP/1.1 {status}\r\nAllow: GET, HEAD\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\nConnection: {connection}\r\n\r\n"
        )?;
        match found {
            _ if head_only => {}
            Ok((file, _)) => self.file = Some(file),
            Err(status) => self.output.extend_from_slice(status.as_bytes()),
        }
        Ok(())
    }
}

/// The length of a head, its target, and whether another head may follow; `None` if it is not
/// complete, the status to answer if it is wrong.
fn parse(input: &[u8]) -> Result<Option<(usize, String, bool)>, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut fields);
    let length = match head.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(_) if input.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            return Err("431 Request Header Fields Too Large");
        }
        Err(_) => return Err("400 Bad Request"),
    };
    let (mut hosts, mut keep_alive) = (0, KEEP_ALIVE && head.version == Some(1));
    for field in head.headers.iter() {
        match field.name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "connection" => keep_alive &= !field.value.to_ascii_lowercase().ends_with(b"close"),
            // Content is not read, so what follows such a head is not the next one.
            "content-length" | "transfer-encoding" => keep_alive = false,
            _ => {}
        }
    }
    match head.method {
        _ if hosts != 1 && head.version == Some(1) => Err("400 Bad Request"),
        Some("GET" | "HEAD") => Ok(head.path.map(|path| (length, path.to_owned(), keep_alive))),
        _ => Err("405 Method Not Allowed"),
    }
}

/// The file that a target names, limited to its length, and its type; or why it cannot be had.
fn open(target: &str) -> Result<(io::Take<File>, Mime), &'static str> {
    let path = target.split('?').next().unwrap_or_default();
    // %2e%2e does not lead out either: nothing is decoded here.
    if !path.starts_with('/') || path.split('/').any(|segment| segment == "..") {
        return Err("404 Not Found");
    }
    let mut path = format!(".{path}"); // relative, whatever it begins with
    if path.ends_with('/') {
        path.push_str("index.html");
    }
    // Looked at before it is opened: to open a FIFO is to wait for its writer.
    let found = fs::metadata(&path).ok().filter(|found| found.is_file());
    let length = found.ok_or("404 Not Found")?.len();
    let file = File::open(&path).map_err(|_| "503 Service Unavailable")?;
    let kind = mime_guess::from_path(&path).first_or_octet_stream();
    Ok((file.take(length), kind))
}

/// Binds what the command line says, and changes to the directory that it names.
fn start() -> Result<TcpListener, Box<dyn Error>> {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut address = words.get(1).map_or("8080", String::as_str).to_owned();
    if !address.contains(':') {
        address = format!("127.0.0.1:{address}"); // this machine only, unless told
    }
    let dir = match words.get(2) {
        Some(dir) => dir,
        None if Path::new("www").is_dir() => "www",
        None => ".",
    };
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    env::set_current_dir(dir).map_err(|error| format!("cannot serve {dir}: {error}"))?;
    println!("listening on http://{}/", listener.local_addr()?);
    Ok(listener)
}
