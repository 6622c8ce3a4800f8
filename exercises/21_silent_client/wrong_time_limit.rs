//! Waits for each client, but not long. Those who take their time lose their place, and a hundred who say
//! nothing still cost a hundred times the limit:
//! a client that takes 400 ms: it was cut off

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Serves until the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_millis(10)))?;
        let _ = conversation(stream);
    }
}

/// One line in, one line out.
fn conversation(mut stream: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    write!(stream, "you said: {line}")
}
