//! What the meaning of one request costs: the decisions between a parsed head and an open file.
//!
//! Each is pure, so these are instructions and nothing else. The rows without a field are the ones
//! that every plain GET pays; the others are a browser's revalidation, a player's seek, a probe.

use std::hint::black_box;
use std::time::{Duration, UNIX_EPOCH};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use httpoll::http::negotiate::{self, Coding};
use httpoll::http::validator::{self, Validators};
use httpoll::http::{Request, Response, Status, Tick, range, target};
use httpoll::service::{Router, Service};

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("target");
    let mut out = Vec::new();
    for (name, path) in [
        ("plain", "/assets/js/application.min.js"),
        ("encoded", "/My%20Documents/R%C3%A9sum%C3%A9.pdf"),
        ("dots", "/a/./b/../c/%2e%2e/d"),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| target::decode_into(black_box(path), &mut out));
        });
    }
    group.finish();
}

fn ranges(c: &mut Criterion) {
    let mut group = c.benchmark_group("range");
    let most: Vec<_> = (0..range::RANGES_MAX)
        .map(|i| format!("{0}-{0}", 10 * i))
        .collect();
    for (name, field) in [
        ("single", "bytes=65536-131071".to_owned()),
        ("suffix", "bytes=-500".to_owned()),
        ("sixteen", format!("bytes={}", most.join(","))),
        ("overlapping", format!("bytes={}", ["0-"; 200].join(","))),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| range::evaluate(black_box(field.as_bytes()), black_box(1 << 20)));
        });
    }
    group.finish();
}

fn conditions(c: &mut Criterion) {
    let mut group = c.benchmark_group("conditions");
    let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let now = UNIX_EPOCH + Duration::from_secs(1_780_272_000);
    let validators = Validators {
        etag: Some("\"18a3f2c4d5e6-1f40\""),
        modified: Some(modified),
    };
    for (name, fields) in [
        ("none", ""),
        ("etag", "If-None-Match: \"18a3f2c4d5e6-1f40\"\r\n"),
        (
            "date",
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        ),
        (
            "rfc850",
            "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n",
        ),
    ] {
        let head = format!("GET /index.html HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        let Some(request) = Request::parse(head.as_bytes()) else {
            panic!("not a head: {head}");
        };
        group.bench_function(name, |b| {
            b.iter(|| validator::evaluate(black_box(&request), &validators, now));
        });
    }
    group.finish();
}

fn negotiation(c: &mut Criterion) {
    let mut group = c.benchmark_group("negotiation");
    for (name, field) in [
        ("absent", None),
        ("browser", Some("gzip, deflate, br, zstd")),
        ("weights", Some("gzip;q=1.0, identity; q=0.5, *;q=0")),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let lines = black_box(field).into_iter().map(str::as_bytes);
                negotiate::choose(lines, &[Coding::Br, Coding::Gzip])
            });
        });
    }
    group.finish();
}

/// A few routes are looked through in order, the longest and exact ones first, so the last one and
/// the fallback pay for all.
fn routes(c: &mut Criterion) {
    let mut group = c.benchmark_group("route");
    let answer = |_: &Request<'_>, _: &Tick| Response::new(Status::NO_CONTENT).into();
    for n in [1, 10, 100] {
        let mut router = Router::new().get("/files/*", answer).otherwise(answer);
        for i in 0..n {
            router = router.get(&format!("/exact/{i}"), answer);
        }
        for (name, path) in [
            ("exact", "/exact/0"),
            ("prefix", "/files/a.txt"),
            ("fallback", "/a.txt"),
        ] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let Some(request) = Request::parse(head.as_bytes()) else {
                panic!("not a head: {head}");
            };
            let now = Tick::for_tests();
            group.bench_function(BenchmarkId::new(name, n), |b| {
                b.iter(|| router.call(black_box(&request), &now));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decode, ranges, conditions, negotiation, routes);
criterion_main!(benches);
