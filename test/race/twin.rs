//! A small server around a counter, with a thread for each client: by the product's counter its histories are sound; by a twin that
//! reads and advances in two steps they aren't, and the check has to say so.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use aliquot::loot::counter::Counter;

use super::Draws;
use super::history::{Drawn, check, missing, run_of};

const SIZE: u32 = 4_000;
const CLIENTS: u32 = 8;
/// Each line of it is one draw of every client, over and over.
const WANTED: [u32; 5] = [1, 4, 2, 1, 7];

/// A counter that two threads read before either advances it, the first time; as the original's table without a lock has it.
struct Racy {
    next: Mutex<u32>,
    read: Mutex<u32>,
    second: Condvar,
}

impl Racy {
    fn new() -> Self {
        Self { next: Mutex::new(0), read: Mutex::new(0), second: Condvar::new() }
    }
}

impl Draws for Racy {
    fn draw(&self, wanted: u32) -> Option<Range<u32>> {
        let first = *self.next.lock().unwrap();
        let mut read = self.read.lock().unwrap();
        *read += 1;
        self.second.notify_all();
        // The scheduler may do that at any time; here it does it for certain.
        drop(self.second.wait_timeout_while(read, Duration::from_secs(10), |read| *read < 2).unwrap());
        let end = first + wanted.min(SIZE - first);
        *self.next.lock().unwrap() = end;
        (first < end).then_some(first..end)
    }
}

/// Serves so many clients, each by a thread; a draw is answered by its indices in one line, or by an empty one.
fn serve(counter: &Arc<impl Draws>, listener: &TcpListener) {
    for _ in 0..CLIENTS {
        let (mut stream, counter) = (listener.accept().unwrap().0, Arc::clone(counter));
        thread::spawn(move || {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for wanted in lines.map_while(Result::ok) {
                let run = counter.draw(wanted.parse().unwrap()).unwrap_or_default();
                let answer: Vec<_> = run.map(|index| index.to_string()).collect();
                stream.write_all(format!("{}\n", answer.join(" ")).as_bytes()).unwrap();
            }
        });
    }
}

/// A client that draws until nothing is left.
fn draw_all(address: SocketAddr) -> Vec<Drawn> {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut history = Vec::new();
    for wanted in WANTED.iter().cycle() {
        let asked = Instant::now();
        stream.write_all(format!("{wanted}\n").as_bytes()).unwrap();
        let answer = answers.next().unwrap().unwrap();
        let indices: Vec<u32> = answer.split_whitespace().map(|index| index.parse().unwrap()).collect();
        if indices.is_empty() {
            break;
        }
        history.push(Drawn { asked, heard: Instant::now(), run: run_of(&indices).unwrap() });
    }
    history
}

/// The history of all clients of a server around this counter.
fn history(counter: impl Draws) -> Vec<Drawn> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(move || draw_all(address))).collect();
        serve(&Arc::new(counter), &listener);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn the_counter_behind_sockets_is_linearizable_and_complete() {
    let history = history(Counter::new(SIZE, 0, false));
    assert_eq!(missing(&history, SIZE), 0);
    assert_eq!(check(history), Ok(()));
}

#[test]
fn a_counter_that_is_not_guarded_is_found_out_by_its_history() {
    let verdict = check(history(Racy::new()));
    assert!(verdict.as_ref().is_err_and(|fault| fault.contains("twice")), "{verdict:?}");
}
