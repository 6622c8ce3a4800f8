//! Paths as names beneath a root, against a naive model.

use httpoll::http::target::{self, PathOnDisk, TargetError};

/// Panics if a path leads out of the root, is not what the naive model says, or does not survive
/// being written as a link and read again.
pub fn check(data: &[u8]) {
    as_a_segment(data);
    let text = String::from_utf8_lossy(data);
    let found = target::decode(&text);
    let mut reused = b"left over".to_vec();
    let again = target::decode_into(&text, &mut reused);
    assert_eq!(
        again.is_ok(),
        found.is_ok(),
        "a used buffer makes a difference"
    );
    match (&found, naive(&text)) {
        (Err(error), theirs) => {
            assert!(
                error.status().code() < 500,
                "a server's error for a client's mistake"
            );
            let too_long = matches!(error, TargetError::NameTooLong | TargetError::PathTooLong);
            assert!(
                too_long || theirs.is_none(),
                "refused ({error:?}), but it is {theirs:?}"
            );
        }
        (Ok(path), theirs) => {
            assert_eq!(
                Some((&path.relative, path.directory)),
                theirs.as_ref().map(|t| (&t.0, t.1))
            );
            assert_eq!((again, &reused), (Ok(path.directory), &path.relative));
            stays_inside(path);
            comes_back(path);
            redirects(path, &text);
        }
    }
}

fn stays_inside(path: &PathOnDisk) {
    let relative = &path.relative;
    assert!(relative.len() <= 4095, "longer than the kernel takes");
    assert!(!relative.contains(&0), "NUL");
    if relative.is_empty() {
        assert!(path.directory, "the root is a directory");
        return;
    }
    for name in relative.split(|b| *b == b'/') {
        assert!(
            !matches!(name, b"" | b"." | b".."),
            "{:?} in a path",
            name.escape_ascii()
        );
        assert!(name.len() <= 255, "a name that no file has");
    }
}

/// A link to what was found leads to it.
fn comes_back(path: &PathOnDisk) {
    let names = path.relative.split(|b| *b == b'/');
    let mut link: String = names
        .map(|name| format!("/{}", target::encode_segment(name)))
        .collect();
    if path.directory && !path.relative.is_empty() {
        link.push('/');
    }
    assert_eq!(target::decode(&link).as_ref(), Ok(path), "{link}");
}

/// Any bytes are a file's name, but for what no file is called.
fn as_a_segment(name: &[u8]) {
    let link = target::encode_segment(name);
    assert!(
        link.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)),
        "{link}"
    );
    let possible =
        !matches!(name, b"" | b"." | b"..") && !name.iter().any(|b| *b == b'/' || *b == 0);
    if possible && name.len() <= 255 {
        let back = target::decode(&format!("/{link}")).map(|path| path.relative);
        assert_eq!(back.as_deref(), Ok(name), "{link}");
    }
}

/// A redirect leads to the same directory of the same host, and holds no other field.
fn redirects(path: &PathOnDisk, query: &str) {
    let location = target::redirect_location(&path.relative, Some(query));
    let (reference, _) = location.split_once('?').unwrap_or_default();
    assert!(
        location.bytes().all(|b| b.is_ascii_graphic()) && !reference.contains('\\'),
        "{location:?}"
    );
    assert!(!reference.starts_with("//"), "another host: {location:?}");
    let there = target::decode(reference);
    assert_eq!(
        there.map(|there| there.relative).as_ref(),
        Ok(&path.relative),
        "{location}"
    );
}

/// The rules, word for word: split, decode, walk. `None` for what is refused.
fn naive(text: &str) -> Option<(Vec<u8>, bool)> {
    let rest = text.strip_prefix('/')?;
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut directory = false;
    for segment in rest.split('/') {
        let name = unescape(segment.as_bytes())?;
        directory = matches!(&name[..], b"" | b"." | b"..");
        match &name[..] {
            b"." => {}
            b".." => drop(names.pop()?),
            // An empty one counts for the `..` behind it.
            _ => names.push(name),
        }
    }
    names.retain(|name| !name.is_empty());
    Some((names.join(&b'/'), directory))
}

fn unescape(segment: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut at = 0;
    while at < segment.len() {
        let byte = if segment[at] == b'%' {
            let digits = std::str::from_utf8(segment.get(at + 1..at + 3)?).ok()?;
            at += 2;
            // from_str_radix would take a sign.
            let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
            hex.then(|| u8::from_str_radix(digits, 16).ok())??
        } else {
            segment[at]
        };
        at += 1;
        if byte == 0 || byte == b'/' {
            return None;
        }
        name.push(byte);
    }
    Some(name)
}
