//! Something between a compute and its manage that a test can cut.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Passes bytes on in both directions, for as long as the test program runs.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// Listens on a free port; who connects there is connected to `to`.
    pub fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let relay = Self { address, streams: Arc::default() };
        let streams = Arc::clone(&relay.streams);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Where nobody listens, the connection is dropped again.
                let _ = TcpStream::connect(to).and_then(|far| join(&streams, near, far));
            }
        });
        relay
    }

    /// Ends all connections that stand; new ones are passed on as before.
    pub fn cut(&self) {
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn join(streams: &Mutex<Vec<TcpStream>>, near: TcpStream, far: TcpStream) -> io::Result<()> {
    let ends = [near.try_clone()?, far.try_clone()?];
    streams.lock().unwrap_or_else(PoisonError::into_inner).extend(ends);
    pass_on(near.try_clone()?, far.try_clone()?);
    pass_on(far, near);
    Ok(())
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        // The end of one direction is passed on as well, whatever it was.
        let _ = to.shutdown(Shutdown::Write);
    });
}
