//! One socket: bind, listen, accept, recv, send. A server and its client, both in calls that wait.
//!
//! ```text
//! cargo run --example 01_socket                  the server, on 127.0.0.1:9999
//! cargo run --example 01_socket -- client        its client, in another terminal
//! nc 127.0.0.1 9999                              a client too: type a line
//! ```
//!
//! *Needs:* nothing but std.
//!
//! *Shows:* the five calls of every TCP server, and that a stream has no messages: each `recv`
//! prints how much it got. Here a message ends with a newline, because both sides say so.
//!
//! *Cannot:* serve two at once. While one client says nothing, a second one waits: the kernel has
//! taken its connection (that is what `listen` is for), but nobody reads it. `08_thread_chat` gives
//! each client a thread, `06_select_chat` waits for all of them at once.
//!
//! *The tutorial* took what one `recv(1024)` returned for the whole message. TCP may deliver a
//! message in pieces, even in the middle of a character: run `00_clients` with `split`.

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// A message longer than this is not read to its end.
const LIMIT: usize = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match words.next() {
        Some(word) if word == "client" => client(&address(words.next())),
        word => server(&address(word)),
    }
}

/// A port alone is one on this machine; `0.0.0.0:9999` would let other machines in.
fn address(word: Option<String>) -> String {
    let word = word.unwrap_or_else(|| "9999".to_owned());
    if word.contains(':') { word } else { format!("127.0.0.1:{word}") }
}

fn server(address: &str) -> Result<(), Box<dyn Error>> {
    // socket(2), bind(2) and listen(2) in one. Std also sets SO_REUSEADDR, so that a server can be
    // started again at once after it was stopped.
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    loop {
        // Waits until somebody connects. What comes back is a second socket, for this client only.
        let (stream, peer) = listener.accept()?;
        writeln!(io::stdout(), "{peer} connected")?;
        // What goes wrong with one client (it was reset, it has gone) is no reason to stop.
        match talk(stream) {
            Ok(()) => writeln!(io::stdout(), "{peer} answered and closed")?,
            Err(error) => writeln!(io::stdout(), "{peer} lost: {error}")?,
        }
    }
}

/// Reads one message and answers it. The socket is closed when `stream` goes out of scope.
fn talk(mut stream: TcpStream) -> io::Result<()> {
    let mut message = Vec::new();
    let mut piece = [0; 256];
    while !message.contains(&b'\n') && message.len() < LIMIT {
        let n = stream.read(&mut piece)?; // recv(2): whatever is there, at least one byte
        writeln!(io::stdout(), "  recv {n}")?;
        if n == 0 {
            break; // the other side will send no more
        }
        message.extend_from_slice(&piece[..n]);
    }
    // Bytes are text only if they happen to be, and `{:?}` keeps control characters off our screen.
    let text = String::from_utf8_lossy(&message);
    writeln!(io::stdout(), "  message {:?}", text.trim_end())?;
    // send(2), as often as it takes: one call may send less than it was given.
    stream.write_all("不要回答,不要回答,不要回答\n".as_bytes())
}

fn client(address: &str) -> Result<(), Box<dyn Error>> {
    // socket(2) and connect(2). The kernel chooses a free port for this side.
    let mut stream =
        TcpStream::connect(address).map_err(|error| format!("cannot reach {address}: {error}"))?;
    stream.write_all("请求占领地球\n".as_bytes())?;
    let mut reply = Vec::new();
    stream.take(LIMIT as u64).read_to_end(&mut reply)?; // until the server closes
    writeln!(io::stdout(), "{}", String::from_utf8_lossy(&reply).trim_end())?;
    Ok(())
}
