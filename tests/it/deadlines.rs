//! Every time limit of a connection, under a clock that the test turns: no socket, no waiting.
//!
//! [`Talk`] is a client and a driver at once. Its clock moves only by [`Talk::pass`], a second at a
//! time, and its socket takes as many bytes as the test says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use httpoll::conn::{CloseReason, Connection, Limits, Standing, Step, Transmit};
use httpoll::http::{Body, Method, ProtocolError, Response, Tick};

/// A second, or so many.
const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

struct Talk {
    conn: Connection,
    now: Tick,
    /// Bytes that the socket would still take.
    room: usize,
    /// Of those that it took, how many the client has not acknowledged.
    unacknowledged: usize,
    output: String,
    closed: Option<CloseReason>,
    seconds: u64,
}

impl Talk {
    fn new() -> Self {
        let now = Tick::for_tests();
        Self {
            conn: Connection::new(Arc::new(Limits::default()), &now),
            now,
            room: usize::MAX,
            unacknowledged: 0,
            output: String::new(),
            closed: None,
            seconds: 0,
        }
    }

    /// A client that has been served once already.
    fn served() -> Self {
        let mut talk = Self::new();
        talk.feed(GET);
        assert!(talk.output.ends_with("hi"), "{}", talk.output);
        talk.output.clear();
        talk
    }

    fn feed(&mut self, bytes: &str) {
        self.conn.on_bytes(bytes.as_bytes(), &self.now);
        self.work();
    }

    /// What a driver does. `/large` is a megabyte, everything else `hi`; content is received.
    fn work(&mut self) {
        loop {
            match self.conn.next_step(&self.now) {
                Step::NeedBytes | Step::Paused | Step::Client(_) => {}
                Step::Close(reason) => {
                    self.closed = Some(reason);
                    return;
                }
                Step::Request(request) => {
                    let large = request.path() == "/large";
                    if request.method() == Method::Post {
                        self.conn.receive(&self.now);
                    } else {
                        self.conn.respond(answer(large), &self.now);
                    }
                }
                Step::Body(content) => {
                    let n = content.len();
                    self.conn.on_body_taken(n);
                }
                Step::BodyEnd => self.conn.respond(answer(false), &self.now),
            }
            self.send();
            if !self.conn.has_work() {
                return;
            }
        }
    }

    fn send(&mut self) {
        while let Some(transmit) = self.conn.next_transmit() {
            match transmit {
                Transmit::LastLook => self.conn.on_last_look(self.unacknowledged == 0),
                Transmit::Shutdown => self.conn.on_shutdown_sent(&self.now),
                Transmit::File { .. } => panic!("no file was answered"),
                Transmit::Bytes { slices, .. } => {
                    let bytes = [&*slices[0], &*slices[1]].concat();
                    let n = bytes.len().min(self.room);
                    if n == 0 {
                        return;
                    }
                    self.output.push_str(str::from_utf8(&bytes[..n]).unwrap());
                    self.room -= n;
                    self.conn.on_sent(n, &self.now);
                }
            }
        }
    }

    /// A second goes by.
    fn tick(&mut self) {
        self.seconds += 1;
        self.now.instant += secs(1);
        self.now.turn += 1;
        let due = self.conn.next_deadline();
        if due.is_some_and(|at| at <= self.now.instant) {
            self.conn.on_deadline(&self.now, self.unacknowledged);
            self.work();
        }
    }

    /// So many seconds go by, with something done in each as long as it is open.
    fn pass(&mut self, seconds: u64, mut each: impl FnMut(&mut Self)) {
        for _ in 0..seconds {
            if self.closed.is_none() {
                each(self);
                self.tick();
            }
        }
    }

    /// The end, and after how many seconds it came.
    fn ended(&self) -> Option<(CloseReason, u64)> {
        Some((self.closed?, self.seconds))
    }

    /// The socket takes `n` more bytes because the client has acknowledged as many.
    fn take(&mut self, n: usize) {
        self.room += n;
        self.send();
    }

    fn standing(&self) -> Option<Standing> {
        self.conn.standing(&self.now, || self.unacknowledged)
    }
}

fn answer(large: bool) -> Response {
    let mut response = Response::text("hi");
    if large {
        response.body = Body::Owned(vec![b'#'; 1 << 20]);
    }
    response
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_LARGE: &str = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";

#[test]
fn a_silent_client_is_closed_silently() {
    let mut talk = Talk::new();
    talk.pass(60, |_| {});
    assert_eq!(talk.ended(), Some((CloseReason::HeaderTimeout, 10)));
    assert_eq!(talk.output, "");
}

#[test]
fn a_head_has_ten_seconds_however_it_drips_in() {
    for drip in ["x", "X: y\r\n", "\r\n"] {
        let mut talk = Talk::new();
        talk.feed("GET / HTTP/1.1\r\nHost: a\r\nX: y");
        talk.pass(60, |talk| {
            if drip != "\r\n" {
                talk.feed(drip);
            }
        });
        let refused = CloseReason::Refused(ProtocolError::HeaderTimeout);
        // The answer, then at most two seconds for the client to take it.
        assert_eq!(talk.ended(), Some((refused, 12)), "{drip:?}");
        assert!(talk.output.starts_with("HTTP/1.1 408 "), "{}", talk.output);
        assert!(talk.output.contains("\r\nConnection: close\r\n"));
    }
}

#[test]
fn empty_lines_before_a_request_win_no_time() {
    let mut talk = Talk::new();
    talk.pass(60, |talk| talk.feed("\r\n"));
    assert_eq!(talk.ended(), Some((CloseReason::HeaderTimeout, 10)));

    let mut talk = Talk::served();
    talk.pass(30, |_| {});
    talk.pass(60, |talk| talk.feed("\r\n"));
    assert_eq!(talk.ended(), Some((CloseReason::IdleTimeout, 60)));
    assert_eq!(talk.output, "", "without a word");
}

/// Old clients send an empty line behind their content (RFC 9112 §2.2).
#[test]
fn an_empty_line_takes_no_time_from_the_next_head() {
    let mut talk = Talk::served();
    talk.feed("\r\n");
    talk.pass(50, |_| {});
    let (begin, end) = GET.split_at(20);
    talk.feed(begin);
    talk.pass(9, |_| {});
    talk.feed(end);
    assert!(talk.output.ends_with("\r\n\r\nhi"), "{}", talk.output);
    assert_eq!(talk.ended(), None);

    talk.feed("\r\n");
    talk.pass(50, |_| {});
    talk.feed(begin);
    talk.pass(60, |_| {});
    let refused = CloseReason::Refused(ProtocolError::HeaderTimeout);
    assert_eq!(talk.ended(), Some((refused, 59 + 50 + 12)));
}

#[test]
fn a_second_head_has_as_long_as_the_first() {
    let mut talk = Talk::served();
    talk.pass(50, |_| {});
    talk.feed("G");
    talk.pass(60, |_| {});
    let refused = CloseReason::Refused(ProtocolError::HeaderTimeout);
    assert_eq!(talk.ended(), Some((refused, 62)));
}

#[test]
fn an_idle_connection_is_closed_after_a_minute() {
    let mut talk = Talk::served();
    talk.pass(200, |_| {});
    assert_eq!(talk.ended(), Some((CloseReason::IdleTimeout, 60)));
    assert_eq!(talk.output, "", "without a word");
}

#[test]
fn a_connection_in_use_is_never_idle() {
    let mut talk = Talk::served();
    for _ in 0..20 {
        talk.pass(59, |_| {});
        talk.feed(GET);
    }
    assert_eq!(talk.ended(), None);
}

#[test]
fn content_must_come_at_the_minimal_rate() {
    let check = |bytes: usize, every: u64, expected: Option<u64>| {
        let mut talk = Talk::new();
        talk.feed(POST);
        let piece = "x".repeat(bytes);
        talk.pass(120, |talk| {
            if talk.seconds % every == 0 {
                talk.feed(&piece);
            }
        });
        let ended = talk.ended().map(|(reason, seconds)| {
            let refused = CloseReason::Refused(ProtocolError::BodyTimeout);
            assert_eq!(reason, refused);
            assert!(talk.output.starts_with("HTTP/1.1 408 "), "{}", talk.output);
            seconds
        });
        assert_eq!(ended, expected, "{bytes} bytes every {every} s");
    };
    check(0, 1, Some(32)); // 30 s, and 2 s for the answer
    check(1, 1, Some(32));
    check(499, 1, Some(32));
    check(500, 1, None);
    check(600, 1, None);
    check(600 * 20, 20, None); // in bursts
}

#[test]
fn a_reader_that_acknowledges_nothing_is_gone_after_the_write_timeout() {
    let mut talk = Talk::new();
    talk.room = 300_000;
    talk.unacknowledged = 200_000;
    talk.feed(GET_LARGE);
    talk.pass(300, |_| {});
    let (reason, seconds) = talk.ended().expect("closed");
    assert_eq!(reason, CloseReason::WriteTimeout);
    assert!(
        (30..=38).contains(&seconds),
        "looked at every 7.5 s: {seconds}"
    );
}

/// A send buffer takes more now and then, even if no client reads: it grows, and Linux calls it
/// full when a third of it is free (`sk_stream_is_writeable`).
#[test]
fn a_socket_that_takes_more_proves_nothing() {
    let mut talk = Talk::new();
    talk.room = 300_000;
    talk.unacknowledged = 300_000;
    talk.feed(GET_LARGE);
    talk.pass(300, |talk| {
        talk.unacknowledged += 10_000;
        talk.take(10_000);
    });
    assert_eq!(talk.ended(), Some((CloseReason::WriteTimeout, 31)));
}

/// A large receive window opens seldom, but wide: 64 KiB in 25 s are 2.6 KB/s.
#[test]
fn a_slow_reader_whose_kernel_takes_large_steps_is_never_cut() {
    let mut talk = Talk::new();
    talk.room = 400_000;
    talk.unacknowledged = 400_000;
    talk.feed(GET_LARGE);
    talk.pass(1_000, |talk| {
        if talk.seconds % 25 == 24 {
            talk.unacknowledged -= 65_536;
            talk.unacknowledged += 65_536;
            talk.take(65_536);
        }
    });
    assert_eq!(talk.output.matches('#').count(), 1 << 20, "all of it");
}

/// All was taken at the last look, then nothing was sent for a while (SIGSTOP, a cold disk), and
/// what is sent now cannot be acknowledged yet.
#[test]
fn a_reader_is_not_blamed_for_what_it_was_not_given() {
    let mut talk = Talk::new();
    talk.room = 300_000;
    talk.unacknowledged = 1;
    talk.feed(GET_LARGE);
    talk.unacknowledged = 0;
    talk.pass(2, |_| {});
    talk.now.instant += secs(60);
    talk.unacknowledged = 300_000;
    talk.take(300_000);
    talk.tick();
    assert_eq!(talk.ended(), None);
}

/// The process was stopped before it looked at what the reader takes.
#[test]
fn a_reader_is_not_gone_before_somebody_has_looked() {
    let mut talk = Talk::new();
    talk.room = 300_000;
    talk.unacknowledged = 300_000;
    talk.feed(GET_LARGE);
    talk.unacknowledged = 100_000;
    talk.now.instant += secs(60);
    talk.tick();
    assert_eq!(talk.ended(), None);
    talk.pass(300, |_| {});
    let (reason, seconds) = talk.ended().expect("closed");
    assert_eq!(reason, CloseReason::WriteTimeout);
    assert!((30..=38).contains(&seconds), "{seconds}");
}

/// What fits the send buffer says nothing: here nothing more fits for minutes, while the client
/// acknowledges a little of what the kernel holds.
#[test]
fn an_honest_slow_reader_is_never_cut() {
    let mut talk = Talk::new();
    talk.room = 400_000;
    talk.unacknowledged = 400_000;
    talk.feed(GET_LARGE);
    talk.pass(390, |talk| talk.unacknowledged -= 1000);
    assert_eq!(talk.ended(), None);
    talk.unacknowledged = 0;
    talk.pass(640, |talk| talk.take(1024));
    assert_eq!(talk.output.matches('#').count(), 1 << 20, "all of it");
}

#[test]
fn a_reader_that_comes_to_life_again_is_not_gone() {
    let mut talk = Talk::new();
    talk.room = 400_000;
    talk.unacknowledged = 400_000;
    talk.feed(GET_LARGE);
    for _ in 0..20 {
        talk.pass(25, |_| {});
        talk.unacknowledged -= 10_000;
    }
    assert_eq!(talk.ended(), None);
}

/// Three megabytes are in the kernel when the fourth answer begins: taking those is no delay.
#[test]
fn answers_from_before_do_not_make_a_reader_slow() {
    let pipelined = |acknowledged_each_second| {
        let mut talk = Talk::new();
        talk.room = 7 << 19; // 3.5 MiB
        talk.unacknowledged = 7 << 19;
        talk.feed(&GET_LARGE.repeat(4));
        let mut standings = vec![];
        talk.pass(5, |talk| {
            standings.push(talk.standing());
            talk.unacknowledged -= acknowledged_each_second;
        });
        standings
    };
    assert_eq!(pipelined(100_000), [None; 5]);
    assert_eq!(pipelined(500), [None; 5], "the minimal rate");
    let slow = Some(Standing::Slow);
    assert_eq!(pipelined(400), [None, None, slow, slow, slow]);
}

/// Its answers are small, so that it is served and between two requests, and yet not idle.
#[test]
fn a_slow_taker_of_pipelined_answers_is_not_idle() {
    let mut talk = Talk::new();
    talk.room = 0;
    talk.unacknowledged = 1_000_000;
    talk.feed(&GET.repeat(10));
    talk.pass(200, |talk| talk.unacknowledged -= 1000);
    assert_eq!(talk.ended(), None);
    talk.take(1 << 20);
    assert_eq!(talk.output.matches("\r\n\r\nhi").count(), 10);
    let taken = talk.seconds;
    talk.pass(200, |_| {});
    let idle = CloseReason::IdleTimeout;
    assert_eq!(
        talk.ended(),
        Some((idle, taken + 60)),
        "idle only from then on"
    );
}

#[test]
fn a_last_answer_is_followed_by_two_seconds_of_patience() {
    let mut talk = Talk::new();
    talk.feed("nonsense\r\n\r\n");
    // However much it goes on sending.
    talk.pass(60, |talk| talk.feed("more nonsense"));
    let (reason, seconds) = talk.ended().expect("closed");
    assert!(matches!(reason, CloseReason::Refused(_)), "{reason:?}");
    assert_eq!(seconds, 2);
}

/// What is under way would be lost with the first byte that comes behind the close.
#[test]
fn a_client_that_asked_for_the_close_is_waited_for_until_it_has_the_answer() {
    let mut talk = Talk::new();
    talk.unacknowledged = 1 << 20;
    talk.feed(&GET_LARGE.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    assert_eq!(
        talk.output.matches('#').count(),
        1 << 20,
        "given to the kernel"
    );
    talk.pass(100, |talk| {
        talk.feed("\r\n");
        talk.unacknowledged -= 10_000;
    });
    assert_eq!(talk.ended(), None);
    talk.unacknowledged = 0;
    talk.pass(2, |_| {});
    assert_eq!(talk.ended(), Some((CloseReason::Answered, 101)));
}

#[test]
fn a_client_that_asked_for_the_close_gets_it_at_once_when_nothing_is_under_way() {
    // A small answer leaves at once, whatever is acknowledged of it now.
    for (get, unacknowledged) in [(GET, 100), (GET_LARGE, 0)] {
        let mut talk = Talk::new();
        talk.unacknowledged = unacknowledged;
        talk.feed(&get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        assert_eq!(talk.ended(), Some((CloseReason::Answered, 0)), "{get}");
    }
}

/// It could keep its place for `--write-timeout` by never taking a refusal.
#[test]
fn a_lingering_client_that_takes_nothing_makes_room() {
    let lingering = |acknowledged_each_second| {
        let mut talk = Talk::new();
        talk.unacknowledged = 50_000;
        talk.feed("nonsense\r\n\r\n");
        let mut standings = vec![];
        talk.pass(10, |talk| {
            standings.push(talk.standing());
            talk.unacknowledged -= acknowledged_each_second;
        });
        assert_eq!(talk.ended(), None);
        standings
    };
    assert_eq!(lingering(500), [None; 10]);
    let slow = Some(Standing::Slow);
    assert_eq!(lingering(0)[..4], [None, None, slow, slow]);
    assert_eq!(lingering(0)[2..], [slow; 8], "and stays it");
}

#[test]
fn patience_lasts_while_a_slow_reader_takes_its_last_answer() {
    let mut talk = Talk::new();
    talk.unacknowledged = 50_000;
    talk.feed("nonsense\r\n\r\n");
    talk.pass(49, |talk| talk.unacknowledged -= 1000);
    assert_eq!(talk.ended(), None);
    talk.unacknowledged = 0;
    talk.pass(10, |_| {});
    assert!(talk.closed.is_some());
}

/// The clock is set: back by forty years, then ahead by a hundred.
#[test]
fn a_clock_that_jumps_changes_the_date_and_nothing_else() {
    let mut talk = Talk::served();
    let jumps = [
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH + secs(1 << 32),
    ];
    for (wall, date) in jumps.into_iter().zip([
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Sun, 07 Feb 2106 06:28:16 GMT",
    ]) {
        talk.now.wall = wall;
        talk.now.http_date = httpoll::http::date::format(wall);
        talk.pass(30, |_| {});
        talk.feed(GET);
        assert!(talk.output.contains(&format!("\r\nDate: {date}\r\n")));
        assert_eq!(talk.ended(), None);
    }
    talk.pass(60, |_| {});
    assert_eq!(talk.ended(), Some((CloseReason::IdleTimeout, 120)));
}

#[test]
fn who_may_be_dropped_and_in_which_order() {
    assert!(Standing::Newcomer < Standing::Idle && Standing::Idle < Standing::Slow);
    let check = |talk: &Talk, expected: Option<Standing>| assert_eq!(talk.standing(), expected);

    let mut newcomer = Talk::new();
    check(&newcomer, Some(Standing::Newcomer));
    newcomer.feed("GET / HT");
    check(&newcomer, Some(Standing::Newcomer));
    newcomer.feed("TP/1.1\r\nHost: a\r\n\r\n");
    check(&newcomer, Some(Standing::Idle));

    let mut dripping = Talk::served();
    dripping.feed("GET / HT");
    check(&dripping, None);
    dripping.pass(2, |_| {});
    check(&dripping, Some(Standing::Slow));

    let mut uploading = Talk::new();
    uploading.feed(POST);
    check(&uploading, None);
    uploading.pass(5, |talk| talk.feed(&"x".repeat(1000)));
    uploading.feed(&"x".repeat(1000));
    check(&uploading, None);
    uploading.pass(5, |_| {});
    check(&uploading, Some(Standing::Newcomer));

    let mut reading = Talk::served();
    reading.room = 100_000;
    reading.unacknowledged = 100_000;
    reading.feed(GET_LARGE);
    check(&reading, None);
    reading.unacknowledged = 90_000;
    reading.pass(5, |talk| talk.unacknowledged -= 600);
    check(&reading, None);
    reading.pass(100, |talk| talk.unacknowledged -= 100);
    check(&reading, Some(Standing::Slow));
}
