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

    /// Squid and `wget -N` ask by the date alone: an edit in the second of that date must show.
    fn an_edit_within_a_second_shows_to_who_knows_dates_only(backend) {
        let site = Site::new(&[]);
        let server = Server::of(backend, site.root(), &[]);
        for n in 0..4 {
            site.write("a", format!("first {n}"));
            let settled = || Some(server.get("/a")).filter(|a| a.field("ETag").unwrap().starts_with('"'));
            let known = std::iter::repeat_with(settled).flatten().next().unwrap();
            let since = known.field("Last-Modified").map(|date| format!("If-Modified-Since: {date}"));
            let tag = format!("If-None-Match: {}", known.field("ETag").unwrap());
            assert_eq!(server.ask("GET", "/a", &[&tag]).status, 304);
            site.write("a", format!("other {n}"));
            let fields: Vec<&str> = since.iter().map(String::as_str).collect();
            assert_eq!(server.ask("GET", "/a", &fields).text(), format!("other {n}"), "{since:?}");
        }
    }

    /// RFC 9110 §8.8.1: a client that asks by a tag gets what has been written since, in any tick.
    fn an_edit_within_a_tick_shows_to_who_knows_its_tag(backend) {
        let site = Site::new(&[]);
        let server = Server::of(backend, site.root(), &[]);
        for n in 0..40 {
            site.write("a", format!("first {n:02}"));
            let tag = server.get("/a").field("ETag").unwrap().to_owned();
            if tag.starts_with("W/") {
                // Nothing was written, but that cannot be known yet.
                let again = server.ask("GET", "/a", &[&format!("If-None-Match: {tag}")]);
                assert_eq!((again.status, again.text()), (200, format!("first {n:02}")));
            }
            site.write("a", format!("other {n:02}"));
            let answer = server.ask("GET", "/a", &[&format!("If-None-Match: {tag}")]);
            assert_eq!((answer.status, answer.text()), (200, format!("other {n:02}")));
        }
    }
}
