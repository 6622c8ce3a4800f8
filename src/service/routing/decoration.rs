//! The fields that stand on every answer, for services beside the files.
//!
//! *Floor 3.* Knows which fields a user wants everywhere; does not know who makes the answers. A
//! script of another origin must be allowed to read a 421 as well as a file, and a scanner that
//! looks for a security field looks at the answer that lacks it.

use std::sync::Arc;

use crate::http::{HeaderBlock, Response, Status};
use crate::service::fields::Common;
use crate::service::options::FilesConfig;

/// What [`FilesConfig`] puts on every answer: fields without a pattern, CORS, isolation, `nosniff`.
///
/// The default is that of [`FilesConfig`]: `nosniff` alone.
///
/// ```
/// use httpoll::http::{Response, Status};
/// use httpoll::service::{Decoration, FilesConfig};
///
/// let config = FilesConfig { cors: true, ..FilesConfig::default() };
/// let decoration = Decoration::new(&config);
/// let response = decoration.apply(Response::plain(Status::NOT_FOUND));
/// let fields = String::from_utf8_lossy(response.fields.as_bytes()).into_owned();
/// assert!(fields.contains("Access-Control-Allow-Origin: *\r\n"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decoration(Arc<Common>);

impl Decoration {
    /// What a description says of every answer.
    pub fn new(config: &FilesConfig) -> Self {
        Self(Arc::new(Common::new(config)))
    }

    /// Whether no field was asked for: the smallest answers then stay as small as they are.
    pub fn is_usual(&self) -> bool {
        self.0.is_usual()
    }

    /// Adds the fields to an answer.
    #[must_use]
    pub fn apply(&self, response: Response) -> Response {
        self.0.decorate(response, None)
    }

    /// What [`Limits::refusal_fields`](crate::conn::Limits::refusal_fields) should be.
    pub fn refusal_fields(&self) -> Box<[u8]> {
        let response = Response {
            fields: HeaderBlock::Static(b"Cache-Control: no-store\r\n"),
            ..Response::new(Status::BAD_REQUEST)
        };
        self.apply(response).fields.as_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Limits;
    use crate::service::HeaderRule;

    #[test]
    fn refusals_say_what_everything_says() {
        let usual = Decoration::default();
        assert!(usual.is_usual());
        assert_eq!(usual.refusal_fields(), Limits::default().refusal_fields);
        let rule = |name: &str, value: &str, glob: Option<&str>| HeaderRule {
            field: format!("{name}: {value}").parse().unwrap(),
            glob: glob.map(|glob| glob.parse().unwrap()),
        };
        let config = FilesConfig {
            headers: vec![
                rule("X-All", "1", None),
                rule("X-Some", "1", Some("*")),
                rule("Content-Type", "a/b", None),
                rule("Cache-Control", "private", None),
            ],
            cors: true,
            nosniff: false,
            ..FilesConfig::default()
        };
        let decoration = Decoration::new(&config);
        assert!(!decoration.is_usual());
        assert_eq!(
            String::from_utf8_lossy(&decoration.refusal_fields()),
            "Cache-Control: no-store\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: *\r\n\
             X-All: 1\r\n"
        );
    }
}
