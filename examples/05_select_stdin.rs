//! Waiting for input or for time, whichever comes first: select(2).
//!
//! ```text
//! cargo run --example 05_select_stdin            type lines; Ctrl-D ends
//! ```
//!
//! *Needs:* `cargo add rustix --features event,stdio`
//!
//! *Shows:* the question that all that follows is about. A descriptor is the small number by which
//! a process knows an open file, terminal or socket; 0 is its input. `read` waits for one
//! descriptor and nothing else; `select` waits until one of a set has something, or until a time
//! has passed. The loop goes on in either case, and `read` afterwards does not wait.
//!
//! *Cannot:* know more than one source of events. `06_select_chat` puts many sockets into the set.
//!
//! *The tutorial* read with `sys.stdin.readline()`, which fills a buffer that select cannot see:
//! paste two lines, and the second is printed only when a third one comes. At the end of input,
//! select says "readable" for ever, because an end can be read without waiting, and the loop
//! printed empty lines at full speed.

use std::error::Error;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use rustix::event::{FdSetElement, Timespec, fd_set_insert, fd_set_num_elements, select};

/// A line longer than this is taken in pieces.
const LIMIT: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut input = Vec::new();
    loop {
        if !stdin_is_readable(1)? {
            writeln!(io::stdout(), "nothing for a second; the loop goes on")?;
            continue;
        }
        // read(2) itself and not `io::stdin()`: what is left behind in a buffer of the process,
        // select does not know of.
        let mut piece = [0; LIMIT];
        let n = rustix::io::read(rustix::stdio::stdin(), &mut piece)?;
        input.extend_from_slice(&piece[..n]);
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = input.drain(..=end).collect();
            show(&line)?;
        }
        // The last line may lack its newline; one without end must not fill the memory.
        if !input.is_empty() && (n == 0 || input.len() >= LIMIT) {
            show(&input)?;
            input.clear();
        }
        if n == 0 {
            writeln!(io::stdout(), "end of input")?;
            return Ok(());
        }
    }
}

fn show(line: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(line);
    writeln!(io::stdout(), "select get stdin {:?}", text.trim_end())
}

/// Waits until there is something to read (or the end of it), at most so many seconds.
fn stdin_is_readable(seconds: i64) -> io::Result<bool> {
    let stdin = io::stdin().as_raw_fd();
    // A set is a row of bits, one for each descriptor up to the highest. The kernel overwrites it
    // with its answer, so it is made anew for each call.
    let mut readable = vec![FdSetElement::default(); fd_set_num_elements(1, stdin + 1)];
    fd_set_insert(&mut readable, stdin);
    let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "select(2) takes bare numbers for descriptors")]
    // SAFETY: the one descriptor in the set stays open as long as the process runs.
    let ready = unsafe { select(stdin + 1, Some(&mut readable), None, None, Some(&limit)) }?;
    Ok(ready > 0)
}
