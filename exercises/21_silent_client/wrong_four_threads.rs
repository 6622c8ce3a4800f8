//! Four threads share the work. Four silent clients hold all of them:
//! a hundred clients say nothing: the next one has no answer after 2 s

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves until the listener fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Ok((stream, _)) = listener.accept() {
                    let _ = conversation(stream);
                }
            });
        }
    });
    Ok(())
}

/// One line in, one line out.
fn conversation(mut stream: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    write!(stream, "you said: {line}")
}
