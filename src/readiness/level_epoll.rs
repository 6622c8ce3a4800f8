//! Stub.
/// Stub.
#[derive(Debug)]
pub struct EpollLevel;
