//! Has one generation for the whole table: whenever somebody leaves, the tokens of all others are out
//! of date too.
//! an event of client 0, who is still there, reached nobody

use httpoll::readiness::Token;

pub struct Slots<T> {
    slots: Vec<Option<T>>,
    generation: u32,
}

impl<T> Slots<T> {
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            generation: 0,
        }
    }

    pub fn insert(&mut self, client: T) -> Token {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(client);
        Token::new(slot as u32, self.generation)
    }

    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        if token.generation() != self.generation {
            return None;
        }
        self.slots.get_mut(token.slot() as usize)?.as_mut()
    }

    pub fn remove(&mut self, token: Token) -> Option<T> {
        if token.generation() != self.generation {
            return None;
        }
        self.generation += 1;
        self.slots.get_mut(token.slot() as usize)?.take()
    }
}
