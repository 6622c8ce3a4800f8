//! The request head: httparse, then our refusals.
//!
//! *Floor 0.*

use std::net::IpAddr;

/// A request method (RFC 9110 §9.3, RFC 5789).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// `GET`
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
    /// A token that is none of these: 501.
    Other,
}

/// A complete, valid request head, borrowed from the connection.
#[derive(Clone, Copy, Debug)]
pub struct Request<'c> {
    raw: &'c [u8],
    /// The client's address, unless it came over a Unix socket.
    pub peer: Option<IpAddr>,
}

#[expect(unused_variables, reason = "signatures first")]
impl<'c> Request<'c> {
    /// Parses a whole head, for tests and examples: `b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"`.
    pub fn parse(head: &'c [u8]) -> Option<Self> {
        unimplemented!()
    }
    /// The method.
    pub fn method(&self) -> Method {
        unimplemented!()
    }
    /// The method as it was written.
    pub fn method_str(&self) -> &'c str {
        unimplemented!()
    }
    /// The target as it was written: `/a%20b?c=d`, `http://host/a`, `*`.
    pub fn target(&self) -> &'c str {
        unimplemented!()
    }
    /// The target's path, still percent-encoded, always starting with `/` (or `*`, or empty for
    /// CONNECT). Absolute-form targets are reduced to it.
    pub fn path(&self) -> &'c str {
        unimplemented!()
    }
    /// What follows the first `?`, if there is one.
    pub fn query(&self) -> Option<&'c str> {
        unimplemented!()
    }
    /// The host that is asked, with its port if one was given: the target's authority in
    /// absolute-form, else the Host field (RFC 9112 §3.2.2). Empty for HTTP/1.0 without Host.
    pub fn host(&self) -> &'c str {
        unimplemented!()
    }
    /// The minor version served: 0 or 1.
    pub fn minor_version(&self) -> u8 {
        unimplemented!()
    }
    /// The first value of a field, without surrounding white space. Names compare
    /// case-insensitively. Fields that are absent cost nothing when their name is one of the
    /// conditional, range and negotiation fields, which parsing has counted.
    pub fn field(&self, name: &str) -> Option<&'c [u8]> {
        unimplemented!()
    }
    /// All values of a field, in order (list fields may be split over lines, RFC 9110 §5.3).
    pub fn field_values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'c [u8]> + use<'c, 'n> {
        std::iter::empty()
    }
    /// All fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&'c str, &'c [u8])> + use<'c> {
        std::iter::empty()
    }
}
