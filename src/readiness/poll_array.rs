//! Stub.
/// Stub.
#[derive(Debug)]
pub struct PollArray;
