//! The way out: what a connection has to send, given to its socket.
//!
//! *Floor 4.* Written at once, before anybody asks whether the socket is writable: it almost
//! always is, and only after EAGAIN is it worth a system call to be told when it is again.
//!
//! *References:* send(2), sendfile(2). *Read next:* `settle.rs`.

use std::io;
use std::sync::Arc;

use super::{EventLoop, Slot};
use crate::conn::{CloseReason, Transmit};
use crate::driver::exchange;
use crate::driver::observe::counters::{Call, Counts};
use crate::driver::offload::What;
use crate::driver::settings::Budget;
use crate::http::{Notify, Tick, Wake};
use crate::kernel::{Kernel, Sent};
use crate::readiness::Token;
use crate::service::Service;

impl<K: Kernel, S: Service> EventLoop<K, S> {
    /// Sends until there is nothing more, the socket is full or the budget is spent.
    pub(super) fn transmit(&mut self, token: Token, budget: &mut Budget, now: &Tick) {
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        loop {
            if let Some(what) = slot.conn.fetch_chunk() {
                self.offload.submit(token, What::Fetch(what), &self.mailbox);
            } else if slot.conn.wants_pull() {
                let mailbox = Arc::clone(&self.mailbox) as Arc<dyn Notify>;
                exchange::pull(&mut slot.conn, &Wake::new(mailbox, token.0));
            }
            match send_some(&mut self.kernel, &mut self.counts, slot, budget, now) {
                Sending::More => {}
                Sending::Cold => {
                    if let Some(what) = slot.conn.fetch_bytes() {
                        self.offload.submit(token, What::Fetch(what), &self.mailbox);
                    }
                    return;
                }
                Sending::Stop => return,
            }
        }
    }
}

/// Whether to go on sending.
enum Sending {
    More,
    Cold,
    Stop,
}

/// One call.
fn send_some<K: Kernel>(
    kernel: &mut K,
    counts: &mut Counts,
    slot: &mut Slot<K>,
    budget: &mut Budget,
    now: &Tick,
) -> Sending {
    let (sent, offered) = match slot.conn.next_transmit() {
        None => return Sending::Stop,
        Some(Transmit::LastLook) => {
            slot.conn.on_last_look(kernel.closes_cleanly(&slot.socket));
            return Sending::More;
        }
        Some(Transmit::Shutdown) => {
            // If it fails the client is gone, which the next read will tell.
            counts.call(Call::Shutdown);
            let _ = kernel.shutdown_write(&mut slot.socket);
            slot.conn.on_shutdown_sent(now);
            return Sending::Stop;
        }
        Some(_) if !slot.ready.writable || budget.bytes == 0 => return Sending::Stop,
        Some(Transmit::Bytes { slices, more }) => {
            let used = &slices[..1 + usize::from(!slices[1].is_empty())];
            let offered = slices[0].len() + slices[1].len();
            counts.call(Call::Write);
            (
                kernel.write(&mut slot.socket, used, more).map(Sent::Bytes),
                Some(offered),
            )
        }
        Some(Transmit::File {
            source,
            offset,
            len,
        }) => {
            let part = usize::try_from(len).unwrap_or(usize::MAX).min(budget.bytes);
            let more = (part as u64) < len;
            counts.call(Call::SendFile);
            (
                kernel.send_file(&mut slot.socket, source, offset, part, more),
                None,
            )
        }
    };
    match sent {
        Ok(Sent::Bytes(n)) => {
            slot.conn.on_sent(n, now);
            budget.bytes = budget.bytes.saturating_sub(n);
            // A short write found the socket full (epoll(7), Q9). Not so a short sendfile(2),
            // which may have been interrupted: it is asked again until it says so.
            slot.ready.writable = offered.is_none_or(|offered| n == offered);
            Sending::More
        }
        Ok(Sent::SocketFull) => would_block(slot),
        Ok(Sent::SourceCold) => Sending::Cold,
        Ok(Sent::SourceEnd) => {
            slot.conn.on_source_end();
            Sending::Stop
        }
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => would_block(slot),
            io::ErrorKind::Interrupted => Sending::More,
            _ => {
                slot.conn.on_abort(CloseReason::SocketFailed);
                Sending::Stop
            }
        },
    }
}

fn would_block<K: Kernel>(slot: &mut Slot<K>) -> Sending {
    slot.ready.writable = false;
    Sending::Stop
}
