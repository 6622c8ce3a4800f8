//! The connection table: a slab whose tokens carry a generation.
//!
//! *Floor 4.* Descriptors are used again by the kernel at once, slots by us: an event that was
//! collected before a close must not reach the next connection in that slot (epoll(7), "if you use
//! an event cache"). A token names the slot *and* how often it has been used; a stale one finds
//! none.

use crate::readiness::Token;

/// Values by token.
pub(super) struct Slots<T> {
    entries: Vec<SlotEntry<T>>,
    free: Vec<u32>,
}

struct SlotEntry<T> {
    generation: u32,
    value: Option<T>,
}

/// Slots from here on are reserved for listeners and for the mailbox's notifier.
pub(in crate::driver) const RESERVED: u32 = 0xffff_0000;

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Puts a value in; `None` if every slot below the reserved ones is taken.
    pub(super) fn insert(&mut self, value: T) -> Option<Token> {
        if let Some(slot) = self.free.pop() {
            let entry = self.entries.get_mut(slot as usize)?;
            entry.value = Some(value);
            return Some(Token::new(slot, entry.generation));
        }
        let slot = u32::try_from(self.entries.len())
            .ok()
            .filter(|slot| *slot < RESERVED)?;
        self.entries.push(SlotEntry {
            generation: 0,
            value: Some(value),
        });
        Some(Token::new(slot, 0))
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let entry = self.entries.get_mut(token.slot() as usize)?;
        if entry.generation == token.generation() {
            entry.value.as_mut()
        } else {
            None
        }
    }

    /// Takes a value out; its token is stale from here on.
    pub(super) fn remove(&mut self, token: Token) -> Option<T> {
        let entry = self.entries.get_mut(token.slot() as usize)?;
        if entry.generation != token.generation() {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(token.slot());
        Some(value)
    }

    /// The tokens of all values, to be gone through while values come and go.
    pub(super) fn tokens(&self) -> Vec<Token> {
        self.iter().map(|(token, _)| token).collect()
    }

    /// All values with their tokens.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Token, &T)> {
        (0u32..).zip(&self.entries).filter_map(|(slot, entry)| {
            Some((Token::new(slot, entry.generation), entry.value.as_ref()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::event_loop::deadlines;
    use crate::driver::event_loop::slot::Slot;
    use crate::kernel::Linux;
    use crate::readiness::EpollEdge;

    #[test]
    fn a_stale_token_finds_nothing() {
        let mut slots = Slots::new();
        let first = slots.insert('a').unwrap();
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b').unwrap();
        assert_eq!(first.slot(), second.slot(), "the slot is used again");
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut 'b'));
        assert_eq!(slots.len(), 1);
    }

    /// What the README promises. A connection that owes nothing has no buffers (see
    /// `conn/buffers.rs`), so this is all of it in user space, twice because a vector that has just
    /// grown is half empty.
    #[test]
    fn an_idle_connection_is_a_slot_and_a_deadline() {
        let slot = size_of::<SlotEntry<Slot<Linux<EpollEdge>>>>();
        let deadline = deadlines::ENTRY_BYTES;
        assert!(2 * (slot + deadline) <= 256, "{slot} + {deadline} bytes");
    }
}
