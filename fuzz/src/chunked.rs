//! The chunked decoder, whole and in pieces, against a naive one (RFC 9112 §7.1).

use httpoll::http::framing::{ChunkDecoder, Chunked};

use super::naive::{self, Stop};

/// Our limit for extensions and trailers: small, so that a small input reaches it.
const EXTRA_MAX: usize = 64;

/// Panics unless the decoder reads the same content and the same end as the naive one, and finds
/// an error exactly where there is one, however its input is cut.
pub fn check(data: &[u8]) {
    let (plan, sent) = super::plan_and_sent(data);
    let whole = decode([sent].into_iter());
    assert_eq!(whole, decode(super::pieces(plan, sent)), "in pieces");
    assert_eq!(whole, decode(sent.chunks(1)), "byte by byte");

    let mut content = Vec::new();
    let end = naive::unchunk(sent, EXTRA_MAX, &mut content);
    let (found, ours) = whole;
    assert_eq!(end, ours, "the naive decoder, and ours");
    assert_eq!(
        content.escape_ascii().to_string(),
        found.escape_ascii().to_string()
    );
}

/// Feeds a decoder as a connection does: what is not understood yet stays in front.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Result<usize, Stop>) {
    let mut decoder = ChunkDecoder::new(EXTRA_MAX);
    let mut content = Vec::new();
    let mut held = Vec::new();
    let mut used = 0;
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let Ok((framing, found)) = decoder.decode(&held) else {
                return (content, Err(Stop::Bad));
            };
            held.drain(..framing);
            used += framing;
            match found {
                Chunked::NeedBytes => break,
                Chunked::End => return (content, Ok(used)),
                Chunked::Data(n) => {
                    assert!(n > 0 && n <= held.len(), "content that is not there");
                    assert!(
                        decoder.announced() >= n as u64,
                        "content that was not announced"
                    );
                    content.extend(held.drain(..n));
                    decoder.take(n);
                    used += n;
                }
            }
        }
        assert!(held.is_empty(), "framing that is left lying");
    }
    (content, Err(Stop::Short))
}
