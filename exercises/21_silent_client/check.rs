//! Judged by clients on the loopback interface. Those who are silent have been accepted, or at least
//! connected, before the one who must be answered begins: no answer can come early by chance.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use exercises::judge::trying;
use exercises::{Symptom, Verdict};

use super::answer::serve;

pub fn check(_: u64) -> Verdict {
    scene("nobody else", 0, Duration::ZERO)?;
    scene("one client says nothing", 1, Duration::ZERO)?;
    scene("a client that takes 400 ms", 0, Duration::from_millis(400))?;
    scene("a hundred clients say nothing", 100, Duration::ZERO)?;
    gone()
}

fn begin(name: &str) -> Result<SocketAddr, Symptom> {
    trying(name);
    let no_socket = |error| Symptom::new(format!("{name}: no socket: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").map_err(no_socket)?;
    let address = listener.local_addr().map_err(no_socket)?;
    // It ends with the program.
    thread::spawn(move || serve(listener));
    Ok(address)
}

fn scene(name: &str, silent: usize, takes: Duration) -> Verdict {
    let address = begin(name)?;
    let silent: Result<Vec<_>, _> = (0..silent).map(|_| TcpStream::connect(address)).collect();
    let _silent = silent.map_err(|error| Symptom::new(format!("{name}: {error}")))?;
    asks(name, address, takes)
}

/// A client whose connection is reset before the server has looked at it.
fn gone() -> Verdict {
    let name = "a client that is gone at once";
    let address = begin(name)?;
    for _ in 0..3 {
        if let Ok(client) = TcpStream::connect(address) {
            let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
        }
    }
    let answered = asks("", address, Duration::ZERO);
    let what = "the next one cannot connect, or has no answer after 2 s";
    answered.map_err(|_| Symptom::new(format!("{name}: {what}")))
}

/// One client with a question: the answer must come while all others are as they are.
fn asks(name: &str, address: SocketAddr, takes: Duration) -> Verdict {
    let answer = (|| {
        let mut client = TcpStream::connect(address)?;
        client.set_read_timeout(Some(Duration::from_secs(2)))?;
        client.write_all(b"he")?;
        thread::sleep(takes);
        client.write_all(b"llo\n")?;
        let mut answer = String::new();
        client.read_to_string(&mut answer)?;
        io::Result::Ok(answer)
    })();
    let what = match answer {
        Ok(answer) if answer == "you said: hello\n" => return Ok(()),
        Ok(answer) if answer.is_empty() => "it was cut off".to_owned(),
        Ok(answer) => format!("the answer is {answer:?}"),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            "the next one has no answer after 2 s".to_owned()
        }
        Err(_) => "it was cut off".to_owned(),
    };
    Err(Symptom::new(format!("{name}: {what}")))
}
