//! A collect that means no good: those who push to it work as without, and end in time.

use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{FakeCollect, Scene, frame};

/// What a collect can do to its agents: its name, and how it is done on one connection.
type Deed = (&'static str, fn(TcpStream));

const DEEDS: &[Deed] = &[
    ("never answers", |mut stream| _ = stream.read_to_end(&mut Vec::new())),
    ("closes at once", drop),
    ("talks garbage", |mut stream| {
        let _ = stream.write_all(&[b'\0'; 4096]);
        let _ = stream.read_to_end(&mut Vec::new());
    }),
    ("says a huge length", |mut stream| {
        let _ = stream.write_all(format!("{:<64}", "9".repeat(30)).as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    }),
    ("floods", |mut stream| while stream.write_all(&frame("[[[[[[[[")).is_ok() {}),
    ("welcomes and closes", |mut stream| {
        let _ = stream.write_all(&frame(&json!({"welcome": {"version": 1, "taken": u64::MAX}}).to_string()));
    }),
    ("answers out of turn", |mut stream| {
        for answer in [json!({"taken": 7}), json!({"declared": -1}), json!({"welcome": []})] {
            let _ = stream.write_all(&frame(&answer.to_string()));
        }
        let _ = stream.read_to_end(&mut Vec::new());
    }),
];

#[test]
fn servers_serve_and_end() {
    for (what, deed) in DEEDS {
        let (scene, collect) = (Scene::new(), FakeCollect::new());
        let address = collect.address;
        collect.serve_all(*deed);
        let pow = scene.pow(&format!("-d 1 --collect {address}"));
        let loot = scene.loot(&format!("--ledger :memory: --collect {address}"));
        let mut client = pow.client();
        client.send(b"work\n");
        client.proof(b"work", 1);
        assert_eq!(scene.run_loot(&format!("draw {} 3", loot.address)).0, 0, "{what}");
        pow.signal(Signal::SIGTERM);
        loot.signal(Signal::SIGTERM);
        assert_eq!((pow.wait_gone(), loot.wait_gone()), (0, 0), "{what}");
    }
}

#[test]
fn a_search_is_done() {
    for (what, deed) in DEEDS {
        let (scene, collect) = (Scene::new(), FakeCollect::new());
        let address = collect.address;
        collect.serve_all(*deed);
        let manage = scene.manage(&format!("--last 30000 --seconds 0.1 --ledger :memory: --collect {address}"));
        let compute = scene.compute(&manage, &format!("--collect {address}"));
        assert_eq!((manage.wait_gone(), compute.wait_gone()), (0, 0), "{what}");
        assert!(manage.stdout.all().contains("TESTED   30,000 of 30,000"), "{what}");
    }
}

#[test]
fn an_agent_gives_up_or_tries_on() {
    for (what, deed) in DEEDS {
        let (scene, collect) = (Scene::new(), FakeCollect::new());
        let address = collect.address;
        collect.serve_all(*deed);
        let agent = scene.start("agent", &format!("{address} --interval 0.1 -v"));
        match *what {
            "never answers" | "closes at once" | "welcomes and closes" => {
                agent.log.lines("no connection to collect: ", 2);
                agent.signal(Signal::SIGTERM);
                assert_eq!(agent.wait_gone(), 0, "{what}");
                assert!(agent.log.all().matches(" is away: ").count() <= 2, "{what}");
            }
            _ => {
                assert_eq!(agent.wait_gone(), 76, "{what}");
                assert!(agent.log.all().contains("this is no collect: "), "{what}");
            }
        }
    }
}
