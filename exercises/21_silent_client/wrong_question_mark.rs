//! Threads, and `?` for what a client does: the first one who is gone before its turn ends the server.
//! a client that is gone at once: the next one cannot connect, or has no answer after 2 s

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves until the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        thread::sleep(std::time::Duration::from_millis(1));
        stream.take_error()?.map_or(Ok(()), Err)?;
        stream.set_nodelay(true)?;
        thread::spawn(move || conversation(stream));
    }
}

/// One line in, one line out.
fn conversation(mut stream: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    write!(stream, "you said: {line}")
}
