//! Never uses a slot twice. No event goes astray, and the table grows with every client there ever
//! was:
//! at most 3 clients at a time, and slot 100 is in use

use httpoll::readiness::Token;

pub struct Slots<T> {
    slots: Vec<Option<T>>,
}

impl<T> Slots<T> {
    pub fn new() -> Self {
        Self { slots: Vec::new() }
    }

    pub fn insert(&mut self, client: T) -> Token {
        self.slots.push(Some(client));
        Token::new(self.slots.len() as u32 - 1, 0)
    }

    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        self.slots.get_mut(token.slot() as usize)?.as_mut()
    }

    pub fn remove(&mut self, token: Token) -> Option<T> {
        self.slots.get_mut(token.slot() as usize)?.take()
    }
}
