//! Checks where an event is handled, but not where a client is closed:
//! client 1, who has left, was closed once more, and client 2, who has the same slot, is gone

use httpoll::readiness::Token;

pub struct Slots<T> {
    slots: Vec<(u32, Option<T>)>,
}

impl<T> Slots<T> {
    pub fn new() -> Self {
        Self { slots: Vec::new() }
    }

    pub fn insert(&mut self, client: T) -> Token {
        let free = self.slots.iter().position(|slot| slot.1.is_none());
        let at = free.unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        self.slots[at].1 = Some(client);
        Token::new(at as u32, self.slots[at].0)
    }

    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let (generation, client) = self.slots.get_mut(token.slot() as usize)?;
        if *generation == token.generation() {
            client.as_mut()
        } else {
            None
        }
    }

    pub fn remove(&mut self, token: Token) -> Option<T> {
        let (generation, client) = self.slots.get_mut(token.slot() as usize)?;
        *generation += 1;
        client.take()
    }
}
