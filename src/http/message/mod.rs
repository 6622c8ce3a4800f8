//! The message of RFC 9112: where a head ends, what it says, where content ends.
//!
//! *Floor 0.* Strict, because of request smuggling: what is in doubt is an [`error`], and after one
//! the connection closes. `scan.rs` finds a head, `request.rs` parses its first line, `section.rs` its
//! fields, `authority.rs` the name of a host; `head.rs` is the result, and `framing.rs` says how much
//! content follows. `multipart.rs` takes apart the content of a form.

pub(crate) mod authority;
pub mod error;
pub mod framing;
pub(crate) mod head;
pub mod multipart;
pub mod request;
pub mod scan;
pub(crate) mod section;
