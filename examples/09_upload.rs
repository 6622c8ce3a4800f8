//! An upload: name, size and content over one stream, checked, and resumed where it broke.
//!
//! ```text
//! cargo run --release --example 09_upload                            into the directory `uploads`
//! cargo run --release --example 09_upload -- client 9999 FILE        sends FILE
//! ```
//!
//! *Needs:* `cargo add rustix --features fs` and `cargo add sha2`
//!
//! *Shows:* a protocol with lines and bytes on the same stream. The sender says `put SIZE NAME`;
//! the server answers `have OFFSET`, what it has of it already; the sender sends the rest and then
//! the 32 bytes of the SHA-256 of the whole; the server answers `stored` or `error WHY`. Both sides
//! hold one piece of 64 KiB, whatever the size. What has come is in `NAME.part`, until it is
//! complete and right.
//!
//! *Cannot:* send two files over one connection, or know who sends them. A part that nobody resumes
//! stays. Eight senders at once; the ninth waits. `10_big_file` is about the way out.
//!
//! *The tutorial* expected `command|name|size` in one recv while its own client sent `name|size`.
//! It sent `nothing` "against sticky packets", which only hides that nothing said where the line
//! ends. It joined the name to its directory as it came (`../../etc/passwd`), wrote over what was
//! there, looped for ever when a sender left in the middle, kept half a file under the final name,
//! and its client took it that `send` sends everything.

use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

const SENDERS: usize = 8;
const PIECE: usize = 64 * 1024;
const LINE_LIMIT: u64 = 512;
const SIZE_LIMIT: u64 = 1 << 40;
/// One who says nothing for so long has gone, or may as well have.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    // Not `env::args`: the name of a file need not be UTF-8.
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    match &words[..] {
        [first, to, file] if first == "client" => client(&address(to), Path::new(file)),
        [port, directory] => server(&address(port), Path::new(directory)),
        [port] => server(&address(port), Path::new("uploads")),
        [] => server("127.0.0.1:9999", Path::new("uploads")),
        _ => Err("say PORT [DIRECTORY], or client PORT FILE".into()),
    }
}

/// A port alone is one on this machine; `0.0.0.0:9999` would let other machines in.
fn address(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.contains(':') { word.into_owned() } else { format!("127.0.0.1:{word}") }
}

fn server(address: &str, directory: &Path) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let shown = directory.display();
    fs::create_dir_all(directory).map_err(|error| format!("cannot make {shown}: {error}"))?;
    writeln!(io::stdout(), "listening on {}, into {shown}", listener.local_addr()?)?;
    // A fixed number of threads that all wait in accept; the kernel gives each connection to one.
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| serve(&listener, directory));
        }
    });
    Ok(())
}

fn serve(listener: &TcpListener, directory: &Path) {
    loop {
        // A connection may be lost before it is accepted. Lack of descriptors, the error that would
        // come again at once, cannot be: eight threads have no more than thirty.
        let Ok((stream, peer)) = listener.accept() else { continue };
        let end = receive(&stream, directory).unwrap_or_else(|error| {
            let _ = writeln!(&stream, "error {error}"); // the sender may have gone
            format!("error: {error}")
        });
        if writeln!(io::stdout(), "{peer} {end}").is_err() {
            process::exit(1); // the reader of our output has gone
        }
    }
}

/// Takes one file. An error is told to the sender.
fn receive(mut stream: &TcpStream, directory: &Path) -> Result<String, Box<dyn Error>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut input = BufReader::new(stream);
    let line = read_line(&mut input)?;
    let (size, name) = parse(&line).ok_or("this is not: put SIZE NAME")?;
    if !is_plain(name) {
        return Err("this is no plain name".into());
    }
    let target = directory.join(OsStr::from_bytes(name));
    let part = directory.join(OsStr::from_bytes(&[name, b".part"].concat()));
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&part)?;
    // The kernel frees the lock with the process, also with one that was killed.
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| "somebody else is sending it")?;
    if target.symlink_metadata().is_ok() {
        let _ = fs::remove_file(&part); // unless it was renamed just now
        return Err("it is there already".into());
    }
    let mut have = file.metadata()?.len();
    if have > size {
        file.set_len(0)?; // another file that had this name
        have = 0;
    }
    // What came in an earlier try counts, and is hashed again: the sum is that of the whole file.
    let mut hash = Sha256::new();
    copy(&mut file, have, &mut hash, io::sink())?;
    writeln!(stream, "have {have}")?;
    have += copy(&mut input, size - have, &mut hash, &file)?;
    if have < size {
        return Err(format!("ended at {have} of {size}; another try goes on there").into());
    }
    let mut sum = [0; 32];
    input.read_exact(&mut sum)?;
    if hash.finalize()[..] != sum {
        fs::remove_file(&part)?;
        return Err("it differs from what was sent; try again".into());
    }
    file.sync_all()?; // the content is on the disk before the name is
    fs::rename(&part, &target)?; // whoever looks sees all of it or nothing
    writeln!(stream, "stored")?;
    Ok(format!("stored {target:?}, {size} bytes"))
}

/// Reads up to `size` bytes, a piece at a time, and returns how many there were.
fn copy(from: impl Read, size: u64, hash: &mut Sha256, mut to: impl Write) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut from = from.take(size); // never into what comes after the content
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(size - from.limit()),
            n => {
                hash.update(&piece[..n]);
                to.write_all(&piece[..n])?; // as many writes as it takes
            }
        }
    }
}

/// A line without its newline.
fn read_line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    match line.pop() {
        Some(b'\n') => Ok(line),
        _ => Err(io::Error::other("a line without end")),
    }
}

/// `put SIZE NAME`
fn parse(line: &[u8]) -> Option<(u64, &[u8])> {
    let line = line.strip_prefix(b"put ")?;
    let space = line.iter().position(|&byte| byte == b' ')?;
    let size = str::from_utf8(&line[..space]).ok()?.parse().ok()?;
    (size <= SIZE_LIMIT).then_some((size, &line[space + 1..]))
}

/// A name that stays in its directory, shows in a listing, and is no part of another file.
fn is_plain(name: &[u8]) -> bool {
    let is_hidden = name.starts_with(b".") || name.ends_with(b".part");
    let is_odd = name.iter().any(|byte| *byte == b'/' || byte.is_ascii_control());
    (1..=200).contains(&name.len()) && !is_hidden && !is_odd
}

fn client(address: &str, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (size, is_file) = file.metadata().map(|meta| (meta.len(), meta.is_file()))?;
    let name = path.file_name().filter(|_| is_file).ok_or("this is no file")?;
    let mut stream =
        TcpStream::connect(address).map_err(|error| format!("cannot reach {address}: {error}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut replies = BufReader::new(stream.try_clone()?);

    stream.write_all(&[format!("put {size} ").as_bytes(), name.as_bytes(), b"\n"].concat())?;
    let reply = read_line(&mut replies)?;
    let reply = String::from_utf8_lossy(&reply);
    let have = match reply.strip_prefix("have ").map(str::parse) {
        Some(Ok(have)) if have <= size => have,
        _ => return Err(reply.into()),
    };
    writeln!(io::stdout(), "{have} of {size} bytes are there already")?;
    let mut hash = Sha256::new();
    let mut done = copy(&mut file, have, &mut hash, io::sink())?;
    let sent = (1..=10).try_for_each(|tenth| {
        let goal = size - size / 10 * (10 - tenth);
        done += copy(&mut file, goal.saturating_sub(done), &mut hash, &stream)?;
        if goal > have { writeln!(io::stdout(), "{tenth}0 %") } else { Ok(()) }
    });
    if sent.is_ok() && done < size {
        return Err("the file became shorter".into());
    }
    let sent = sent.and_then(|()| stream.write_all(&hash.finalize()));
    // A server that has given up says why, though it takes nothing any more.
    match (sent, read_line(&mut replies)) {
        (Ok(()), Ok(reply)) if reply == b"stored" => Ok(writeln!(io::stdout(), "stored")?),
        (_, Ok(reply)) => Err(String::from_utf8_lossy(&reply).into()),
        (_, Err(error)) => {
            Err(format!("the connection broke ({error}); another try goes on there").into())
        }
    }
}
