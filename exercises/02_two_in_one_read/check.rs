//! Judged by the bytes that httpoll's own connection answers to the same requests.

use exercises::http::{answer, answers, first_line, get};
use exercises::{Symptom, Verdict, ensure};

use super::answer::Server;

pub fn check(_: u64) -> Verdict {
    two_at_once()?;
    one_and_a_half()?;
    every_way_to_cut()
}

fn two_at_once() -> Verdict {
    let mut server = Server::default();
    let came = server.on_bytes(&[get("/1"), get("/2")].concat());
    if came == answers(&[get("/1"), get("/2")].concat()) {
        return Ok(());
    }
    let name = "two requests in one read";
    let what = match first_line(&came) {
        _ if came == answer(&get("/1")) => {
            let late = server.on_bytes(&get("/3")).starts_with(&answer(&get("/2")));
            let second = if late {
                "/2 not before /3 comes"
            } else {
                "/2 is lost"
            };
            format!("{name}: only /1 is answered, {second}")
        }
        _ if came.is_empty() => format!("{name}: no answer came"),
        line => format!("{name}: the answers are wrong; they begin with {line}"),
    };
    Err(Symptom::new(what))
}

fn one_and_a_half() -> Verdict {
    let mut server = Server::default();
    let (second, name) = (get("/2"), "one request and a half in one read");
    let (begin, rest) = second.split_at(10);
    let came = server.on_bytes(&[&get("/1"), begin].concat());
    let first = answer(&get("/1"));
    ensure!(came.starts_with(&first), "{name}: /1 is not answered");
    let early = &came[first.len()..];
    ensure!(
        early.is_empty(),
        "{name}: {} came before /2 was complete",
        first_line(early)
    );
    let came = server.on_bytes(rest);
    let line = first_line(&came);
    ensure!(
        !came.is_empty(),
        "{name}: /2 is complete, and no answer came"
    );
    ensure!(came == answer(&second), "{name}: /2 is answered by {line}");
    Ok(())
}

fn every_way_to_cut() -> Verdict {
    let sent: Vec<u8> = (1..=5).flat_map(|n| get(&format!("/{n}"))).collect();
    let due = answers(&sent);
    for size in 1..sent.len() {
        let mut server = Server::default();
        let came: Vec<u8> = sent
            .chunks(size)
            .flat_map(|piece| server.on_bytes(piece))
            .collect();
        ensure!(
            came == due,
            "five requests in pieces of {size} bytes: the answers are wrong"
        );
    }
    Ok(())
}
