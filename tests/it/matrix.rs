//! The same black-box conversations with each of the six backends.

#![expect(
    clippy::disallowed_methods,
    reason = "a client connects, and files change while they are served"
)]

use crate::harness::{Server, matrix};

matrix! {
    fn hello_is_thirteen_bytes(backend) {
        let server = Server::start(backend, &["--hello"]);
        assert_eq!(server.get("/").text(), "Hello, World!");
    }
}
