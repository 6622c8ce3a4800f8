//! Each slot counts how often it has been left.

use httpoll::readiness::Token;

/// Clients by token.
pub struct Slots<T> {
    slots: Vec<Slot<T>>,
}

struct Slot<T> {
    client: Option<T>,
    generation: u32,
}

impl<T> Slots<T> {
    pub fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Finds a free slot, or makes one.
    pub fn insert(&mut self, client: T) -> Token {
        let free = self.slots.iter().position(|slot| slot.client.is_none());
        let at = free.unwrap_or_else(|| {
            self.slots.push(Slot {
                client: None,
                generation: 0,
            });
            self.slots.len() - 1
        });
        self.slots[at].client = Some(client);
        Token::new(at as u32, self.slots[at].generation)
    }

    /// The client that this token was made for, if it is still there.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        self.slot(token)?.client.as_mut()
    }

    /// Takes that client out.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        let slot = self.slot(token)?;
        let client = slot.client.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        Some(client)
    }

    fn slot(&mut self, token: Token) -> Option<&mut Slot<T>> {
        let slot = self.slots.get_mut(token.slot() as usize)?;
        (slot.generation == token.generation()).then_some(slot)
    }
}
