//! A loot server, clients that draw from it by hand, and a cable between them that is cut.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use aliquot::loot::record::Line;

use super::Scene;
use super::client::Client;
use super::process::Process;

/// A loot server that listens.
pub struct Loot {
    process: Rc<Process>,
    /// Where.
    pub address: SocketAddr,
}

impl Deref for Loot {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Scene {
    /// Starts `loot serve` on a free port, with the ledger `loot.db` unless told otherwise, and waits until it listens.
    pub fn loot(&self, arguments: &str) -> Loot {
        self.loot_at("127.0.0.1:0", arguments)
    }

    /// Starts `loot serve` at `listen`, and waits until it listens.
    pub fn loot_at(&self, listen: &str, arguments: &str) -> Loot {
        self.loot_through("", listen, arguments)
    }

    /// Starts `loot serve` through another command, and waits until it listens.
    pub fn loot_through(&self, wrapper: &str, listen: &str, arguments: &str) -> Loot {
        self.try_loot(wrapper, listen, arguments).unwrap_or_else(|ended| panic!("{}", ended.evidence()))
    }

    /// As `loot_through`; `Err` if it ends before it listens.
    pub fn try_loot(&self, wrapper: &str, listen: &str, arguments: &str) -> Result<Loot, Rc<Process>> {
        let process = self.start_through(wrapper, "loot", &format!("serve --listen {listen} {arguments}"));
        let Some(line) = process.log.line_or_end("listening on ") else { return Err(process) };
        let address = line.rsplit(' ').next().and_then(|address| address.parse().ok()).expect("an address");
        Ok(Loot { process, address })
    }

    /// Runs `loot` to its end: its exit status, standard output and standard error.
    pub fn run_loot(&self, arguments: &str) -> (i32, String, String) {
        let process = self.start("loot", arguments);
        let ended = (process.wait(), process.stdout.all(), process.log.all());
        self.forget(&process);
        ended
    }
}

impl Loot {
    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// So many connections.
    pub fn clients(&self, count: usize) -> Vec<Client> {
        (0..count).map(|_| self.client()).collect()
    }

    /// Its process, to be kept beside it.
    pub fn process(&self) -> Rc<Process> {
        Rc::clone(&self.process)
    }

    /// Its exit status, if it has ended.
    pub fn exit_status(&self) -> Option<i32> {
        self.process.status()
    }

    /// How many are drawn, and how many left.
    pub fn standing(&self) -> (u32, u32) {
        let mut client = self.client();
        (client.count("drawn"), client.count("left"))
    }

    /// The commitment, as a line.
    pub fn commitment(&self) -> String {
        self.client().ask_line("commitment")
    }

    /// The order of its numbers, which it reveals, as the draw has ended; or is ended by this.
    pub fn order(&self) -> Box<[u32]> {
        let mut client = self.client();
        assert_eq!(client.ask_line("close"), "closed");
        let revealed = client.ask_line("reveal");
        let Ok(Line::Reveal(seed, size, _)) = revealed.parse() else { panic!("{revealed}") };
        seed.list(size)
    }
}

/// A client that draws.
impl Client {
    /// Sends a line.
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    /// Sends a line; the line that answers it.
    pub fn ask_line(&mut self, line: &str) -> String {
        self.say(line);
        self.text()
    }

    /// What `question` counts.
    pub fn count(&mut self, question: &str) -> u32 {
        number(&self.ask_line(question))
    }

    /// The next lines, each of which has to be a number.
    pub fn numbers(&mut self, count: u32) -> Vec<u32> {
        (0..count).map(|_| number(&self.text())).collect()
    }

    /// Draws so many numbers, of which there are enough.
    pub fn draw(&mut self, count: u32) -> Vec<u32> {
        self.say(&format!("draw {count}"));
        self.numbers(count)
    }

    /// Draws under an id: the index of the first number, and the numbers.
    pub fn draw_named(&mut self, count: u32, id: &str) -> (u32, Vec<u32>) {
        let header = self.ask_line(&format!("draw {count} #{id}"));
        let Ok(Line::Named(named, first, count)) = header.parse() else { panic!("{header}") };
        assert_eq!(named.name(), id);
        (first, self.numbers(count))
    }

    /// Draws one number after the other, until there are none: all that were told.
    pub fn draw_all(&mut self) -> Vec<u32> {
        let mut numbers = Vec::new();
        loop {
            match self.ask_line("draw 1") {
                line if line.starts_with("error exhausted") => return numbers,
                line => numbers.push(number(&line)),
            }
        }
    }
}

fn number(line: &str) -> u32 {
    line.parse().unwrap_or_else(|_| panic!("{line:?} is no number"))
}

/// Where a cable is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// The request doesn't get through.
    Request,
    /// So many bytes of the answer have got through.
    Answer(u64),
}

/// A cable that is cut, the first times in one way each, and then holds.
pub struct Cutter {
    /// Where it begins.
    pub address: SocketAddr,
    holds: Arc<AtomicBool>,
}

impl Cutter {
    /// To a server that listens at `to`.
    pub fn new(to: SocketAddr, cuts: &[Cut]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let mut cuts = Vec::from(cuts).into_iter();
        let cutter = Self { address, holds: Arc::default() };
        let holds = Arc::clone(&cutter.holds);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let cut = cuts.next().filter(|_| !holds.load(Ordering::SeqCst));
                // However it ends, both ends are closed.
                thread::spawn(move || pass(near, to, cut));
            }
        });
        cutter
    }

    /// From now on it holds.
    pub fn mend(&self) {
        self.holds.store(true, Ordering::SeqCst);
    }
}

fn pass(mut near: TcpStream, to: SocketAddr, cut: Option<Cut>) -> io::Result<()> {
    let mut request = [0; 4096];
    let mut count = near.read(&mut request)?;
    let far = TcpStream::connect(to)?;
    // What comes before the draw gets through, as does its answer.
    while &request[..count] == b"commitment\n" {
        (&far).write_all(&request[..count])?;
        let mut answer = [0; 4096];
        let length = (&far).read(&mut answer)?;
        near.write_all(&answer[..length])?;
        count = near.read(&mut request)?;
    }
    let answer = match cut {
        Some(Cut::Request) => return Ok(()),
        Some(Cut::Answer(bytes)) => bytes,
        None => u64::MAX,
    };
    (&far).write_all(&request[..count])?;
    // Of an answer of which nothing gets through the first byte shows that the request did.
    if answer == 0 {
        (&far).read_exact(&mut [0])?;
    }
    io::copy(&mut far.take(answer), &mut near)?;
    Ok(())
}
