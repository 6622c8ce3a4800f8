//! A protocol over a stream: a telephone menu, one caller at a time.
//!
//! ```text
//! cargo run --example 04_menu_chat               the menu, on 127.0.0.1:8888
//! cargo run --example 04_menu_chat -- client     a caller; `exit` hangs up
//! ```
//!
//! *Needs:* nothing but std.
//!
//! *Shows:* framing. A stream is a row of bytes without edges, so both sides must agree where a
//! message ends: here, at a newline. What is called "sticky packets" (粘包) is nothing that sticks
//! and nothing wrong with TCP: it is a reader that took what recv returned for a message. The
//! `BufReader` keeps what came behind the newline for the next time.
//!
//! *Cannot:* talk to a second caller while one is on the line, however silent. Start two clients:
//! the second one gives up after five seconds. `08_thread_chat` and `06_select_chat` cure that.
//!
//! *The tutorial* compared what one `recv(1024)` returned with `'exit'`: sent in quick succession,
//! `0` and `exit` may arrive as `0exit`, which is neither. After a caller had left, recv returned
//! an empty string, which is the end of the stream and not a choice: it was answered at full speed,
//! until the answer failed and ended the server. And its client called another port.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A line longer than this is no choice from a menu.
const LIMIT: u64 = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match words.next() {
        Some(word) if word == "client" => client(&address(words.next())),
        word => server(&address(word)),
    }
}

/// A port alone is one on this machine; `0.0.0.0:8888` would let other machines in.
fn address(word: Option<String>) -> String {
    let word = word.unwrap_or_else(|| "8888".to_owned());
    if word.contains(':') { word } else { format!("127.0.0.1:{word}") }
}

fn server(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    loop {
        let (stream, peer) = listener.accept()?;
        writeln!(io::stdout(), "{peer} calls")?;
        match talk(&stream) {
            Ok(()) => writeln!(io::stdout(), "{peer} hung up")?,
            Err(error) => writeln!(io::stdout(), "{peer} lost: {error}")?,
        }
    }
}

fn talk(mut stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    stream.write_all("欢迎致电 10086,请输入1xxx,0转人工服务.\n".as_bytes())?;
    while let Some(line) = read_line(&mut lines)? {
        match line.trim() {
            "exit" => break,
            "0" => stream.write_all("通过可能会被录音.balabala一大推\n".as_bytes())?,
            _ => stream.write_all("请重新输入.\n".as_bytes())?,
        }
    }
    Ok(())
}

/// The next line, or None at the end of the stream. A last line may lack its newline.
fn read_line(lines: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    // Without a limit, a sender that never ends its line would fill our memory.
    let n = lines.by_ref().take(LIMIT).read_until(b'\n', &mut line)?;
    if n as u64 == LIMIT && line.last() != Some(&b'\n') {
        return Err(io::Error::other("a line without end"));
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    Ok((n > 0).then_some(text))
}

fn client(address: &str) -> Result<(), Box<dyn Error>> {
    let mut stream =
        TcpStream::connect(address).map_err(|error| format!("cannot reach {address}: {error}"))?;
    // A server may take us (its kernel does) and never say a word.
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        let line = read_line(&mut lines).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                "no answer within 5 s: somebody else is on the line".into()
            }
            _ => error.to_string(),
        })?;
        let Some(line) = line else {
            return Err("the server hung up".into());
        };
        writeln!(io::stdout(), "receive: {}", line.trim_end())?;
        write!(io::stdout(), "please input:")?;
        io::stdout().flush()?; // no newline would push it out
        let Some(input) = read_line(&mut io::stdin().lock())? else {
            return Ok(()); // Ctrl-D: closing the stream hangs up
        };
        stream.write_all(format!("{}\n", input.trim_end()).as_bytes())?;
        if input.trim() == "exit" {
            return Ok(());
        }
    }
}
