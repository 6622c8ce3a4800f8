//! Pages that reload when a file changes: `--watch`.
//!
//! *Floor 3.* Stands in front of the services that make pages; knows HTML by its media type and by
//! nothing else, and no files. For development only: not there without the option.
//!
//! ```text
//! GET /a.html             the page, and behind it <script src="/.httpoll/reload.js" data-since="R-7">
//! GET /.httpoll/reload    events: "reload", or "styles" if style sheets were all that changed
//! ```
//!
//! The idea: **a page knows which state of the files it was made from, and asks for what came after.**
//! States are numbered, so that a change between the page and its first question is not lost, nor one
//! while it was hidden; and a run of the server has a number, so that all pages reload after another
//! start. A watcher has no queue: what it has missed is one comparison of two numbers.
//!
//! The script stands at the very end, where HTML has it run as if it stood in the body (HTML, "The
//! after after body insertion mode"). To look for `</body>` was rejected: it may stand in a script or
//! a comment, and a file that is only added to is sent as it lies on the disk. Such a page is another
//! representation than the file, and no part of that: it has no validator and no ranges, and what the
//! request says of either is not seen by the service behind.
//!
//! What is told names no file: with `--auth-for` not everybody may know of all.
//!
//! *References:* HTML, "Server-sent events"; RFC 9110 §8.8 (validators), §14 (ranges).

mod script;
mod tree;

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use tree::{Change, TreeWatcher};

use crate::http::negotiate::accepts_html;
use crate::http::{Body, Chunk, Chunks, Method, Request, Response, Status, Tick, Wake};
use crate::service::options::FilesConfig;
use crate::service::pages::{self, escape_html};
use crate::service::{Reply, Service, mime};
use script::reply_with_script;

/// Names that start with a dot are not served, so that nothing is hidden by it.
const PLACE: &str = "/.httpoll/reload";

const SCRIPT: &str = include_str!("reload.js");

/// Pages that watch at once. The one that has watched longest makes room for another: it may be gone
/// without a word, which an answer that has nothing to send would not notice.
const WATCHERS_MAX: usize = 64;

/// What all loops know of changes, and who is to be told. To make the [`ReloadedPages`] of each.
#[derive(Clone)]
pub struct LiveReload(Arc<ReloadContext>);

struct ReloadContext {
    /// Where the events are; with `.js` behind it the script is.
    place: String,
    mime: Vec<(String, String)>,
    /// Which run of the server this is.
    run: u64,
    changes: Mutex<Changes>,
}

#[derive(Default)]
struct Changes {
    /// The number of the last change, and of the last one that was about more than style sheets.
    last: u64,
    last_of_pages: u64,
    watchers: VecDeque<(u64, Option<Wake>)>,
    /// The number of the watcher that came last.
    newest: u64,
    is_over: bool,
}

impl Changes {
    /// Wakes all watchers: each looks for itself at what there is.
    fn wake(&mut self) {
        let wakes = self.watchers.iter_mut().filter_map(|(_, wake)| wake.take());
        wakes.for_each(|wake| wake.wake());
    }

    fn join(&mut self) -> u64 {
        self.newest += 1;
        self.watchers.push_back((self.newest, None));
        if self.watchers.len() > WATCHERS_MAX
            && let Some((_, Some(wake))) = self.watchers.pop_front()
        {
            wake.wake();
        }
        self.newest
    }
}

impl fmt::Debug for LiveReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveReload({})", self.0.place)
    }
}

impl LiveReload {
    /// For pages of what `config` serves.
    pub fn new(config: &FilesConfig) -> Self {
        Self(Arc::new(ReloadContext {
            place: format!("{}{PLACE}", config.prefix),
            mime: config.mime.clone(),
            run: RandomState::new().hash_one(0),
            changes: Mutex::default(),
        }))
    }

    /// Pages of `service` that reload.
    pub fn in_front_of<S: Service>(&self, service: S) -> ReloadedPages<S> {
        ReloadedPages {
            reload: self.clone(),
            service,
        }
    }

    /// Tells all pages that are open.
    pub fn tell(&self, change: Change) {
        let mut changes = self.changes();
        changes.last += 1;
        if change == Change::Pages {
            changes.last_of_pages = changes.last;
        }
        changes.wake();
    }

    /// No more is told: streams of events end, so that a stop need not wait for them.
    pub fn end(&self) {
        let mut changes = self.changes();
        changes.is_over = true;
        changes.wake();
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        (self.0.changes.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// How a state of the files is named in pages and events.
    fn state(&self, number: u64) -> String {
        format!("{:x}-{number}", self.0.run)
    }

    /// What is put behind a page that is made from now on.
    fn script_tag(&self) -> String {
        let (place, state) = (escape_html(&self.0.place), self.state(self.changes().last));
        format!("<script src=\"{place}.js\" data-since=\"{state}\" async></script>\n")
    }

    /// Whether the answer may be a page. Decided before it is made: a page is asked for as a whole.
    fn may_be_page(&self, request: &Request<'_>) -> bool {
        let path = request.path();
        let name = path.rsplit('/').next().unwrap_or_default();
        matches!(request.method(), Method::Get | Method::Head)
            && (!name.contains('.')
                || mime::content_type(name.as_bytes(), &self.0.mime, false)
                    .starts_with("text/html")
                || accepts_html(request.field_values("Accept")))
    }

    /// The events from the state on that the request names: that of the page, or after an
    /// interruption that of the last event.
    fn stream(&self, request: &Request<'_>) -> ReloadStream {
        let last = request.field("Last-Event-ID");
        let last = last.and_then(|id| std::str::from_utf8(id).ok());
        let query = || request.query()?.strip_prefix("since=");
        let seen = last.or_else(query).map(|state| {
            let known = |number: &u64| self.state(*number) == state;
            let number = state.rsplit('-').next().and_then(|word| word.parse().ok());
            number.filter(known)
        });
        ReloadStream {
            reload: self.clone(),
            seen,
            number: None,
            is_over: false,
        }
    }
}

/// The events of one watcher. Dropped with its answer, when the client is gone.
struct ReloadStream {
    reload: LiveReload,
    /// The state that was told last. `None` for one that begins now, `Some(None)` for one of another
    /// run.
    seen: Option<Option<u64>>,
    /// Its number among the watchers, from the first that it is asked for: the answer to a HEAD never
    /// is.
    number: Option<u64>,
    is_over: bool,
}

impl Chunks for ReloadStream {
    fn next_chunk(&mut self, wake: &Wake) -> Chunk {
        let mut changes = self.reload.changes();
        if changes.is_over || self.is_over {
            return Chunk::End;
        }
        let Some(number) = self.number else {
            self.number = Some(changes.join());
            self.seen.get_or_insert(Some(changes.last));
            return Chunk::Bytes(b"retry: 1000\n\n".to_vec());
        };
        let own = changes
            .watchers
            .iter()
            .position(|(other, _)| *other == number);
        let Some(own) = own else {
            self.is_over = true;
            return Chunk::Bytes(b"event: full\ndata: 1\n\n".to_vec());
        };
        let (seen, last) = (self.seen.flatten(), changes.last);
        if seen == Some(last) {
            changes.watchers[own].1 = Some(wake.clone());
            return Chunk::Pending;
        }
        let is_style = seen.is_some_and(|seen| seen >= changes.last_of_pages);
        let event = if is_style { "styles" } else { "reload" };
        self.seen = Some(Some(last));
        let id = self.reload.state(last);
        Chunk::Bytes(format!("id: {id}\nevent: {event}\ndata: 1\n\n").into_bytes())
    }
}

impl Drop for ReloadStream {
    fn drop(&mut self) {
        let mut changes = self.reload.changes();
        let number = self.number;
        changes.watchers.retain(|(other, _)| Some(*other) != number);
    }
}

/// A service whose pages reload; see [`LiveReload`].
pub struct ReloadedPages<S> {
    reload: LiveReload,
    service: S,
}

impl<S> ReloadedPages<S> {
    /// What stands at the reserved place.
    fn own(&self, media_type: &str, body: Body, request: &Request<'_>) -> Reply {
        if !matches!(request.method(), Method::Get | Method::Head) {
            let response = pages::error_page(Status::METHOD_NOT_ALLOWED, request);
            return response.field("Allow", "GET, HEAD").into();
        }
        // It would learn nothing, and take the place of a page that does.
        if request.is_from_another_site() {
            return Response::plain(Status::FORBIDDEN).into();
        }
        Response::new(Status::OK)
            .field("Content-Type", media_type)
            .field("Cache-Control", "no-store")
            .field("X-Content-Type-Options", "nosniff")
            .body(body)
            .into()
    }
}

impl<S: Service> Service for ReloadedPages<S> {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        let reload = &self.reload;
        match request.path().strip_prefix(&reload.0.place) {
            Some("") => {
                let events = Body::Stream(Box::new(reload.stream(request)));
                return self.own("text/event-stream", events, request);
            }
            Some(".js") => {
                let script = Body::Static(SCRIPT.as_bytes());
                return self.own("text/javascript; charset=utf-8", script, request);
            }
            _ if !reload.may_be_page(request) => return self.service.call(request, now),
            _ => {}
        }
        let tag = reload.script_tag();
        reply_with_script(self.service.call(&request.of_the_whole(), now), tag)
    }

    fn release_descriptors(&mut self) -> bool {
        self.service.release_descriptors()
    }
}
