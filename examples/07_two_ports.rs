//! Two listeners in one wait; a thread for each caller.
//!
//! ```text
//! cargo run --example 07_two_ports                     the menu, on 127.0.0.1:8020 and 8021
//! cargo run --example 07_two_ports -- client 8021      a caller; `exit` hangs up
//! ```
//!
//! *Needs:* `cargo add rustix --features event`
//!
//! *Shows:* why accept(2) alone is not enough: it waits for one listener. select waits for both,
//! and says at which one somebody is. `PORT PORT` chooses others; if only one is given, the second
//! is any.
//!
//! *Cannot:* refuse anybody: a thousand callers are a thousand threads, until the system gives no
//! more. `08_thread_chat` bounds them, `06_select_chat` needs none.
//!
//! *The tutorial* called accept on listeners that wait: a caller who left between select and accept
//! stopped both ports until the next one called. A thread whose caller had left without `exit` went
//! on answering the end of the stream, until that failed.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::Duration;

use rustix::event::{
    FdSetElement, FdSetIter, fd_set_bound, fd_set_insert, fd_set_num_elements, select,
};

/// A line longer than this is no choice from a menu.
const LIMIT: u64 = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match (words.next(), words.next()) {
        (Some(word), port) if word == "client" => client(&address(port, "8020")),
        (None, _) => server(["127.0.0.1:8020".to_owned(), "127.0.0.1:8021".to_owned()]),
        (first, second) => server([address(first, "0"), address(second, "0")]),
    }
}

/// A port alone is one on this machine; `0.0.0.0:8020` would let other machines in.
fn address(word: Option<String>, default: &str) -> String {
    let word = word.unwrap_or_else(|| default.to_owned());
    if word.contains(':') { word } else { format!("127.0.0.1:{word}") }
}

fn server(addresses: [String; 2]) -> Result<(), Box<dyn Error>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(&address)
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        // That somebody was there when select looked does not mean that they still are.
        listener.set_nonblocking(true)?;
        listeners.push(listener);
    }
    let [first, second] = [listeners[0].local_addr()?, listeners[1].local_addr()?];
    writeln!(io::stdout(), "listening on {first} and {second}")?;
    loop {
        let readable = wait(&listeners)?;
        for listener in listeners.iter().filter(|it| readable.contains(&it.as_raw_fd())) {
            let (stream, peer) = match listener.accept() {
                Ok(both) => both,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => {
                    // No descriptor is free (EMFILE), and who calls stays there to be reported
                    // again at once: a pause, or this loop would be a busy one.
                    writeln!(io::stdout(), "cannot accept: {error}")?;
                    thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            writeln!(io::stdout(), "{peer} calls {}", listener.local_addr()?)?;
            // Not `thread::spawn`, which panics where the system has no thread left.
            let started = thread::Builder::new().spawn(move || {
                let end = match talk(&stream) {
                    Ok(()) => format!("{peer} hung up"),
                    Err(error) => format!("{peer} lost: {error}"),
                };
                let _ = writeln!(io::stdout(), "{end}");
            });
            if let Err(error) = started {
                writeln!(io::stdout(), "{peer} refused: {error}")?;
            }
        }
    }
}

/// Waits until somebody calls at one of these.
fn wait(listeners: &[TcpListener]) -> io::Result<Vec<RawFd>> {
    let highest = listeners.iter().map(AsRawFd::as_raw_fd).max().unwrap_or(0);
    let mut set = vec![FdSetElement::default(); fd_set_num_elements(2, highest + 1)];
    for listener in listeners {
        fd_set_insert(&mut set, listener.as_raw_fd());
    }
    #[expect(unsafe_code, reason = "select(2) takes bare numbers for descriptors")]
    // SAFETY: the listeners are borrowed, and so open, during the call.
    unsafe { select(fd_set_bound(&set), Some(&mut set), None, None, None) }?;
    Ok(FdSetIter::new(&set).collect())
}

fn talk(mut stream: &TcpStream) -> io::Result<()> {
    // On Linux an accepted socket waits, whatever its listener does; elsewhere it may not.
    stream.set_nonblocking(false)?;
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
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    while let Some(line) = read_line(&mut lines)? {
        writeln!(io::stdout(), "receive: {}", line.trim_end())?;
        write!(io::stdout(), "please input:")?;
        io::stdout().flush()?;
        let Some(input) = read_line(&mut io::stdin().lock())? else {
            return Ok(());
        };
        stream.write_all(format!("{}\n", input.trim_end()).as_bytes())?;
        if input.trim() == "exit" {
            return Ok(());
        }
    }
    Err("the server hung up".into())
}
