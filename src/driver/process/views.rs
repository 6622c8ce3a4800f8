//! What the operators' address shows of the loops: the page, the turns as they happen, and the lab.
//!
//! *Floor 4.* The page is `www/loop.html`, with what it is made of; a server of `www/` shows the
//! same with the recordings alone.

use crate::driver::record::live::Broadcast;
use crate::http::{Body, Request, Response, Status, Tick};
use crate::service::{Reply, Router};

/// A file of the page, and its media type.
type PagePart = (&'static str, &'static str, &'static str);

macro_rules! part {
    ($name:literal, $media_type:expr) => {
        (
            concat!("/", $name),
            $media_type,
            include_str!(concat!("../../../www/", $name)),
        )
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const LINES: &str = "application/jsonl; charset=utf-8";

/// What the page consists of.
const PARTS: &[PagePart] = &[
    ("/", HTML, include_str!("../../../www/loop.html")),
    part!("loop.css", "text/css; charset=utf-8"),
    part!("loop.js", SCRIPT),
    part!("loop-draw.js", SCRIPT),
    part!("loop-record.js", SCRIPT),
    part!("loop-view.js", SCRIPT),
    part!("records/two-edge.jsonl", LINES),
    part!("records/two-level.jsonl", LINES),
    part!("records/slow-edge.jsonl", LINES),
    part!("records/slow-level.jsonl", LINES),
    part!("records/slow-level-never-disarmed.jsonl", LINES),
    part!("records/early-edge.jsonl", LINES),
    part!("records/early-level.jsonl", LINES),
    part!("records/early-edge-budget.jsonl", LINES),
];

/// The page may load what comes from here and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Adds the views to what operators may ask. Without `live` there are no loops to watch.
pub(super) fn routes(router: Router, live: Option<Broadcast>) -> Router {
    let mut router = router;
    for (path, media_type, text) in PARTS {
        router = router.get(path, |_: &Request<'_>, _: &Tick| -> Reply {
            answer(media_type, Body::Static(text.as_bytes()))
        });
    }
    if let Some(live) = live {
        router = router.get("/loop", move |request: &Request<'_>, _: &Tick| -> Reply {
            if request.is_from_another_site() {
                return foreign();
            }
            answer("text/event-stream", Body::Stream(Box::new(live.watch())))
        });
    }
    #[cfg(feature = "sim")]
    let router = router.get("/lab", |request: &Request<'_>, _: &Tick| -> Reply {
        if request.is_from_another_site() {
            return foreign();
        }
        lab::answer(request.query()).unwrap_or_else(|wrong| {
            let response = Response::text(format!("{wrong}\n"));
            let status = Status::BAD_REQUEST;
            Response { status, ..response }.into()
        })
    });
    router
}

/// The answer to a page of another site, which could not read another and needs none: it would have
/// the loop recorded, or the lab at work.
fn foreign() -> Reply {
    Response::plain(Status::FORBIDDEN).into()
}

fn answer(media_type: &str, body: Body) -> Reply {
    Response::new(Status::OK)
        .field("Content-Type", media_type)
        .field("Cache-Control", "no-store")
        .field("Content-Security-Policy", POLICY)
        .field("X-Content-Type-Options", "nosniff")
        .body(body)
        .into()
}

/// `/lab`: what can be tried. `/lab?trigger=edge&scenario=early&mistake=budget&seed=0`: a record.
#[cfg(feature = "sim")]
mod lab {
    use serde_json::json;

    use super::LINES;
    use crate::driver::lab::{Experiment, MISTAKES, SCENARIOS};
    use crate::http::Body;
    use crate::readiness::Trigger;
    use crate::service::Reply;

    pub(super) fn answer(query: Option<&str>) -> Result<Reply, String> {
        let Some(query) = query.filter(|query| !query.is_empty()) else {
            let list = Body::Owned(list().into_bytes());
            return Ok(super::answer("application/json", list));
        };
        let lines = experiment(query)?.run().to_lines();
        let lines = lines.map_err(|error| error.to_string())?;
        Ok(super::answer(LINES, Body::Owned(lines.into_bytes())))
    }

    fn list() -> String {
        let scenarios = SCENARIOS
            .iter()
            .map(|one| json!({ "name": one.name, "title": one.title }));
        let mistakes = MISTAKES.iter().map(|one| {
            let hurts = one.hurts.iter().map(|trigger| word(*trigger));
            json!({
                "name": one.name,
                "title": one.title,
                "hurts": hurts.collect::<Vec<_>>(),
                "shown_by": one.shown_by,
            })
        });
        let (scenarios, mistakes) = (scenarios.collect::<Vec<_>>(), mistakes.collect::<Vec<_>>());
        json!({ "scenarios": scenarios, "mistakes": mistakes }).to_string()
    }

    const fn word(trigger: Trigger) -> &'static str {
        match trigger {
            Trigger::Edge => "edge",
            Trigger::Level => "level",
        }
    }

    fn experiment(query: &str) -> Result<Experiment, String> {
        let mut wanted = Experiment {
            trigger: Trigger::Edge,
            scenario: &SCENARIOS[0],
            mistake: None,
            seed: 0,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let unknown = || format!("{name}={value} is not known here; /lab lists what is");
            match name {
                "trigger" => {
                    let known = [Trigger::Edge, Trigger::Level];
                    let mut known = known.into_iter().filter(|one| word(*one) == value);
                    wanted.trigger = known.next().ok_or_else(unknown)?;
                }
                "scenario" => {
                    let mut known = SCENARIOS.iter().filter(|one| one.name == value);
                    wanted.scenario = known.next().ok_or_else(unknown)?;
                }
                "mistake" if value.is_empty() => wanted.mistake = None,
                "mistake" => {
                    let mut known = MISTAKES.iter().filter(|one| one.name == value);
                    wanted.mistake = Some(known.next().ok_or_else(unknown)?);
                }
                "seed" => wanted.seed = value.parse().map_err(|_| unknown())?,
                _ => return Err(unknown()),
            }
        }
        Ok(wanted)
    }
}
