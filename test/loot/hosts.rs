//! Clients of two hosts, each in a network namespace of its own.

use super::is_whole_box;
use crate::support::{Client, Hosts, Loot, NEAR_ADDRESS, Scene};
use crate::torture::is_root;

fn on_near(scene: &Scene, hosts: &Hosts, arguments: &str) -> Loot {
    scene.loot_through(&hosts.near(), &format!("{NEAR_ADDRESS}:0"), arguments)
}

#[test]
fn both_hosts_draw_from_one_box() {
    if !is_root("making hosts") {
        return;
    }
    let hosts = Hosts::new();
    let scene = Scene::new();
    let loot = on_near(&scene, &hosts, "--size 20000");
    let mut drawing = Vec::new();
    for host in [hosts.near(), hosts.far()] {
        drawing.extend((0..5).map(|_| scene.start_through(&host, "loot", &format!("draw {} 2000", loot.address))));
    }
    let mut numbers: Vec<u32> = Vec::new();
    for process in drawing {
        assert_eq!(process.wait(), 0, "{}", process.evidence());
        numbers.extend(process.stdout.all().lines().map(|line| line.parse::<u32>().unwrap()));
    }
    is_whole_box(numbers, 20_000);
    scene.end();
}

#[test]
fn only_its_own_host_closes_a_draw() {
    if !is_root("making hosts") {
        return;
    }
    let hosts = Hosts::new();
    let scene = Scene::new();
    let loot = on_near(&scene, &hosts, "--size 100");
    let far = |arguments: &str| scene.start_through(&hosts.far(), "loot", arguments);
    let close = far(&format!("close {}", loot.address));
    assert_eq!(close.wait(), 77, "{}", close.evidence());
    assert!(close.log.all().contains("only the server's own host may close the draw"), "{}", close.log.all());
    let draw = far(&format!("draw {} 5", loot.address));
    assert_eq!((draw.wait(), draw.stdout.all().lines().count()), (0, 5), "it is open");
    let close = scene.start_through(&hosts.near(), "loot", &format!("close {}", loot.address));
    assert_eq!(close.wait(), 0, "{}", close.evidence());
    assert!(close.stdout.all().ends_with(" size 100 drawn 5\n"), "{}", close.stdout.all());
    let draw = far(&format!("draw {} 5", loot.address));
    assert_eq!(draw.wait(), 1);
    assert!(draw.log.all().contains("closed"), "{}", draw.log.all());
    scene.end();
}

#[test]
fn a_client_of_this_host_may_close_by_whichever_address_it_came() {
    let scene = Scene::new();
    let loot = scene.loot_at("0.0.0.0:0", "--size 100");
    let port = loot.address.port();
    let mut client = Client::from([127, 0, 0, 9], ([127, 0, 0, 1], port).into());
    assert_eq!(client.ask_line("close"), "closed");

    let loot = scene.loot_at("[::1]:0", "--size 100 --ledger other.db");
    let (status, revealed, log) = scene.run_loot(&format!("close {}", loot.address));
    assert_eq!(status, 0, "{log}");
    assert!(revealed.ends_with(" size 100 drawn 0\n"), "{revealed}");
}
