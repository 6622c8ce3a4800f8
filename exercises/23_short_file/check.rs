//! Judged by files that change, and by reads that return less.

use std::io::{self, Read};

use exercises::small::answer;
use exercises::{Verdict, ensure};

use super::answer::{Sent, send};

/// A file that is read in pieces.
struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
    /// It fails where it would end.
    breaks: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() && self.breaks {
            return Err(io::ErrorKind::Other.into());
        }
        let room = into.len().min(self.piece);
        self.left.read(&mut into[..room])
    }
}

pub fn check(_: u64) -> Verdict {
    for (name, has, piece) in [
        ("the file is as it was", 100, 4_096),
        ("a file that is read in pieces of 7 bytes", 100, 7),
        ("the file has grown", 120, 4_096),
        ("the file has grown and is read in pieces", 120, 7),
        ("the file has shrunk", 80, 4_096),
        ("the file is empty now", 0, 4_096),
    ] {
        one(name, has, piece, false)?;
    }
    one("the disk fails in the middle", 80, 4_096, true)?;
    let (sent, output) = run(&[], 0, 4_096, false);
    ensure!(
        sent == Sent::All && output.is_empty(),
        "an empty file: it was cut"
    );
    Ok(())
}

fn run(file: &[u8], len: usize, piece: usize, breaks: bool) -> (Sent, Vec<u8>) {
    let mut output = Vec::new();
    let mut file = Pieces {
        left: file,
        piece,
        breaks,
    };
    (send(&mut file, len, &mut output), output)
}

/// A file of which a hundred bytes were promised.
fn one(name: &str, has: usize, piece: usize, breaks: bool) -> Verdict {
    let file = answer(has);
    let (sent, output) = run(&file, 100, piece, breaks);
    let n = output.len();
    ensure!(
        n <= 100,
        "{name}: {n} bytes were sent behind a Content-Length of 100"
    );
    let same = output.iter().zip(&file).take_while(|(a, b)| a == b).count();
    ensure!(
        same == n,
        "{name}: {} bytes were sent that are not in it",
        n - same
    );
    match sent {
        Sent::All => ensure!(
            n == 100,
            "{name}: {n} of 100 bytes were sent, and the client waits for the others"
        ),
        Sent::Cut => ensure!(has < 100, "{name}: it was cut behind {n} of 100 bytes"),
    }
    Ok(())
}
