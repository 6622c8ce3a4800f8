//! Stub.
/// Stub.
#[derive(Debug)]
pub struct EpollEdge;
