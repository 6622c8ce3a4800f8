//! Judged over the loopback interface, by a server that does what networks do.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use exercises::judge::trying;
use exercises::{Symptom, Verdict, ensure};

use super::answer::ask;

/// What the server, and a stranger, do with the nth datagram that reaches the server.
type Server = fn(&UdpSocket, &UdpSocket, usize, &[u8], SocketAddr);

pub fn check(_: u64) -> Verdict {
    let answer = talk("an answer", |server, _, _, question, from| {
        reply(server, question, b"yes", from);
    })?;
    ensure!(
        answer == b"yes",
        "an answer: {} came instead of \"yes\"",
        shown(&answer)
    );

    let answer = talk("a long answer", |server, _, _, question, from| {
        reply(server, question, &[b'x'; 1_200], from);
    })?;
    ensure!(
        answer.len() == 1_200,
        "a long answer: {} of 1200 bytes came",
        answer.len()
    );

    let answer = talk("a question that is lost", |server, _, n, question, from| {
        if n > 1 {
            reply(server, question, b"at last", from);
        }
    })?;
    ensure!(
        answer == b"at last",
        "a question that is lost: {} came",
        shown(&answer)
    );

    let answer = talk(
        "an answer that comes late",
        |server, _, _, question, from| {
            reply(server, &[0, 1], b"seven", from);
            reply(server, question, b"eight", from);
        },
    )?;
    let (what, late) = (shown(&answer), "an answer that comes late");
    ensure!(
        answer == b"eight",
        "{late}: {what} came, which is another question's"
    );

    let answer = talk("a stranger", |server, stranger, _, question, from| {
        reply(stranger, question, b"lie", from);
        reply(server, question, b"truth", from);
    })?;
    let what = shown(&answer);
    ensure!(
        answer == b"truth",
        "a stranger: {what} came, from somebody who was not asked"
    );
    Ok(())
}

fn shown(answer: &[u8]) -> String {
    format!("\"{}\"", answer[..answer.len().min(20)].escape_ascii())
}

fn reply(from: &UdpSocket, question: &[u8], text: &[u8], to: SocketAddr) {
    let _ = from.send_to(&[&question[..2], text].concat(), to);
}

/// Asks once; what the answer is.
fn talk(name: &str, behaves: Server) -> Result<Vec<u8>, Symptom> {
    trying(name);
    let no_socket = |error| Symptom::new(format!("{name}: no socket: {error}"));
    let bind = || UdpSocket::bind("127.0.0.1:0");
    let (server, stranger) = (bind().map_err(no_socket)?, bind().map_err(no_socket)?);
    let client = bind().map_err(no_socket)?;
    let address = server.local_addr().map_err(no_socket)?;
    client
        .set_read_timeout(Some(Duration::from_millis(50)))
        .map_err(no_socket)?;
    // So that it ends if nobody asks any more.
    server
        .set_read_timeout(Some(Duration::from_secs(2)))
        .map_err(no_socket)?;
    let serves = thread::spawn(move || {
        let mut buffer = [0; 2_000];
        for n in 1.. {
            match server.recv_from(&mut buffer) {
                Ok((len @ 2.., from)) => behaves(&server, &stranger, n, &buffer[..len], from),
                _ => return,
            }
        }
    });
    let answer = ask(&client, address, 0x0102, "what?");
    let _ = client.send_to(b"", address);
    let _ = serves.join();
    answer.map_err(|error| Symptom::new(format!("{name}: ask() failed: {error}")))
}
