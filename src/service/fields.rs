//! Fields of answers: ours, and what a user's rules put beside them or instead.
//!
//! *Floor 3.* Knows names, values and patterns; does not know what the answers are about.
//!
//! *References:* RFC 9110 §5.3, §15.4.5 (304); RFC 9213 (targeted cache control).

use super::options::{FilesConfig, HeaderRule, PathGlob};
use crate::http::{HeaderBlock, Response};

/// What stands on every answer, errors too: a browser must be allowed to see an error before a
/// script can report it. This is the one place that writes these fields.
#[derive(Debug)]
pub(super) struct Common {
    nosniff: bool,
    cors: bool,
    cross_origin_isolated: bool,
    rules: Vec<HeaderRule>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            nosniff: true,
            cors: false,
            cross_origin_isolated: false,
            rules: Vec::new(),
        }
    }
}

impl Common {
    pub(super) fn new(config: &FilesConfig) -> Self {
        Self {
            nosniff: config.nosniff,
            cors: config.cors,
            cross_origin_isolated: config.cross_origin_isolated,
            rules: config.headers.clone(),
        }
    }

    /// The same with what has to be said of files of some types, unless a rule says otherwise.
    pub(super) fn of_files(config: &FilesConfig) -> Self {
        let mut common = Self::new(config);
        // SVG 2 §1.2: drawings whose name ends so are compressed, and no browser shows them if it
        // is not said.
        let rule = (
            "Content-Encoding: gzip".parse(),
            "*.[sS][vV][gG][zZ]".parse(),
        );
        if let (Ok(field), Ok(glob)) = rule {
            let glob = Some(glob);
            common.rules.insert(0, HeaderRule { field, glob });
        }
        common
    }

    /// Whether no field was asked for, nor `nosniff` refused.
    pub(super) fn is_usual(&self) -> bool {
        self.nosniff && !self.cors && !self.cross_origin_isolated && self.rules.is_empty()
    }

    /// Begins the fields of an answer about `path`.
    pub(super) fn fields(&self, path: Option<&[u8]>) -> Fields<'_> {
        Fields {
            bytes: Vec::with_capacity(320),
            rules: self.rules_for(path),
        }
    }

    pub(super) fn put(&self, fields: &mut Fields<'_>) {
        if self.nosniff {
            fields.put("X-Content-Type-Options", "nosniff");
        }
        if self.cors {
            fields.put("Access-Control-Allow-Origin", "*");
            fields.put("Access-Control-Expose-Headers", "*");
        }
        if self.cross_origin_isolated {
            fields.put("Cross-Origin-Opener-Policy", "same-origin");
            fields.put("Cross-Origin-Embedder-Policy", "require-corp");
            let sharing = if self.cors {
                "cross-origin"
            } else {
                "same-origin"
            };
            fields.put("Cross-Origin-Resource-Policy", sharing);
        }
    }

    /// Adds them to an answer made elsewhere, and the rules for `path`; without one, those that are for
    /// all. Rules about content mean that of the files they match, and no rule lets an answer be kept
    /// that says `no-store`: errors and redirects are about this moment.
    pub(super) fn decorate(&self, mut response: Response, path: Option<&[u8]>) -> Response {
        let mut fields = self.fields(path);
        let made = response.fields.as_bytes();
        let is_kept = !lines(made).any(|line| line.eq_ignore_ascii_case(NO_STORE));
        fields
            .rules
            .retain(|rule| !rule.is_about_content() && (is_kept || !rule.is_about_caches()));
        for line in lines(made) {
            if !fields.replace(line) {
                fields.bytes.extend_from_slice(line);
            }
        }
        self.put(&mut fields);
        response.fields = HeaderBlock::Owned(fields.finish(|_| true));
        response
    }

    /// The rules for a path, in order. Of several for one field that of the last pattern stands; those
    /// for all files are the first. What was said twice of the same files is sent twice.
    pub(super) fn rules_for(&self, path: Option<&[u8]>) -> Vec<&HeaderRule> {
        let path = path.map(String::from_utf8_lossy);
        let is_for = |glob: &PathGlob| path.as_ref().is_some_and(|path| glob.matches(path));
        let mut standing: Vec<&HeaderRule> = Vec::new();
        for rule in &self.rules {
            if !rule.glob.as_ref().is_none_or(is_for) {
                continue;
            }
            if !rule.adds_up() {
                let name = rule.field.name();
                standing.retain(|earlier| !earlier.is(name) || earlier.glob == rule.glob);
            }
            standing.push(rule);
        }
        standing
    }
}

/// Fields in the making: ours, unless a user's rule of the same name stands instead.
pub(super) struct Fields<'p> {
    bytes: Vec<u8>,
    rules: Vec<&'p HeaderRule>,
}

impl Fields<'_> {
    pub(super) fn put(&mut self, name: &str, value: &str) {
        if !self.rules.iter().any(|rule| rule.replaces(name)) {
            put_line(&mut self.bytes, name, value);
        }
    }

    /// Like [`Self::put`], whatever the rules say.
    pub(super) fn put_always(&mut self, name: &str, value: &str) {
        put_line(&mut self.bytes, name, value);
    }

    /// Ends with the user's rules, those that `wanted` lets pass.
    pub(super) fn finish(mut self, wanted: impl Fn(&HeaderRule) -> bool) -> Vec<u8> {
        for rule in self.rules.iter().filter(|rule| wanted(rule)) {
            match rule.is("vary") {
                true => put_vary(&mut self.bytes, rule.field.value()),
                false => put_line(&mut self.bytes, rule.field.name(), rule.field.value()),
            }
        }
        self.bytes
    }

    /// Whether a rule stands instead of a line of an answer made elsewhere.
    fn replace(&self, line: &[u8]) -> bool {
        let ruled = |rule: &&HeaderRule| !rule.adds_up() && names(line, rule.field.name());
        self.rules.iter().any(ruled)
    }
}

/// What is not to be kept.
const NO_STORE: &[u8] = b"Cache-Control: no-store\r\n";

impl HeaderRule {
    pub(super) fn is(&self, name: &str) -> bool {
        self.field.name().eq_ignore_ascii_case(name)
    }

    /// Vary, Set-Cookie and Link add up; any other field of a user stands instead of ours.
    fn replaces(&self, name: &str) -> bool {
        self.is(name) && !self.adds_up()
    }

    fn adds_up(&self) -> bool {
        self.is("vary") || self.is("set-cookie") || self.is("link")
    }

    /// Whether it describes the representation.
    fn is_about_content(&self) -> bool {
        let name = self.field.name().to_ascii_lowercase();
        name.starts_with("content-") && !name.starts_with("content-security-policy")
    }

    /// Whether it says how long an answer may be kept.
    fn is_about_caches(&self) -> bool {
        self.is("cache-control") || is_for_some_caches(self.field.name().as_bytes())
    }

    /// Whether a 304 repeats it (RFC 9110 §15.4.5).
    pub(super) fn is_repeated_by_304(&self) -> bool {
        !self.is_about_content() || self.is("content-location")
    }

    pub(super) fn is_content_type(&self) -> bool {
        self.is("content-type")
    }
}

/// The lines of an encoded block, each with its CRLF.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    block.split_inclusive(|&b| b == b'\n')
}

/// Whether a line is the field `name`.
pub(super) fn names(line: &[u8], name: &str) -> bool {
    line.split_at_checked(name.len())
        .is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(name.as_bytes()) && rest.starts_with(b":")
        })
}

/// Whether a line, or a name, is a Cache-Control for some caches, who follow it instead (RFC 9213, and
/// its forerunner).
pub(super) fn is_for_some_caches(line: &[u8]) -> bool {
    let name = line.split(|&b| b == b':').next().unwrap_or_default();
    let ends = |end: &[u8]| {
        (name.len().checked_sub(end.len())).is_some_and(|at| name[at..].eq_ignore_ascii_case(end))
    };
    ends(b"-cache-control") || name.eq_ignore_ascii_case(b"surrogate-control")
}

/// Adds to what the answer varies with.
pub(super) fn vary(mut response: Response, value: &str) -> Response {
    let mut fields = response.fields.as_bytes().to_vec();
    put_vary(&mut fields, value);
    response.fields = HeaderBlock::Owned(fields);
    response
}

/// In one line: two are the same (RFC 9110 §5.3), but nginx before 1.23 looks at one of them only when
/// it takes an answer from its cache.
fn put_vary(bytes: &mut Vec<u8>, value: &str) {
    let mut end = 0;
    let known = lines(bytes).find(|line| {
        end += line.len();
        names(line, "Vary")
    });
    let is_all = |value: &[u8]| value.trim_ascii() == b"*";
    match known {
        // With anything beside it, nginx does not know it.
        Some(line) if is_all(&line["Vary:".len()..]) => {}
        Some(line) if is_all(value.as_bytes()) => {
            let begin = end - line.len();
            bytes.splice(begin..end, *b"Vary: *\r\n");
        }
        Some(_) => {
            let end = end - b"\r\n".len();
            bytes.splice(end..end, [b", ", value.as_bytes()].concat());
        }
        None => put_line(bytes, "Vary", value),
    }
}

fn put_line(bytes: &mut Vec<u8>, name: &str, value: &str) {
    for piece in [name, ": ", value, "\r\n"] {
        bytes.extend_from_slice(piece.as_bytes());
    }
}
