//! The simulator as the conformance suite sees it: the same sentences as for the real kernels.

use httpoll::kernel::Kernel;
use httpoll::kernel::sim::{Remote, Schedule, Sim, SimListener, SimSocket};

use crate::conformance::World;

/// A simulated kernel in which nothing disturbs.
pub(crate) struct Simulated<const EDGE: bool>(Sim<EDGE>);

/// A client moved by hand; dropping it closes it.
pub(crate) struct Client(Remote);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<const EDGE: bool> World for Simulated<EDGE> {
    type Kernel = Sim<EDGE>;
    type Peer = Client;

    fn new() -> Self {
        Self(Sim::new(Schedule::friendly()))
    }

    fn kernel(&mut self) -> &mut Sim<EDGE> {
        &mut self.0
    }

    fn pair(&mut self) -> (SimSocket, Client) {
        let client = Client(self.0.connect(OUTBOX_MAX));
        let (socket, _) = self.0.accept(&self.0.listen()).expect("it has connected");
        (socket, client)
    }

    fn listener(&mut self) -> SimListener {
        self.0.listen()
    }

    fn connect(&mut self, _: &SimListener) -> Client {
        Client(self.0.connect(OUTBOX_MAX))
    }

    fn send(&mut self, peer: &mut Client, bytes: &[u8]) {
        peer.0.send(bytes);
    }

    fn finish(&mut self, peer: &mut Client) {
        peer.0.finish();
    }

    fn reset(&mut self, peer: Client) {
        peer.0.reset();
    }

    fn take(&mut self, peer: &mut Client) -> Option<Vec<u8>> {
        let bytes = peer.0.receive(usize::MAX);
        (!bytes.is_empty() || !peer.0.has_ended()).then_some(bytes)
    }
}

const OUTBOX_MAX: usize = 200_000;
