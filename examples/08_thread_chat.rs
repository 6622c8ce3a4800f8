//! A thread for each client, so many and no more, and one thing that they share behind a lock.
//!
//! ```text
//! cargo run --example 08_thread_chat             the menu, on 127.0.0.1:8009
//! cargo run --example 08_thread_chat -- client   a caller; `exit` hangs up
//! ```
//!
//! *Needs:* nothing but std.
//!
//! *Shows:* that the code of a dialogue stays as simple as in `04_menu_chat`, because each thread
//! may wait; and what is new: a bound, and a lock around what all callers count together (`1xxx`).
//!
//! *Cannot:* hold a thousand idle callers. Each costs a thread: a stack (2 MiB of addresses, a few
//! pages of them used), a place in the kernel's tables, a switch per message. Number 101 hears that
//! the line is busy. `13_pool` bounds the threads but not who waits; `22_http_select` and the
//! programs after it need one thread for all.
//!
//! *The tutorial* (`ThreadingTCPServer`) started as many threads as there were callers, without a
//! bound. It offered `1xxx` and answered all of them with `请重新输入.`.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// So many callers at once.
const CALLERS: usize = 100;
/// A caller who says nothing for so long holds the line for nothing.
const IDLE: Duration = Duration::from_secs(60);
/// A line longer than this is no choice from a menu.
const LIMIT: u64 = 1024;

/// What all threads share.
struct Counters {
    callers: usize,
    /// How often each of 1000 to 1999 was asked for, by anybody.
    asked: [u64; 1000],
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match words.next() {
        Some(word) if word == "client" => client(&address(words.next())),
        word => server(&address(word)),
    }
}

/// A port alone is one on this machine; `0.0.0.0:8009` would let other machines in.
fn address(word: Option<String>) -> String {
    let word = word.unwrap_or_else(|| "8009".to_owned());
    if word.contains(':') { word } else { format!("127.0.0.1:{word}") }
}

fn server(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let counters = Arc::new(Mutex::new(Counters { callers: 0, asked: [0; 1000] }));
    loop {
        let (mut stream, peer) = match listener.accept() {
            Ok(both) => both,
            Err(error) => {
                // No descriptor is free, or the caller has gone: neither is a reason to end.
                writeln!(io::stdout(), "cannot accept: {error}")?;
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if lock(&counters).callers == CALLERS {
            writeln!(io::stdout(), "{peer} hears that the line is busy")?;
            // One short line fits into any new socket: this does not wait.
            let _ = stream.write_all("线路忙,请稍后再拨.\n".as_bytes());
            continue;
        }
        lock(&counters).callers += 1; // only this thread adds: nobody came in between
        writeln!(io::stdout(), "{peer} calls")?;
        let shared = Arc::clone(&counters);
        let started = thread::Builder::new().spawn(move || {
            let end = match talk(&stream, &shared) {
                Ok(()) => format!("{peer} hung up"),
                Err(error) => format!("{peer} lost: {error}"),
            };
            lock(&shared).callers -= 1;
            let _ = writeln!(io::stdout(), "{end}");
        });
        if let Err(error) = started {
            lock(&counters).callers -= 1;
            writeln!(io::stdout(), "{peer} refused: {error}")?;
        }
    }
}

/// A thread that panicked with the lock in hand leaves it "poisoned". Nothing here can be left half
/// done, so what is behind the lock is still right.
fn lock(counters: &Mutex<Counters>) -> MutexGuard<'_, Counters> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

fn talk(mut stream: &TcpStream, counters: &Mutex<Counters>) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?; // one who does not read is as bad as a silent one
    let mut lines = BufReader::new(stream);
    stream.write_all("欢迎致电 10086,请输入1xxx,0转人工服务.\n".as_bytes())?;
    while let Some(line) = read_line(&mut lines)? {
        let reply = match line.trim() {
            "exit" => break,
            "0" => "通过可能会被录音.balabala一大推\n".to_owned(),
            word => match word.parse() {
                Ok(number @ 1000..2000) => {
                    // The lock ends with this line. To hold it while writing to a socket would let
                    // one slow caller stop all others.
                    let times = count(&mut lock(counters), number);
                    format!("{number}: {times}\n")
                }
                _ => "请重新输入.\n".to_owned(),
            },
        };
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}

fn count(counters: &mut Counters, number: usize) -> u64 {
    let asked = &mut counters.asked[number - 1000];
    *asked += 1;
    *asked
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
