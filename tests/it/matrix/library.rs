//! The crate as a library: a route of one's own, on any backend.

use std::process::Command;

use httpoll::config::{Backend, Config, ListenAddr};
use httpoll::driver::Server;
use httpoll::http::{Request, Response, Tick};
use httpoll::service::{Reply, Router};

use crate::harness::{self, matrix};

/// The ten lines of a user: an address, two routes, a backend.
fn serve(backend: Backend) -> Result<(), Box<dyn std::error::Error>> {
    let listen = vec![ListenAddr::Tcp("127.0.0.1:0".parse()?)];
    let server = Server::bind(Config {
        listen,
        backend,
        ..Config::default()
    })?;
    for address in server.addresses() {
        println!("\n  http://{address}/");
    }
    server.run(|| {
        Router::new()
            .get("/hi", |_: &Request<'_>, _: &Tick| {
                Response::text("Hi there!\n").into()
            })
            .get("/echo/*", |r: &Request<'_>, _: &Tick| {
                Response::text(r.path()).into()
            })
            .get("/slow", |_: &Request<'_>, _: &Tick| {
                Reply::Later(Box::new(|| Response::text("at last")))
            })
    })?;
    Ok(())
}

/// Not a test but the program of those below, which start this executable again: a server ends
/// with its process.
#[test]
#[ignore = "serves until it is killed"]
fn program() {
    let word = std::env::var("HTTPOLL_TEST_BACKEND").unwrap();
    let backend = Backend::ALL.into_iter().find(|b| b.name() == word).unwrap();
    serve(backend).unwrap();
}

matrix! {
    fn a_route_of_ones_own(backend) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "matrix::library::program", "--ignored", "--nocapture"]);
        command.env("HTTPOLL_TEST_BACKEND", backend);
        let server = harness::Server::run(command);
        assert_eq!(server.get("/hi").text(), "Hi there!\n");
        assert_eq!(server.get("/echo/a?b").text(), "/echo/a");
        assert_eq!(server.get("/slow").text(), "at last");
        assert_eq!(server.ask("HEAD", "/hi", &[]).field("Content-Length"), Some("10"));
        assert_eq!(server.ask("PUT", "/hi", &[]).field("Allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(server.get("/").status, 404);
    }
}
