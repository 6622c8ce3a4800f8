//! The whole over mio: a small router and a directory, edge- or level-triggered.
//!
//! ```text
//! cargo run --example 26_http_mio                     the directory www, at http://127.0.0.1:8080/
//! cargo run --example 26_http_mio -- --trigger level
//! curl -i http://127.0.0.1:8080/hello
//! ```
//!
//! *Usage:* `26_http_mio [--trigger edge|level] [PORT|ADDRESS:PORT] [DIR]`; port 0 is any free one.
//!
//! *Needs:* `cargo add httparse mime_guess && cargo add mio --features os-poll,net`.
//!
//! *Shows:* what a loop needs to be right. Reads and writes that do less than all, several requests
//! in one segment, the end of the stream, no descriptor left, paths that would leave the directory.
//! mio asks the kernel for edges only, so under `--trigger level` a connection is registered anew
//! after each event: epoll_ctl(2) then tells at once what still holds.
//!
//! *Cannot:* end a client that is silent or slow. What the server of this package adds:
//!
//! * deadlines, work that may wait kept off the loop, who goes when it is full: `src/driver/`
//! * files kept open, sendfile(2), links refused while they are opened: `src/service/`
//! * content, pipelining without a copy, an end that loses nothing: `src/conn/`
//! * percent-encoding, dates, ranges, conditions, a name for each refusal: `src/http/`
//!
//! `27_http_loops` shows how to use more processors.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;
use std::{env, net};

use httparse::{Header, Request, Status};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// A longer head is refused. No client holds more memory than this and one piece of a file.
const MAX_HEAD: usize = 8 * 1024;
const PIECE: u64 = 64 * 1024;

/// How many steps one client may go before the others have their turn, under `--trigger edge`.
const STEPS_MAX: usize = 16;

/// How long to let clients wait when no descriptor is left for them.
const PAUSE: Duration = Duration::from_millis(100);

const LISTENER: Token = Token(0);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
    let (level, words) = match &words[..] {
        ["--trigger", "edge", rest @ ..] => (false, rest),
        ["--trigger", "level", rest @ ..] => (true, rest),
        ["--trigger", ..] => return Err("--trigger is edge or level".into()),
        rest => (false, rest),
    };
    let (port, dir) = (words.first().unwrap_or(&"8080"), words.get(1).unwrap_or(&"www"));
    // This machine only, unless told.
    let address = if port.contains(':') { (*port).to_owned() } else { format!("127.0.0.1:{port}") };
    // Std's bind, for it takes host names and sets SO_REUSEADDR.
    let listener = net::TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    env::set_current_dir(dir).map_err(|error| format!("cannot serve {dir}: {error}"))?;
    println!("listening on http://{}/", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    serve(TcpListener::from_std(listener), level)
}

fn serve(mut listener: TcpListener, level: bool) -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut newest = LISTENER; // no token is used twice, so no event finds the wrong connection
    let mut unfinished: Vec<Token> = Vec::new();
    let mut paused = false;
    loop {
        let pause = paused.then_some(PAUSE);
        let timeout = if unfinished.is_empty() { pause } else { Some(Duration::ZERO) };
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        let mut ready: Vec<Token> = events.iter().map(|event| event.token()).collect();
        ready.append(&mut unfinished);
        for token in &ready {
            let Some(connection) = connections.get_mut(token) else { continue };
            let steps = if level { 1 } else { STEPS_MAX };
            match (0..steps).try_for_each(|_| connection.step()) {
                // An error is the end of a client, never of the server.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    connections.remove(token);
                }
                _ if level => {
                    let interest = connection.interest();
                    poll.registry().reregister(&mut connection.socket, *token, interest)?;
                }
                Err(_) => {}
                Ok(()) => unfinished.push(*token), // and no event will say so
            }
        }
        if paused || ready.contains(&LISTENER) {
            paused = loop {
                match listener.accept() {
                    Ok((mut socket, _)) => {
                        newest.0 += 1;
                        let both = Interest::READABLE | Interest::WRITABLE;
                        let interest = if level { Interest::READABLE } else { both };
                        if poll.registry().register(&mut socket, newest, interest).is_ok() {
                            connections.insert(newest, Connection::new(socket));
                        }
                    }
                    // Anything else, such as no descriptor left, may pass: they wait meanwhile.
                    Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
                }
            };
        }
    }
}

// ---------- One connection: the same as in 25, but for the router ----------

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
    fn interest(&self) -> Interest {
        if self.output.is_empty() { Interest::READABLE } else { Interest::WRITABLE }
    }

    /// At most one read(2) and one write(2); either may move less than it could. An error is the
    /// end, except `WouldBlock`: that is "not now", from a non-blocking socket.
    fn step(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
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
        if !self.output.is_empty() {
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
        let (length, reply) = match head.parse(&self.input) {
            Ok(Status::Complete(length)) => (length, route(&head)),
            Ok(Status::Partial) if self.input.len() < MAX_HEAD => return Ok(()),
            _ => (0, Err("400 Bad Request")),
        };
        let reply = reply.unwrap_or_else(|status| text(status, status));
        let Reply { status, kind, text, file } = reply;
        // Behind a bad head it is unknown where the next one begins.
        self.last = status == "400 Bad Request" || is_last(&head);
        let connection = if self.last { "close" } else { "keep-alive" };
        let size = file.as_ref().map_or(text.len() as u64, io::Take::limit);
        write!(self.output, "HTTP/1.1 {status}\r\nAllow: GET, HEAD\r\nContent-Type: {kind}\r\n")?;
        write!(self.output, "Content-Length: {size}\r\nConnection: {connection}\r\n\r\n")?;
        if head.method != Some("HEAD") {
            self.output.extend_from_slice(text.as_bytes());
            self.file = file;
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
    head.version == Some(0) || head.headers.iter().any(ends)
}

// ---------- What is served ----------

struct Reply {
    status: &'static str,
    kind: &'static str,
    /// The content, or else it is in `file`.
    text: &'static str,
    file: Option<io::Take<File>>,
}

/// The router: one path of our own, and the directory for all others.
fn route(head: &Request<'_, '_>) -> Result<Reply, &'static str> {
    let hosts = head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let path = head.path.and_then(|target| target.split('?').next()).unwrap_or_default();
    match head.method {
        _ if head.version == Some(1) && hosts.count() != 1 => Err("400 Bad Request"),
        Some("GET" | "HEAD") if path == "/hello" => Ok(text("200 OK", "Hello, World\n")),
        Some("GET" | "HEAD") => file(path),
        _ => Err("405 Method Not Allowed"),
    }
}

fn text(status: &'static str, text: &'static str) -> Reply {
    Reply { status, kind: "text/plain", text, file: None }
}

fn file(path: &str) -> Result<Reply, &'static str> {
    // %2e%2e does not lead out either: nothing is decoded here.
    if !path.starts_with('/') || path.split('/').any(|segment| segment == "..") {
        return Err("404 Not Found");
    }
    let index = if path.ends_with('/') { "index.html" } else { "" };
    // Links are followed first, to see where they lead.
    let path = fs::canonicalize(format!(".{path}{index}")).map_err(|_| "404 Not Found")?;
    let root = env::current_dir().map_err(|_| "404 Not Found")?;
    // Looked at before it is opened: to open a FIFO is to wait for its writer.
    let found = fs::metadata(&path).map_err(|_| "404 Not Found")?;
    if !path.starts_with(root) || !found.is_file() {
        return Err("404 Not Found");
    }
    let file = File::open(&path).map_err(|_| "503 Service Unavailable")?;
    let kind = mime_guess::from_path(&path).first_raw().unwrap_or("application/octet-stream");
    Ok(Reply { status: "200 OK", kind, text: "", file: Some(file.take(found.len())) })
}
