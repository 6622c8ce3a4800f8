//! Markdown as pages.

use std::net::TcpListener;
use std::process::Command;

use super::{Site, Six};
use crate::harness::{Server, tool};

const SOURCE: &str = "# Title\n\n<script>alert(1)</script>\n\n[a](b.md)\n";

#[test]
fn markdown_is_a_page_for_who_asks() {
    let site = Site::new(&[("a.md", SOURCE), ("b.txt", "b"), ("d/README.md", SOURCE)]);
    let six = Six::of(&site, &[]);
    let html = "Content-Type: text/html; charset=utf-8";
    six.content("GET /a.md", &[], 200, &[], SOURCE);
    six.content("GET /b.txt?view", &[], 200, &[], "b");
    let page = six.check("GET /a.md?view", &[], 200, &[html]);
    assert!(page.text().contains("<h1 id=\"md-title\">Title</h1>"));
    assert!(page.text().contains("<a href=b.md?view>") && !page.text().contains("<script"));
    let tag = page.field("ETag").unwrap().to_owned();
    let known = format!("If-None-Match: {tag}");
    six.check("GET /a.md?view", &[&known], 304, &[]);
    six.check("HEAD /a.md?view", &[], 200, &[html]);
    let part = six.check("GET /a.md?view", &["Range: bytes=0-8"], 206, &[html]);
    assert_eq!(part.text(), "<!DOCTYPE");
    let listing = six.check("GET /d/", &["Accept: text/html"], 200, &[html]);
    assert!(listing.text().contains("<h1 id=\"md-title\">Title</h1>"));
    assert!(!listing.text().contains("alert(1)"));
}

/// What is written to do harm, in a browser: whatever of it would load something calls a listener,
/// and whatever would run says so by the title.
#[test]
fn a_browser_runs_and_loads_nothing_of_it() {
    if !tool("chromium", "--version") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let elsewhere = listener.local_addr().unwrap().to_string();
    let hostile = include_str!("../../../src/service/markdown/hostile.md")
        .replace("evil.example", &elsewhere)
        .replace("alert(1)", "document.title='run'");
    // Without a comment that takes what follows it.
    let hostile = hostile
        .split("\n%%\n")
        .map(|one| format!("{one}\n\n---\n\n"));
    let hostile: String = hostile.filter(|one| !one.contains("<!--")).collect();
    let site = Site::new(&[("README.md", &format!("# Calm\n\n{hostile}\n\n# End\n"))]);
    let server = Server::of("edge", site.root(), &[]);
    for target in ["README.md?view", ""] {
        let shown = shown_by_a_browser(&server, target);
        assert!(
            shown.contains("id=\"md-calm\"") && shown.contains("id=\"md-end\""),
            "{shown}"
        );
        let title = if target.is_empty() {
            "Index of /"
        } else {
            "Calm"
        };
        assert!(
            shown.contains(&format!("<title>{title}</title>")),
            "{shown}"
        );
    }
    assert!(listener.accept().is_err(), "something was loaded");
}

/// A page of the same origin clicks the picture: a listing has no script but its own. `//` is another
/// host to who joins it with what follows.
#[test]
fn a_picture_opens_in_place_by_every_address_of_its_listing() {
    if !tool("chromium", "--version") {
        return;
    }
    let frame = "<iframe id=f></iframe><script>
        f.onload = () => {
          const within = f.contentWindow;
          within.document.querySelector('.p > a').click();
          const { pathname, search, hash } = within.location;
          const is_open = within.document.querySelector('dialog').open;
          document.title = [pathname, search, hash, is_open].join(' ');
        };
        f.src = location.origin + location.hash.slice(1);
        </script>";
    let picture = "<svg xmlns='http://www.w3.org/2000/svg'/>";
    let site = Site::new(&[
        ("a b.svg", picture),
        ("d/a b.svg", picture),
        ("frame.html", frame),
    ]);
    let server = Server::of("edge", site.root(), &[]);
    for path in ["/d/", "//d/", "//"] {
        let shown = shown_by_a_browser(&server, &format!("frame.html#{path}?as=grid"));
        let title = format!("<title>{path} ?as=grid #a%20b.svg true</title>");
        assert!(shown.contains(&title), "{path}: {shown}");
    }
}

/// By keys and by a finger, with the address following; Back and the button close it, and the link that
/// was shown last has the keyboard. Keys that mean something to the listing mean nothing to it then.
#[test]
fn keys_and_fingers_go_through_the_pictures() {
    if !tool("chromium", "--version") {
        return;
    }
    let frame = "<iframe id=f></iframe><script>
        f.onload = async () => {
          f.onload = null;
          const within = f.contentWindow, page = within.document;
          const dialog = page.querySelector('dialog'), stage = page.querySelector('.stage');
          const seen = [];
          const look = () => seen.push(within.location.hash.slice(1, 2) || '-', dialog.open ? '' : 'closed');
          const later = () => new Promise((resolve) => setTimeout(resolve, 100));
          const press = (key) => {
            page.activeElement.dispatchEvent(new within.KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
            look();
          };
          const touch = (type, clientX) => stage.dispatchEvent(new within.PointerEvent(
            type, { clientX, clientY: 9, isPrimary: true, pointerId: 1, pointerType: 'touch', bubbles: true }));
          const swipe = (from, to) => {
            touch('pointerdown', from);
            touch('pointermove', (from + to) / 2);
            touch('pointerup', to);
            look();
          };
          const focused = () => seen.push(page.activeElement.getAttribute('href') ?? page.activeElement.tagName);
          page.querySelector('.p > a').click();
          look();
          ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowLeft', 'End', 'Home', '/'].forEach(press);
          swipe(200, 100);
          swipe(100, 90);
          swipe(100, 200);
          press('End');
          within.history.back();
          await later();
          look();
          focused();
          page.querySelectorAll('.p > a')[1].click();
          look();
          page.querySelector('dialog header button').click();
          await later();
          look();
          focused();
          document.title = seen.filter(Boolean).join(' ');
        };
        f.src = '/d/?as=grid';
        </script>";
    let picture = "<svg xmlns='http://www.w3.org/2000/svg'/>";
    let site = Site::new(&[
        ("d/a.svg", picture),
        ("d/b.svg", picture),
        ("d/between.txt", ""),
        ("d/c.svg", picture),
        ("frame.html", frame),
    ]);
    let server = Server::of("edge", site.root(), &[]);
    let expected = "a b c c b c a a b b a c - closed c.svg b - closed b.svg";
    let title = format!("<title>{expected}</title>");
    // The browser's own time may run ahead of its history, which another process goes back in.
    let is_right = |_| shown_by_a_browser(&server, "frame.html").contains(&title);
    assert!((0..5).any(is_right), "not {title} in five tries");
}

/// What a browser has made of a page.
fn shown_by_a_browser(server: &Server, target: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    // One that is busy with what it should not run might not end.
    let mut browser = Command::new("timeout");
    browser.args(["60", "chromium"]);
    browser.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
    ]);
    browser.arg(format!("--user-data-dir={}", profile.path().display()));
    browser.args(["--virtual-time-budget=3000", "--dump-dom"]);
    let output = browser
        .arg(format!("http://{}/{target}", server.address))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
