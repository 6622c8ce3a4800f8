//! Many clients, slow ones, none that can be let in.

use std::fs::File;

use rustix::process::{Resource, Signal, getrlimit, setrlimit};

use super::client::Client;
use super::{ALL, BIG, Site, assert_silent, big, cpu_ticks, many, peak_kib};
use crate::harness::reset;

/// The answers wait in the file until they are taken: not in memory, and not by trying again and
/// again.
#[test]
fn a_slow_reader_costs_neither_memory_nor_time() {
    for server in many() {
        let site = Site::of(server);
        let pid = site.program.pid();
        let mut slow = Client::of(&site.program);
        slow.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
        slow.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut other = Client::of(&site.program);
        assert_eq!(other.get("/a.txt").content, b"hello", "{}", site.name);
        let before = cpu_ticks(pid);
        assert_silent(&other.stream, &site.name);
        assert!(cpu_ticks(pid) - before <= 3, "{} spins", site.name);
        assert!(
            slow.answer(false).unwrap().content == big(),
            "{}",
            site.name
        );
        assert_eq!(
            slow.answer(false).unwrap().content,
            b"hello",
            "{}",
            site.name
        );
        let peak = peak_kib(pid);
        assert!(peak < 8 << 10, "{}: {peak} KiB", site.name);
        assert_eq!(slow.get("/a.txt").content, b"hello", "{}", site.name);
    }
}

#[test]
fn a_big_file_comes_whole() {
    let site = Site::of(&ALL[0]);
    assert!(Client::of(&site.program).get("/big.bin").content == big());
}

#[test]
fn a_client_that_vanishes_is_the_end_of_itself_only() {
    for server in &ALL {
        let mut site = Site::of(server);
        for request in ["", "GET /a", "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let mut client = Client::of(&site.program);
            client.send(request.as_bytes());
            reset(client.stream);
            drop(Client::of(&site.program));
        }
        assert_eq!(
            Client::of(&site.program).get("/a.txt").status,
            200,
            "{}",
            site.name
        );
        site.program.is_well();
    }
}

/// What was promised cannot be kept; a second answer in its place would be taken for content.
#[test]
fn a_file_that_shrinks_ends_the_connection() {
    for server in &ALL {
        let mut site = Site::of(server);
        let mut client = Client::of(&site.program);
        client.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
        client.wait_for_a_byte();
        let file = File::options().write(true).open(site.root.join("big.bin"));
        file.unwrap().set_len(1 << 20).unwrap();
        let came = client.rest();
        assert!(came < BIG, "{}: {came}", site.name);
        assert_eq!(
            Client::of(&site.program).get("/a.txt").status,
            200,
            "{}",
            site.name
        );
        site.program.is_well();
    }
}

#[test]
fn a_program_that_was_stopped_goes_on() {
    for server in &ALL {
        let site = Site::of(server);
        let mut before = Client::of(&site.program);
        site.program.signal(Signal::STOP);
        site.program.signal(Signal::CONT);
        before.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(before.answer(false).unwrap().status, 200, "{}", site.name);
    }
}

#[test]
fn a_thousand_idle_connections_beside_a_busy_one() {
    allow_descriptors();
    for server in &ALL[2..] {
        let site = Site::limited(server, "ulimit -n 2048");
        let mut idle = crowd(&site, 1000);
        for client in idle.iter_mut().step_by(2) {
            client.send(b"GET /a.txt HTTP/1.1\r\n"); // and no more
        }
        let mut busy = Client::of(&site.program);
        for _ in 0..100 {
            assert_eq!(busy.get("/a.txt").content, b"hello", "{}", site.name);
        }
        for client in idle.iter_mut().step_by(100) {
            client.send(b"Host: a\r\n\r\n");
            assert_eq!(client.answer(false).unwrap().status, 200, "{}", site.name);
        }
    }
}

/// Those who cannot be let in wait; nobody burns a processor meanwhile.
#[test]
fn without_descriptors_it_neither_spins_nor_sleeps_for_ever() {
    for server in many() {
        let mut site = Site::limited(server, "ulimit -n 20");
        let pid = site.program.pid();
        let mut clients: Vec<_> = (0..30).map(|_| Client::of(&site.program)).collect();
        assert_silent(&clients[29].stream, &site.name); // it has let in all that it can
        let before = cpu_ticks(pid);
        assert_silent(&clients[29].stream, &site.name);
        assert!(cpu_ticks(pid) - before <= 3, "{} spins", site.name);
        assert_eq!(
            clients[0].get("/a.txt").status,
            503,
            "{}: no file",
            site.name
        );
        clients.drain(..25);
        for client in &mut clients {
            // The first ones may be asked for before the others' descriptors are free.
            let mut statuses = (0..1000).map(|_| client.get("/a.txt").status);
            assert!(statuses.any(|status| status == 200), "{}", site.name);
        }
        site.program.is_well();
    }
}

/// A thousand connections have two ends, and one of them is here.
pub(super) fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Connections as fast as they are accepted: beyond the backlog of 128 a client waits for a second.
pub(super) fn crowd(site: &Site, size: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    while clients.len() < size {
        clients.push(Client::of(&site.program));
        if clients.len().is_multiple_of(64) {
            clients[0].get("/none"); // an answer after it was let in
        }
    }
    clients
}
