//! Judged by three loops in the simulated kernel: a right one and two wrong ones.

use std::io::{self, Read as _, Write as _};

use exercises::small::{Client, Conn, Parts, Reading, Writing, answer, serve};
use exercises::stage::{Scene, Socket};
use exercises::{Symptom, Verdict, ensure};
use httpoll::kernel::sim::Act;

struct Right;
struct ReadsOnce;
struct Forgets;

impl Parts<true> for Right {}

impl Parts<true> for ReadsOnce {
    fn read(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Reading> {
        let mut piece = [0; 512];
        match socket.read(&mut piece) {
            Ok(0) => Ok(Reading::End),
            Ok(n) => {
                conn.input.extend_from_slice(&piece[..n]);
                Ok(Reading::Empty)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Reading::Empty),
            Err(error) => Err(error),
        }
    }
}

impl Parts<true> for Forgets {
    fn write(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Writing> {
        let taken = socket.write(&conn.output);
        conn.output.clear();
        taken.map(|_| Writing::Done)
    }
}

pub fn check(round: u64) -> Verdict {
    let due = due()?;
    let play = |parts: fn() -> Box<dyn Parts<true>>| {
        let (script, send_buffer) = (super::answer::script(), super::answer::send_buffer());
        let client = Client {
            script,
            due: due.clone(),
            send_buffer,
            leaves: false,
        };
        let scene = Scene::new("", [client]);
        scene.play(round, |stage| serve(stage, &mut *parts()))
    };
    if let Err(Symptom { what, seen }) = play(|| Box::new(Right)) {
        let what = what.split_once("seed").map_or(&*what, |(_, what)| what);
        let what = what.split_once(": ").map_or(what, |(_, what)| what);
        return Err(Symptom {
            what: format!("the right loop fails: {what}"),
            seen,
        });
    }
    let caught = play(|| Box::new(ReadsOnce)).is_err();
    let sent = most_at_once();
    let why = if sent > 512 { "although" } else { "for" };
    ensure!(
        caught,
        "the loop that reads 512 bytes for each report: nobody noticed, {why} {sent} bytes came at once"
    );
    let caught = play(|| Box::new(Forgets)).is_err();
    ensure!(
        caught,
        "the loop that forgets what the socket did not take: nobody noticed"
    );
    Ok(())
}

/// What the client asks for.
fn due() -> Result<Vec<u8>, Symptom> {
    let mut sent = Vec::new();
    for act in super::answer::script() {
        if let Act::Send(bytes) = act {
            sent.extend(bytes);
        }
    }
    let sent = String::from_utf8_lossy(&sent).into_owned();
    let mut due = Vec::new();
    for line in sent.lines() {
        let len = line
            .parse()
            .map_err(|_| Symptom::new(format!("{line:?} is no request")))?;
        due.extend(answer(len));
    }
    Ok(due)
}

fn most_at_once() -> usize {
    let sends = super::answer::script().into_iter().map(|act| match act {
        Act::Send(bytes) => bytes.len(),
        _ => 0,
    });
    sends.max().unwrap_or(0)
}
