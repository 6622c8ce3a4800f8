//! What an operator asks: `/metrics`, `/healthz`, `/readyz`, and the [views](super::views) of the
//! loops, on an address of their own.
//!
//! *Floor 4.* One more loop in a thread of its own, with the service that is defined here. Its
//! address is never one of the public ones: the numbers are not for clients, and a health check
//! must be answered while the public listeners are closed. A page in the browser of a user who can
//! reach it may not read it either: 421 to names that DNS can rebind.
//!
//! * `/healthz`: 200 as long as the process answers at all.
//! * `/readyz`: 200; 503 from the signal to stop on, so that a load balancer sends no more clients.
//! * `/metrics`: the counters, as OpenMetrics text.
//!
//! *References:* RFC 9110 §15.6.4 (503).

#![expect(clippy::disallowed_methods, reason = "the admin thread starts here")]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::views;
use crate::conn::Limits;
use crate::driver::event_loop::EventLoop;
use crate::driver::mailbox::Handle;
use crate::driver::observe::metrics::{self, MetricSource};
use crate::driver::offload::Offload;
use crate::driver::record::live::Broadcast;
use crate::driver::settings::Settings;
use crate::http::{Request, Response, Status, Tick};
use crate::kernel::{Linux, Listener};
use crate::readiness::EpollLevel;
use crate::service::{HostName, Hosts, Reply, Router};

/// Connections at once: a few probes and scrapers.
const CONNECTIONS_MAX: usize = 32;

/// The admin thread.
pub(crate) struct Admin {
    draining: Arc<AtomicBool>,
    handle: Handle,
    thread: thread::JoinHandle<io::Result<()>>,
}

impl Admin {
    /// Starts answering, to `names` and to hosts that cannot be rebound.
    pub(crate) fn start(
        listeners: Vec<Listener>,
        source: MetricSource,
        live: Option<Broadcast>,
        names: &[HostName],
    ) -> io::Result<Self> {
        let draining = Arc::new(AtomicBool::new(false));
        let router = views::routes(router(source, Arc::clone(&draining)), live);
        let service = Hosts::new(names, router).or_unrebindable();
        let settings = Settings {
            limits: Arc::new(Limits {
                body_bytes_max: 0,
                ..Limits::default()
            }),
            connections_max: CONNECTIONS_MAX,
            grace: Duration::ZERO,
            read_bytes: 16 * 1024,
            ..Settings::default()
        };
        let (standing, stands) = mpsc::sync_channel(1);
        let work = move || {
            let kernel = Linux::<EpollLevel>::new();
            let offload = Offload::inline();
            let made =
                kernel.and_then(|k| EventLoop::new(k, listeners, service, settings, offload));
            let mut own = match made {
                Ok(own) => own,
                Err(error) => {
                    let _ = standing.send(Err(error));
                    return Ok(());
                }
            };
            let _ = standing.send(Ok(own.handle()));
            own.run()
        };
        let thread = thread::Builder::new().name("admin".into()).spawn(work)?;
        let gone = |_| io::Error::other("the admin loop did not start");
        let handle = stands.recv().map_err(gone)??;
        Ok(Self {
            draining,
            handle,
            thread,
        })
    }

    /// From now on: not ready.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Ends the thread, after the last connection of the server.
    pub(crate) fn end(self) {
        self.handle.abort();
        // Whatever became of it, the server has done its work.
        let _ = self.thread.join();
    }
}

fn router(source: MetricSource, draining: Arc<AtomicBool>) -> Router {
    let registry = metrics::registry(source);
    let metrics = move |_: &Request<'_>, _: &Tick| -> Reply {
        match metrics::text(&registry) {
            Some(text) => Response::new(Status::OK)
                .field("Content-Type", metrics::MEDIA_TYPE)
                .field("Cache-Control", "no-store")
                .body(crate::http::Body::Owned(text.into_bytes()))
                .into(),
            None => Response::plain(Status::INTERNAL_SERVER_ERROR).into(),
        }
    };
    let health = |_: &Request<'_>, _: &Tick| -> Reply { fresh(Response::text("ok\n")) };
    let ready = move |_: &Request<'_>, _: &Tick| -> Reply {
        fresh(match draining.load(Relaxed) {
            false => Response::text("ready\n"),
            true => Response {
                status: Status::SERVICE_UNAVAILABLE,
                ..Response::text("draining\n")
            },
        })
    };
    Router::new()
        .get("/metrics", metrics)
        .get("/healthz", health)
        .get("/readyz", ready)
}

fn fresh(response: Response) -> Reply {
    response.field("Cache-Control", "no-store").into()
}
