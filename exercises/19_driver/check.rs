//! Judged by conversations; the bytes that must come are those that httpoll's connection answers
//! when it is told everything at once.

use exercises::Verdict;
use exercises::http::get;
use exercises::talk::{End, Talk};

fn talks() -> Vec<Talk> {
    let talk = |name, batches: &[Vec<u8>], end| Talk {
        name,
        batches: batches.to_vec(),
        end,
    };
    let request = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let closes = request("GET /last HTTP/1.1\nHost: a\nConnection: close\n\n");
    let refused = request("GET / HTTP/1.1\nHost : a\n\nand then some");
    let upload = request("POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello");
    vec![
        talk("one request", &[get("/")], End::Leaves),
        talk(
            "two requests, one after the other",
            &[get("/1"), get("/2")],
            End::Leaves,
        ),
        talk(
            "three requests in one piece",
            &[[get("/1"), get("/2"), get("/3")].concat()],
            End::Leaves,
        ),
        talk(
            "an answer of 50,000 bytes",
            &[get("/bytes/50000"), get("/")],
            End::Leaves,
        ),
        talk(
            "a request and the end at once",
            &[get("/")],
            End::WithTheLastRequest,
        ),
        talk(
            "a request that asks for the end",
            &[closes],
            End::WaitsForTheServer,
        ),
        talk(
            "a refused request with more behind it",
            &[refused],
            End::WaitsForTheServer,
        ),
        talk(
            "an upload that nobody wants",
            &[upload.clone(), upload],
            End::Leaves,
        ),
        talk(
            "an old client",
            &[request("GET / HTTP/1.0\n\n")],
            End::WaitsForTheServer,
        ),
        talk("nothing at all", &[], End::Leaves),
    ]
}

pub fn check(_: u64) -> Verdict {
    for piece in [10_000, 1, 7, 100] {
        for talk in talks() {
            talk.hold(piece, super::answer::carry)?;
        }
    }
    Ok(())
}
