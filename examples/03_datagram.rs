//! Datagrams: one recv is one message, whole or cut, and none is promised.
//!
//! ```text
//! cargo run --example 03_datagram                the receiver, on 127.0.0.1:9999
//! cargo run --example 03_datagram -- client      type lines; `exit` ends
//! cargo run --example 03_datagram -- limits      size, cutting, loss and refusal, measured
//! ```
//!
//! *Needs:* nothing but std.
//!
//! *Shows:* the other half of the socket calls. There is no connection: no listen, no accept, and
//! no end that the receiver could see. Messages keep their edges, which a stream does not have.
//!
//! *Cannot:* promise that a message arrives, or in which order, or that anybody listens. A protocol
//! on top has to number, repeat and wait; TCP is one that did. `04_menu_chat` goes on with it.
//!
//! *The tutorial* received with `recv(1024)`: the rest of a longer message is thrown away, silently
//! (type a line of 2,000 characters). Nothing in it said that messages are lost; `limits` counts
//! them.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// The largest datagram over IPv4: 65,535 less 20 bytes of IP header and 8 of UDP header.
const LARGEST: usize = 65_507;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match words.next() {
        Some(word) if word == "client" => client(&address(words.next())),
        Some(word) if word == "limits" => limits(),
        word => server(&address(word)),
    }
}

/// A port alone is one on this machine; `0.0.0.0:9999` would let other machines in.
fn address(word: Option<String>) -> String {
    let word = word.unwrap_or_else(|| "9999".to_owned());
    if word.contains(':') { word } else { format!("127.0.0.1:{word}") }
}

fn server(address: &str) -> Result<(), Box<dyn Error>> {
    let socket =
        UdpSocket::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    writeln!(io::stdout(), "listening on {}", socket.local_addr()?)?;
    let mut message = [0; LARGEST]; // room for the largest, so that none is cut
    loop {
        // Each message brings its sender's address: the only thing that tells clients apart.
        let (n, peer) = socket.recv_from(&mut message)?;
        let text = String::from_utf8_lossy(&message[..n]);
        let begin: String = text.chars().take(60).collect();
        writeln!(io::stdout(), "{peer} {n} bytes: {begin:?}")?;
    }
}

fn client(address: &str) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    for line in io::stdin().lines() {
        let line = line?;
        if line.trim() == "exit" {
            break;
        }
        // This says that the message is on its way, no more: it succeeds without any receiver.
        match socket.send_to(line.as_bytes(), address) {
            Ok(n) => writeln!(io::stdout(), "sent {n} bytes; whether they arrive, nobody says")?,
            Err(error) => writeln!(io::stdout(), "not sent: {error}")?,
        }
    }
    Ok(())
}

fn limits() -> Result<(), Box<dyn Error>> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let to = receiver.local_addr()?;
    let mut buffer = [0; LARGEST];

    sender.send_to(&[b'x'; LARGEST], to)?;
    let n = receiver.recv(&mut buffer)?;
    writeln!(io::stdout(), "size: {n} bytes arrived as one message")?;
    if let Err(error) = sender.send_to(&[b'x'; LARGEST + 1], to) {
        writeln!(io::stdout(), "size: one byte more is refused: {error}")?;
    }

    sender.send_to(b"first message", to)?;
    sender.send_to(b"second", to)?;
    let n = receiver.recv(&mut buffer[..5])?;
    writeln!(io::stdout(), "cut: room for 5 got {:?}", String::from_utf8_lossy(&buffer[..n]))?;
    let n = receiver.recv(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..n]);
    writeln!(io::stdout(), "cut: the next recv got {text:?}, and the rest of the first is gone")?;

    // Even on one machine: the receiver's buffer is full after a few hundred, and nobody is told.
    let sent = 10_000;
    for _ in 0..sent {
        sender.send_to(&[0; 1000], to)?;
    }
    receiver.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut arrived = 0;
    while receiver.recv(&mut buffer).is_ok() {
        arrived += 1;
    }
    writeln!(io::stdout(), "loss: sent {sent}, all successfully; arrived {arrived}")?;

    // connect(2) on a datagram socket fixes the other address and sends nothing. It also lets the
    // kernel hand us what came back for an earlier message: here, that nobody listens there.
    drop(receiver);
    sender.connect(to)?;
    writeln!(
        io::stdout(),
        "refusal: to nobody, the first send: {:?}",
        sender.send(b"hello?").is_ok()
    )?;
    if let Err(error) = sender.send(b"hello?") {
        writeln!(io::stdout(), "refusal: and the second: {error}")?;
    }
    Ok(())
}
