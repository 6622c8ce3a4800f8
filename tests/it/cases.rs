//! What comes back for what is sent: the protocol as tables.
//!
//! One row is one conversation: its rule, what is sent, and the statuses that come back in order.
//! An outcome ends in `x` if the connection is over then, in `~` if it waits for more of a
//! request, and in nothing if it is ready for the next one. Rows marked `must` follow from the
//! section named; rows marked `ours` are choices the RFC leaves open, with the reason in a word.
//!
//! Each row is fed whole, byte by byte and cut in two everywhere (see `wire.rs`), and every answer
//! is held against the rules that hold for all answers.

mod chunked;
mod connection;
mod fields;
mod host;
mod length;
mod request_line;

use std::collections::HashSet;
use std::fmt;

use super::wire::{Feed, State, converse};

/// Where a row's outcome comes from.
#[derive(Clone, Copy)]
enum Rule {
    /// This section of this RFC requires it, or defines the grammar that decides it.
    Must(&'static str),
    /// Our choice, and why.
    Ours(&'static str),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Must(section) => write!(f, "RFC {section}"),
            Self::Ours(reason) => write!(f, "our choice ({reason})"),
        }
    }
}

const fn must(section: &'static str) -> Rule {
    Rule::Must(section)
}

const fn ours(reason: &'static str) -> Rule {
    Rule::Ours(reason)
}

struct Case {
    rule: Rule,
    name: String,
    sent: Vec<u8>,
    outcome: &'static str,
    /// Content that an upload which succeeds must get back.
    echo: Option<Vec<u8>>,
    /// Its place in a family. The members are cut in different places: together everywhere.
    member: Option<u8>,
}

impl Case {
    fn new(rule: Rule, name: &str, sent: Vec<u8>, outcome: &'static str) -> Self {
        Self {
            rule,
            name: name.to_owned(),
            sent,
            outcome,
            echo: None,
            member: None,
        }
    }

    fn echo(mut self, content: &[u8]) -> Self {
        self.echo = self.outcome.starts_with("200").then(|| content.to_vec());
        self
    }

    fn member(mut self, byte: u8) -> Self {
        self.member = Some(byte);
        self
    }

    /// One row for each byte there is.
    fn family(rule: Rule, place: &str, row: impl Fn(u8) -> (Vec<u8>, &'static str)) -> Vec<Self> {
        let case = |byte: u8| {
            let (sent, outcome) = row(byte);
            Self::new(rule, &format!("byte {byte:#04x} {place}"), sent, outcome).member(byte)
        };
        (0..=255).map(case).collect()
    }

    /// What is wrong with the conversation, if anything is.
    fn fault(&self) -> Option<String> {
        let whole = converse(&self.sent, Feed::Whole);
        let fault = whole.fault.clone().or_else(|| {
            let outcome = whole.outcome();
            (outcome != self.outcome).then(|| format!("{outcome:?} instead of {:?}", self.outcome))
        });
        let fault = fault.or_else(|| {
            let echo = self.echo.as_ref()?;
            let back = &whole.answers.first()?.content;
            (back != echo).then(|| format!("content {:?}", back.escape_ascii().to_string()))
        });
        fault.or_else(|| {
            let feed = self.feeds().find(|feed| {
                let other = converse(&self.sent, *feed);
                other.output != whole.output || other.state != whole.state
            })?;
            let other = converse(&self.sent, feed);
            let shown = other.output.escape_ascii().to_string();
            Some(format!("{feed:?}: {:?} {shown:.300}", other.outcome()))
        })
    }

    /// Every way to cut it up that is worth the time.
    fn feeds(&self) -> impl Iterator<Item = Feed> + use<> {
        let len = self.sent.len();
        // A long request's middle is all alike.
        let (first, step) = match self.member {
            Some(byte) => (1 + usize::from(byte) % 8, 8),
            None if len > 4_096 => (1, len / 32),
            None => (1, 1 + len / 256),
        };
        let byte_by_byte = (len <= 4_096).then_some(Feed::Pieces(1));
        let two = (first..len).step_by(step).map(Feed::SplitAt);
        byte_by_byte
            .into_iter()
            .chain([Feed::Pieces(7), Feed::Pieces(1_000)])
            .chain(two)
    }
}

fn check(cases: &[Case]) {
    let mut faults = Vec::new();
    for case in cases {
        if let Some(fault) = case.fault() {
            let shown = case.sent.escape_ascii().to_string();
            faults.push(format!(
                "{}: {}: {fault}\n    {shown:.200}",
                case.rule, case.name
            ));
        }
    }
    let count = faults.len();
    assert!(
        faults.is_empty(),
        "{count} of {}:\n{}",
        cases.len(),
        faults.join("\n")
    );
}

/// A GET with these fields besides Host.
fn get(fields: &[u8]) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n", fields, b"\r\n"].concat()
}

/// An upload with these fields besides Host, and this behind the head.
fn post(fields: &[u8], body: &[u8]) -> Vec<u8> {
    [b"POST /echo HTTP/1.1\r\nHost: a\r\n", fields, b"\r\n", body].concat()
}

/// RFC 9110 §5.6.2, written out and not computed, so that it cannot share a mistake.
const TCHAR: &[u8] =
    b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

macro_rules! themes {
    ($($theme:ident: $($family:ident)::+;)*) => {
        $(#[test]
        fn $theme() {
            check(&$($family)::+());
        })*

        fn all() -> Vec<Case> {
            let mut all = Vec::new();
            $(all.extend($($family)::+());)*
            // A family repeats what a row of its own says in words.
            let mut seen = HashSet::new();
            all.retain(|case: &Case| seen.insert(case.sent.clone()));
            all
        }
    };
}

themes! {
    request_lines: request_line::lines;
    bytes_in_a_method: request_line::method_bytes;
    bytes_in_a_path: request_line::path_bytes;
    bytes_in_a_query: request_line::query_bytes;
    major_versions: request_line::major_versions;
    minor_versions: request_line::minor_versions;
    long_request_lines: request_line::lengths;
    host_values: host::values;
    host_fields: host::fields;
    bytes_in_a_host: host::bytes;
    field_lines: fields::lines;
    bytes_in_a_field_name: fields::name_bytes;
    bytes_at_the_start_of_a_field: fields::first_bytes;
    bytes_in_a_field_value: fields::value_bytes;
    bytes_as_a_field_value: fields::whole_values;
    long_heads: fields::sizes;
    content_lengths: length::lengths;
    transfer_codings: length::codings;
    length_and_coding_at_once: length::both;
    without_a_length: length::without;
    bytes_around_a_length: length::bytes;
    chunked_bodies: chunked::good;
    broken_chunked_bodies: chunked::bad;
    broken_chunked_bodies_nobody_wants: chunked::bad_and_unwanted;
    bytes_in_chunked_framing: chunked::bytes;
    long_chunked_bodies: chunked::sizes;
    connection_options: connection::options;
    sequences: connection::sequences;
    many_empty_lines: connection::empty_lines;
    expectations: connection::expectations;
}

/// The answers of rows that leave the connection open are the same when their requests follow
/// each other on one connection, whatever stood before.
#[test]
fn together_and_apart_are_the_same() {
    let mut all = all();
    all.retain(|case| !case.outcome.is_empty() && case.sent.len() < 1_000);
    let mut together = Vec::new();
    let mut apart = Vec::new();
    for (at, case) in all.iter().enumerate() {
        if !case.outcome.ends_with(['x', '~']) {
            together.extend_from_slice(&case.sent);
            apart.extend_from_slice(&converse(&case.sent, Feed::Whole).output);
        } else if at % 8 == 0 {
            // A row that ends the connection is tried behind a few that did not.
            together.extend_from_slice(&case.sent);
            apart.extend_from_slice(&converse(&case.sent, Feed::Whole).output);
            for feed in [Feed::Whole, Feed::Pieces(1), Feed::Pieces(97)] {
                let got = converse(&together, feed);
                assert_eq!(got.fault, None, "before {}", case.name);
                assert!(got.output == apart, "{feed:?} before {}", case.name);
            }
            together.clear();
            apart.clear();
        }
    }
}

/// A refusal is the last thing a connection says: a request behind it is never answered.
#[test]
fn nothing_behind_a_refusal_is_answered() {
    let behind = b"GET /where HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    for case in all().iter().filter(|case| case.outcome.ends_with('x')) {
        let alone = converse(&case.sent, Feed::Whole);
        for between in [&b""[..], b"\r\n", b"\r\n\r\n", b"0\r\n\r\n"] {
            let longer = converse(&[&case.sent, between, behind].concat(), Feed::Whole);
            let shown = case.sent.escape_ascii().to_string();
            assert!(longer.output == alone.output, "{}: {shown:.200}", case.name);
        }
    }
}

/// Whatever is cut off by an end of file, the connection ends, and no request that was not whole
/// has been answered as if it were.
#[test]
fn every_prefix_ends() {
    for case in all()
        .iter()
        .filter(|case| case.sent.len() < 200)
        .step_by(19)
    {
        let whole = converse(&case.sent, Feed::Whole);
        for end in 0..case.sent.len() {
            let cut = converse(&case.sent[..end], Feed::Whole);
            assert_eq!(cut.fault, None, "{} cut at {end}", case.name);
            let known = whole.output.starts_with(&cut.output);
            // What would have become a later refusal may have been answered first.
            let refused = matches!(cut.state, State::Over) && case.outcome.ends_with('x');
            assert!(
                known || refused,
                "{} cut at {end}: {:?}",
                case.name,
                cut.outcome()
            );
        }
    }
}
