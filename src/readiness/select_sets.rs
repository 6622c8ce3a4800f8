//! Stub.
/// Stub.
#[derive(Debug)]
pub struct SelectSets;
