//! HTTP is text over a stream: read a head, write a head and a body, close.
//!
//! ```text
//! cargo run --example 02_hello_web               http://127.0.0.1:8080/
//! cargo run --example 02_hello_web -- seed       the same as the tutorial had it, to be broken
//! curl -v http://127.0.0.1:8080/
//! ```
//!
//! *Needs:* nothing but std.
//!
//! *Shows:* where a request's head ends (an empty line, RFC 9112 §2.1) and why an answer says how
//! long it is.
//!
//! *Cannot:* do anything but one short request per connection, one connection at a time; it reads
//! no body. `20_http_blocking` serves files, and what follows it serves many at once.
//!
//! *The tutorial* (`seed`) read once, up to 1,024 bytes, and sent `HTTP/1.1 200 OK`, an empty line
//! and the text. With a browser on the same machine that works, and yet:
//! * the first byte of a request that comes in pieces is answered, and then the connection closed;
//! * what was not read makes close(2) a reset, right behind the answer or in its place:
//!   `head -c 1000000 /dev/zero | curl --data-binary @- http://127.0.0.1:8080/`
//!   fails now and then with "Recv failure: Connection reset by peer";
//! * without a length, an answer cut short looks complete; curl cannot tell, and `curl -v` says so:
//!   "no chunk, no close, no size. Assume close to signal end";
//! * HEAD gets a body: `curl -I` would wait for none, and the rest is noise;
//! * nonsense gets 200.

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

/// A head longer than this is refused.
const HEAD_LIMIT: usize = 8192;
/// How long a client may say nothing.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let mut words =
        env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).peekable();
    let seed = words.next_if(|word| word == "seed").is_some();
    let address = address(words.next());
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    writeln!(io::stdout(), "listening on http://{}/", listener.local_addr()?)?;
    loop {
        let (mut stream, peer) = listener.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let done = if seed { answer_as_the_tutorial(&mut stream) } else { answer(&mut stream) };
        match done {
            Ok(status) => writeln!(io::stdout(), "{peer} {status}")?,
            Err(error) => writeln!(io::stdout(), "{peer} lost: {error}")?,
        }
    }
}

/// A port alone is one on this machine; `0.0.0.0:8080` would let other machines in.
fn address(word: Option<String>) -> String {
    let word = word.unwrap_or_else(|| "8080".to_owned());
    if word.contains(':') { word } else { format!("127.0.0.1:{word}") }
}

fn answer_as_the_tutorial(stream: &mut TcpStream) -> io::Result<&'static str> {
    let _ = stream.read(&mut [0; 1024])?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    stream.write_all(b"Hello, World")?;
    Ok("200 OK, whatever was asked")
}

/// Reads a head, answers it, and closes so that the answer arrives.
fn answer(stream: &mut TcpStream) -> io::Result<&'static str> {
    let Some((status, is_head)) = read_head(stream)? else {
        return Ok("left without a request");
    };
    let body = if status == "200 OK" { "Hello, World" } else { status };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         {allow}Connection: close\r\n\r\n",
        body.len()
    );
    if !is_head {
        answer.push_str(body); // the answer to HEAD says how long it would be, and stops
    }
    stream.write_all(answer.as_bytes())?;
    close(stream)?;
    Ok(status)
}

/// The status that the request deserves, and whether it is a HEAD. None if there was none.
fn read_head(stream: &mut TcpStream) -> io::Result<Option<(&'static str, bool)>> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    // A head ends with an empty line, wherever the pieces may have been cut.
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if head.len() > HEAD_LIMIT {
            return Ok(Some(("431 Request Header Fields Too Large", false)));
        }
        match stream.read(&mut piece) {
            Ok(0) if head.is_empty() => return Ok(None),
            Ok(0) => return Ok(Some(("400 Bad Request", false))),
            Ok(n) => head.extend_from_slice(&piece[..n]),
            // The program was stopped and goes on (signal(7)): with a time-out nobody asks again for us.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // This is what a time-out on a socket looks like.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Some(("408 Request Timeout", false)));
            }
            Err(error) => return Err(error),
        }
    }
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = match line.split(' ').collect::<Vec<_>>()[..] {
        ["GET" | "HEAD", "/", "HTTP/1.1" | "HTTP/1.0"] => "200 OK",
        ["GET" | "HEAD", _, "HTTP/1.1" | "HTTP/1.0"] => "404 Not Found",
        [_, _, "HTTP/1.1" | "HTTP/1.0"] => "405 Method Not Allowed",
        _ => "400 Bad Request",
    };
    Ok(Some((status, line.starts_with("HEAD "))))
}

/// Closing a socket with unread bytes resets the connection, and a reset overtakes the answer
/// (RFC 9112 §9.6). So: say that no more will come, then read what still does, within bounds.
fn close(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut piece = [0; 16 * 1024];
    for _ in 0..256 {
        if !matches!(stream.read(&mut piece), Ok(1..)) {
            break;
        }
    }
    Ok(())
}
