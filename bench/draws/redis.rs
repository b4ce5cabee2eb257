//! redis's side: a list of numbers, filled before it is measured.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use aliquot::loot::shuffle::Seed;

use crate::cores::Apart;
use crate::server::Server;

/// Numbers of one RPUSH.
const CHUNK: usize = 10_000;
/// What it logs of its own accord is every command; that it never writes its file anew meanwhile is to its advantage.
const DURABLE: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"];

/// Starts it with a list of 1 … `size`, in an order that the same shuffle has made. With a directory it syncs each draw before it
/// answers.
pub fn start(apart: &Apart, size: u32, directory: Option<&str>) -> Result<Server, String> {
    let Some(directory) = directory else {
        let server = Server::redis(apart, &[])?;
        fill(&server, size)?;
        return Ok(server);
    };
    let server = Server::redis(apart, &[&DURABLE[..], &["--dir", directory]].concat())?;
    fill(&server, size)?;
    // The list is on the disk when the first write since then is.
    for (request, reply) in [("CONFIG SET appendfsync always\r\n", "+OK"), ("SET filled 1\r\n", "+OK")] {
        expect(&server.ask(request.as_bytes())?, reply)?;
    }
    Ok(server)
}

/// How many numbers are left.
pub fn left(server: &Server) -> Result<u32, String> {
    let reply = server.ask(b"LLEN box\r\n")?;
    let left = reply.strip_prefix(':').and_then(|number| number.parse().ok());
    left.ok_or_else(|| format!("redis: LLEN: {reply}"))
}

fn fill(server: &Server, size: u32) -> Result<(), String> {
    let list = Seed::fresh().map_err(|error| error.to_string())?.list(size);
    let fail = |error: std::io::Error| format!("redis: {error}");
    let mut stream = TcpStream::connect(server.address()).map_err(fail)?;
    let mut replies = BufReader::new(stream.try_clone().map_err(fail)?);
    let mut filled = 0;
    for chunk in list.chunks(CHUNK) {
        let mut request = format!("*{}\r\n$5\r\nRPUSH\r\n$3\r\nbox\r\n", chunk.len() + 2);
        for number in chunk.iter().map(u32::to_string) {
            request += &format!("${}\r\n{number}\r\n", number.len());
        }
        stream.write_all(request.as_bytes()).map_err(fail)?;
        let mut reply = String::new();
        replies.read_line(&mut reply).map_err(fail)?;
        filled += chunk.len();
        expect(reply.trim_end(), &format!(":{filled}"))?;
    }
    Ok(())
}

fn expect(reply: &str, wanted: &str) -> Result<(), String> {
    if reply == wanted { Ok(()) } else { Err(format!("redis: {reply} instead of {wanted}")) }
}
