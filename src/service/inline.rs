//! A style or a script that stands in a page, and how the page's policy permits it.
//!
//! *Floor 3.* Text that is compiled in. The hash is made of the very text that is sent, when it is
//! first needed: one that was written down would be wrong after an edit, and every browser would
//! block the script without a word to anybody.
//!
//! *References:* [Content Security Policy](https://www.w3.org/TR/CSP3/#external-hash), hashes.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The content of a `<style>` or a `<script>`, all of it.
pub(super) struct Inline {
    pub(super) text: &'static str,
    source: OnceLock<String>,
}

impl Inline {
    pub(super) const fn new(text: &'static str) -> Self {
        Self {
            text,
            source: OnceLock::new(),
        }
    }

    /// What permits it in a Content-Security-Policy: `'sha256-…'`.
    pub(super) fn source(&self) -> &str {
        self.source.get_or_init(|| {
            let digest = STANDARD.encode(Sha256::digest(self.text));
            format!("'sha256-{digest}'")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'a{}' | openssl dgst -sha256 -binary | base64`
    #[test]
    fn a_source_is_the_hash_of_the_text() {
        let style = Inline::new("a{}");
        assert_eq!(
            style.source(),
            "'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='"
        );
    }
}
