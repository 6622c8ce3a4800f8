//! Nothing outside the root, everything inside: by table, by model, and under a race.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use httpoll::service::{Files, FilesConfig, Symlinks};
use proptest::prelude::*;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::Site;

/// The service as this kernel has it, and as one without openat2(2) would.
fn both(site: &mut Site, config: &FilesConfig, mut check: impl FnMut(&mut Site, &str)) {
    site.files = Files::open(config, 1).unwrap();
    check(site, "openat2");
    site.files = Files::open_without_openat2(config, 1).unwrap();
    check(site, "the walk");
}

fn config(site: &Site) -> FilesConfig {
    FilesConfig {
        root: site.path(""),
        ..FilesConfig::default()
    }
}

#[test]
fn targets_that_try_to_leave() {
    let mut site = Site::new(|_| {});
    site.write("a.txt", "a");
    site.write("dir/b.txt", "b");
    fs::write(site.outside("secret"), "SECRET").unwrap();
    let mut check = |target: &str, expected: u16| {
        let answer = site.get(target);
        assert_eq!(answer.status, expected, "{target}");
        assert!(!answer.text().contains("SECRET"), "{target}");
    };
    check("/a.txt", 200);
    check("/%61%2etxt", 200);
    check("/dir/../a.txt", 200);
    check("/dir/%2e%2E/a.txt", 200);
    check("/./dir//b.txt", 200);
    check("/../secret", 400);
    check("/%2e%2e/secret", 400);
    check("/dir/../../secret", 400);
    check("/..%2fsecret", 404);
    check("/dir%2f..%2f..%2fsecret", 404);
    check("/%2fetc%2fpasswd", 404);
    check("//etc/passwd", 404);
    check("/..%5csecret", 404); // a backslash is part of a name here
    check("/%c0%ae%c0%ae/secret", 404); // overlong: just odd bytes
    check("/a.txt%00.html", 400);
    check("/%", 400);
    check("/%zz", 400);
    check("/a.txt/", 404); // a file is no directory
    check("/a.txt/b", 404);
    check(&format!("/{}", "n".repeat(300)), 404); // NAME_MAX
    check(&format!("/{}", "n/".repeat(2500)), 414); // PATH_MAX
}

#[test]
fn dotfiles_are_hidden_except_well_known() {
    let files = [
        (".env", "KEY"),
        (".git/config", "KEY"),
        (".well-known/acme", "token"),
        ("a/.b/c", "KEY"),
    ];
    let mut site = Site::filled(&files, |_| {});
    for hidden in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git/",
        "/.git",
        "/a/.b/c",
        "/.nothing",
    ] {
        assert_eq!(site.get(hidden).status, 404, "{hidden}");
    }
    site.get("/.well-known/acme").expect(200, "token"); // RFC 8615
    let mut site = Site::filled(&files, |config| config.hidden = true);
    site.get("/.env").expect(200, "KEY");
    site.get("/a/.b/c").expect(200, "KEY");
}

#[test]
fn links_by_policy() {
    let mut site = Site::new(|_| {});
    site.write("file", "inside");
    site.write("dir/file", "in dir");
    fs::create_dir(site.outside("out")).unwrap();
    fs::write(site.outside("out/file"), "SECRET").unwrap();
    let outside = site.outside("out/file");
    let absolute_inside = site.path("file");
    let absolute_directory = site.path("dir/");
    let out_of_it_again = site.path("../out/file");
    let root_itself = site.path("");
    for (name, target) in [
        ("to-file", Path::new("file")),
        ("to-dir", Path::new("dir")),
        ("dir/up", Path::new("../file")),
        ("to-link", Path::new("to-file")),
        ("out-file", Path::new("../out/file")),
        ("out-dir", Path::new("../out")),
        ("out-absolute", &outside),
        ("in-absolute", &absolute_inside),
        ("dir/in-absolute-dir", &absolute_directory),
        ("to-in-absolute", Path::new("in-absolute")),
        ("absolute-root", &root_itself),
        ("in-and-out-absolute", &out_of_it_again),
        ("out-and-in", Path::new("../root/file")),
        ("loop", Path::new("loop")),
        ("dangling", Path::new("nowhere")),
        ("slash", Path::new("file/")),
    ] {
        symlink(target, site.path(name)).unwrap();
    }
    let table = [
        // path            inside follow deny
        ("/file", [200, 200, 200]),
        ("/to-file", [200, 200, 404]),
        ("/to-link", [200, 200, 404]),
        ("/to-dir/file", [200, 200, 404]),
        ("/to-dir", [301, 301, 404]),
        ("/dir/up", [200, 200, 404]),
        ("/to-dir/up", [200, 200, 404]),
        ("/out-file", [404, 200, 404]),
        ("/out-dir/file", [404, 200, 404]),
        ("/out-dir/", [404, 200, 404]),
        ("/out-absolute", [404, 200, 404]),
        // Not by openat2(2), which refuses absolute links: by hand.
        ("/in-absolute", [200, 200, 404]),
        ("/dir/in-absolute-dir/file", [200, 200, 404]),
        ("/dir/in-absolute-dir/up", [200, 200, 404]),
        ("/dir/in-absolute-dir", [301, 301, 404]),
        ("/to-in-absolute", [200, 200, 404]),
        ("/absolute-root/to-dir/file", [200, 200, 404]),
        ("/absolute-root/", [200, 200, 404]),
        ("/absolute-root/out-file", [404, 200, 404]),
        ("/in-and-out-absolute", [404, 200, 404]),
        ("/out-and-in", [404, 200, 404]),
        ("/loop", [404, 404, 404]),
        ("/dangling", [404, 404, 404]),
        ("/slash", [404, 404, 404]),
    ];
    for (column, symlinks) in [Symlinks::Inside, Symlinks::Follow, Symlinks::Deny]
        .into_iter()
        .enumerate()
    {
        let config = FilesConfig {
            symlinks,
            ..config(&site)
        };
        both(&mut site, &config, |site, how| {
            for (path, expected) in table {
                let answer = site.get(path);
                assert_eq!(
                    answer.status, expected[column],
                    "{path} {symlinks:?} by {how}"
                );
                if symlinks != Symlinks::Follow {
                    assert!(
                        !answer.text().contains("SECRET"),
                        "{path} {symlinks:?} by {how}"
                    );
                }
            }
        });
    }
}

#[test]
fn special_and_unreadable_files() {
    let mut site = Site::new(|_| {});
    let fifo = site.path("fifo");
    rustix::fs::mkfifoat(CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let _socket = UnixListener::bind(site.path("socket")).unwrap();
    site.write("closed", "no");
    site.write("private/file", "no");
    site.write("passage/file", "yes");
    for (path, mode) in [("closed", 0), ("private", 0), ("passage", 0o311)] {
        fs::set_permissions(site.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    // root may read anything: then there is nothing to refuse.
    let refused = if rustix::process::geteuid().is_root() {
        [200, 200, 200]
    } else {
        [403, 403, 403]
    };
    let config = config(&site);
    both(&mut site, &config, |site, how| {
        for (path, expected) in [
            ("/fifo", 404),
            ("/fifo/", 404),
            ("/socket", 404),
            ("/closed", refused[0]),
            ("/private/file", refused[1]),
            ("/passage/", refused[2]),
            ("/passage/file", 200),
            ("/passage", 301), // may be entered, though not read
        ] {
            assert_eq!(site.get(path).status, expected, "{path} by {how}");
        }
    });
    fs::set_permissions(site.path("private"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn directories() {
    let mut site = Site::new(|config| config.index = vec!["index.html".into(), "index.htm".into()]);
    site.write("index.html", "home");
    site.write("old/index.htm", "old");
    site.write("list/a b.txt", "");
    site.write("a b?+(c)/index.html", "odd");
    site.get("/").expect(200, "home");
    assert_eq!(
        site.get("/").field("Content-Type").as_deref(),
        Some("text/html; charset=utf-8")
    );
    site.get("/old/").expect(200, "old");
    // A better index that appears is seen at once, and when it is gone again, too.
    site.write("old/index.html", "new");
    site.get("/old/").expect(200, "new");
    fs::remove_file(site.path("old/index.html")).unwrap();
    site.get("/old/").expect(200, "old");
    for (target, location) in [
        ("/old", "/old/"),
        ("/old?a=/b", "/old/?a=/b"),
        ("//old", "/old/"),
        ("/x/..//%6fld", "/old/"),
        ("/a%20b%3F+(c)", "/a%20b%3F+(c)/"),
    ] {
        let answer = site.get(target);
        assert_eq!(answer.status, 301, "{target}");
        assert_eq!(answer.field("Location").as_deref(), Some(location));
    }
    let listing = site.get("/list/");
    assert!(listing.status == 200 && listing.later);
    assert!(listing.text().contains("a%20b.txt"), "{}", listing.text());
    let mut site = Site::new(|config| config.listing = false);
    site.write("list/a", "");
    assert_eq!(site.get("/list/").status, 404);
}

#[test]
fn a_root_that_is_switched() {
    for follow in [true, false] {
        let mut site = Site::new(|_| {});
        for release in ["one", "two"] {
            fs::create_dir(site.outside(release)).unwrap();
            fs::write(site.outside(release).join("a"), release).unwrap();
        }
        symlink("one", site.outside("current")).unwrap();
        let config = FilesConfig {
            root: site.outside("current"),
            follow_root: follow,
            ..FilesConfig::default()
        };
        site.files = Files::open(&config, 1).unwrap();
        site.get("/a").expect(200, "one");
        symlink("two", site.outside("next")).unwrap();
        fs::rename(site.outside("next"), site.outside("current")).unwrap();
        site.get("/a")
            .expect(200, if follow { "two" } else { "one" });
        // A moment without a root is no reason to lose the one we have.
        fs::remove_file(site.outside("current")).unwrap();
        site.get("/a")
            .expect(200, if follow { "two" } else { "one" });
    }
}

/// A file system as a table: what each path is. Links hold their target.
#[derive(Clone, Debug)]
enum Node {
    File,
    Dir,
    Link(String),
}

type Model = BTreeMap<Vec<String>, Node>;

/// What a request gets by the naive reading of the rules: a status, and whose content.
fn expected(
    model: &Model,
    names: &[String],
    slash: bool,
    symlinks: Symlinks,
) -> (u16, Option<String>) {
    let mut at: Vec<String> = vec!["root".into()];
    let mut todo: Vec<String> = names.iter().rev().cloned().collect();
    let mut links = 0;
    while let Some(name) = todo.pop() {
        if !matches!(model.get(&at), Some(Node::Dir)) {
            return (404, None);
        }
        match name.as_str() {
            "" | "." => continue,
            ".." if at.len() == 1 => return (404, None),
            ".." => {
                at.pop();
                continue;
            }
            _ => at.push(name),
        }
        if let Some(Node::Link(target)) = model.get(&at) {
            links += 1;
            at.pop();
            let target = match target.strip_prefix("ROOT") {
                Some(rest) => {
                    at.truncate(1);
                    rest
                }
                None if target.starts_with('/') => return (404, None),
                None => target,
            };
            if symlinks == Symlinks::Deny || links > 40 {
                return (404, None);
            }
            todo.extend(target.split('/').rev().map(str::to_owned));
        }
    }
    match (model.get(&at), slash) {
        (Some(Node::File), false) => (200, Some(at.join("/"))),
        (Some(Node::Dir), false) if !names.is_empty() => (301, None),
        (Some(Node::Dir), _) => (200, None),
        _ => (404, None),
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "ü", "d e", "%", "x\\y"]).prop_map(str::to_owned)
}

fn node() -> impl Strategy<Value = Node> {
    let step = prop_oneof![6 => name(), 3 => Just("..".to_owned()), 1 => Just(".".to_owned())];
    let step2 = prop_oneof![6 => name(), 1 => Just("..".to_owned()), 1 => Just(".".to_owned())];
    let relative = prop::collection::vec(step, 1..4).prop_map(|steps| steps.join("/"));
    prop_oneof![
        3 => Just(Node::Dir),
        3 => Just(Node::File),
        3 => relative.prop_map(Node::Link),
        1 => name().prop_map(|name| Node::Link(format!("../outside/{name}"))),
        1 => name().prop_map(|name| Node::Link(format!("/{name}"))),
        // Absolute, and inside.
        2 => prop::collection::vec(step2, 1..4).prop_map(|steps| Node::Link(format!("ROOT/{}", steps.join("/")))),
    ]
}

/// Builds what fits together of the wishes, under `root` and under `outside`.
fn build(base: &Path, wishes: &[(Vec<String>, Node, bool)]) -> Model {
    let mut model = Model::new();
    for top in ["root", "outside"] {
        fs::create_dir(base.join(top)).unwrap();
        model.insert(vec![top.to_owned()], Node::Dir);
    }
    for (path, node, outside) in wishes {
        let mut full = vec![if *outside { "outside" } else { "root" }.to_owned()];
        full.extend(path.iter().cloned());
        let parent = &full[..full.len() - 1];
        if !matches!(model.get(parent), Some(Node::Dir)) || model.contains_key(&full) {
            continue;
        }
        let real = base.join(full.join("/"));
        match node {
            Node::Dir => fs::create_dir(&real).unwrap(),
            Node::File => fs::write(&real, full.join("/")).unwrap(),
            Node::Link(target) => {
                let root = base.join("root");
                symlink(target.replace("ROOT", root.to_str().unwrap()), &real).unwrap();
            }
        }
        model.insert(full, node.clone());
    }
    model
}

/// A name as a client may write it: any byte as itself where that is allowed, or escaped.
fn encode(name: &str, escapes: u64) -> String {
    let mut encoded = String::new();
    for (place, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || byte == b'.';
        if plain && escapes >> (place % 64) & 1 == 0 {
            encoded.push(byte.into());
        } else if escapes >> ((place + 7) % 64) & 1 == 0 {
            encoded.push_str(&format!("%{byte:02x}"));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn never_outside_the_root_and_always_inside(
        wishes in prop::collection::vec(
            (prop::collection::vec(name(), 1..4), node(), prop::bool::weighted(0.2)),
            1..30,
        ),
        requests in prop::collection::vec(
            (prop::collection::vec(name(), 0..5), any::<bool>(), any::<u64>()),
            20,
        ),
    ) {
        let base = tempfile::tempdir().unwrap();
        let model = build(base.path(), &wishes);
        let mut site = Site::new(|_| {});
        for symlinks in [Symlinks::Inside, Symlinks::Deny] {
            let config = FilesConfig {
                root: base.path().join("root"),
                symlinks,
                not_found: None,
                ..FilesConfig::default()
            };
            // Also what is there, not only what might be.
            let there = model.keys().filter(|path| path[0] == "root").map(|path| (path[1..].to_vec(), false, 5));
            let asked: Vec<_> = requests.iter().cloned().chain(there).collect();
            both(&mut site, &config, |site, how| {
                for (names, slash, escapes) in &asked {
                    let encoded: Vec<String> = names.iter().map(|name| encode(name, *escapes)).collect();
                    let end = if *slash && !names.is_empty() { "/" } else { "" };
                    let target = format!("/{}{end}", encoded.join("/"));
                    let (status, owner) = expected(&model, names, *slash || names.is_empty(), symlinks);
                    let answer = site.get(&target);
                    assert_eq!(answer.status, status, "{target} {symlinks:?} by {how}\n{model:#?}");
                    if let Some(owner) = owner {
                        assert_eq!(answer.text(), owner, "{target} by {how}");
                    }
                }
            });
        }
    }
}

/// The kernel gives up on a `..` if anything was renamed since the first step, wherever that was
/// (openat2(2), EAGAIN), and of many it gets to the last one hardly ever.
#[test]
fn renames_elsewhere_make_no_link_unavailable() {
    let mut site = Site::new(|_| {});
    site.write("a.txt", "a");
    fs::create_dir(site.path("sub")).unwrap();
    let way = "../sub/".repeat(500) + "../a.txt";
    symlink(way, site.path("sub/link")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| elsewhere.path().join(name));
    fs::write(&one, "").unwrap();
    let rename = || {
        fs::rename(&one, &other).unwrap();
        fs::rename(&other, &one).unwrap();
    };
    let config = config(&site);
    race(rename, || {
        site.files = Files::open(&config, 1).unwrap(); // an empty cache
        assert_eq!(site.get("/sub/link").status, 200);
    });
}

/// Runs `flip` in a thread of its own while `ask` runs in this one, for a while.
pub(super) fn race(mut flip: impl FnMut() + Send, mut ask: impl FnMut()) {
    /// Also when `ask` fails: otherwise the scope would wait for `flip` for ever.
    struct Stop<'d>(&'d AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                flip();
            }
        });
        let _stop = Stop(&done);
        let until = Instant::now() + Duration::from_millis(400);
        while Instant::now() < until {
            ask();
        }
    });
}

/// An attacker who may write in the root swaps names for links that lead out, as fast as
/// renameat2(2) can exchange two. Near half a second for each way of opening: this is what a race is.
#[test]
fn a_swap_race_leaks_not_one_byte() {
    let mut site = Site::new(|_| {});
    site.write("real/file", "inside");
    site.write("one", "inside");
    fs::create_dir(site.outside("out")).unwrap();
    fs::write(site.outside("out/file"), "SECRET").unwrap();
    for (name, target) in [
        ("dir", "real"),
        ("evil-dir", "../out"),
        ("evil-one", "../out/file"),
        ("absolute", site.path("real").to_str().unwrap()),
        ("evil-absolute", site.outside("out").to_str().unwrap()),
    ] {
        symlink(target, site.path(name)).unwrap();
    }
    let root = site.path("");
    let config = config(&site);
    both(&mut site, &config, |site, how| {
        let (mut served, mut refused) = (0, 0);
        let flip = || {
            for (name, other) in [
                ("dir", "evil-dir"),
                ("one", "evil-one"),
                ("absolute", "evil-absolute"),
            ] {
                let (name, other) = (root.join(name), root.join(other));
                renameat_with(CWD, &name, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        };
        race(flip, || {
            for target in ["/dir/file", "/one", "/absolute/file"] {
                let answer = site.get(target);
                match answer.status {
                    200 => assert_eq!(answer.text(), "inside", "leaked by {how}"),
                    404 => assert!(!answer.text().contains("SECRET"), "leaked by {how}"),
                    other => panic!("{other} by {how}"),
                }
                served += u32::from(answer.status == 200);
                refused += u32::from(answer.status == 404);
            }
        });
        assert!(
            served > 20 && refused > 20,
            "{how} was not raced: {served} {refused}"
        );
    });
}
