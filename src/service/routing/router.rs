//! A small router: method and path to a service.
//!
//! *Floor 3.* Exact paths before prefixes, longer prefixes before shorter ones, then the fallback.
//! Every GET route answers HEAD too (RFC 9110 §9.3.2: the connection leaves the content out), and
//! a path that exists for other methods answers 405 with the list of them (§15.5.6).

use crate::http::{Method, Request, Response, Status, Tick};
use crate::service::{Decoration, Reply, Service, pages};

/// Routes requests to services.
///
/// ```
/// use httpoll::http::{Request, Response, Tick};
/// use httpoll::service::{Router, Service};
///
/// let mut router = Router::new()
///     .get("/hi", |_: &Request<'_>, _: &Tick| Response::text("hi").into())
///     .get("/users/*", |r: &Request<'_>, _: &Tick| Response::text(r.path()).into());
/// # let request = Request::parse(b"GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
/// # let httpoll::service::Reply::Now(response) = router.call(&request, &Tick::for_tests())
/// # else { panic!() };
/// # assert_eq!(response.status.code(), 200);
/// ```
#[derive(Default)]
pub struct Router {
    routes: Vec<Route>,
    decoration: Decoration,
    fallback: Option<Box<dyn Service>>,
}

struct Route {
    /// The path, without the `*` of a prefix.
    path: String,
    is_prefix: bool,
    methods: Vec<(Method, Box<dyn Service>)>,
}

impl Route {
    fn matches(&self, path: &str) -> bool {
        match self.is_prefix {
            true => path.starts_with(&self.path),
            false => path == self.path,
        }
    }

    /// The service for `method`; HEAD is a GET whose content is left out.
    fn service(&mut self, method: Method) -> Option<&mut Box<dyn Service>> {
        let has = |wanted| self.methods.iter().position(|(m, _)| *m == wanted);
        let at = has(method).or_else(|| (method == Method::Head).then(|| has(Method::Get))?)?;
        self.methods.get_mut(at).map(|(_, service)| service)
    }

    /// `GET, HEAD, OPTIONS, …` for Allow (RFC 9110 §10.2.1).
    fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(|(m, _)| m.name()).collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        if !names.contains(&"OPTIONS") {
            names.push("OPTIONS");
        }
        names.join(", ")
    }
}

impl Router {
    /// A router that knows no route: 404 for everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Routes `method` at `path`; a path that ends in `*` is a prefix. Paths are compared as they
    /// are written in the request, percent-encoded.
    #[must_use]
    pub fn route(mut self, method: Method, path: &str, service: impl Service) -> Self {
        let is_prefix = path.ends_with('*');
        let path = path.strip_suffix('*').unwrap_or(path);
        let known = self
            .routes
            .iter_mut()
            .find(|r| r.path == path && r.is_prefix == is_prefix);
        match known {
            Some(route) => route.methods.push((method, Box::new(service))),
            None => {
                let methods: Vec<(Method, Box<dyn Service>)> = vec![(method, Box::new(service))];
                self.routes.push(Route {
                    path: path.to_owned(),
                    is_prefix,
                    methods,
                });
                self.routes
                    .sort_by_key(|r| (r.is_prefix, std::cmp::Reverse(r.path.len())));
            }
        }
        self
    }

    /// Routes GET, and with it HEAD.
    #[must_use]
    pub fn get(self, path: &str, service: impl Service) -> Self {
        self.route(Method::Get, path, service)
    }

    /// Puts these fields on the answers that it makes itself: errors, and those to OPTIONS.
    #[must_use]
    pub fn decorated(mut self, decoration: Decoration) -> Self {
        self.decoration = decoration;
        self
    }

    /// What answers when no route matches.
    #[must_use]
    pub fn otherwise(mut self, service: impl Service) -> Self {
        self.fallback = Some(Box::new(service));
        self
    }
}

impl Service for Router {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        let method = request.method();
        let path = request.path();
        if path == "*" {
            return self.decoration.apply(about_the_server()).into();
        }
        if let Some(route) = self.routes.iter_mut().find(|route| route.matches(path)) {
            if let Some(service) = route.service(method) {
                return service.call(request, now);
            }
            return self.decoration.apply(refuse(route, method, request)).into();
        }
        if let Some(fallback) = &mut self.fallback {
            return fallback.call(request, now);
        }
        let status = match method {
            Method::Other => Status::NOT_IMPLEMENTED,
            _ => Status::NOT_FOUND,
        };
        let response = pages::error_page(status, request);
        self.decoration.apply(response).into()
    }

    fn release_descriptors(&mut self) -> bool {
        let routed = self.routes.iter_mut().flat_map(|route| &mut route.methods);
        let services = routed.map(|(_, service)| service).chain(&mut self.fallback);
        // All of them, not only up to the first.
        let released: Vec<bool> = services.map(Service::release_descriptors).collect();
        released.contains(&true)
    }
}

/// `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7).
fn about_the_server() -> Response {
    Response::new(Status::NO_CONTENT).field("Allow", "GET, HEAD, OPTIONS")
}

/// A path that exists, but not for this method.
fn refuse(route: &Route, method: Method, request: &Request<'_>) -> Response {
    let response = match method {
        Method::Options => Response::new(Status::NO_CONTENT),
        // A method we have never heard of is not this path's business (RFC 9110 §9.1).
        Method::Other => return pages::error_page(Status::NOT_IMPLEMENTED, request),
        _ => pages::error_page(Status::METHOD_NOT_ALLOWED, request),
    };
    response.field("Allow", &route.allow())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_route_answers_and_others_are_refused() {
        let say =
            |text: &'static str| move |_: &Request<'_>, _: &Tick| Reply::Now(Response::text(text));
        let mut router = Router::new()
            .get("/a/*", say("prefix"))
            .get("/a/b", say("exact"))
            .get("/a/long/*", say("longer prefix"))
            .route(Method::Post, "/a/b", say("posted"));
        let mut check = |line: &str, status: u16, body: &str, allow: Option<&str>| {
            let head = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
            let request = Request::parse(head.as_bytes()).unwrap();
            let Reply::Now(response) = router.call(&request, &Tick::for_tests()) else {
                panic!()
            };
            assert_eq!(response.status.code(), status, "{line}");
            let fields = String::from_utf8_lossy(response.fields.as_bytes()).into_owned();
            let found = fields.lines().find_map(|l| l.strip_prefix("Allow: "));
            assert_eq!(found, allow, "{line}");
            if let crate::http::Body::Owned(bytes) = &response.body
                && status == 200
            {
                assert_eq!(bytes, body.as_bytes(), "{line}");
            }
        };
        check("GET /a/x", 200, "prefix", None);
        check("GET /a/b", 200, "exact", None);
        check("HEAD /a/b", 200, "exact", None);
        check("POST /a/b", 200, "posted", None);
        check("GET /a/long/x", 200, "longer prefix", None);
        check("GET /b", 404, "", None);
        check("DELETE /a/b", 405, "", Some("GET, POST, HEAD, OPTIONS"));
        check("TRACE /a/x", 405, "", Some("GET, HEAD, OPTIONS"));
        check("OPTIONS /a/b", 204, "", Some("GET, POST, HEAD, OPTIONS"));
        check("OPTIONS *", 204, "", Some("GET, HEAD, OPTIONS"));
        check("PROPFIND /a/x", 405, "", Some("GET, HEAD, OPTIONS"));
        check("PROPFIND /b", 404, "", None);
        check("BREW /a/b", 501, "", None);
        check("BREW /b", 501, "", None);
    }
}
