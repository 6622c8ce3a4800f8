//! What a valid request head says: a few numbers over its raw bytes.
//!
//! *Floor 0.* [`Head`] is what parsing leaves behind, without a borrow, so that a connection can
//! keep it beside its buffer; [`Request`] is the two together, for as long as a service looks at
//! it. Fields that are not used are never copied or indexed.

use std::fmt;
use std::net::IpAddr;

use super::framing::BodyLength;

/// What a head may cost.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes from the request line to the blank line.
    pub bytes_max: usize,
    /// Fields.
    pub fields_max: usize,
    /// Bytes of the target.
    pub target_bytes_max: usize,
}

/// A request method (RFC 9110 §9.3, RFC 5789).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Method {
    /// `GET`
    #[default]
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `CONNECT`
    Connect,
    /// `OPTIONS`
    Options,
    /// `TRACE`
    Trace,
    /// `PATCH`
    Patch,
    /// Any other method of the IANA registry: known, and not served here, 405.
    Registered,
    /// A token that is none of these: 501.
    Other,
}

impl Method {
    /// The method a token names; methods are case-sensitive (RFC 9110 §9.1).
    #[inline]
    pub const fn from_token(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ if is_registered(token) => Self::Registered,
            _ => Self::Other,
        }
    }

    /// Its token; empty for [`Method::Registered`] and [`Method::Other`], which stand for many.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Registered | Self::Other => "",
        }
    }
}

/// The rest of the [HTTP Method Registry](https://www.iana.org/assignments/http-methods), and
/// PURGE, which is in no registry and in every cache's manual.
const fn is_registered(token: &[u8]) -> bool {
    matches!(
        token,
        b"*" | b"ACL"
            | b"BASELINE-CONTROL"
            | b"BIND"
            | b"CHECKIN"
            | b"CHECKOUT"
            | b"COPY"
            | b"LABEL"
            | b"LINK"
            | b"LOCK"
            | b"MERGE"
            | b"MKACTIVITY"
            | b"MKCALENDAR"
            | b"MKCOL"
            | b"MKREDIRECTREF"
            | b"MKWORKSPACE"
            | b"MOVE"
            | b"ORDERPATCH"
            | b"PRI"
            | b"PROPFIND"
            | b"PROPPATCH"
            | b"PURGE"
            | b"QUERY"
            | b"REBIND"
            | b"REPORT"
            | b"SEARCH"
            | b"UNBIND"
            | b"UNCHECKOUT"
            | b"UNLINK"
            | b"UNLOCK"
            | b"UPDATE"
            | b"UPDATEREDIRECTREF"
            | b"VERSION-CONTROL"
    )
}

/// A stretch of a head. Heads are at most 60 KiB, so 16 bits reach everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    pub(crate) fn offset(at: usize) -> u16 {
        debug_assert!(at <= usize::from(u16::MAX), "a head is at most 60 KiB");
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start: Self::offset(start),
            end: Self::offset(end),
        }
    }

    /// Where `part` stands in `raw`, of which it is a slice.
    pub(crate) fn within(raw: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(raw.as_ptr() as usize);
        debug_assert!(start + part.len() <= raw.len(), "not a part of this head");
        Self::new(start, start + part.len())
    }

    pub(crate) const fn start(self) -> usize {
        self.start as usize
    }

    pub(crate) const fn end(self) -> usize {
        self.end as usize
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(crate) fn of(self, raw: &[u8]) -> &[u8] {
        raw.get(self.start()..self.end()).unwrap_or_default()
    }
}

/// A set of the fields that the server itself may look at. Being absent is the common case, and
/// then a lookup is one bit test.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Known(u32);

macro_rules! known_fields {
    ($($bit:literal $name:ident $text:literal,)*) => {
        impl Known {
            pub(crate) const NOTHING: Self = Self(0);
            $(pub(crate) const $name: Self = Self(1 << $bit);)*

            /// The field that `name` names, or nothing. No more than three have the same length, so
            /// that is what to ask for first; and for a known length whole words are compared.
            pub(crate) fn of(name: &[u8]) -> Self {
                $(const $name: usize = $text.len();)*
                match name.len() {
                    $($name if is_same(name, $text) => Self::$name,)*
                    _ => Self::NOTHING,
                }
            }
        }
    };
}

known_fields! {
    0 HOST b"host",
    1 CONNECTION b"connection",
    2 CONTENT_LENGTH b"content-length",
    3 TRANSFER_ENCODING b"transfer-encoding",
    4 EXPECT b"expect",
    5 RANGE b"range",
    6 IF_RANGE b"if-range",
    7 IF_MATCH b"if-match",
    8 IF_NONE_MATCH b"if-none-match",
    9 IF_MODIFIED_SINCE b"if-modified-since",
    10 IF_UNMODIFIED_SINCE b"if-unmodified-since",
    11 ACCEPT b"accept",
    12 ACCEPT_ENCODING b"accept-encoding",
    13 ORIGIN b"origin",
    14 FORWARDED b"forwarded",
    15 X_FORWARDED_FOR b"x-forwarded-for",
    16 AUTHORIZATION b"authorization",
    17 ACCESS_CONTROL_REQUEST_METHOD b"access-control-request-method",
}

/// Whether a field name is `known`, which is in lower case. In a token, only an upper case letter
/// becomes a lower case one by this bit; behind the first byte whole words are compared.
fn is_same<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    let lower = |name: [u8; N]| name.map(|byte| byte | 0x20);
    name.first().is_some_and(|first| first | 0x20 == known[0])
        && <[u8; N]>::try_from(name).is_ok_and(|name| lower(name) == *known)
}

impl Known {
    /// The preconditions (RFC 9110 §13.1), but for If-Range, which is about Range alone.
    pub(crate) const CONDITIONS: Self = Self(
        Self::IF_MATCH.0
            | Self::IF_NONE_MATCH.0
            | Self::IF_MODIFIED_SINCE.0
            | Self::IF_UNMODIFIED_SINCE.0,
    );

    /// What an answer depends on that is not simply the whole file.
    pub(crate) const ABOUT_THE_BYTES: Self =
        Self(Self::CONDITIONS.0 | Self::RANGE.0 | Self::IF_RANGE.0 | Self::ACCEPT_ENCODING.0);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

/// What parsing learnt of a head.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Head {
    pub(crate) method_end: u16,
    pub(crate) target: Span,
    pub(crate) path: Span,
    pub(crate) query: Span,
    pub(crate) authority: Span,
    pub(crate) method: Method,
    pub(crate) minor_version: u8,
    pub(crate) has_query: bool,
    pub(crate) section: HeaderSection,
}

/// What the fields of a head say about framing, routing and reuse. Of the request line only the version
/// is in it: so it holds for every head of that version with the same fields.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct HeaderSection {
    pub(crate) body: BodyLength,
    pub(crate) known: Known,
    /// The value of Host, counted from the section's first byte.
    pub(crate) host: Span,
    pub(crate) asks_close: bool,
    pub(crate) asks_keep_alive: bool,
    /// Whether the client's side permits another request (RFC 9112 §9.3).
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
}

impl Head {
    /// Adds what the fields say, the first of which stands at `start`. The target's own authority
    /// replaces Host (RFC 9112 §3.2.2).
    pub(crate) fn add_section(&mut self, start: usize, section: &HeaderSection) {
        self.section = *section;
        if self.authority.is_empty() {
            let host = section.host;
            self.authority = Span::new(start + host.start(), start + host.end());
        }
    }
}

/// A complete, valid request head, borrowed from the connection.
#[derive(Clone, Copy)]
pub struct Request<'c> {
    raw: &'c [u8],
    head: Head,
    /// The client's address, unless it came over a Unix socket.
    pub peer: Option<IpAddr>,
}

impl<'c> Request<'c> {
    pub(crate) const fn new(raw: &'c [u8], head: Head) -> Self {
        Self {
            raw,
            head,
            peer: None,
        }
    }

    /// The method.
    pub const fn method(&self) -> Method {
        self.head.method
    }

    /// The method as it was written.
    pub fn method_str(&self) -> &'c str {
        ascii(&self.raw[..usize::from(self.head.method_end)])
    }

    /// The target as it was written: `/a%20b?c=d`, `http://host/a`, `*`.
    pub fn target(&self) -> &'c str {
        ascii(self.head.target.of(self.raw))
    }

    /// The target's path, still percent-encoded: it starts with `/`, or is `*` for an OPTIONS
    /// about the whole server, or empty for CONNECT. Absolute-form targets are reduced to it.
    pub fn path(&self) -> &'c str {
        ascii(self.path_bytes())
    }

    /// [`Self::path`] as bytes: what every request pays for need not be looked at again.
    pub(crate) fn path_bytes(&self) -> &'c [u8] {
        let path = self.head.path;
        match (self.head.method, path.is_empty()) {
            (Method::Connect, _) => b"",
            // Absolute-form without a path: the server itself (RFC 9112 §3.2.4), else the root.
            (Method::Options, true) if !self.head.has_query => b"*",
            (_, true) => b"/",
            _ => path.of(self.raw),
        }
    }

    /// What follows the first `?`, if there is one.
    pub fn query(&self) -> Option<&'c str> {
        self.head
            .has_query
            .then(|| ascii(self.head.query.of(self.raw)))
    }

    /// The host that is asked, with its port if one was given: the target's authority in
    /// absolute-form, else the Host field (RFC 9112 §3.2.2). Empty for HTTP/1.0 without Host.
    pub fn host(&self) -> &'c str {
        ascii(self.head.authority.of(self.raw))
    }

    /// The minor version served: 0 or 1.
    pub const fn minor_version(&self) -> u8 {
        self.head.minor_version
    }

    /// How the content is delimited.
    pub const fn body_length(&self) -> BodyLength {
        self.head.section.body
    }

    /// The request line as it was received, without its CRLF: for the access line.
    pub fn line(&self) -> &'c [u8] {
        let end = memchr::memchr(b'\r', self.raw).unwrap_or(self.raw.len());
        &self.raw[..end]
    }

    /// Whether any of `fields` is there: one bit test, for answers that depend on none of them.
    pub(crate) const fn has(&self, fields: Known) -> bool {
        self.head.section.known.has(fields)
    }

    /// The first value of a field, without surrounding white space. Names compare
    /// case-insensitively. An absent conditional, range or negotiation field costs one bit test.
    pub fn field(&self, name: &str) -> Option<&'c [u8]> {
        let known = Known::of(name.as_bytes());
        if known != Known::NOTHING && !self.head.section.known.has(known) {
            return None;
        }
        self.field_values(name).next()
    }

    /// All values of a field, in order (list fields may be split over lines, RFC 9110 §5.3).
    pub fn field_values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'c [u8]> + use<'c, 'n> {
        let known = Known::of(name.as_bytes());
        let absent = known != Known::NOTHING && !self.head.section.known.has(known);
        let all = if absent { b"" } else { self.raw };
        fields(all)
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All fields in order, values without surrounding white space.
    pub fn fields(&self) -> impl Iterator<Item = (&'c str, &'c [u8])> + use<'c> {
        fields(self.raw)
    }
}

impl Request<'_> {
    /// The same request as if it asked for all of the representation, as it is and whatever its client
    /// has already: without preconditions, ranges and encodings.
    #[must_use]
    pub(crate) fn of_the_whole(&self) -> Self {
        let mut whole = *self;
        whole.head.section.known.remove(Known::ABOUT_THE_BYTES);
        whole
    }

    /// Whether a page of another site asks, as a browser says.
    ///
    /// *References:* Fetch Metadata Request Headers, §2.3.
    pub fn is_from_another_site(&self) -> bool {
        let site = self.field("Sec-Fetch-Site");
        site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"))
    }

    /// A copy that needs no connection: for work that outlives the call.
    pub fn detached(&self) -> OwnedRequest {
        OwnedRequest {
            raw: self.raw.into(),
            head: self.head,
            peer: self.peer,
        }
    }
}

/// A request head that owns its bytes; see [`Request::detached`].
#[derive(Clone)]
pub struct OwnedRequest {
    raw: Box<[u8]>,
    head: Head,
    peer: Option<IpAddr>,
}

impl OwnedRequest {
    /// The request, as it was.
    pub const fn borrow(&self) -> Request<'_> {
        Request {
            raw: &self.raw,
            head: self.head,
            peer: self.peer,
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.line().escape_ascii())
    }
}

/// The fields of a head that has been checked: every line ends in CRLF, none is folded.
fn fields(raw: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    raw.split(|b| *b == b'\n').skip(1).map_while(|line| {
        let line = line.strip_suffix(b"\r")?;
        let colon = memchr::memchr(b':', line)?;
        Some((ascii(&line[..colon]), line[colon + 1..].trim_ascii()))
    })
}

/// Tokens and targets were held against ASCII tables when they were parsed.
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
