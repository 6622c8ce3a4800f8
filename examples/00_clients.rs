//! A troublesome client, for every server below: does what clients do, and says what came back.
//!
//! ```text
//! cargo run --example 00_clients -- 9999                     all of it, against 127.0.0.1:9999
//! cargo run --example 00_clients -- 9999 split               one of: split two half-close reset
//! cargo run --example 00_clients -- 9999 split 'exit\n'          slow vanish idle
//! cargo run --example 00_clients -- 8080 all 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
//! ```
//!
//! *Needs:* `cargo add rustix --features net`
//!
//! *Shows:* that what arrives is not what was sent in one call: the same message comes in pieces,
//! two come at once, an end comes from one side only, or a reset instead of an end. A server is
//! right if its answers are the same in all these cases, and if the next client does not notice.
//!
//! *Cannot:* pull a plug. A machine that has vanished sends nothing at all, no end and no reset: to
//! the server that is a silent client, and only a time-out finds it.
//!
//! *The tutorial* had only clients that send a short message in one piece and wait for the answer:
//! with those, all its servers work.

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

/// If nothing comes for so long, nothing will.
const QUIET: Duration = Duration::from_millis(500);
/// So many are idle at once; one process may have 1,024 descriptors, unless `ulimit -n` says else.
const IDLE: usize = 1000;
/// More than this is not waited for.
const LIMIT: usize = 64 * 1024 * 1024;

const ALL: [&str; 7] = ["split", "two", "half-close", "reset", "slow", "vanish", "idle"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let word = words.next().ok_or("whose? say PORT or ADDRESS:PORT")?;
    let how = words.next().unwrap_or_else(|| "all".to_owned());
    let message = words.next().unwrap_or_else(|| "0\\n".to_owned());
    let message = message.replace("\\r", "\r").replace("\\n", "\n");
    let name = if word.contains(':') { word } else { format!("127.0.0.1:{word}") };
    let address = name
        .to_socket_addrs()
        .map_err(|error| format!("cannot reach {name}: {error}"))?
        .next()
        .ok_or("no such address")?;

    let chosen: Vec<&str> = ALL.into_iter().filter(|it| how == "all" || how == *it).collect();
    if chosen.is_empty() {
        return Err(format!("{how}? one of all {}", ALL.join(" ")).into());
    }
    for how in chosen {
        let came = misbehave(address, how, message.as_bytes())
            .map_err(|error| format!("{how}: cannot reach {address}: {error}"))?;
        writeln!(io::stdout(), "{how:<10} {came}")?;
    }
    Ok(())
}

/// Connects and misbehaves; an error is one of connecting. Returns what came back.
fn misbehave(address: SocketAddr, how: &str, message: &[u8]) -> io::Result<String> {
    let mut stream = connect(address)?;
    Ok(match how {
        "split" => {
            // Without this, the kernel would collect small pieces while one is on its way (Nagle).
            stream.set_nodelay(true)?;
            let sent =
                message.iter().take_while(|byte| stream.write_all(&[**byte]).is_ok()).count();
            format!("{sent} pieces sent; {}", what_comes(&mut stream))
        }
        "two" => {
            let _ = stream.write_all(&message.repeat(2));
            what_comes(&mut stream)
        }
        "half-close" => {
            let _ = stream.write_all(message);
            let _ = stream.shutdown(Shutdown::Write); // "I have said all", and still listening
            what_comes(&mut stream)
        }
        "reset" => {
            let _ = stream.write_all(message);
            // A socket that may not linger is closed by a reset: what is on its way is destroyed.
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
            drop(stream);
            format!("gone; the next one: {}", ask(address, message)?)
        }
        "slow" => {
            let _ = stream.write_all(message);
            let mut first = Vec::new();
            for _ in 0..16 {
                thread::sleep(Duration::from_millis(20));
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_err() {
                    break;
                }
                first.push(byte[0]);
            }
            format!("{} bytes one by one, then {}", first.len(), what_comes(&mut stream))
        }
        "vanish" => {
            let _ = stream.write_all(&message[..message.len() / 2]);
            drop(stream);
            format!("gone; the next one: {}", ask(address, message)?)
        }
        _ => {
            // As many as there are descriptors for (ten are given back for the next one), and as
            // many as the server's kernel takes: its queue, too, has an end.
            let mut idle: Vec<_> = (0..IDLE).map_while(|_| connect(address).ok()).collect();
            idle.truncate(idle.len().saturating_sub(10));
            let answer = ask(address, message).unwrap_or_else(|error| error.to_string());
            format!("{} open; another: {answer}", idle.len())
        }
    })
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(QUIET))?;
    stream.set_write_timeout(Some(QUIET))?;
    Ok(stream)
}

/// Behaves well, on a connection of its own.
fn ask(address: SocketAddr, message: &[u8]) -> io::Result<String> {
    let mut stream = connect(address)?;
    let _ = stream.write_all(message);
    Ok(what_comes(&mut stream))
}

/// What comes until the end, a reset, or silence.
fn what_comes(stream: &mut TcpStream) -> String {
    let (mut begin, mut count) = (Vec::new(), 0);
    let mut piece = [0; 16 * 1024];
    let end = loop {
        match stream.read(&mut piece) {
            Ok(0) => break "the end",
            Ok(n) => {
                begin.extend(piece[..n].iter().take(300 - begin.len().min(300)));
                count += n;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {} // we were stopped and went on
            Err(error) if error.kind() == ErrorKind::WouldBlock => break "silence",
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break "a reset",
            Err(_) => break "an error",
        }
        if count > LIMIT {
            break "more than anybody wants";
        }
    };
    format!("{count} bytes back, then {end}: {:?}", String::from_utf8_lossy(&begin))
}
