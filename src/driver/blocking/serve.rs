//! One connection, served by the straight line of `mod.rs` and told of to the observers.
//!
//! *Floor 4.* The same for both drivers that wait.

use super::told::Told;
use super::wait::Waiting;
use super::{Served, serve_connection};
use crate::conn::{CloseReason, Connection};
use crate::driver::observe::Watchers;
use crate::driver::observe::lines::Lines;
use crate::driver::observe::observer::Observer;
use crate::driver::settings::Settings;
use crate::kernel::{BlockingStream, Faults, Injected, Injector, Peer, Stream, Traced};
use crate::readiness::Token;
use crate::service::Service;

/// A client that has come in.
pub(super) struct AcceptedClient {
    pub(super) stream: BlockingStream,
    pub(super) peer: Peer,
    pub(super) conn: Connection,
    /// What the observers call it.
    pub(super) token: Token,
}

/// What stands around the streams.
#[derive(Clone, Default)]
pub(crate) struct Around {
    /// Where calls are printed, if anywhere.
    pub(crate) trace: Option<Lines>,
    /// Which calls are spoiled, if any are.
    pub(crate) faults: Option<Faults>,
}

/// Serves one connection, with what stands around its stream.
pub(super) fn serve<S: Service>(
    client: AcceptedClient,
    (service, settings): (&mut S, &Settings),
    around: &Around,
    watchers: &mut Watchers,
    waiting: &mut impl Waiting,
) {
    let AcceptedClient {
        stream,
        peer,
        conn,
        token,
    } = client;
    Told::new(token, watchers).accepted(peer);
    let told = Told::new(token, &mut *watchers);
    let with = ServedWith {
        service,
        settings,
        told,
        peer,
        conn,
    };
    let sink = around.trace.as_ref().map(Lines::sink);
    let injector = around.faults.as_ref();
    let injector = injector.map(|faults| Injector::new(faults, token.0));
    let reason = match (injector, sink) {
        (None, None) => with.over(stream, waiting),
        (None, Some(sink)) => with.over(Traced::printing(stream, sink), waiting),
        (Some(injector), None) => with.over(Injected::new(stream, injector), waiting),
        (Some(injector), Some(sink)) => {
            let last_fault = injector.last();
            let traced = Traced::printing(Injected::new(stream, injector), sink);
            with.over(traced.injected_by(last_fault), waiting)
        }
    };
    Told::new(token, watchers).closed(reason);
}

/// What a connection is served with, over whichever stream.
struct ServedWith<'a, S, O> {
    service: &'a mut S,
    settings: &'a Settings,
    told: Told<'a, O>,
    peer: Peer,
    conn: Connection,
}

impl<S: Service, O: Observer> ServedWith<'_, S, O> {
    fn over(self, mut stream: impl Stream, waiting: &mut impl Waiting) -> CloseReason {
        let service = (self.service, self.settings);
        let served = Served::new(&mut stream, service, self.told, self.peer);
        serve_connection(served, self.conn, waiting)
    }
}
