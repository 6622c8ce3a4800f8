//! What a client can get wrong on the wire, and what it is told.
//!
//! *Floor 0.* Each variant is one refusal; [`ProtocolError::status`] is the answer and
//! [`ProtocolError::explain`] the sentence in it. After any of them the framing is in doubt, so
//! the answer is sent and the connection closes (RFC 9112 §6.3, §11.2).

use crate::http::status::Status;

macro_rules! protocol_errors {
    ($($variant:ident $status:ident $section:literal $explanation:literal,)*) => {
        /// One way in which bytes are not an HTTP/1.1 request that we serve.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ProtocolError {
            $(
                #[doc = concat!($explanation, " (", $section, ")")]
                $variant,
            )*
        }

        impl ProtocolError {
            /// Every variant, for tables and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The status of the answer.
            pub const fn status(self) -> Status {
                match self { $(Self::$variant => Status::$status,)* }
            }

            /// One sentence for the client.
            pub const fn explain(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)* }
            }

            /// Where the rule stands.
            pub const fn section(self) -> &'static str {
                match self { $(Self::$variant => $section,)* }
            }
        }
    };
}

protocol_errors! {
    TlsHandshake BAD_REQUEST "RFC 8446 §5.1" "TLS came, and plain HTTP is spoken here: ask for http://, not https://",
    RequestLine BAD_REQUEST "RFC 9112 §3" "malformed request line",
    MethodToken BAD_REQUEST "RFC 9110 §9.1" "the method is not a token",
    TargetForm BAD_REQUEST "RFC 9112 §3.2" "the request target has none of the four forms",
    TargetByte BAD_REQUEST "RFC 3986 §2" "illegal character in the request target",
    TargetTooLong URI_TOO_LONG "RFC 9112 §3" "request target too long",
    VersionSyntax BAD_REQUEST "RFC 9112 §2.3" "malformed protocol version",
    VersionMajor HTTP_VERSION_NOT_SUPPORTED "RFC 9110 §15.6.6" "only HTTP/1.x is spoken here",
    HeadTooLong REQUEST_HEADER_FIELDS_TOO_LARGE "RFC 6585 §5" "request head too large",
    TooManyFields REQUEST_HEADER_FIELDS_TOO_LARGE "RFC 6585 §5" "too many header fields",
    BareLineFeed BAD_REQUEST "RFC 9112 §2.2" "a line ends in LF without CR",
    BareCarriageReturn BAD_REQUEST "RFC 9112 §2.2" "a CR is not followed by LF",
    FieldSyntax BAD_REQUEST "RFC 9112 §5" "malformed header field",
    SpaceBeforeColon BAD_REQUEST "RFC 9112 §5.1" "white space between field name and colon",
    Folded BAD_REQUEST "RFC 9112 §5.2" "folded header field (obs-fold)",
    HostMissing BAD_REQUEST "RFC 9112 §3.2" "no Host field",
    HostRepeated BAD_REQUEST "RFC 9112 §3.2" "more than one Host field",
    HostInvalid BAD_REQUEST "RFC 9112 §3.2" "invalid Host field or authority",
    LengthSyntax BAD_REQUEST "RFC 9112 §6.3" "malformed Content-Length",
    LengthContradiction BAD_REQUEST "RFC 9112 §6.3" "contradicting Content-Length fields",
    LengthAndCoding BAD_REQUEST "RFC 9112 §6.1" "Content-Length together with Transfer-Encoding",
    CodingNotFinal BAD_REQUEST "RFC 9112 §6.3" "chunked is not the final transfer coding",
    CodingUnknown NOT_IMPLEMENTED "RFC 9112 §6.1" "unknown transfer coding",
    CodingInHttp10 BAD_REQUEST "RFC 9112 §6.1" "Transfer-Encoding in an HTTP/1.0 request",
    ExpectationUnknown EXPECTATION_FAILED "RFC 9110 §10.1.1" "unknown expectation",
    ContentTooLong CONTENT_TOO_LARGE "RFC 9110 §15.5.14" "request content too large",
    ChunkSize BAD_REQUEST "RFC 9112 §7.1" "malformed chunk size",
    ChunkExtension BAD_REQUEST "RFC 9112 §7.1.1" "malformed or too long chunk extension",
    ChunkEnd BAD_REQUEST "RFC 9112 §7.1" "chunk data is not followed by CRLF",
    Trailer BAD_REQUEST "RFC 9112 §7.1.2" "malformed or too long trailer section",
    HeaderTimeout REQUEST_TIMEOUT "RFC 9110 §15.5.9" "the request head took too long",
    BodyTimeout REQUEST_TIMEOUT "RFC 9110 §15.5.9" "the request content took too long",
}

impl ProtocolError {
    /// What an access line shows in place of the first line, where that is no text at all.
    pub const fn stands_for_line(self) -> Option<&'static str> {
        match self {
            Self::TlsHandshake => Some("TLS handshake"),
            _ => None,
        }
    }
}

impl std::fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.explain())
    }
}

impl std::error::Error for ProtocolError {}
