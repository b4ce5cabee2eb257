//! A search over two hosts, set up by the README's commands as they stand; and what each wrong step is answered.

use std::fs;
use std::rc::Rc;

use crate::support::{Hosts, NEAR_ADDRESS, Process, Scene, executable, until};
use crate::torture::{fake_clock, is_root};

/// The commands of the README's section on more hosts: on which of both, and what.
fn commands() -> Vec<(String, String)> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let section = readme.split_once("\n## More hosts\n").expect("the section").1.split_once("\n## ").unwrap().0;
    let command = |line: &str| line.split_once("$ ").map(|(host, command)| (host.to_owned(), command.to_owned()));
    section.split("```").nth(1).expect("the commands").lines().filter_map(command).collect()
}

/// Two hosts with a directory each; node01 is the near one.
struct Two {
    scene: Scene,
    // Gone before the hosts are.
    hosts: Hosts,
}

impl Two {
    fn new() -> Self {
        let (scene, hosts) = (Scene::new(), Hosts::new());
        ["node01", "node02"].iter().for_each(|host| fs::create_dir(scene.path(host)).unwrap());
        Self { scene, hosts }
    }

    /// Types a command on a host.
    fn type_on(&self, host: &str, command: &str) -> Rc<Process> {
        let through = if host == "node01" { self.hosts.near() } else { self.hosts.far() };
        let (program, arguments) = command.split_once(' ').expect("a command has arguments");
        let program = match program {
            "scp" => "cp".to_owned(),
            program => executable(program).display().to_string(),
        };
        // There is no name server and no other way between two directories of one machine.
        let arguments = arguments.replace("node02:", "../node02/").replace("node01", NEAR_ADDRESS);
        let line = format!("cd {} && exec {program} {arguments}", self.scene.path(host).display());
        let words: Vec<&str> = through.split(' ').chain(["sh", "-c", &line]).collect();
        self.scene.start_command(&words)
    }

    /// The one line that a command ends with, and its status.
    fn fails(&self, host: &str, command: &str, status: i32) -> String {
        let process = self.type_on(host, command);
        assert_eq!(process.wait(), status, "{command}: {}", process.log.all());
        let said = process.log.all();
        let lines: Vec<&str> = said.lines().filter(|line| !line.contains(" INFO ")).collect();
        assert_eq!(lines.len(), 1, "{command} is answered in one line: {said}");
        lines[0].to_owned()
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        self.scene.end();
    }
}

#[test]
fn the_readme_sets_up_two_hosts() {
    if !is_root("a network namespace") {
        return;
    }
    let (two, commands) = (Two::new(), commands());
    assert!((3..=5).contains(&commands.len()), "{commands:?}");
    let mut last = None;
    for (host, command) in &commands {
        let process = two.type_on(host, command);
        match command.split_once(' ').unwrap().0 {
            "manage" if command.contains("--listen") => _ = process.log.line("listening on "),
            "compute" => _ = process.log.line("started compute"),
            _ => assert_eq!(process.wait(), 0, "{command}: {}", process.log.all()),
        }
        last = Some((host, command));
    }
    let (host, command) = last.expect("there are some");
    until("a compute at work on the other host", || {
        let report = two.type_on(host, command);
        assert_eq!(report.wait(), 0);
        report.stdout.all().contains(" busy ").then_some(())
    });
    let ended = two.type_on("node01", "report -k --keys keys");
    assert_eq!(ended.wait(), 0);
}

/// Each wrong step says what is wrong in one line.
#[test]
fn wrong_steps_are_told() {
    if !is_root("a network namespace") {
        return;
    }
    let two = Two::new();
    for directory in ["keys", "others"] {
        assert_eq!(two.type_on("node01", &format!("manage --init-keys {directory}")).wait(), 0);
    }
    let said = two.fails("node01", "manage --listen 0.0.0.0", 2);
    assert!(said.contains("\"manage --init-keys keys\"") && said.contains("\"--keys keys\""), "{said}");
    let manage = two.type_on("node01", "manage --listen 0.0.0.0 --keys keys --ledger big.db");
    manage.log.line("listening on ");
    // No key.
    let said = two.fails("node02", "compute node01", 77);
    assert!(said.contains("name yours by --keys FILE"), "{said}");
    assert!(two.fails("node02", "compute --keys worker.key node01", 77).contains("No such file"));
    // The wrong one: another search's, and another role's.
    for name in ["others/worker.key", "keys/viewer.key"] {
        assert_eq!(two.type_on("node01", &format!("scp {name} node02:")).wait(), 0);
    }
    let said = two.fails("node02", "compute --keys worker.key node01", 77);
    assert!(said.contains("doesn't have the key that is expected"), "{said}");
    assert!(two.fails("node02", "compute --keys viewer.key node01", 77).contains("its role is viewer"));
    // The right one; a wrong port, where nobody is, and where somebody else is.
    assert_eq!(two.type_on("node01", "scp keys/operator.key node02:").wait(), 0);
    let said = two.fails("node02", "report --keys operator.key node01:8129", 69);
    assert!(said.contains("Connection refused") && said.contains("is manage running?"), "{said}");
    let other = two.type_on("node01", "manage --listen 0.0.0.0:8130 --insecure --ledger :memory:");
    other.log.line("listening on ");
    let said = two.fails("node02", "report --keys operator.key node01:8130", 77);
    assert!(said.contains("plain text, not TLS: a server without keys"), "{said}");
    // Neither end's clock matters, by ten years: there is nothing to be told.
    for shift in ["FAKETIME=+10y", "FAKETIME=-10y"] {
        let (host, report) = (two.scene.path("node02"), executable("report").display());
        let there = format!("{} {} env -C {}", two.hosts.far(), fake_clock(shift), host.display());
        let line = format!("{there} {report} --keys operator.key {NEAR_ADDRESS}");
        assert_eq!(two.scene.start_command(&line.split(' ').collect::<Vec<_>>()).wait(), 0, "{shift}");
    }
    assert_eq!(two.type_on("node02", "report -k --keys operator.key node01").wait(), 0);
    assert_eq!(manage.wait(), 0);
}
