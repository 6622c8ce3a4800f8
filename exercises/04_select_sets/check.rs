//! Judged by select(2) itself, over pairs of connected sockets.

use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

use exercises::{Symptom, Verdict, ensure};

use super::answer::Watched;

/// The server's end and the client's.
type Pair = (UnixStream, UnixStream);

pub fn check(_: u64) -> Verdict {
    let pairs = (0..3)
        .map(|_| UnixStream::pair())
        .collect::<Result<Vec<Pair>, _>>();
    let mut pairs = pairs.map_err(|error| Symptom::new(format!("no sockets: {error}")))?;
    pairs.sort_by_key(|(server, _)| server.as_raw_fd());
    let mut watched = Watched::default();
    for (server, _) in &pairs[..2] {
        watch(&mut watched, server)?;
    }
    let (first, second, third) = (0, 1, 2);
    looks(
        &mut watched,
        &mut pairs,
        &[second],
        "its descriptor is the highest",
    )?;
    looks(
        &mut watched,
        &mut pairs,
        &[first],
        "the first answer of select took it out of the set",
    )?;
    watch(&mut watched, &pairs[third].0)?;
    looks(
        &mut watched,
        &mut pairs,
        &[first, second, third],
        "it is one of three",
    )?;
    watched.unwatch(pairs[second].0.as_raw_fd());
    let _ = pairs[second].1.write_all(b"x");
    looks(
        &mut watched,
        &mut pairs,
        &[third],
        "another one is no longer watched",
    )?;
    let refused = watched.watch(1_500).is_err();
    ensure!(
        refused,
        "descriptor 1500 is watched, and select cannot look at it"
    );
    looks(
        &mut watched,
        &mut pairs,
        &[first, third],
        "descriptor 1500 was refused before",
    )
}

fn watch(watched: &mut Watched, server: &UnixStream) -> Verdict {
    let fd = server.as_raw_fd();
    watched
        .watch(fd)
        .map_err(|error| Symptom::new(format!("descriptor {fd} is refused: {error}")))
}

/// These clients send a byte; they and nobody else must be reported, and are read from then.
fn looks(watched: &mut Watched, pairs: &mut [Pair], senders: &[usize], hint: &str) -> Verdict {
    for sender in senders {
        let sent = pairs[*sender].1.write_all(b"x");
        sent.map_err(|error| Symptom::new(format!("a client cannot send: {error}")))?;
    }
    let ready = watched.ready();
    let ready = ready.map_err(|error| Symptom::new(format!("ready() failed: {error}")))?;
    for (client, (server, _)) in pairs.iter_mut().enumerate() {
        let is_reported = ready.contains(&server.as_raw_fd());
        let has_sent = senders.contains(&client);
        ensure!(
            has_sent || !is_reported,
            "client {client} is reported and has sent nothing"
        );
        ensure!(
            is_reported || !has_sent,
            "client {client} has sent something and is not reported: {hint}"
        );
        if has_sent {
            let _ = server.read(&mut [0; 8]);
        }
    }
    Ok(())
}
