//! Fields of RFC 9110 and RFC 7239, one subject each: read, evaluated, written.
//!
//! *Floor 0.* Know values, not files or connections: what the server has is handed in.

pub mod date;
pub mod forwarded;
pub mod negotiate;
pub mod range;
pub mod validator;
