//! Media types: what the user said, then what browsers insist on, then mime_guess. Where a name says
//! nothing, the first bytes say whether it is text.
//!
//! *Floor 3.* Knows names and bytes; opens nothing. No other type is guessed from content: that would
//! make the server do what `nosniff` forbids the browser to do, and text is never run.
//!
//! *References:* RFC 9110 §8.3; the [registry](https://www.iana.org/assignments/media-types); RFC
//! 9239 (text/javascript); RFC 7303 §9 (XML); RFC 8259 §11 (JSON has no charset);
//! [WHATWG MIME Sniffing](https://mimesniff.spec.whatwg.org/).

use std::cmp::Ordering;

/// So many bytes say whether content is text (WHATWG MIME Sniffing §5.2, "resource header").
pub(super) const BEGINNING_BYTES_MAX: usize = 1445;

/// The value of Content-Type for a path, by the extension of its last segment.
pub(super) fn content_type(path: &[u8], overrides: &[(String, String)], charset: bool) -> String {
    type_of_name(path, overrides, charset).unwrap_or_else(|| BINARY.into())
}

/// The same, `None` where the name says nothing.
pub(super) fn type_of_name(
    path: &[u8],
    overrides: &[(String, String)],
    charset: bool,
) -> Option<String> {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if let Some((_, own)) = overrides
        .iter()
        .find(|(e, _)| e.eq_ignore_ascii_case(extension))
    {
        // Said in so many words: not ours to add to.
        return Some(own.clone());
    }
    let essence = essence(&name, extension)?;
    Some(match charset && has_charset(essence) {
        true => [essence, "; charset=utf-8"].concat(),
        false => essence.into(),
    })
}

/// The value of Content-Type where the name says nothing and the content that it is text, or not.
pub(super) fn type_of_content(is_text: bool, charset: bool) -> &'static str {
    match (is_text, charset) {
        (true, true) => "text/plain; charset=utf-8",
        (true, false) => "text/plain",
        (false, _) => BINARY,
    }
}

/// Whether a file of `len` bytes that begins so is UTF-8 without bytes that no text has (WHATWG MIME
/// Sniffing §3, "binary data byte"). The last character may go on behind the beginning.
pub(super) fn is_text(beginning: &[u8], len: u64) -> bool {
    let looked_at = &beginning[..beginning.len().min(BEGINNING_BYTES_MAX)];
    let is_binary = |b: &u8| matches!(b, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if looked_at.iter().any(is_binary) {
        return false;
    }
    match str::from_utf8(looked_at) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && len > looked_at.len() as u64,
    }
}

/// Whether a type is worth compressing, so that an encoded sibling may turn up beside it.
pub(super) fn is_compressible(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim_end();
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+json")
        || matches!(
            essence,
            "application/javascript"
                | "application/json"
                | "application/toml"
                | "application/xml"
                | "application/yaml"
                | "application/wasm"
                | "font/ttf"
                | "font/otf"
                | "image/bmp"
                | "image/x-icon"
        )
}

/// A listing asks this of each name that it shows, so all is looked up and nothing allocated.
fn essence(name: &str, extension: &str) -> Option<&'static str> {
    // Videos of camcorders, and modules of TypeScript: its content tells.
    if extension.eq_ignore_ascii_case("mts") {
        return None;
    }
    if let Ok(at) = KNOWN.binary_search_by(|(known, _)| in_lower_case(known, extension)) {
        return Some(KNOWN[at].1);
    }
    let is_among = |all: &[&str], asked| {
        let found = all.binary_search_by(|one| in_lower_case(one, asked));
        found.is_ok()
    };
    if is_among(TEXT_EXTENSIONS, extension) || is_among(PLAIN_NAMES, name) {
        return Some("text/plain");
    }
    mime_guess::from_ext(extension).first_raw()
}

/// How a lower-case word stands to another one of any case.
fn in_lower_case(word: &str, asked: &str) -> Ordering {
    word.bytes()
        .cmp(asked.bytes().map(|b| b.to_ascii_lowercase()))
}

/// What is said of that of which nothing is known (RFC 2046 §4.5.1).
const BINARY: &str = "application/octet-stream";

/// Text is UTF-8 here unless `--charset off`. XML and JSON say or imply their own encoding.
fn has_charset(essence: &str) -> bool {
    essence.starts_with("text/") || essence == "application/javascript"
}

/// Where mime_guess is out of date, or browsers refuse what it says. By lower-case extension.
const KNOWN: [(&str, &str); 35] = [
    ("avif", "image/avif"),
    ("cjs", "text/javascript"),
    ("deb", "application/vnd.debian.binary-package"),
    ("dmg", "application/x-apple-diskimage"),
    ("flac", "audio/flac"),
    ("gz", "application/gzip"),
    ("ico", "image/x-icon"),
    ("iso", "application/vnd.efi.iso"),
    ("js", "text/javascript"),
    ("jxl", "image/jxl"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"), // a module script needs a JavaScript type (HTML Standard)
    ("mka", "audio/matroska"),  // RFC 9559 §27, as "mkv"
    ("mkv", "video/matroska"),
    ("obj", "model/obj"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),          // RFC 8081 §4.4.3
    ("rpm", "application/x-rpm"), // once upon a time a plug-in of RealAudio
    ("stl", "model/stl"),
    ("tgz", "application/gzip"),
    ("toml", "application/toml"),
    // MPEG transport stream, as registered; TypeScript never reaches a browser as such, and who
    // wants to read it says --mime ts=text/plain.
    ("ts", "video/mp2t"),
    ("vcf", "text/vcard"),        // RFC 6350
    ("wasm", "application/wasm"), // compileStreaming() insists on it
    ("wav", "audio/wav"),
    ("webmanifest", "application/manifest+json"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"), // RFC 9512
    ("yml", "application/yaml"),
    ("zst", "application/zstd"),
];

/// What people want to read and not to download: browsers show `text/plain`, but neither most
/// other text types nor `application/x-sh`. Sources, scripts, settings and logs; not what another
/// program is asked to take, such as a calendar.
const TEXT_EXTENSIONS: &[&str] = &[
    "adoc",
    "asc",
    "asm",
    "awk",
    "bash",
    "bat",
    "bib",
    "c",
    "cc",
    "cfg",
    "clj",
    "cmake",
    "cmd",
    "coffee",
    "conf",
    "config",
    "cpp",
    "cs",
    "cts",
    "cu",
    "cxx",
    "dart",
    "diff",
    "el",
    "env",
    "erl",
    "ex",
    "exs",
    "f",
    "f90",
    "fish",
    "for",
    "fs",
    "go",
    "gradle",
    "graphql",
    "groovy",
    "h",
    "handlebars",
    "hbs",
    "hpp",
    "hs",
    "hxx",
    "ini",
    "java",
    "jl",
    "jsonl",
    "kt",
    "kts",
    "less",
    "lisp",
    "list",
    "litcoffee",
    "lock",
    "log",
    "lua",
    "md5",
    "ml",
    "mli",
    "ndjson",
    "nfo",
    "nim",
    "nix",
    "org",
    "pas",
    "patch",
    "php",
    "pl",
    "pm",
    "properties",
    "proto",
    "ps1",
    "py",
    "pyi",
    "r",
    "rb",
    "rs",
    "rst",
    "sass",
    "scala",
    "scm",
    "scss",
    "service",
    "sh",
    "sha1",
    "sha256",
    "sha512",
    "socket",
    "sql",
    "srt",
    "styl",
    "svelte",
    "swift",
    "tcl",
    "tex",
    "text",
    "tf",
    "timer",
    "tsx",
    "txt",
    "v",
    "vim",
    "vue",
    "wat",
    "zig",
    "zsh",
];

/// Such files without an extension, with nothing else (`.gitignore`), or with one that elsewhere is
/// something else.
const PLAIN_NAMES: &[&str] = &[
    ".bashrc",
    ".dockerignore",
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    ".profile",
    "authors",
    "changelog",
    "containerfile",
    "contributing",
    "copying",
    "copyright",
    "dockerfile",
    "gemfile",
    "go.mod",
    "inrelease",
    "install",
    "jenkinsfile",
    "justfile",
    "license",
    "makefile",
    "md5sums",
    "news",
    "notice",
    "packages",
    "procfile",
    "rakefile",
    "readme",
    "release",
    "sha256sums",
    "sha512sums",
    "todo",
    "vagrantfile",
    "version",
];

/// Whether a browser may run what is in a document of this type.
pub(super) fn is_active(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "text/html"
        || kind.ends_with("xml")
        || kind.ends_with("/x-shockwave-flash")
        || kind == "multipart/related"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_what_browsers_expect() {
        let check = |path: &str, expected: &str| {
            assert_eq!(content_type(path.as_bytes(), &[], true), expected, "{path}");
        };
        check("index.html", "text/html; charset=utf-8");
        check("a/b/style.CSS", "text/css; charset=utf-8");
        check("app.js", "text/javascript; charset=utf-8");
        check("app.mjs", "text/javascript; charset=utf-8");
        check("lib.wasm", "application/wasm");
        check("data.json", "application/json");
        check("feed.xml", "application/xml");
        check("logo.svg", "image/svg+xml");
        check("photo.jpeg", "image/jpeg");
        check("photo.webp", "image/webp");
        check("photo.avif", "image/avif");
        check("film.mp4", "video/mp4");
        check("film.webm", "video/webm");
        check("segment.ts", "video/mp2t");
        check("song.mp3", "audio/mpeg");
        check("font.woff2", "font/woff2");
        check("doc.pdf", "application/pdf");
        check("notes.md", "text/markdown; charset=utf-8");
        check("notes.txt", "text/plain; charset=utf-8");
        check("app.webmanifest", "application/manifest+json");
        check("app.js.map", "application/json");
        check("archive.tar.gz", "application/gzip");
        check("archive.zip", "application/zip");
        check("README", "text/plain; charset=utf-8");
        check("sub/.gitignore", "text/plain; charset=utf-8");
        check("dists/stable/InRelease", "text/plain; charset=utf-8");
        check("openapi.yaml", "application/yaml");
        check("Cargo.toml", "application/toml");
        check("me.VCF", "text/vcard; charset=utf-8");
        check("a.rpm", "application/x-rpm");
        check("a.deb", "application/vnd.debian.binary-package");
        check("a.iso", "application/vnd.efi.iso");
        check("a.dmg", "application/x-apple-diskimage");
        check("a.mkv", "video/matroska");
        check("a.mka", "audio/matroska");
        check("invite.ics", "text/calendar; charset=utf-8");
        check("table.csv", "text/csv; charset=utf-8");
        check("unknown.xyzzy", "application/octet-stream");
        check("no-extension", "application/octet-stream");
        check("dir.html/file", "application/octet-stream");
    }

    #[test]
    fn what_has_no_known_name_is_text_if_it_reads_as_text() {
        let check = |beginning: &[u8], len, expected: &str| {
            assert_eq!(
                type_of_content(is_text(beginning, len), true),
                expected,
                "{beginning:?}"
            );
        };
        let text = "text/plain; charset=utf-8";
        check(b"", 0, text);
        check(b"#!/bin/sh\necho hi\r\n\t\x0c\x1b[0m", 29, text);
        check("\u{feff}größe 大小".as_bytes(), 19, text);
        check(b"<script>alert(1)</script>", 25, text); // never as what would be run
        let cut = &"größe".as_bytes()[..3];
        check(cut, 7, text);
        check(cut, 3, BINARY); // ends in the middle of a character
        check(b"caf\xe9 au lait", 100, BINARY); // Latin-1
        check(b"\x7fELF\x02\x01\x01\0", 100, BINARY);
        check(b"text\0", 5, BINARY);
        check(
            "\u{feff}a"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>()
                .as_slice(),
            4,
            BINARY,
        );
        for b in 0..0x20_u8 {
            let expected = matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
            assert_eq!(is_text(&[b], 1), expected, "{b:#x}");
        }
        assert_eq!(type_of_content(true, false), "text/plain");
        assert_eq!(type_of_name(b"a/no-extension", &[], true), None);
        assert_eq!(type_of_name(b"a.xyzzy", &[], true), None);
        assert_eq!(type_of_name(b"a.bin", &[], true).as_deref(), Some(BINARY));
    }

    /// `rs` was text/x-rust, which Firefox downloads, and `sh` application/x-sh, which all do.
    #[test]
    fn what_people_read_is_plain_text() {
        for extension in TEXT_EXTENSIONS {
            assert!(!KNOWN.iter().any(|(known, _)| known == extension));
            let path = format!("d/a.{}", extension.to_ascii_uppercase());
            let found = content_type(path.as_bytes(), &[], true);
            assert_eq!(found, "text/plain; charset=utf-8", "{path}");
        }
        for name in PLAIN_NAMES {
            let found = content_type(format!("d/{name}").as_bytes(), &[], true);
            assert_eq!(found, "text/plain; charset=utf-8", "{name}");
        }
        assert_eq!(content_type(b"tune.mod", &[], true), "video/mpeg");
        assert_eq!(
            type_of_name(b"00001.MTS", &[], true),
            None,
            "two kinds of file"
        );
        for sorted in [TEXT_EXTENSIONS, PLAIN_NAMES] {
            assert!(sorted.is_sorted());
        }
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn the_user_has_the_last_word() {
        let own = [("ts".to_owned(), "text/plain".to_owned())];
        assert_eq!(content_type(b"a.TS", &own, true), "text/plain");
        assert_eq!(content_type(b"a.html", &own, false), "text/html");
    }
}
