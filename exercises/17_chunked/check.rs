//! Judged by httpoll's own decoder, which is held against a naive one by the fuzzer.

use exercises::memory::counted;
use exercises::{Symptom, Verdict, ensure};
use httpoll::http::framing::{ChunkDecoder, Chunked};

use super::answer::Decoder;

/// Well-formed and not; httpoll's decoder says which.
const SAMPLES: [&str; 24] = [
    "5\r\nhello\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "A\r\n0123456789\r\n0\r\n\r\n",
    "b;x=y\r\nhello world\r\n0;z\r\n\r\n",
    "0005\r\nhello\r\n000\r\n\r\n",
    "4\r\n\r\n\r\n\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nX: y\r\nZ: z\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "\r\nhello\r\n0\r\n\r\n",
    ";x\r\nhello\r\n0\r\n\r\n",
    "g\r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "10000000000000000\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "5\r\nhelloXX0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\r\n\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\n",
];

pub fn check(_: u64) -> Verdict {
    for sample in SAMPLES {
        let bytes = sample.as_bytes();
        whole(sample, bytes)?;
        for cut in 1..bytes.len() {
            let (first, rest) = bytes.split_at(cut);
            compare(sample, &format!(" cut behind byte {cut}"), &[first, rest])?;
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        compare(sample, " byte by byte", &single)?;
    }
    memory()
}

fn whole(sample: &str, bytes: &[u8]) -> Verdict {
    compare(sample, "", &[bytes])
}

/// What httpoll makes of it: the content, or nothing if it refuses.
fn reference(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = ChunkDecoder::new(1_000);
    let mut content = Vec::new();
    loop {
        let (framing, found) = decoder.decode(bytes).ok()?;
        bytes = &bytes[framing..];
        match found {
            Chunked::NeedBytes => return None,
            Chunked::End => return Some(content),
            Chunked::Data(n) => {
                content.extend_from_slice(&bytes[..n]);
                decoder.take(n);
                bytes = &bytes[n..];
            }
        }
    }
}

fn compare(sample: &str, how: &str, pieces: &[&[u8]]) -> Verdict {
    let name = format!("\"{}\"{how}", sample.escape_default());
    let due = reference(sample.as_bytes());
    let (mut decoder, mut content) = (Decoder::default(), Vec::new());
    let (mut ended, mut used) = (false, 0);
    for piece in pieces {
        used += piece.len();
        match decoder.push(piece, &mut content) {
            Err(_) if due.is_none() => return Ok(()),
            Err(_) => {
                return Err(Symptom::new(format!(
                    "{name}: refused, and it is well-formed"
                )));
            }
            Ok(end) => ended = end,
        }
        let early = ended && due.is_some() && used < sample.len();
        ensure!(
            !early,
            "{name}: the end was reported behind byte {used} of {}",
            sample.len()
        );
    }
    let Some(due) = due else {
        // Not yet refused, not yet ended: it waits for more, and may refuse that.
        ensure!(!ended, "{name}: accepted, and it has to be refused");
        return Ok(());
    };
    ensure!(ended, "{name}: all of it came, and no end was reported");
    let (got, due) = (content.escape_ascii(), due.escape_ascii());
    ensure!(
        got.to_string() == due.to_string(),
        "{name}: the content is \"{got}\", not \"{due}\""
    );
    Ok(())
}

/// A decoder is on the path of every byte of an upload.
fn memory() -> Verdict {
    let body = "5\r\nhello\r\n".repeat(1_000) + "0\r\n\r\n";
    let mut content = Vec::with_capacity(body.len());
    let mut decoder = Decoder::default();
    let (count, result) = counted(|| decoder.push(body.as_bytes(), &mut content));
    ensure!(
        matches!(result, Ok(true)),
        "1000 chunks in one piece: no end was reported"
    );
    ensure!(
        count <= 20,
        "1000 chunks cost {count} requests for memory; 20 are enough"
    );
    Ok(())
}
