//! 01 to 04: one socket after another, one client at a time.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use crate::harness::{Ended, Program, byte_by_byte, rest};
use crate::uninterrupted::uninterrupted;

const DO_NOT_ANSWER: &str = "不要回答,不要回答,不要回答\n";
const WELCOME: &str = "欢迎致电 10086,请输入1xxx,0转人工服务.\n";
const HUMAN: &str = "通过可能会被录音.balabala一大推\n";
const AGAIN: &str = "请重新输入.\n";

/// Sends, says that this was all, and returns what comes until the end.
fn said(mut stream: TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    String::from_utf8(rest(stream)).unwrap()
}

/// It has nothing for us, and has not closed either.
fn is_silent(mut stream: &TcpStream) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_millis(150)))
        .unwrap();
    let kind = uninterrupted(|| stream.read(&mut [0; 1])).map_err(|error| error.kind());
    kind == Err(std::io::ErrorKind::WouldBlock)
}

#[test]
fn socket_client_and_server() {
    let mut server = Program::serve("01_socket", &[]);
    let mut client = Program::run("01_socket", &["client", &server.address().to_string()]);
    assert_eq!(client.end(), Ended::Code(0));
    assert_eq!(client.told, DO_NOT_ANSWER);
    assert!(server.expect("message").contains("请求占领地球"));
    server.expect("answered and closed");
    server.is_well();
}

/// The tutorial would have answered the first byte.
#[test]
fn socket_takes_a_message_in_pieces() {
    let mut server = Program::serve("01_socket", &[]);
    let mut client = server.connect();
    byte_by_byte(&mut client, "请求占领地球\n".as_bytes());
    assert_eq!(rest(client), DO_NOT_ANSWER.as_bytes());
    assert!(server.expect("message").contains("请求占领地球"));
}

#[test]
fn socket_takes_a_half_closed_message() {
    let server = Program::serve("01_socket", &[]);
    assert_eq!(said(server.connect(), "请求".as_bytes()), DO_NOT_ANSWER);
}

#[test]
fn socket_keeps_a_second_client_waiting() {
    let server = Program::serve("01_socket", &[]);
    let first = server.connect();
    let mut second = server.connect();
    second.write_all(b"hello\n").unwrap();
    assert!(is_silent(&second), "the header says that it waits");
    drop(first);
    second
        .set_read_timeout(Some(crate::harness::PATIENCE))
        .unwrap();
    assert_eq!(rest(second), DO_NOT_ANSWER.as_bytes());
}

#[test]
fn web_answers_and_says_how_long() {
    let server = Program::serve("02_hello_web", &[]);
    let hello = "Content-Length: 12\r\nConnection: close\r\n\r\nHello, World";
    for (request, status, end) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", hello),
        ("GET / HTTP/1.0\r\n\r\n", "200 OK", hello),
        (
            "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
            "200 OK",
            "Content-Length: 12\r\nConnection: close\r\n\r\n",
        ),
        (
            "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
            "404 Not Found",
            "404 Not Found",
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
            "405 Method Not Allowed",
            "405 Method Not Allowed",
        ),
        ("nonsense\r\n\r\n", "400 Bad Request", "400 Bad Request"),
        (
            "GET / HTTP/1.1\r\nHost",
            "400 Bad Request",
            "400 Bad Request",
        ),
    ] {
        let answer = said(server.connect(), request.as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{request}: {answer}"
        );
        assert!(answer.ends_with(end), "{request}: {answer}");
        assert!(status != "405 Method Not Allowed" || answer.contains("\r\nAllow: GET, HEAD\r\n"));
    }
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    assert!(said(server.connect(), long.as_bytes()).starts_with("HTTP/1.1 431 "));
}

/// A megabyte that nobody asked for is on its way when the answer is sent.
#[test]
fn web_answer_survives_a_body_that_is_not_read() {
    let server = Program::serve("02_hello_web", &[]);
    let mut request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".to_vec();
    request.resize(request.len() + 1_000_000, b'x');
    assert!(said(server.connect(), &request).starts_with("HTTP/1.1 405 "));
}

#[test]
fn web_takes_a_head_in_pieces_where_the_tutorial_did_not() {
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let server = Program::serve("02_hello_web", &[]);
    let mut client = server.connect();
    client.write_all(&request[..1]).unwrap();
    assert!(is_silent(&client));
    client
        .set_read_timeout(Some(crate::harness::PATIENCE))
        .unwrap();
    byte_by_byte(&mut client, &request[1..]);
    assert!(rest(client).ends_with(b"Hello, World"));

    let seed = Program::run("02_hello_web", &["seed", "0"]).listening();
    let mut client = seed.connect();
    client.write_all(&request[..1]).unwrap();
    let answer = String::from_utf8(rest(client)).unwrap();
    assert_eq!(
        answer, "HTTP/1.1 200 OK\r\n\r\nHello, World",
        "one byte was answered"
    );
    let answer = said(seed.connect(), b"HEAD / HTTP/1.1\r\n\r\n");
    assert!(answer.ends_with("Hello, World"), "HEAD got a body");
}

#[test]
fn datagrams_keep_their_edges() {
    let mut server = Program::serve("03_datagram", &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for message in [&b"one"[..], b"", b"\xff\x1b", &[b'x'; 65_507]] {
        socket.send_to(message, server.address()).unwrap();
    }
    for part in [
        " 3 bytes: \"one\"",
        " 0 bytes: \"\"",
        " 2 bytes: \"\u{fffd}\\u{1b}\"",
        " 65507 ",
    ] {
        let line = server.line();
        assert!(line.contains(part), "{line}");
    }
    let mut client = Program::run("03_datagram", &["client", &server.address().to_string()]);
    client.type_in("数据\nexit\n");
    assert_eq!(client.end(), Ended::Code(0));
    assert!(server.line().contains(" 6 bytes: \"数据\""));
    server.interrupt();
}

#[test]
fn datagrams_have_limits() {
    let mut limits = Program::run("03_datagram", &["limits"]);
    assert_eq!(limits.end(), Ended::Code(0));
    let told = &limits.told;
    for part in [
        "size: 65507 bytes arrived as one message",
        "size: one byte more is refused: Message too long",
        "cut: room for 5 got \"first\"",
        "cut: the next recv got \"second\"",
        "refusal: to nobody, the first send: true",
        "refusal: and the second: Connection refused",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let arrived = told
        .split("arrived ")
        .last()
        .unwrap()
        .split('\n')
        .next()
        .unwrap();
    let arrived: u32 = arrived.parse().unwrap();
    assert!(
        arrived > 0 && arrived < 10_000,
        "{arrived} of 10000 arrived"
    );
}

#[test]
fn menu_client_and_server() {
    let mut server = Program::serve("04_menu_chat", &[]);
    let mut client = Program::run("04_menu_chat", &["client", &server.address().to_string()]);
    client.type_in("0\n1\nexit\n");
    assert_eq!(client.end(), Ended::Code(0));
    let mut lines = client.told.lines();
    assert!(lines.next().unwrap().contains("欢迎致电 10086"));
    assert!(lines.next().unwrap().contains("通过可能会被录音"));
    assert!(lines.next().unwrap().contains("请重新输入."));
    server.expect("hung up");
    let mut client = Program::run("04_menu_chat", &["client", &server.address().to_string()]);
    client.close_stdin();
    assert_eq!(client.end(), Ended::Code(0));
    server.is_well();
}

/// The same bytes in any pieces are the same dialogue.
#[test]
fn menu_frames_by_lines() {
    let server = Program::serve("04_menu_chat", &[]);
    let wanted = [WELCOME, HUMAN, AGAIN, HUMAN].concat();
    for bytes in [
        "0\n请\n0\nexit\n0\n",
        "0\r\nx\r\n0\r\nexit\r\n",
        "0\n\n0\nexit",
        "0\n1\n0",
    ] {
        assert_eq!(
            said(server.connect(), bytes.as_bytes()),
            wanted,
            "{bytes:?} at once"
        );
        let mut client = server.connect();
        // Not what follows the last word: a byte that comes after close(2) is answered by a reset, and
        // that loses the answer which is not yet acknowledged.
        let end = bytes.find("exit\n").map_or(bytes.len(), |at| at + 5);
        byte_by_byte(&mut client, &bytes.as_bytes()[..end]);
        // The last word may have ended the call already (ENOTCONN).
        let _ = client.shutdown(Shutdown::Write);
        assert_eq!(
            String::from_utf8(rest(client)).unwrap(),
            wanted,
            "{bytes:?} byte by byte"
        );
    }
}

#[test]
fn menu_hangs_up_on_a_line_without_end() {
    let mut server = Program::serve("04_menu_chat", &[]);
    let mut client = server.connect();
    let _ = client.write_all(&[b'0'; 5000]);
    rest(client);
    server.expect("a line without end");
}

#[test]
fn one_silent_caller_blocks_all() {
    let mut server = Program::serve("04_menu_chat", &[]);
    let silent = server.connect();
    server.expect("calls");
    let mut second = Program::run("04_menu_chat", &["client", &server.address().to_string()]);
    assert_eq!(
        second.end(),
        Ended::Code(1),
        "the header says that it gives up"
    );
    assert!(
        second.told.contains("no answer within 5 s"),
        "{}",
        second.told
    );
    drop(silent);
    assert_eq!(said(server.connect(), b"exit\n"), WELCOME);
}
