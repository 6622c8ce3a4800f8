//! The simulator's own promises: what it reports, and what it condemns. What it shares with the
//! real kernels is in `tests/it/conformance.rs`.

use super::*;

const SLOT: Token = Token::new(3, 1);
const LISTENER: Token = Token::new(0, 9);

/// A world in which nothing disturbs, and one accepted client.
fn accepted<const EDGE: bool>(script: Vec<Act>, outbox_max: usize) -> (Sim<EDGE>, SimSocket) {
    let mut sim = Sim::<EDGE>::new(Schedule::friendly()).recorded();
    let listener = sim.listen();
    sim.client(script, outbox_max);
    sim.watch(&listener, LISTENER, true).unwrap();
    assert_eq!(wait(&mut sim, None).unwrap().len(), 1);
    let (socket, _) = sim.accept(&listener).unwrap();
    (sim, socket)
}

fn wait<const EDGE: bool>(sim: &mut Sim<EDGE>, ms: Option<u64>) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    sim.wait(&mut events, ms.map(Duration::from_millis))?;
    Ok(events)
}

fn send_and_await(n: usize) -> Vec<Act> {
    vec![Act::Send(b"x".repeat(41)), Act::Await(n)]
}

#[test]
fn edge_that_forgets_to_read_sleeps_for_ever() {
    let (mut sim, socket) = accepted::<true>(send_and_await(1), 100);
    sim.register(&socket, SLOT, Directions::READ).unwrap();
    assert!(wait(&mut sim, None).unwrap()[0].readable);
    assert!(wait(&mut sim, Some(60_000)).is_err());
    let said = sim.verdict().unwrap().to_string();
    assert_eq!(
        said,
        "stall: slot 3 has 41 unread bytes and no event will say so"
    );
}

#[test]
fn level_that_ignores_an_event_never_sleeps() {
    let (mut sim, socket) = accepted::<false>(send_and_await(1), 100);
    sim.register(&socket, SLOT, Directions::READ).unwrap();
    let ended = (0..10).find(|_| wait(&mut sim, None).is_err());
    assert!(matches!(sim.verdict(), Some(Verdict::Spin(_))), "{ended:?}");
}

#[test]
fn waiting_for_nothing_over_and_over_is_a_spin() {
    let (mut sim, socket) = accepted::<true>(vec![Act::Vanish], 100);
    sim.register(&socket, SLOT, Directions::READ).unwrap();
    assert!((0..2_000).any(|_| wait(&mut sim, Some(0)).is_err()));
    let said = sim.verdict().unwrap().to_string();
    assert_eq!(said, "spin: 1000 waits and nothing was moved; open: slot 3");
}

#[test]
fn a_socket_closed_while_watched_is_misuse() {
    let (mut sim, socket) = accepted::<false>(vec![], 100);
    sim.register(&socket, SLOT, Directions::READ).unwrap();
    drop(socket);
    assert!(matches!(sim.verdict(), Some(Verdict::Misuse(_))));
}

#[test]
fn time_passes_when_only_time_can() {
    let (mut sim, socket) = accepted::<true>(vec![Act::Vanish], 100);
    sim.register(&socket, SLOT, Directions::READ).unwrap();
    let before = sim.now();
    assert!(wait(&mut sim, Some(60_000)).unwrap().is_empty());
    let passed = sim.now().instant - before.instant;
    assert_eq!(passed, Duration::from_secs(60));
    assert_eq!(sim.verdict(), None);
}

#[test]
fn freed_descriptors_raise_no_event_under_edge_and_one_under_level() {
    fn check<const EDGE: bool>(events: usize) {
        let mut sim = Sim::<EDGE>::new(Schedule::friendly());
        let listener = sim.listen();
        let _client = sim.connect(100);
        sim.watch(&listener, LISTENER, true).unwrap();
        sim.exhaust(Some(libc::EMFILE));
        assert_eq!(wait(&mut sim, Some(0)).unwrap().len(), 1);
        let error = sim.accept(&listener).err().unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        sim.exhaust(None);
        assert_eq!(wait(&mut sim, Some(0)).unwrap().len(), events);
        assert!(sim.accept(&listener).is_ok());
    }
    check::<true>(0);
    check::<false>(1);
}

#[test]
fn space_is_an_edge_only_after_a_refusal_and_once_a_third_is_free() {
    let (mut sim, mut socket) = accepted::<true>(vec![Act::Vanish], 99);
    sim.register(&socket, SLOT, Directions::BOTH).unwrap();
    let client = Remote {
        world: Arc::clone(&sim.world),
        client: 0,
    };
    let writable = wait(&mut sim, Some(0)).unwrap();
    assert!(writable[0].writable && !writable[0].readable);
    let full = socket.write(&[IoSlice::new(&[7; 99])], false);
    assert_eq!(full.unwrap(), 99);
    assert_eq!(client.receive(50).len(), 50);
    assert!(
        wait(&mut sim, Some(0)).unwrap().is_empty(),
        "no write was refused"
    );
    let partial = socket.write(&[IoSlice::new(&[7; 60])], false);
    assert_eq!(partial.unwrap(), 50);
    client.receive(32);
    assert!(
        wait(&mut sim, Some(0)).unwrap().is_empty(),
        "less than a third"
    );
    client.receive(1);
    assert!(wait(&mut sim, Some(0)).unwrap()[0].writable);
}

#[test]
fn a_reset_leaves_what_linux_leaves() {
    let kinds = |reset_after_fin: bool, sent: &[u8]| {
        let (sim, mut socket) = accepted::<true>(vec![Act::Vanish], 99);
        let client = Remote {
            world: Arc::clone(&sim.world),
            client: 0,
        };
        client.send(sent);
        if reset_after_fin {
            client.finish();
        }
        client.reset();
        let mut into = [0; 16];
        let mut read = |socket: &mut SimSocket| {
            let taken = socket.read(&mut into);
            taken.map_err(|error| error.kind())
        };
        let first = read(&mut socket);
        let second = read(&mut socket);
        let write = socket.write(&[IoSlice::new(b"x")], false);
        (first, second, write.map_err(|error| error.kind()))
    };
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    assert_eq!(
        kinds(false, b""),
        (Err(ConnectionReset), Ok(0), Err(BrokenPipe))
    );
    assert_eq!(
        kinds(false, b"hello"),
        (Ok(5), Err(ConnectionReset), Err(BrokenPipe))
    );
    assert_eq!(kinds(true, b""), (Ok(0), Ok(0), Err(BrokenPipe)));
}

#[test]
fn closing_with_unread_bytes_destroys_the_answer() {
    let (sim, mut socket) = accepted::<true>(vec![Act::Vanish], 99);
    let client = Remote {
        world: Arc::clone(&sim.world),
        client: 0,
    };
    client.send(b"more than was read");
    socket.write(&[IoSlice::new(b"413")], false).unwrap();
    drop(socket);
    assert!(client.receive(99).is_empty() && client.has_ended());
}

#[test]
fn a_transcript_reads_like_a_trace() {
    let script = vec![Act::Send(b"x".to_vec()), Act::Finish, Act::Vanish];
    let (mut sim, mut socket) = accepted::<true>(script, 9);
    sim.register(&socket, SLOT, Directions::BOTH).unwrap();
    wait(&mut sim, None).unwrap();
    socket.read(&mut [0; 8]).unwrap();
    let transcript = sim.transcript();
    let lines: Vec<_> = transcript.lines().collect();
    assert_eq!(
        lines,
        [
            "watch(listener, true)",
            "-- client 0 connects",
            "-- client 0 sends 1",
            "-- client 0 ends its sending half",
            "wait(for ever) = [listener in]",
            "accept() = 0",
            "register(0, in|out)",
            "wait(for ever) = [0 in out rdhup]",
            "read(0) = 1",
        ]
    );
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    fn run(seed: u64) -> String {
        let mut sim = Sim::<false>::new(Schedule::seeded(seed)).recorded();
        let listener = sim.listen();
        sim.client(send_and_await(0), 100);
        sim.watch(&listener, LISTENER, true).unwrap();
        for _ in 0..3 {
            let _ = wait(&mut sim, Some(1));
        }
        sim.transcript()
    }
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

/// Reads until the seeds have shown what they can do between two reads of one turn.
fn reads(disturbances: Disturbances) -> Vec<Result<usize, io::ErrorKind>> {
    let mut seen = Vec::new();
    for seed in 0..50 {
        let mut sim = Sim::<true>::new(Schedule::seeded(seed)).disturbed(disturbances);
        let script = vec![
            Act::Send(vec![b'x'; 40]),
            Act::Send(vec![b'x'; 40]),
            Act::Vanish,
        ];
        let listener = sim.listen();
        sim.client(script, 100);
        sim.watch(&listener, LISTENER, true).unwrap();
        while wait(&mut sim, None).unwrap().is_empty() {}
        let (mut socket, _) = sim.accept(&listener).unwrap();
        seen.extend((0..20).map(|_| socket.read(&mut [0; 64]).map_err(|error| error.kind())));
    }
    seen
}

#[test]
fn a_read_is_interrupted_only_where_that_is_allowed() {
    let interrupted = Err(io::ErrorKind::Interrupted);
    assert!(!reads(Disturbances::NONE).contains(&interrupted));
    let signals = Disturbances {
        interrupts_reads: true,
        ..Disturbances::NONE
    };
    let seen = reads(signals);
    assert!(seen.contains(&interrupted));
    assert!(seen.contains(&Err(io::ErrorKind::WouldBlock)));
}

#[test]
fn bytes_come_between_two_reads_only_where_that_is_allowed() {
    // EAGAIN, and then bytes without a wait.
    let came = |seen: &[Result<usize, io::ErrorKind>]| {
        let mut turns = seen.chunks(20).flat_map(|turn| turn.windows(2));
        turns.any(|two| two[0].is_err() && two[1].is_ok())
    };
    assert!(!came(&reads(Disturbances::NONE)));
    let moves = Disturbances {
        moves_between_reads: true,
        ..Disturbances::NONE
    };
    assert!(came(&reads(moves)));
}
