//! A closed peer, or a reader who has gone, is an error of write(2) and never the end of a program by SIGPIPE.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use socket2::SockRef;

use super::{cases, kept};
use crate::support::{Member, Peer, Process, Scene, until};

/// Runs a program whose output goes to one who reads one line; its status goes to standard error.
const PIPED: [&str; 3] = ["sh", "-c", "{ \"$0\" \"$@\"; echo \"status $?\" >&2; } | head -n 1"];

/// The same for standard error: nobody reads it at all. Its status goes to standard output.
const DEAF: [&str; 3] = ["sh", "-c", "exec 3>&1; { \"$0\" \"$@\" 2>&1 >&4; echo \"status $?\" >&3; } 4>&1 | true"];

#[test]
fn whoever_reads_the_output_may_go() {
    let cases = cases(2, 100);
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory:");
    let deserted = crate::endings::deserted();
    for _ in 0..cases {
        for arguments in ["--watch 1", "--watch 1 --json", ""] {
            let report = scene.start_by(PIPED, "report", &format!("{} {arguments}", manage.address));
            assert_eq!(report.log.line("status "), "status 0", "report {arguments}");
        }
        let report = scene.start_by(DEAF, "report", &deserted.1.to_string());
        assert_eq!(report.stdout.line("status "), "status 69");
    }
    kept("report | head, nobody reads the log", "no SIGPIPE, the right status", 4 * cases, "");
}

/// Nobody reads the log of manage, of its computes, of another compute and its monitor; all have much to say.
#[test]
fn whoever_reads_the_logs_may_go() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.1 -vv --computes 1");
    let compute = scene.compute(&manage, "-vv");
    compute.log.line("control connection stands");
    compute.log.close();
    manage.log.close();
    let all = || [manage.members(), compute.members()].concat();
    let before = until("two computes with their monitors", || Some(all()).filter(|all| all.len() == 5));
    let ranges = || scene.computes(&manage).iter().map(|c| crate::support::number(&c["ranges"])).min();
    until("ranges that follow each other", || (ranges() >= Some(5)).then_some(()));
    let pids = |members: &[Member]| members.iter().map(|member| member.pid).collect::<Vec<_>>();
    assert_eq!(pids(&all()), pids(&before), "nobody had to be started again");
    let report = scene.start("report", &format!("{} -k", manage.address));
    assert_eq!((report.wait_gone(), compute.wait_gone(), manage.wait_gone()), (0, 0, 0));
    assert!(scene.ledger().verify() > 0);
    kept("the reader of all logs has gone", "no SIGPIPE, the search goes on and ends", 1, "");
}

/// Asks for much and resets the connection.
fn ask_and_reset(address: SocketAddr) {
    let stream = std::net::TcpStream::connect(address).expect("manage listens");
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("it can be reset");
    let mut peer = Peer::over(stream);
    peer.say(&format!("<hello version='1' role='report'/>{}", "\n<query/>".repeat(200)));
}

#[test]
fn peers_that_close_while_they_are_answered_harm_nobody() {
    let cases = cases(100, 10_000);
    let scene = Scene::new();
    let manage = scene.manage("--seconds 0.2 --computes 1");
    for _ in 0..cases {
        ask_and_reset(manage.address);
    }
    until("work that goes on", || {
        scene.computes(&manage).iter().any(|c| crate::support::number(&c["ranges"]) > 1).then_some(())
    });
    manage.signal(Signal::SIGTERM);
    assert_eq!(manage.wait_gone(), 0);
    assert!(scene.ledger().verify() > 0);
    kept("a peer asks, and resets the connection", "no SIGPIPE, the others are served on", cases, "");
}

/// A manage that resets each connection as soon as it stands, until it is dropped.
struct Slammer {
    address: SocketAddr,
    is_over: &'static AtomicBool,
}

impl Slammer {
    fn new(slammed: &'static AtomicBool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten().take_while(|_| !slammed.load(Ordering::Relaxed)) {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
        });
        Self { address, is_over: slammed }
    }
}

impl Drop for Slammer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(self.address);
    }
}

#[test]
fn a_manage_that_slams_the_door_harms_nobody() {
    static OVER: AtomicBool = AtomicBool::new(false);
    let (scene, slammer) = (Scene::new(), Slammer::new(&OVER));
    let computes = ["-v", "-v --count 2"].map(|count| scene.start("compute", &format!("{} {count}", slammer.address)));
    for compute in &computes {
        // Of the compute and of its monitor, or more.
        compute.log.lines("trying again in", 12);
    }
    let monitors = |compute: &Process| compute.members().len();
    assert_eq!((monitors(&computes[0]), monitors(&computes[1])), (2, 5), "all of them live");
    let cases = cases(5, 200);
    for _ in 0..cases {
        assert_eq!(scene.start("report", &slammer.address.to_string()).wait_gone(), 69);
    }
    for compute in &computes {
        compute.signal(Signal::SIGTERM);
        assert_eq!(compute.wait_gone(), 0);
    }
    kept("manage resets each connection", "no SIGPIPE: computes try on, report says 69", cases + 24, "");
}
