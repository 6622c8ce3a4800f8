//! Where a model ends: each failure that a header promises.

use super::client::Client;
use super::loads::{allow_descriptors, crowd};
use super::{ALL, Site, assert_silent};

#[test]
fn one_silent_client_blocks_all_others_of_20() {
    let site = Site::of(&ALL[0]);
    let silent = Client::of(&site.program);
    let mut other = Client::of(&site.program);
    other.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_silent(&other.stream, &site.name);
    drop(silent);
    assert_eq!(other.answer(false).unwrap().content, b"hello");
}

#[test]
fn one_more_client_than_threads_is_turned_away_by_21() {
    allow_descriptors();
    let site = Site::limited(&ALL[1], "ulimit -n 2048");
    let mut silent = crowd(&site, 512);
    assert!(Client::of(&site.program).is_closed());
    assert_eq!(silent[511].get("/a.txt").status, 200);
    drop(silent.pop());
    let mut newcomer = Client::of(&site.program);
    newcomer.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    while newcomer.answer(false).is_none() {
        newcomer = Client::of(&site.program); // the thread has not ended yet
        newcomer.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    }
}

#[test]
fn descriptor_1024_is_turned_away_by_22_and_taken_by_the_others() {
    allow_descriptors();
    for server in &ALL[2..] {
        let site = Site::limited(server, "ulimit -n 2048");
        let mut clients = crowd(&site, 1040);
        assert_eq!(clients[1000].get("/a.txt").status, 200, "{}", site.name);
        match site.name.as_str() {
            "22_http_select" => assert!(clients[1030].is_closed()),
            _ => assert_eq!(clients[1030].get("/a.txt").status, 200, "{}", site.name),
        }
    }
}
