//! Many that draw at once: each draw is one step.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;

use super::is_whole_box;
use crate::support::{Client, Scene};

/// What each of so many clients gets that begin at once and draw `times` times `count`, in their order.
fn draw_at_once(address: SocketAddr, clients: usize, times: usize, count: u32) -> Vec<Vec<u32>> {
    let begin = Barrier::new(clients);
    let one = || {
        let mut client = Client::connect(address);
        begin.wait();
        (0..times).map(|_| client.draw(count)).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

#[track_caller]
fn are_runs_of(order: &[u32], answers: &[Vec<u32>]) {
    let mut index = vec![0; order.len() + 1];
    (0..).zip(order).for_each(|(at, number)| index[*number as usize] = at);
    for answer in answers {
        let first: usize = index[answer[0] as usize];
        assert_eq!(order[first..first + answer.len()], answer[..], "an answer isn't one run of the list");
    }
}

#[test]
fn each_answer_is_one_run_of_the_list() {
    let scene = Scene::new();
    for (times, count, arguments) in [(1, 1_000, "--threads 8"), (20, 50, "--threads 3 --ledger other.db")] {
        let size = 8 * times as u32 * count;
        let loot = scene.loot(&format!("--size {size} {arguments}"));
        let answers = draw_at_once(loot.address, 8, times, count);
        assert_eq!(answers.len(), 8 * times);
        are_runs_of(&loot.order(), &answers);
        is_whole_box(answers.concat(), size);
    }
}

#[test]
fn one_id_from_many_at_once_draws_once() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000 --threads 4");
    let (address, begin) = (loot.address, Barrier::new(8));
    let drawn: Vec<_> = thread::scope(|scope| {
        let one = || {
            let mut client = Client::connect(address);
            begin.wait();
            client.draw_named(30, "one")
        };
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(drawn.iter().all(|other| *other == drawn[0]), "{drawn:?}");
    assert_eq!(loot.standing(), (30, 970));
}

#[test]
fn drawn_and_left_make_up_the_box_at_any_time() {
    let scene = Scene::new();
    let loot = scene.loot("--size 50000 --threads 4");
    let address = loot.address;
    thread::scope(|scope| {
        let draws = scope.spawn(|| draw_at_once(address, 4, 50, 200));
        let mut watcher = Client::connect(address);
        let mut before = 0;
        while !draws.is_finished() {
            watcher.send(b"drawn\nleft\ndrawn\n");
            let [first, left, then] = [(); 3].map(|()| watcher.numbers(1)[0]);
            assert!(before <= first && first <= then, "drawn goes up");
            assert!(first + left <= 50_000 && then + left >= 50_000, "{first}, {left}, {then}");
            before = then;
        }
        draws.join().unwrap();
    });
    assert_eq!(loot.standing(), (40_000, 10_000));
}
