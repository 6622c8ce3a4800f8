//! The real kernel as the sentences see it, with clients on the loopback interface. Shared with
//! `exercises/`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use httpoll::kernel::{Linux, ListenAddr, Listener, Socket as _, SocketFd, bind};
use httpoll::readiness::Selector;
use rustix::event::{PollFd, PollFlags};

use super::sentences::World;

/// Linux, and clients on the loopback interface.
pub(crate) struct Loopback<S: Selector> {
    kernel: Linux<S>,
    listener: Listener,
}

impl<S: Selector> World for Loopback<S> {
    type Kernel = Linux<S>;
    type Peer = TcpStream;

    fn new() -> Self {
        Self {
            kernel: Linux::new().expect("a selector"),
            listener: loopback_listener(),
        }
    }

    fn kernel(&mut self) -> &mut Linux<S> {
        &mut self.kernel
    }

    fn pair(&mut self) -> (SocketFd, TcpStream) {
        let client = connect_to(&self.listener);
        let (socket, _) = self.listener.accept().expect("accept");
        (socket, client)
    }

    fn listener(&mut self) -> Listener {
        loopback_listener()
    }

    fn connect(&mut self, listener: &Listener) -> TcpStream {
        connect_to(listener)
    }

    fn send(&mut self, peer: &mut TcpStream, bytes: &[u8]) {
        peer.write_all(bytes).expect("send");
        arrived(peer);
    }

    fn finish(&mut self, peer: &mut TcpStream) {
        peer.shutdown(std::net::Shutdown::Write).expect("shutdown");
        arrived(peer);
    }

    fn reset(&mut self, peer: TcpStream) {
        rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).expect("linger");
    }

    fn take(&mut self, peer: &mut TcpStream) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 1024 * 1024];
        match peer.read(&mut bytes) {
            Ok(0) => None,
            Ok(n) => {
                bytes.truncate(n);
                Some(bytes)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Vec::new()),
            Err(error) => panic!("{error}"),
        }
    }
}

fn loopback_listener() -> Listener {
    let address = ListenAddr::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut bound = bind(&[address], 0, 1, false, 16).expect("a free port");
    bound.workers.remove(0).remove(0)
}

/// A client whose connection waits in the backlog.
fn connect_to(listener: &Listener) -> TcpStream {
    let address = rustix::net::getsockname(listener).expect("bound");
    let address = SocketAddr::try_from(address).expect("TCP");
    let client = TcpStream::connect(address).expect("connect");
    client.set_nonblocking(true).expect("non-blocking");
    let mut fds = [PollFd::new(listener, PollFlags::IN)];
    let five_seconds = Duration::from_secs(5).try_into().unwrap();
    assert_eq!(rustix::event::poll(&mut fds, Some(&five_seconds)), Ok(1));
    client
}

/// Returns when the other end's kernel has acknowledged everything, a FIN too.
fn arrived(peer: &TcpStream) {
    let socket = SocketFd::new(peer.as_fd().try_clone_to_owned().expect("dup"));
    let started = Instant::now();
    while socket.unacknowledged() > 0 {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "not acknowledged"
        );
        std::thread::yield_now();
    }
}
