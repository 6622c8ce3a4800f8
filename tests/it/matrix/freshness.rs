//! What is looked at, how, and when it is believed.

use std::mem::MaybeUninit;

use rustix::fs::{CWD, Mode, inotify, mkfifoat};

use super::Site;
use crate::harness::{Server, matrix};

matrix! {
    /// Opening a FIFO, even for a moment, ends the writer that waits there for its reader.
    fn a_fifo_keeps_its_writer_waiting(backend) {
        let site = Site::new(&[("a.txt", "plain"), ("d/x", "")]);
        let opened = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        let fifos = ["fifo", "a.txt.gz", "d/index.html", "404.html"];
        for name in fifos {
            mkfifoat(CWD, site.path(name), Mode::RUSR | Mode::WUSR).unwrap();
            inotify::add_watch(&opened, site.path(name), inotify::WatchFlags::OPEN).unwrap();
        }
        let server = Server::of(backend, site.root(), &[]);
        for (path, status) in [("/fifo", 404), ("/fifo/", 404), ("/a.txt", 200), ("/d/", 200)] {
            let answer = server.ask("GET", path, &["Accept-Encoding: gzip"]);
            assert_eq!(answer.status, status, "{path}");
        }
        let mut buffer = [MaybeUninit::uninit(); 512];
        let event = inotify::Reader::new(&opened, &mut buffer).next().map(|_| "opened");
        assert_eq!(event, Err(rustix::io::Errno::AGAIN));
    }
}
