//! Lines, however they come; both sides of TLS, and those that speak something else.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::*;
use crate::common::keys::Secret;
use crate::common::net::Listener;
use crate::common::poll::Set;
use crate::common::tls::{self, Context};

/// A connection without keys and its other end.
fn pair() -> (Conn, TcpStream) {
    let (stream, other) = streams();
    (Conn::new(stream, None), other)
}

/// Both ends of a connection.
fn streams() -> (Stream, TcpStream) {
    let listener = Listener::open("loopback", ([127, 0, 0, 1], 0).into()).unwrap();
    let other = TcpStream::connect(listener.address().unwrap()).unwrap();
    let mut set = Set::new();
    set.add(listener.as_fd(), Interest::Read);
    set.wait(Duration::from_secs(10)).unwrap();
    let (stream, _) = listener.accept().unwrap().unwrap();
    (stream, other)
}

/// Waits for something to read, and reads it.
fn receive(conn: &mut Conn) -> Result<(), Broken> {
    let mut set = Set::new();
    set.add(conn.as_fd(), Interest::Read);
    set.wait(Duration::from_secs(10)).unwrap();
    conn.receive()
}

fn lines(conn: &mut Conn) -> Vec<String> {
    std::iter::from_fn(|| conn.line().map(|line| String::from_utf8_lossy(line.unwrap()).into_owned())).collect()
}

#[test]
fn lines_come_whole_however_they_are_cut() {
    let (mut conn, mut other) = pair();
    other.write_all(b"one\ntwo\n\nthr").unwrap();
    receive(&mut conn).unwrap();
    assert_eq!(lines(&mut conn), ["one", "two", ""]);
    for byte in b"ee\nf" {
        other.write_all(&[*byte]).unwrap();
        receive(&mut conn).unwrap();
    }
    assert_eq!(lines(&mut conn), ["three"]);
    drop(other);
    assert_eq!(receive(&mut conn), Err(Broken::Closed));
    assert_eq!(lines(&mut conn), [""; 0], "half a line is none");
}

#[test]
fn a_line_has_its_longest_length() {
    for (length, fits) in [(LINE_MAX_BYTES - 1, true), (LINE_MAX_BYTES, false)] {
        let (mut conn, mut other) = pair();
        let writer = std::thread::spawn(move || {
            other.write_all(&vec![b'x'; length]).unwrap();
            other.write_all(b"\n").unwrap();
            other
        });
        let line = loop {
            receive(&mut conn).unwrap();
            if let Some(line) = conn.line() {
                break line.map(<[u8]>::len);
            }
        };
        assert_eq!(line, if fits { Ok(length) } else { Err(TooLong) });
        writer.join().unwrap();
    }
}

/// Who pins a key never hears a word that didn't come through it.
#[test]
fn plain_text_is_not_heard_where_tls_is_spoken() {
    let (stream, mut other) = streams();
    let secret = Secret([7; 32]);
    let context = Context::client(secret, tls::public(secret).unwrap()).unwrap();
    let mut conn = Conn::new(stream, Some(context.session().unwrap()));
    for word in ["one\n", "two\n"] {
        other.write_all(word.as_bytes()).unwrap();
        let received = receive(&mut conn);
        assert_eq!(received, if word == "one\n" { Err(Broken::Unencrypted) } else { Ok(()) });
        assert_eq!(lines(&mut conn), [""; 0]);
    }
}

/// A server of TLS that wants nothing of this one says so by an alert: that is no plain text.
#[test]
fn an_alert_is_tls() {
    let (stream, mut other) = streams();
    let secret = Secret([7; 32]);
    let context = Context::client(secret, tls::public(secret).unwrap()).unwrap();
    let mut conn = Conn::new(stream, Some(context.session().unwrap()));
    other.write_all(&[21, 3, 3, 0, 2, 2, 40]).unwrap();
    let received = receive(&mut conn).unwrap_err().to_string();
    assert!(received.starts_with("TLS: ") && received.contains("HandshakeFailure"), "{received}");
}

#[test]
fn output_for_one_who_does_not_read_is_bounded() {
    let (mut conn, _other) = pair();
    let chunk = vec![b'x'; LINE_MAX_BYTES];
    let mut taken = 0;
    while conn.send(&chunk).is_ok() {
        conn.flush().unwrap();
        taken += chunk.len();
        assert!(taken < 1 << 30, "no bound");
    }
    assert!(taken >= OUTPUT_MAX_BYTES);
    assert_eq!(conn.send(&chunk), Err(Broken::NotReading));
    assert_eq!(conn.interest(), Interest::Both);
}
