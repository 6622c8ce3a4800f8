//! Temporary.
use httpoll::config::{Backend, Config};
use httpoll::driver::Server;
use httpoll::service::{Router, hello};
fn main() {
    let mut config = Config::default();
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        match a.as_str() {
            "--port" => config.port = args.next().unwrap().parse().unwrap(),
            "--backend" => {
                let b = args.next().unwrap();
                config.backend = Backend::ALL.into_iter().find(|x| x.name() == b).unwrap();
            }
            "--trace" => config.trace = true,
            "--workers" => config.workers = args.next().unwrap().parse().unwrap(),
            _ => {}
        }
    }
    let server = Server::bind(config).unwrap();
    server.run(|| Router::new().get("/", hello)).unwrap();
}
