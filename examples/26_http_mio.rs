//! The whole in one page: a small router and a directory over mio, edge- or level-triggered.
//!
//! ```text
//! cargo run --example 26_http_mio                     the directory www, at http://127.0.0.1:8080/
//! cargo run --example 26_http_mio -- --trigger level
//! curl -i http://127.0.0.1:8080/hello
//! ```
//!
//! *Usage:* `26_http_mio [--trigger edge|level] [PORT|ADDRESS:PORT] [DIR]`; port 0 is any free one.
//!
//! *Needs:* `cargo add httparse mime_guess percent-encoding &&
//! cargo add mio --features os-poll,net`.
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
//! * dates, ranges, conditions, a parser that names each refusal: `src/http/`
//!
//! `27_http_loops` shows how to use more processors.

#![allow(clippy::disallowed_methods, reason = "the library's rules are not the examples'")]

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use percent_encoding::percent_decode_str;

/// A longer head is refused. No client holds more memory than this and one piece of a file.
const MAX_HEAD: usize = 8 * 1024;
const PIECE: u64 = 64 * 1024;

/// How many steps one client may go before the others have their turn.
const STEPS_MAX: usize = 16;

/// How long to let clients wait when no descriptor is left for them.
const PAUSE: Duration = Duration::from_millis(100);

const LISTENER: Token = Token(0);

fn main() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<_> =
        env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let mut level = false;
    if words.first().is_some_and(|word| word == "--trigger") {
        level = match words.get(1).map(String::as_str) {
            Some("edge") => false,
            Some("level") => true,
            _ => return Err("--trigger is edge or level".into()),
        };
        words.drain(..2);
    }
    let mut address = words.first().map_or("8080", String::as_str).to_owned();
    if !address.contains(':') {
        address = format!("127.0.0.1:{address}"); // this machine only, unless told
    }
    let dir = match words.get(1) {
        Some(dir) => dir,
        None if Path::new("www").is_dir() => "www",
        None => ".",
    };
    // Std's bind, for it takes host names and sets SO_REUSEADDR.
    let listener = std::net::TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    env::set_current_dir(dir).map_err(|error| format!("cannot serve {dir}: {error}"))?;
    println!("listening on http://{}/", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    serve(TcpListener::from_std(listener), level)
}

fn serve(mut listener: TcpListener, level: bool) -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut newest = LISTENER; // no token is used twice, so no event finds the wrong connection
    let steps_max = if level { 1 } else { STEPS_MAX };
    let mut unfinished = Vec::new();
    let mut paused = false;
    loop {
        let timeout = match unfinished.is_empty() {
            true => paused.then_some(PAUSE),
            false => Some(Duration::ZERO),
        };
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        let mut ready: Vec<Token> = events.iter().map(|event| event.token()).collect();
        ready.append(&mut unfinished);
        for token in &ready {
            let Some(connection) = connections.get_mut(token) else {
                continue;
            };
            let mut steps = 1;
            let mut result = connection.step();
            while matches!(result, Ok(true)) && steps < steps_max {
                steps += 1;
                result = connection.step();
            }
            let blocked =
                matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            if !blocked && !matches!(result, Ok(true)) {
                connections.remove(token); // an error is the end of a client, never of the server
            } else if level {
                let interest = connection.interest();
                registry.reregister(&mut connection.socket, *token, interest)?;
            } else if !blocked {
                unfinished.push(*token); // and no event will say so
            }
        }
        if paused || ready.contains(&LISTENER) {
            let stopped_by = loop {
                match listener.accept() {
                    Ok((mut socket, _)) => {
                        newest.0 += 1;
                        let both = Interest::READABLE | Interest::WRITABLE;
                        let interest = if level { Interest::READABLE } else { both };
                        if registry.register(&mut socket, newest, interest).is_ok() {
                            connections.insert(newest, Connection::new(socket));
                        }
                    }
                    Err(error) => break error,
                }
            };
            // Anything else, such as no descriptor being left, may pass: they wait meanwhile.
            paused = stopped_by.kind() != io::ErrorKind::WouldBlock;
        }
    }
}

// ---------- One connection: the same as in 25, over replies of any kind ----------

struct Connection {
    socket: TcpStream,
    /// What came in and is not answered yet: part of a head, or several requests.
    input: Vec<u8>,
    /// What goes out next. The rest of the answer is still in `body`.
    output: Vec<u8>,
    body: Option<Body>,
    /// No request is answered after the present one.
    last: bool,
}

impl Connection {
    fn new(socket: TcpStream) -> Self {
        // Nagle's algorithm would hold a short last piece back until the others are acknowledged.
        let _ = socket.set_nodelay(true);
        Self { socket, input: Vec::new(), output: Vec::new(), body: None, last: false }
    }

    /// It wants to write, or else to read, never both: who does not take an answer is not read
    /// from, so that its requests wait in the kernel, and then in the client (backpressure).
    fn interest(&self) -> Interest {
        match self.output.is_empty() {
            true => Interest::READABLE,
            false => Interest::WRITABLE,
        }
    }

    /// At most one read(2) and one write(2); either may move less than it could. False and errors
    /// are the end, except `WouldBlock`.
    fn step(&mut self) -> io::Result<bool> {
        if self.output.is_empty() {
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
        if !self.output.is_empty() {
            let n = self.socket.write(&self.output)?;
            self.output.drain(..n);
            self.refill()?;
        }
        Ok(true)
    }

    /// Once the output is gone: the next piece of the body, or else the next answer.
    fn refill(&mut self) -> io::Result<()> {
        if self.output.is_empty() && self.body.is_none() {
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
            && let Some(body) = &mut self.body
        {
            let n = body.take(PIECE).read_to_end(&mut self.output)?;
            if body.limit() == 0 {
                self.body = None;
            } else if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into()); // the file has shrunk
            }
        }
        Ok(())
    }

    /// Answers the first request of the input, if its head is complete.
    fn answer(&mut self) -> io::Result<()> {
        let head_only = self.input.starts_with(b"HEAD ");
        let reply = match parse(&self.input) {
            Ok(None) => return Ok(()),
            Ok(Some((length, target, keep_alive))) => {
                self.input.drain(..length);
                self.last = !keep_alive;
                route(&target).unwrap_or_else(|status| text(status, status))
            }
            Err(status) => {
                self.last = true; // where the next head begins is unknown
                text(status, status)
            }
        };
        let connection = if self.last { "close" } else { "keep-alive" };
        write!(
            self.output,
            "HTTP/1.1 {}\r\nAllow: GET, HEAD\r\nContent-Type: {}\r\n\
             Content-Length: {}\r\nConnection: {connection}\r\n\r\n",
            reply.status,
            reply.kind,
            reply.body.limit()
        )?;
        self.body = Some(reply.body).filter(|_| !head_only);
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
    let (mut hosts, mut keep_alive) = (0, head.version == Some(1));
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

// ---------- What is served ----------

/// A content as long as its limit, wherever it comes from.
type Body = io::Take<Box<dyn Read>>;

struct Reply {
    status: &'static str,
    kind: String,
    body: Body,
}

/// The router: one path of our own, and the directory for all others.
fn route(target: &str) -> Result<Reply, &'static str> {
    let path = target.split('?').next().unwrap_or_default();
    // %41 is A (RFC 3986 §2.1).
    let path = percent_decode_str(path).decode_utf8();
    match path.map_err(|_| "400 Bad Request")?.as_ref() {
        "/hello" => Ok(text("200 OK", "Hello, World\n")),
        path => file(path),
    }
}

fn text(status: &'static str, text: &'static str) -> Reply {
    let length = text.len() as u64;
    let content: Box<dyn Read> = Box::new(text.as_bytes());
    Reply { status, kind: "text/plain".to_owned(), body: content.take(length) }
}

fn file(path: &str) -> Result<Reply, &'static str> {
    const NONE: &str = "404 Not Found";
    // Looked for after decoding, or %2e%2e would pass.
    if !path.starts_with('/') || path.split('/').any(|segment| segment == "..") {
        return Err(NONE);
    }
    let index = if path.ends_with('/') { "index.html" } else { "" };
    // Links are followed first, to see where they lead.
    let path = fs::canonicalize(format!(".{path}{index}")).map_err(|_| NONE)?;
    let root = env::current_dir().map_err(|_| NONE)?;
    // Looked at before it is opened: to open a FIFO is to wait for its writer.
    if !path.starts_with(root) || !path.is_file() {
        return Err(NONE);
    }
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => "403 Forbidden",
        _ => "503 Service Unavailable", // no descriptor is left
    })?;
    let length = file.metadata().map_err(|_| NONE)?.len();
    let kind = mime_guess::from_path(&path).first_or_octet_stream().to_string();
    let content: Box<dyn Read> = Box::new(file);
    Ok(Reply { status: "200 OK", kind, body: content.take(length) })
}
