//! Judged by the bytes that httpoll's own connection answers to the same requests in one piece.

use exercises::http::{answer, first_line, get};
use exercises::judge::trying;
use exercises::{Symptom, Verdict, ensure};

use super::answer::Server;

pub fn check(_: u64) -> Verdict {
    let request = get("/");
    for cut in 1..request.len() {
        trying(format!("a request cut behind byte {cut}"));
        let (first, rest) = request.split_at(cut);
        one_request(&[first, rest], &format!("a request cut behind byte {cut}"))?;
    }
    let bytes: Vec<_> = request.chunks(1).collect();
    one_request(&bytes, "a request that comes byte by byte")?;
    one_request(&[&request], "a request in one piece")
}

/// Two requests of one connection, the first one in these pieces.
fn one_request(pieces: &[&[u8]], name: &str) -> Verdict {
    let seen = |symptom: Symptom| {
        let pieces = pieces
            .iter()
            .map(|piece| format!("read: \"{}\"", piece.escape_ascii()));
        symptom.seen(pieces)
    };
    let mut server = Server::default();
    let (last, before) = pieces.split_last().expect("a piece");
    for piece in before {
        let early = server.on_bytes(piece);
        if !early.is_empty() {
            let early = first_line(&early);
            let what = format!("{name}: {early} came before it was complete");
            return Err(seen(Symptom::new(what)));
        }
    }
    let due = answer(&pieces.concat());
    let came = server.on_bytes(last);
    if came.is_empty() {
        return Err(seen(Symptom::new(format!(
            "{name}: it is complete, and no answer came"
        ))));
    }
    if came != due {
        let (came, due) = (first_line(&came), first_line(&due));
        return Err(seen(Symptom::new(format!(
            "{name}: the answer is {came} instead of {due}"
        ))));
    }
    let second = server.on_bytes(&get("/second"));
    let count = second
        .windows(9)
        .filter(|nine| nine == b"HTTP/1.1 ")
        .count();
    ensure!(
        count == 1,
        "the second request of a connection: the answers to {count} requests came"
    );
    ensure!(
        second == answer(&get("/second")),
        "the second request of a connection: a wrong answer came"
    );
    Ok(())
}
