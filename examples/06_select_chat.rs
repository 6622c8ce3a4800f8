//! Many clients in one thread: a chat on select(2).
//!
//! ```text
//! cargo run --example 06_select_chat             the chat, on 127.0.0.1:8002
//! cargo run --example 06_select_chat -- client   one who chats, in two other terminals
//! ```
//!
//! *Needs:* `cargo add rustix --features event,stdio`
//!
//! *Shows:* the event loop. Ask which sockets are ready, serve those, ask again; no call but select
//! waits. What a client has not sent yet, and what it has not taken yet, is kept with the client.
//! Its client waits for two things as well: what is typed and what the others say.
//!
//! *Cannot:* watch descriptor 1,024 (`FD_SETSIZE`): the row of bits ends there, and newcomers are
//! turned away. And each wait looks at every bit, however few are set: the price of a wake grows
//! with the number of idle clients. `23_http_poll` has no such end, `24_http_epoll_level` no such
//! price.
//!
//! *The tutorial* ended when a client was reset (recv raises an exception), and never closed the
//! socket of one that had left. It only printed what it got. A server that also sends meets clients
//! that do not read, and that is what most of this file is about.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

use rustix::event::{self, FdSetElement, FdSetIter};

/// The bits of a set, as the C library has it: descriptors 0 to 1,023.
const FD_SETSIZE: RawFd = 1024;
/// A line longer than this is none, and its sender is sent away.
const LINE_LIMIT: usize = 1024;
/// One who is this far behind with reading does not read.
const OUTPUT_LIMIT: usize = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match words.next() {
        Some(word) if word == "client" => client(&address(words.next())),
        word => server(&address(word)),
    }
}

/// A port alone is one on this machine; `0.0.0.0:8002` would let other machines in.
fn address(word: Option<String>) -> String {
    let word = word.unwrap_or_else(|| "8002".to_owned());
    if word.contains(':') { word } else { format!("127.0.0.1:{word}") }
}

/// What the loop has to remember of a client between two wakes.
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    /// The begin of a line whose end has not come yet.
    input: Vec<u8>,
    /// What the others said and the socket did not take yet.
    output: Vec<u8>,
}

fn server(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    // A client may leave between select and accept; accept would then wait for the next one.
    listener.set_nonblocking(true)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let mut clients: BTreeMap<RawFd, Client> = BTreeMap::new();
    let mut can_accept = true;
    loop {
        let mut read: Vec<RawFd> = clients.keys().copied().collect();
        read.extend(can_accept.then_some(listener.as_raw_fd()));
        // A socket is nearly always writable: to ask while there is nothing to write means that
        // select never waits again.
        let write: Vec<RawFd> =
            clients.iter().filter(|(_, it)| !it.output.is_empty()).map(|(fd, _)| *fd).collect();
        let readable = wait(&read, &write)?;

        let (mut said, mut gone) = (Vec::new(), Vec::new());
        for (fd, client) in clients.iter_mut().filter(|(fd, _)| readable.contains(fd)) {
            match client.receive() {
                Ok(text) => said.push((*fd, client.peer, text)),
                Err(why) => gone.push((*fd, why)),
            }
        }
        for (from, peer, text) in said {
            for line in text.split_inclusive(|&byte| byte == b'\n') {
                let shown = String::from_utf8_lossy(line);
                writeln!(io::stdout(), "{peer} said {:?}", shown.trim_end())?;
                for (_, client) in clients.iter_mut().filter(|(fd, _)| **fd != from) {
                    client.output.extend([format!("{peer}: ").as_bytes(), line].concat());
                }
            }
        }
        // To everybody, not only to those that select found writable: most sockets have room at
        // once, and select was asked before anything was said. A full one loses nothing.
        for (fd, client) in clients.iter_mut().filter(|(_, it)| !it.output.is_empty()) {
            if let Err(why) = client.send() {
                gone.push((*fd, why));
            }
        }
        for (fd, why) in gone {
            let Some(client) = clients.remove(&fd) else { continue };
            writeln!(io::stdout(), "{} gone: {why}", client.peer)?;
            can_accept = true; // its descriptor is free again
        }
        // Last, for the kernel gives the lowest free number: a newcomer accepted earlier could
        // bear the number of one who has just gone, and be taken for it in this turn.
        if readable.contains(&listener.as_raw_fd()) {
            can_accept = accept(&listener, &mut clients)?;
        }
    }
}

/// Lets in who waits. False if that cannot go on before somebody leaves: the listener then stays
/// readable, and to go on asking for it would turn the loop into a busy one.
fn accept(listener: &TcpListener, clients: &mut BTreeMap<RawFd, Client>) -> io::Result<bool> {
    loop {
        let (mut stream, peer) = match listener.accept() {
            Ok(both) => both,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => {
                writeln!(io::stdout(), "cannot accept: {error}")?; // EMFILE: no descriptor is free
                return Ok(clients.is_empty());
            }
        };
        // From here on, a call that would have to wait fails with WouldBlock instead.
        stream.set_nonblocking(true)?;
        let fd = stream.as_raw_fd();
        if fd >= FD_SETSIZE {
            writeln!(io::stdout(), "{peer} sent away: select cannot watch descriptor {fd}")?;
            let _ = stream.write(b"the chat is full\n"); // as a courtesy
            continue;
        }
        writeln!(io::stdout(), "{peer} came, descriptor {fd}")?;
        let output = format!("welcome; others here: {}\n", clients.len()).into_bytes();
        clients.insert(fd, Client { stream, peer, input: Vec::new(), output });
    }
}

impl Client {
    /// The lines that are complete now, maybe none. An end is an error: nothing comes after it.
    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => return Err(io::Error::other("left")),
            Ok(n) => self.input.extend_from_slice(&piece[..n]),
            // Rarely, there is nothing after all (select(2), BUGS).
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let end = self.input.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if self.input.len() - end > LINE_LIMIT {
            return Err(io::Error::other("a line without end"));
        }
        Ok(self.input.drain(..end).collect())
    }

    /// Sends what the socket takes now, and keeps the rest.
    fn send(&mut self) -> io::Result<()> {
        match self.stream.write(&self.output) {
            Ok(n) => drop(self.output.drain(..n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.output.len() > OUTPUT_LIMIT {
            return Err(io::Error::other("does not read"));
        }
        Ok(())
    }
}

/// Waits until at least one of these descriptors can be read or written without waiting, and
/// returns those that can be read: to the others, something is sent anyway.
fn wait(read: &[RawFd], write: &[RawFd]) -> io::Result<Vec<RawFd>> {
    let mut readable = vec![FdSetElement::default(); event::fd_set_num_elements(1024, FD_SETSIZE)];
    let mut writable = readable.clone();
    read.iter().for_each(|fd| event::fd_set_insert(&mut readable, *fd));
    write.iter().for_each(|fd| event::fd_set_insert(&mut writable, *fd));
    let bound = event::fd_set_bound(&readable).max(event::fd_set_bound(&writable));
    #[expect(unsafe_code, reason = "select(2) takes bare numbers for descriptors")]
    // SAFETY: whoever calls keeps these descriptors open during the call.
    unsafe { event::select(bound, Some(&mut readable), Some(&mut writable), None, None) }?;
    Ok(FdSetIter::new(&readable).collect())
}

fn client(address: &str) -> Result<(), Box<dyn Error>> {
    let mut stream =
        TcpStream::connect(address).map_err(|error| format!("cannot reach {address}: {error}"))?;
    let (stdin, socket) = (io::stdin().as_raw_fd(), stream.as_raw_fd());
    let mut piece = [0; 4096];
    loop {
        let readable = wait(&[stdin, socket], &[])?;
        if readable.contains(&socket) {
            match stream.read(&mut piece)? {
                0 => return Err("the server closed".into()),
                n => write!(io::stdout(), "{}", String::from_utf8_lossy(&piece[..n]))?,
            }
        }
        if readable.contains(&stdin) {
            match rustix::io::read(rustix::stdio::stdin(), &mut piece)? {
                0 => return Ok(()),
                n => stream.write_all(&piece[..n])?,
            }
        }
    }
}
