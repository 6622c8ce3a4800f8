//! A file server in blocking calls: one client after the other.
//!
//! ```text
//! cargo run --example 20_http_blocking      the directory www, at http://127.0.0.1:8080/
//! curl -i http://127.0.0.1:8080/style.css
//! nc 127.0.0.1 8080                         say nothing, and ask again with curl
//! ```
//!
//! *Usage:* `20_http_blocking [PORT|ADDRESS:PORT] [DIR]`; port 0 is any free one.
//!
//! *Needs:* `cargo add httparse`.
//!
//! *Shows:* a request is read until its head is complete, however it was cut; an answer is written
//! until all of it is gone, a piece of the file at a time.
//!
//! *Cannot:* go on while one client says nothing: read(2) waits for it, and everybody else with it.
//! That is also why each answer here is the last on its connection. `21_http_threads` gives each
//! client a thread; `diff` the two.
//!
//! *Not here:* percent-encoding, types other than HTML, CSS and SVG, dates, ranges, deadlines. A
//! head that is too long is a 400 like any bad one. Links in DIR are followed wherever they lead,
//! but not in `26_http_mio`. The server of this package has the rest.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;
use std::{env, thread};

use httparse::{Header, Request, Status};

/// Whether a client may send another request: while it thinks about that, all others wait.
const KEEP_ALIVE: bool = false;

/// How long to let clients wait when no descriptor is left for them.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let listener = start()?;
    loop {
        match listener.accept() {
            Ok((socket, _)) => converse(Connection::new(socket)),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Returns when this client is done: an error is the end of it, never of the server.
fn converse(mut connection: Connection) {
    while connection.step().is_ok() {}
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

    /// At most one read(2) and one write(2); either may move less than it could. An error is the
    /// end, except `WouldBlock`: that is "not now", from a non-blocking socket.
    fn step(&mut self) -> io::Result<()> {
        if !self.wants_write() {
            // There is room, for a full input was answered: read(2) into no room returns 0, and
            // that would look like the end of the stream.
            let mut buffer = [0; MAX_HEAD];
            let room = &mut buffer[self.input.len()..];
            let n = self.socket.read(room)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.input.extend_from_slice(&room[..n]);
            self.refill()?;
        }
        if self.wants_write() {
            let n = self.socket.write(&self.output)?;
            self.output.drain(..n);
            if self.output.is_empty() {
                self.refill()?;
            }
        }
        Ok(())
    }

    /// The output is gone: puts the next piece of the file there, or else the next answer.
    fn refill(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.answer()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        match file.take(PIECE).read_to_end(&mut self.output)? {
            0 if file.limit() > 0 => return Err(io::ErrorKind::UnexpectedEof.into()), // it shrank
            _ if file.limit() == 0 => self.file = None,
            _ => {}
        }
        Ok(())
    }

    /// Answers the first request of the input, if its head is complete.
    fn answer(&mut self) -> io::Result<()> {
        if self.last {
            // close(2) with bytes of the client unread is a reset, and that may destroy what it has
            // not read yet (RFC 9112 §9.6). So only this direction ends; what comes is dropped.
            self.input.clear();
            return self.socket.shutdown(Shutdown::Write);
        }
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = Request::new(&mut fields);
        let (length, found) = match head.parse(&self.input) {
            Ok(Status::Complete(length)) => (length, find(&head)),
            Ok(Status::Partial) if self.input.len() < MAX_HEAD => return Ok(()),
            _ => (0, Err("400 Bad Request")),
        };
        // Behind a bad head it is unknown where the next one begins.
        self.last = matches!(found, Err("400 Bad Request")) || is_last(&head);
        let (status, kind, size, text) = match &found {
            Ok((file, kind)) => ("200 OK", *kind, file.limit(), ""),
            Err(status) => (*status, "text/plain", status.len() as u64, *status),
        };
        let connection = if self.last { "close" } else { "keep-alive" };
        write!(self.output, "HTTP/1.1 {status}\r\nAllow: GET, HEAD\r\nContent-Type: {kind}\r\n")?;
        write!(self.output, "Content-Length: {size}\r\nConnection: {connection}\r\n\r\n")?;
        if head.method != Some("HEAD") {
            self.output.extend_from_slice(text.as_bytes());
            self.file = found.ok().map(|(file, _)| file);
        }
        self.input.drain(..length);
        Ok(())
    }
}

/// Whether the answer to this head is the last one of its connection.
fn is_last(head: &Request<'_, '_>) -> bool {
    let ends = |field: &Header<'_>| match field.name.to_ascii_lowercase().as_str() {
        // Content is not read, so what follows such a head is not the next one.
        "content-length" | "transfer-encoding" => true,
        "connection" => !field.value.eq_ignore_ascii_case(b"keep-alive"),
        _ => false,
    };
    !KEEP_ALIVE || head.version == Some(0) || head.headers.iter().any(ends)
}

/// The file that a head asks for, limited to its length, and its type; or the status instead.
fn find(head: &Request<'_, '_>) -> Result<(io::Take<File>, &'static str), &'static str> {
    let hosts = head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let path = head.path.and_then(|target| target.split('?').next()).unwrap_or_default();
    match head.method {
        _ if head.version == Some(1) && hosts.count() != 1 => return Err("400 Bad Request"),
        Some("GET" | "HEAD") => {}
        _ => return Err("405 Method Not Allowed"),
    }
    // %2e%2e does not lead out either: nothing is decoded here.
    if !path.starts_with('/') || path.split('/').any(|segment| segment == "..") {
        return Err("404 Not Found");
    }
    let index = if path.ends_with('/') { "index.html" } else { "" };
    let path = format!(".{path}{index}"); // relative, whatever it begins with
    // Looked at before it is opened: to open a FIFO is to wait for its writer.
    let found = fs::metadata(&path).ok().filter(|found| found.is_file()).ok_or("404 Not Found")?;
    let file = File::open(&path).map_err(|_| "503 Service Unavailable")?;
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Ok((file.take(found.len()), kind))
}

/// Binds what the command line says, and changes to the directory that it names.
fn start() -> Result<TcpListener, Box<dyn Error>> {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let port = words.get(1).map_or("8080", String::as_str);
    // This machine only, unless told.
    let address = if port.contains(':') { port.to_owned() } else { format!("127.0.0.1:{port}") };
    let dir = words.get(2).map_or("www", String::as_str);
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    env::set_current_dir(dir).map_err(|error| format!("cannot serve {dir}: {error}"))?;
    println!("listening on http://{}/", listener.local_addr()?);
    Ok(listener)
}
