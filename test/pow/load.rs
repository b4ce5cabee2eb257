//! `pow load`: what it finds, and what it isn't taken in by.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::support::Scene;

#[test]
fn a_server_is_loaded_and_its_replies_are_counted() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let (status, said, log) = scene.run_pow(&format!("load {} -c 20 -s 0.5 -p 2 -d 1", pow.address));
    assert_eq!(status, 0, "{log}");
    assert!(said.contains("20 connections, 2 processes, 0.5 s, difficulty 1"), "{said}");
    assert!(said.contains("0 resets, 0 refused, 0 wrong"), "{said}");
    let counted: u64 = {
        let line = said.lines().find_map(|line| line.strip_prefix("replies ")).expect("a line of replies");
        line.trim_start().split(char::is_whitespace).next().unwrap().replace(',', "").parse().unwrap()
    };
    let replies = pow.status()["replies"].as_u64().unwrap();
    assert!(counted > 0 && (counted..=counted + 20).contains(&replies), "{counted} counted, {replies} given");
    pow.until("nobody is left", |status| status["connections"]["now"] == 1);
}

#[test]
fn a_table_of_difficulties_is_measured_without_a_restart() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let (status, table, log) = scene.run_pow(&format!("load {} -c 5 -s 0.2 --difficulties 0-2", pow.address));
    assert_eq!(status, 0, "{log}");
    assert!(table.contains("| difficulty | 0 | 1 | 2 |"), "{table}");
    assert!(table.contains("42,011.4") && table.contains("36,747.5") && table.contains("Error 104"), "{table}");
}

#[test]
fn plain_requests_are_what_others_serve_too() {
    let scene = Scene::new();
    let pow = scene.pow("-d 2");
    let (status, said, _) = scene.run_pow(&format!("load {} -c 3 -s 0.2 -p 1", pow.address));
    assert!(status == 0 && said.contains("0 resets, 0 refused, 0 wrong"), "{said}");
    let (status, said, log) = scene.run_pow(&format!("load {} -c 3 -s 0.2 -p 1", lying(|_| b"no proof\n".to_vec())));
    assert!(status == 1 && log.contains("wrong"), "{said} {log}");
}

#[test]
fn a_proof_of_another_message_or_too_easy_a_one_is_wrong() {
    let scene = Scene::new();
    let proof = |message: &[u8]| {
        let (seed, mut line) = (*b"aaaaa", Vec::new());
        aliquot::pow::puzzle::write_proof(message, seed, &aliquot::pow::puzzle::hash(seed, message), &mut line);
        line
    };
    let other = lying(move |_| proof(b"other"));
    // The message of an extended request stands behind NUL, "pow", the digit.
    let easy = lying(move |line| proof(&line[b"\0pow 8 ".len()..line.len() - 1]));
    for server in [other, easy] {
        let (status, said, log) = scene.run_pow(&format!("load {server} -c 2 -s 0.3 -p 1 -d 8"));
        assert!(status == 1 && log.contains("wrong"), "{said} {log}");
    }
}

#[test]
fn a_server_that_resets_or_is_not_there_is_told() {
    let scene = Scene::new();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(scene.run_pow(&format!("load {gone} -s 0.2")).0, 69);
    let (status, said, _) = scene.run_pow(&format!("load {} -c 2 -s 0.3 -p 1", lying(|_| Vec::new())));
    assert_eq!(status, 1, "no proof came: {said}");
    assert!(!said.contains("failed      0 resets"), "{said}");
}

#[test]
fn a_signal_ends_it_with_what_was_measured() {
    let scene = Scene::new();
    let pow = scene.pow("-d 0");
    let load = scene.start("pow", &format!("load {} -c 4 -s 3600", pow.address));
    pow.until("replies", |status| status["replies"].as_u64() > Some(100));
    load.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(load.wait_gone(), 0);
    assert!(load.stdout.all().contains("replies "), "{}", load.stdout.all());
}

/// A server that answers each line by `answer`, and closes the connection if that is nothing.
fn lying(answer: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move |stream: TcpStream, answer: &dyn Fn(&[u8]) -> Vec<u8>| -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).ok().filter(|count| *count > 0)?;
            let said = answer(&line);
            (!said.is_empty()).then_some(())?;
            reader.get_mut().write_all(&said).ok()?;
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, &answer));
        }
    });
    address
}
