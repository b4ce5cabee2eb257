//! Two hosts and the cable between them: network namespaces and a veth pair, with the faults that a network has.
//!
//! All of them are made on the side of manage, so the other host sees what it would see of a real network. Needs root.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The address of the host where manage runs; each pair has a network of its own.
pub const NEAR_ADDRESS: &str = "10.77.0.1";
const FAR_ADDRESS: &str = "10.77.0.2";
/// What each host calls its end of the cable.
const CABLE: &str = "cable";

/// Which packets a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the far host to the near one.
    ToNear,
    /// From the near host to the far one.
    ToFar,
    /// Both.
    Both,
}

/// Two hosts, which are gone when this is dropped. Their processes have to be gone before.
pub struct Hosts {
    near: String,
    far: String,
}

impl Hosts {
    /// Two hosts that reach each other.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let own = format!("aliquot-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Made before anything can fail, so that whatever there is by then is removed.
        let hosts = Self { near: format!("{own}-near"), far: format!("{own}-far") };
        ip(&format!("netns add {}", hosts.near));
        ip(&format!("netns add {}", hosts.far));
        ip(&format!("-n {} link add name {CABLE} type veth peer name {CABLE} netns {}", hosts.near, hosts.far));
        for (host, address) in [(&hosts.near, NEAR_ADDRESS), (&hosts.far, FAR_ADDRESS)] {
            ip(&format!("-n {host} addr add {address}/24 dev {CABLE}"));
            ip(&format!("-n {host} link set lo up"));
            ip(&format!("-n {host} link set {CABLE} up"));
        }
        hosts
    }

    /// What a command is started through to run on the host of manage.
    pub fn near(&self) -> String {
        format!("ip netns exec {}", self.near)
    }

    /// What a command is started through to run on the other host.
    pub fn far(&self) -> String {
        format!("ip netns exec {}", self.far)
    }

    /// Drops every packet that goes this way: who sends it learns nothing.
    pub fn drop(&self, way: Way) {
        self.filter(way, "drop");
    }

    /// Loses so many packets of a hundred, both ways.
    pub fn lose(&self, percent: u32) {
        self.filter(Way::Both, &format!("numgen random mod 100 < {percent} drop"));
    }

    /// Answers every packet of TCP that goes this way with a reset.
    pub fn reject(&self, way: Way) {
        // A reset itself may pass: it is what rejecting sends.
        self.filter(way, "tcp flags & rst == 0 reject with tcp reset");
    }

    /// Resets the connections that there are; new ones can be made at once.
    pub fn reset(&self) {
        run(&format!("{} ss --kill state established", self.near()), "");
    }

    /// Pulls the cable out at the far host.
    pub fn pull(&self) {
        ip(&format!("-n {} link set {CABLE} down", self.far));
    }

    /// Puts the cable in again.
    pub fn plug(&self) {
        ip(&format!("-n {} link set {CABLE} up", self.far));
    }

    /// Makes the link so slow, both ways.
    pub fn throttle(&self, rate: &str) {
        for host in [&self.near, &self.far] {
            let shape = format!("tbf rate {rate} burst 32kbit latency 400ms");
            run(&format!("ip netns exec {host} tc qdisc add dev {CABLE} root {shape}"), "");
        }
    }

    /// Ends what [`Self::drop`], [`Self::lose`] and [`Self::reject`] do.
    pub fn mend(&self) {
        run(&format!("{} nft delete table inet fault", self.near()), "");
    }

    fn filter(&self, way: Way, rule: &str) {
        let mut table = String::from("table inet fault {\n");
        if way != Way::ToFar {
            table += &format!("chain in {{ type filter hook input priority 0;\n iifname \"{CABLE}\" {rule}\n }}\n");
        }
        if way != Way::ToNear {
            table += &format!("chain out {{ type filter hook output priority 0;\n oifname \"{CABLE}\" {rule}\n }}\n");
        }
        run(&format!("{} nft -f -", self.near()), &format!("{table}}}\n"));
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [&self.near, &self.far] {
            let _ = Command::new("ip").args(["netns", "delete", host]).stderr(Stdio::null()).status();
        }
    }
}

fn ip(arguments: &str) {
    run(&format!("ip {arguments}"), "");
}

/// Runs a command that must do well, with `input` as its standard input.
fn run(command: &str, input: &str) {
    let mut words = command.split_whitespace();
    let mut built = Command::new(words.next().expect("a command has a name"));
    built.args(words).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = built.spawn().unwrap_or_else(|error| panic!("{command}: {error}"));
    // Dropped at once: the end of the input is what some commands wait for.
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let status = child.wait().unwrap_or_else(|error| panic!("{command}: {error}"));
    assert!(status.success() && written.is_some_and(|written| written.is_ok()), "{command}: {status}");
}
