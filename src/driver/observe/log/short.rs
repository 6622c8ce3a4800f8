//! The short line, for a terminal: it fits the width, and its colour says how it went.
//!
//! *Floor 4.* `22:10:05Z 200 192.0.2.7 GET /photos/a.jpg 1.2 MiB 12 ms`: when (UTC), the status, the
//! client, what was asked for, bytes of content, how long that took; behind them the rate of what took
//! a second or more, what came in, and `cut` if the client did not take all. A target that is too long
//! is shortened in its middle, because a file's name is at its end; a narrow terminal sees no time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};

use signal_hook::consts::SIGWINCH;

use super::line::{Line, date_parts, push_address, push_escaped};
use super::units;
use crate::http::Status;

/// How it looks.
#[derive(Clone, Debug, Default)]
pub struct Style {
    colour: bool,
    columns: Option<Arc<Columns>>,
}

impl Style {
    /// For standard output. Of a terminal the width is known, and SIGWINCH says when it changes.
    pub fn of_output(colour: bool, is_terminal: bool) -> Self {
        Self {
            colour,
            columns: is_terminal.then(Columns::of_output),
        }
    }

    /// How many columns there are; `None` if lines may have any length.
    pub(super) fn columns(&self) -> Option<usize> {
        self.columns.as_ref().map(|columns| columns.count())
    }

    fn paint(&self, into: &mut Vec<u8>, colour: &str, text: &[u8]) {
        let (begin, end) = match self.colour && !text.is_empty() {
            true => (colour, "\x1b[0m"),
            false => ("", ""),
        };
        into.extend_from_slice(begin.as_bytes());
        into.extend_from_slice(text);
        into.extend_from_slice(end.as_bytes());
    }
}

/// The width of a terminal.
#[derive(Debug)]
struct Columns {
    count: AtomicU16,
    changed: Arc<AtomicBool>,
}

impl Columns {
    fn of_output() -> Arc<Self> {
        let changed = Arc::new(AtomicBool::new(true));
        // Without the signal it stays as wide as it was.
        let _ = signal_hook::flag::register(SIGWINCH, Arc::clone(&changed));
        let count = AtomicU16::new(0);
        Arc::new(Self { count, changed })
    }

    fn count(&self) -> usize {
        if self.changed.load(Relaxed) {
            self.changed.store(false, Relaxed);
            let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
            self.count
                .store(size.map_or(0, |size| size.ws_col), Relaxed);
        }
        match self.count.load(Relaxed) {
            0 => 80, // a terminal that does not say
            some => some.into(),
        }
    }
}

/// Below this width there is no time.
const WIDE: usize = 72;

/// A target is not shortened further than this.
const TARGET_MIN: usize = 12;

pub(super) fn push(into: &mut Vec<u8>, line: &Line<'_>, style: &Style) {
    let columns = style.columns();
    let (mut time, mut client) = (Vec::new(), Vec::new());
    if columns.is_none_or(|columns| columns >= WIDE) {
        let [.., of_day] = date_parts(&line.now.http_date);
        time = [of_day, b"Z "].concat();
    }
    if push_address(&mut client, line.peer).is_none() {
        client.extend_from_slice(b"unix");
    }
    let (request, tail) = (request(line), tail(line));
    let cut: &[u8] = if line.finished.complete { b"" } else { b" cut" };
    let code = line.finished.status.code().to_string();
    let around = time.len() + code.len() + client.len() + tail.len() + cut.len() + 2;
    let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(around));
    style.paint(into, DIM, &time);
    style.paint(into, colour_of(line.finished.status), code.as_bytes());
    into.push(b' ');
    style.paint(into, DIM, &client);
    into.push(b' ');
    push_shortened(into, &request, room.max(TARGET_MIN));
    into.extend_from_slice(tail.as_bytes());
    style.paint(into, YELLOW, cut);
    into.push(b'\n');
}

/// The request line without the protocol, which is nearly always the same.
fn request(line: &Line<'_>) -> Vec<u8> {
    let mut shown = Vec::new();
    let whole = line.finished.request_line.as_slice();
    let known = [&b" HTTP/1.1"[..], b" HTTP/1.0"];
    let known = known.iter().find_map(|end| whole.strip_suffix(*end));
    push_escaped(&mut shown, known.unwrap_or(whole));
    if shown.is_empty() {
        shown.push(b'-');
    }
    shown
}

fn tail(line: &Line<'_>) -> String {
    let (finished, took) = (line.finished, line.took());
    let (sent, received) = (finished.body_bytes, finished.received_bytes);
    let mut tail = String::new();
    if sent > 0 {
        tail.push_str(&format!(" {}", units::bytes(sent)));
    }
    tail.push_str(&format!(" {}", units::time(took)));
    if let Some(rate) = units::rate(sent.max(received), took) {
        tail.push_str(&format!(" {rate}"));
    }
    if received > 0 {
        tail.push_str(&format!(" in {}", units::bytes(received)));
    }
    tail
}

/// `/photos/2026/su…/a.jpg`: two thirds of what there is room for are for the end.
pub(super) fn push_shortened(into: &mut Vec<u8>, ascii: &[u8], room: usize) {
    if ascii.len() <= room {
        into.extend_from_slice(ascii);
        return;
    }
    let left = room.saturating_sub(1);
    let (begin, end) = (left / 3, left - left / 3);
    into.extend_from_slice(&ascii[..begin]);
    into.extend_from_slice("…".as_bytes());
    into.extend_from_slice(&ascii[ascii.len() - end..]);
}

const DIM: &str = "\x1b[2m";
const YELLOW: &str = "\x1b[33m";

fn colour_of(status: Status) -> &'static str {
    match status.code() {
        0..300 => "\x1b[32m",   // green
        300..400 => "\x1b[36m", // cyan
        400..500 => YELLOW,
        _ => "\x1b[31m", // red
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, ip, tick};
    use super::*;
    use std::time::Duration;

    use crate::conn::Finished;

    fn at(columns: Option<u16>, colour: bool) -> Style {
        let columns = columns.map(|count| {
            Arc::new(Columns {
                count: AtomicU16::new(count),
                changed: Arc::default(),
            })
        });
        Style { colour, columns }
    }

    fn shown(answer: &Finished, millis: u64, style: &Style) -> String {
        let (mut now, mut out) = (tick(), Vec::new());
        now.instant = answer.started + Duration::from_millis(millis);
        push(
            &mut out,
            &Line::new(answer, &now, ip("192.168.178.23")),
            style,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_says_what_a_person_asks() {
        let mut one = answer(b"GET /a.jpg HTTP/1.1");
        let any = at(None, false);
        assert_eq!(
            shown(&one, 12, &any),
            "22:10:05Z 200 192.168.178.23 GET /a.jpg 1.2 KiB 12 ms\n"
        );
        one.body_bytes = 40 << 20;
        one.complete = false;
        assert_eq!(
            shown(&one, 4_000, &any),
            "22:10:05Z 200 192.168.178.23 GET /a.jpg 40 MiB 4.0 s 10 MiB/s cut\n"
        );
        one.request_line = b"PUT /b HTTP/1.1".into();
        (one.body_bytes, one.received_bytes, one.complete) = (0, 3 << 20, true);
        assert_eq!(
            shown(&one, 65_000, &any),
            "22:10:05Z 200 192.168.178.23 PUT /b 1m 05s 47 KiB/s in 3.0 MiB\n"
        );
        one.request_line = b"\x1b[2J".into();
        assert!(shown(&one, 0, &any).contains(" \\x1b[2J "));
    }

    #[test]
    fn it_fits_the_terminal() {
        let target = format!("GET /photos/{}/img_0001.jpg HTTP/1.1", "2026/".repeat(40));
        let one = answer(target.as_bytes());
        for columns in [50, 60, 72, 80, 120, 200] {
            let line = shown(&one, 12, &at(Some(columns), false));
            let wide = line.trim_end().chars().count();
            assert_eq!(wide, usize::from(columns), "{line}");
            assert!(
                line.contains("GET /") && line.contains(".jpg 1.2 KiB 12 ms"),
                "{line}"
            );
            assert_eq!(line.contains("22:10:05Z"), columns >= 72, "{line}");
        }
        // What is short stays whole.
        let one = answer(b"GET /a HTTP/1.1");
        let line = shown(&one, 12, &at(Some(60), false));
        assert_eq!(line, "200 192.168.178.23 GET /a 1.2 KiB 12 ms\n");
    }

    #[test]
    fn its_colour_says_how_it_went() {
        let style = at(Some(80), true);
        let check = |status: Status, colour: &str| {
            let mut one = answer(b"GET / HTTP/1.1");
            one.status = status;
            let line = shown(&one, 1, &style);
            let code = format!("{colour}{}\x1b[0m ", status.code());
            assert!(line.contains(&code), "{line:?}");
            let plain = shown(&one, 1, &at(Some(80), false));
            let painted = colourless(&line);
            assert_eq!(painted, plain, "and nothing else");
            let narrow = shown(&one, 1, &at(Some(60), true));
            assert!(
                !narrow.contains("m\x1b[0m"),
                "what is not there has no colour"
            );
        };
        check(Status::OK, "\x1b[32m");
        check(Status::NOT_MODIFIED, "\x1b[36m");
        check(Status::NOT_FOUND, "\x1b[33m");
        check(Status::INTERNAL_SERVER_ERROR, "\x1b[31m");
    }

    /// Without its colours.
    fn colourless(line: &str) -> String {
        let mut pieces = line.split("\x1b[");
        let first = pieces.next().unwrap().to_owned();
        let behind = |piece: &str| piece.split_once('m').unwrap().1.to_owned();
        first + &pieces.map(behind).collect::<String>()
    }
}
