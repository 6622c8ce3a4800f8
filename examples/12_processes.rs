//! Processes: memory of one's own, and three ways to share something nevertheless.
//!
//! ```text
//! cargo run --example 12_processes
//! ```
//!
//! *Needs:* `cargo add rustix --features fs,mm,process`
//!
//! *Shows:* that what a child changes, its parent does not see; a pipe (both write and read);
//! shared memory (a memfd that both map); a process that owns a map and answers over a Unix socket;
//! and what a process costs against a thread. The program starts itself, with a word that says what
//! to be.
//!
//! *Cannot:* bound how much runs at once: `13_pool`. And shared memory has no edges and no turns:
//! here each number is an atomic, and more than one number would need a lock that processes can
//! share.
//!
//! *The tutorial* says that a process is expensive because its data is copied. It is not: fork
//! shares the pages until one side writes, and the numbers at the end are mostly those of starting
//! a program anew. Its `Manager` is the third way in disguise: `dic[i] = …` sends a message to
//! another process, and so `dic[i] += 1` is two, between which anybody may come.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::process::{Signal, set_parent_process_death_signal};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_] | [] => {
            own_memory()?;
            pipe()?;
            shared_memory()?;
            manager()?;
            cost()
        }
        [_, "append", i] => append(&mut Vec::new(), i.parse()?),
        [_, "add"] => add(),
        [_, "array", i] => array(i.parse()?),
        [_, "manager"] => own_a_map(),
        [_, "put", name, i] => put(name, i.parse()?),
        [_, "nothing"] => Ok(()),
        _ => Err("it takes no words".into()),
    }
}

/// This program once more, to be started with these words.
fn again(words: &[&str]) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(words);
    Ok(command)
}

/// A child that nobody waits for stays in the process table as a zombie.
fn finish(mut child: Child) -> Result<(), Box<dyn Error>> {
    let status = child.wait()?;
    status.success().then_some(()).ok_or_else(|| format!("a child failed: {status}").into())
}

// 1 Memory of its own

fn own_memory() -> Result<(), Box<dyn Error>> {
    let mut li = Vec::new();
    for i in 0..3 {
        finish(again(&["append", &i.to_string()])?.spawn()?)?;
    }
    writeln!(io::stdout(), "ending {li:?}: what the children appended is theirs")?;
    append(&mut li, 3)
}

fn append(li: &mut Vec<u32>, i: u32) -> Result<(), Box<dyn Error>> {
    li.push(i);
    writeln!(io::stdout(), "say hi {li:?}")?;
    Ok(())
}

// 2 A pipe: bytes in order, an end when the last writer closes

fn pipe() -> Result<(), Box<dyn Error>> {
    let mut child = again(&["add"])?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut to = child.stdin.take().ok_or("no pipe")?;
    to.write_all(b"11 22 33 44")?;
    drop(to); // or the child would read, and we would wait for it, for ever
    let sum = io::read_to_string(child.stdout.take().ok_or("no pipe")?)?;
    writeln!(io::stdout(), "pipe: 11 22 33 44 went in, {} came out", sum.trim())?;
    finish(child)
}

fn add() -> Result<(), Box<dyn Error>> {
    let text = io::read_to_string(io::stdin())?;
    let numbers = text.split_whitespace().map(str::parse::<u32>);
    writeln!(io::stdout(), "{}", numbers.sum::<Result<u32, _>>()?)?;
    Ok(())
}

// 3 Shared memory: the same pages under two addresses

const ITEMS: usize = 4;

fn shared_memory() -> Result<(), Box<dyn Error>> {
    let file = File::from(memfd_create("array", MemfdFlags::CLOEXEC)?); // a file in memory only
    file.set_len((ITEMS * size_of::<AtomicI32>()) as u64)?;
    let temp = map(&file)?;
    for (item, value) in temp.iter().zip([11, 22, 33, 44]) {
        item.store(value, Ordering::Relaxed);
    }
    for i in 0..2 {
        // The child inherits the file as its standard input. Waiting for it orders what it wrote
        // before what we read.
        finish(again(&["array", &i.to_string()])?.stdin(file.try_clone()?).spawn()?)?;
    }
    let items: Vec<i32> = temp.iter().map(|item| item.load(Ordering::Relaxed)).collect();
    writeln!(io::stdout(), "shared memory: {items:?}")?;
    Ok(())
}

fn array(i: usize) -> Result<(), Box<dyn Error>> {
    let temp = map(&File::from(io::stdin().as_fd().try_clone_to_owned()?))?;
    let item = temp.get(i).ok_or("so many items there are not")?;
    item.store(100 + i32::try_from(i)?, Ordering::Relaxed);
    for item in temp {
        writeln!(io::stdout(), "{i} -----> {}", item.load(Ordering::Relaxed))?;
    }
    Ok(())
}

/// Maps the file's pages into this process.
fn map(file: &File) -> io::Result<&'static [AtomicI32]> {
    let length = ITEMS * size_of::<AtomicI32>();
    if file.metadata()?.len() < length as u64 {
        return Err(io::Error::other("this is not the array")); // beyond its end is SIGBUS
    }
    let access = ProtFlags::READ | ProtFlags::WRITE;
    #[expect(unsafe_code, reason = "another process writes there at any time")]
    // SAFETY: a new mapping, aligned to a page, as long as the slice, and never unmapped. All who
    // have it use atomics only, for which any bytes are a value; nobody makes the file shorter.
    unsafe {
        let start = mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, file, 0)?;
        Ok(std::slice::from_raw_parts(start.cast::<AtomicI32>(), ITEMS))
    }
}

// 4 A process that owns what others ask it for

fn manager() -> Result<(), Box<dyn Error>> {
    // A name in the abstract namespace (unix(7)): no file that somebody has to remove. Any user of
    // this machine may connect; a path in a directory of one's own would keep them out.
    let name = format!("12_processes.{}", std::process::id());
    // Bound before the child starts: whoever connects now waits in the backlog.
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    let manager = again(&["manager"])?.stdin(OwnedFd::from(listener)).spawn()?;
    writeln!(io::stdout(), "manager: process {}", manager.id())?;
    for i in 0..2 {
        finish(again(&["put", &name, &i.to_string()])?.spawn()?)?;
    }
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name)?)?.write_all(b"end\n")?;
    finish(manager)
}

fn own_a_map() -> Result<(), Box<dyn Error>> {
    set_parent_process_death_signal(Some(Signal::TERM))?; // no manager without those it serves
    let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut dic = BTreeMap::new();
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?; // one at a time, none for long
        for line in BufReader::new(stream.try_clone()?.take(4096)).lines().map_while(Result::ok) {
            let reply = match line.split(' ').collect::<Vec<_>>()[..] {
                ["end"] => return Ok(()),
                ["values"] => format!("{:?}", dic.values().collect::<Vec<_>>()),
                ["set", key, value] => {
                    dic.insert(key.to_owned(), value.to_owned());
                    "ok".to_owned()
                }
                _ => "set KEY VALUE, values, or end".to_owned(),
            };
            let _ = writeln!(&stream, "{reply}"); // who asked may have gone
        }
    }
}

fn put(name: &str, i: u32) -> Result<(), Box<dyn Error>> {
    let mut stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    writeln!(stream, "set {i} {}\nvalues", 100 + i)?;
    for reply in BufReader::new(stream).lines().take(2) {
        writeln!(io::stdout(), "manager: {}", reply?)?;
    }
    Ok(())
}

// 5 The price

fn cost() -> Result<(), Box<dyn Error>> {
    const TIMES: u32 = 50;
    let begun = Instant::now();
    for _ in 0..TIMES {
        thread::Builder::new().spawn(|| ())?.join().map_err(|_| "a thread panicked")?;
    }
    let for_a_thread = begun.elapsed() / TIMES;
    let begun = Instant::now();
    for _ in 0..TIMES {
        finish(again(&["nothing"])?.spawn()?)?;
    }
    let for_a_process = begun.elapsed() / TIMES;
    writeln!(io::stdout(), "cost: a thread {for_a_thread:.1?}, a process {for_a_process:.1?}")?;
    Ok(())
}
