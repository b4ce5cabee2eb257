//! How a server ends, and what it has counted.

use nix::sys::signal::Signal;

use crate::support::{Client, Scene};

#[test]
fn each_signal_ends_it_under_load_and_all_are_answered_or_closed() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGTERM] {
        let scene = Scene::new();
        let pow = scene.pow("");
        let (mut easy, mut dear, idle) = (pow.clients(20), pow.clients(20), pow.client());
        dear.iter_mut().for_each(|client| client.ask(9, b"dear"));
        easy.iter_mut().for_each(|client| client.ask(4, b"easy"));
        pow.until("all are read", |status| status["requests"] == 40);
        pow.signal(signal);
        assert_eq!(pow.wait(), 0, "{signal}");
        assert!(pow.log.all().contains("bye: 40 requests"), "{}", pow.log.all());
        for client in &mut easy {
            assert!(client.reply().starts_with(b"easy,"), "what is easy is answered first");
        }
        for mut client in dear {
            let said = client.text();
            assert!(said.starts_with("error ending: ") || said.starts_with("dear,"), "{said}");
            assert_eq!(client.rest(), b"");
        }
        assert_eq!(idle.rest(), b"");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let scene = Scene::new();
    let pow = scene.pow("");
    let mut dear = pow.client();
    dear.ask(9, b"dear");
    pow.until("it waits", |status| status["queue"]["now"] == 1);
    pow.signal(Signal::SIGTERM);
    pow.log.line("SIGTERM: ending");
    // Signals within a quarter of a second are one.
    crate::support::until("its end", || {
        pow.signal_if_running(Signal::SIGTERM);
        pow.exit_status()
    });
    assert_eq!(pow.wait(), 1);
    assert!(pow.log.all().contains("a second signal: ended at once"), "{}", pow.log.all());
    assert_eq!(dear.try_reply(), None);
}

#[test]
fn it_says_what_it_has_done_when_asked_and_at_its_end() {
    let scene = Scene::new();
    let pow = scene.pow("-d 1 --threads 2 --kernel portable");
    let mut client = pow.client();
    for _ in 0..10 {
        client.send(b"counted\n");
        client.proof(b"counted", 1);
    }
    client.send(b"\0nonsense\n");
    client.reply();
    let status = pow.status();
    for (path, value) in [
        ("/schema", 1),
        ("/difficulty", 1),
        ("/threads", 2),
        ("/requests", 11),
        ("/replies", 10),
        ("/errors/malformed", 1),
        ("/queue/now", 0),
        ("/queue/max", 4_096),
        ("/connections/now", 2),
        ("/connections/resets", 0),
    ] {
        assert_eq!(status.pointer(path), Some(&value.into()), "{path} in {status}");
    }
    assert!(status["hashes"].as_u64() >= Some(10) && status["hashes_per_s_thread"].as_u64() > Some(1_000), "{status}");
    assert_eq!((&status["kernel"], &status["listen"]), (&"portable".into(), &pow.address.to_string().into()));
    let (code, json, _) = scene.run_pow(&format!("status --json {}", pow.address));
    assert_eq!((code, serde_json::from_str::<serde_json::Value>(&json).unwrap()["replies"].as_u64()), (0, Some(10)));
    let (code, table, _) = scene.run_pow(&format!("status {}", pow.address));
    assert!(code == 0 && table.contains("REQUESTS  11, 10 proofs ("), "{table}");
    pow.signal(Signal::SIGINT);
    assert_eq!(pow.wait(), 0);
    let table = pow.stdout.all();
    assert!(table.contains("REQUESTS  11, 10 proofs (") && table.contains("ERRORS    1 malformed, "), "{table}");
}

#[test]
fn half_of_an_answer_is_no_answer_for_who_asks_for_status_elsewhere() {
    let scene = Scene::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asker = scene.start("pow", &format!("status {address}"));
    let mut client = Client::over(listener.accept().unwrap().0);
    assert_eq!(client.reply(), b"\0status");
    client.send(b"\0status,aaaaa,00\n");
    assert_eq!(asker.wait(), 76);
    drop(listener);
    assert_eq!(scene.run_pow(&format!("status {address}")).0, 69);
}
