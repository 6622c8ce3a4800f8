//! What a request head costs to read, and an answer's head to write.
//!
//! Three heads: what wrk sends, what a browser sends, and the longest that the default limits let
//! pass. `whole` is a head that is there at the first look, nearly every one on a real network;
//! `two pieces` takes the resumable search, and `drip` shows that its cost is linear in the bytes.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use httpoll::conn::{Connection, Limits, Step};
use httpoll::http::{Body, HeaderBlock, Request, Response, Status, Tick};

const WRK: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

const BROWSER: &str = "GET /assets/application.min.js?v=17 HTTP/1.1\r\n\
    Host: www.example.org\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: */*\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.org/index.html\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=6f1ed002ab5595859014ebf0951522d9; theme=dark\r\n\
    Sec-Fetch-Dest: script\r\n\
    Sec-Fetch-Mode: no-cors\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    If-None-Match: \"18a3f2c4d5e6-1f40\"\r\n\
    Priority: u=2\r\n\r\n";

fn heads() -> [(&'static str, String); 3] {
    let mut longest = String::from("GET / HTTP/1.1\r\nHost: a\r\n");
    for n in 1..100 {
        // Writing to a string cannot fail.
        let _ = write!(longest, "X-Field-{n}: {}\r\n", "v".repeat(40));
    }
    longest.push_str("\r\n");
    [
        ("wrk", WRK.to_owned()),
        ("browser", BROWSER.to_owned()),
        ("100 fields", longest),
    ]
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    for (name, head) in heads() {
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_with_input(BenchmarkId::new("whole", name), &head, |b, head| {
            b.iter(|| Request::parse(black_box(head.as_bytes())).is_some());
        });
    }
    group.finish();
}

/// Through a connection, which is what keeps the pieces.
fn pieces(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    let now = Tick::for_tests();
    let limits = Arc::new(Limits::default());
    for (name, head) in heads() {
        for (how, piece) in [("two pieces", head.len() - 1), ("drip", 1)] {
            group.throughput(Throughput::Bytes(head.len() as u64));
            group.bench_with_input(BenchmarkId::new(how, name), &head, |b, head| {
                b.iter_batched(
                    || Connection::new(Arc::clone(&limits), &now),
                    |mut conn| {
                        let mut requests = 0;
                        for piece in head.as_bytes().chunks(piece) {
                            conn.on_bytes(piece, &now);
                            requests += u32::from(matches!(conn.next_step(&now), Step::Request(_)));
                        }
                        assert_eq!(requests, 1);
                        conn
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

/// From a response to bytes: a constant one, one out of a cache, one made for this request.
fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("answer");
    let now = Tick::for_tests();
    let limits = Arc::new(Limits::default());
    let fields: Arc<[u8]> = Arc::from(
        &b"Content-Type: text/html; charset=utf-8\r\nETag: \"18a3f2c4d5e6-1f40\"\r\n\
           Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: no-cache\r\n"[..],
    );
    let content: Arc<[u8]> = Arc::from(&[b'x'; 1024][..]);
    let constant = || Response {
        status: Status::OK,
        fields: HeaderBlock::Static(b"Content-Type: text/plain\r\n"),
        body: Body::Static(b"Hello, World!"),
        close: false,
    };
    let cached = || Response {
        status: Status::OK,
        fields: HeaderBlock::Shared(Arc::clone(&fields)),
        body: Body::Shared(Arc::clone(&content)),
        close: false,
    };
    let made = || Response::text("made for this request").field("Cache-Control", "no-store");
    let ways: [(&str, &dyn Fn() -> Response); 3] = [
        ("constant", &constant),
        ("cached 1 KiB", &cached),
        ("made", &made),
    ];
    for (name, make) in ways {
        let asked = || {
            let mut conn = Connection::new(Arc::clone(&limits), &now);
            conn.on_bytes(WRK.as_bytes(), &now);
            assert!(matches!(conn.next_step(&now), Step::Request(_)));
            conn
        };
        group.bench_function(name, |b| {
            b.iter_batched(
                asked,
                |mut conn| {
                    conn.respond(make(), &now);
                    conn
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, whole, pieces, encoding);
criterion_main!(benches);
