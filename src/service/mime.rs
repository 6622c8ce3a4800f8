//! Media types: what the user said, then what browsers insist on, then mime_guess.
//!
//! *Floor 3.* Knows names only; never looks into a file. A type guessed from content would make
//! the server do what `nosniff` forbids the browser to do.
//!
//! *References:* RFC 9110 §8.3; RFC 9239 (text/javascript); RFC 7303 §9 (XML); RFC 8259 §11 (JSON
//! has no charset); [WHATWG MIME Sniffing](https://mimesniff.spec.whatwg.org/).
//!
//! *Read next:* `policy.rs`.

/// The value of Content-Type for a path, by the extension of its last segment.
pub(super) fn content_type(path: &[u8], overrides: &[(String, String)], charset: bool) -> String {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    let extension = extension.as_deref().unwrap_or_default();
    if let Some((_, own)) = overrides
        .iter()
        .find(|(e, _)| e.eq_ignore_ascii_case(extension))
    {
        // Said in so many words: not ours to add to.
        return own.clone();
    }
    let essence = essence(&name, extension);
    if charset && has_charset(&essence) {
        return essence + "; charset=utf-8";
    }
    essence
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
                | "application/xml"
                | "application/wasm"
                | "font/ttf"
                | "font/otf"
                | "image/bmp"
                | "image/x-icon"
        )
}

fn essence(name: &str, extension: &str) -> String {
    if let Some(&(_, known)) = KNOWN.iter().find(|(known, _)| *known == extension) {
        return known.into();
    }
    if PLAIN_NAMES
        .iter()
        .any(|plain| name.eq_ignore_ascii_case(plain))
    {
        return "text/plain".into();
    }
    mime_guess::from_ext(extension)
        .first_or_octet_stream()
        .essence_str()
        .into()
}

/// Text is UTF-8 here unless `--charset off`. XML and JSON say or imply their own encoding.
fn has_charset(essence: &str) -> bool {
    essence.starts_with("text/") || essence == "application/javascript"
}

/// Where mime_guess is out of date, or browsers refuse what it says. By lower-case extension.
const KNOWN: [(&str, &str); 24] = [
    ("avif", "image/avif"),
    ("cjs", "text/javascript"),
    ("flac", "audio/flac"),
    ("gz", "application/gzip"),
    ("ico", "image/x-icon"),
    ("js", "text/javascript"),
    ("jxl", "image/jxl"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"), // a module script needs a JavaScript type (HTML Standard)
    ("mkv", "video/matroska"),
    ("mts", "text/plain"),
    ("opus", "audio/ogg"),
    // MPEG transport stream, as registered; TypeScript never reaches a browser as such, and who
    // wants to read it says --mime ts=text/plain.
    ("ts", "video/mp2t"),
    ("tsx", "text/plain"),
    ("wasm", "application/wasm"), // compileStreaming() insists on it
    ("wav", "audio/wav"),
    ("webmanifest", "application/manifest+json"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xml", "application/xml"),
    ("zst", "application/zstd"),
];

/// Files without an extension that people want to read, not to download.
const PLAIN_NAMES: [&str; 8] = [
    "authors",
    "changelog",
    "copying",
    "dockerfile",
    "license",
    "makefile",
    "notice",
    "readme",
];

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
        check("unknown.xyzzy", "application/octet-stream");
        check("no-extension", "application/octet-stream");
        check("dir.html/file", "application/octet-stream");
    }

    #[test]
    fn the_user_has_the_last_word() {
        let own = [("ts".to_owned(), "text/plain".to_owned())];
        assert_eq!(content_type(b"a.TS", &own, true), "text/plain");
        assert_eq!(content_type(b"a.html", &own, false), "text/html");
    }
}
