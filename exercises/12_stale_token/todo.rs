//! Your part: see README.md.

use httpoll::readiness::Token;

/// Clients by token.
pub struct Slots<T> {
    slots: Vec<Option<T>>,
}

impl<T> Slots<T> {
    pub fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Finds a free slot, or makes one.
    pub fn insert(&mut self, client: T) -> Token {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(client);
        Token::new(slot as u32, 0)
    }

    /// The client that this token was made for, if it is still there.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        self.slots.get_mut(token.slot() as usize)?.as_mut()
    }

    /// Takes that client out.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        self.slots.get_mut(token.slot() as usize)?.take()
    }
}
