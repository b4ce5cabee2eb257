//! TCP over raw socket2 sockets, which nobody else touches: addresses, listening, accepting, connecting.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::error::{Error, Result};
use super::exit::Status;
use super::limits::{CONNECT_MAX_MS, GUEST_READ_MAX_BYTES, LISTEN_BACKLOG, SILENCE_MAX_MS};

/// The port of a search: the fourth perfect number.
pub const SEARCH_PORT: u16 = 8128;

/// The port of a collect for its agents: the original's.
pub const AGENTS_PORT: u16 = 5050;

/// Turns `HOST`, `HOST:PORT`, `[V6]:PORT`, `V6` or `:PORT` into a form with host and port.
///
/// # Errors
/// A usage error if the port is none, or many colons stand for something else than an address of IPv6.
pub fn with_port(address: &str, port: u16) -> Result<String> {
    let colons = address.matches(':').count();
    let (host, port) = match address.rsplit_once(':') {
        Some((host, given)) if colons == 1 || host.ends_with(']') => (host.to_owned(), parse_port(address, given)?),
        _ if colons > 1 && !address.starts_with('[') => (format!("[{}]", bare_v6(address)?), port),
        _ => (address.to_owned(), port),
    };
    let host = if host.is_empty() { "127.0.0.1".to_owned() } else { host };
    Ok(format!("{host}:{port}"))
}

/// The port of an address that `with_port` has made.
#[must_use]
pub fn port(address: &str) -> Option<u16> {
    address.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

/// An address of IPv6, with its zone if it has one.
fn bare_v6(address: &str) -> Result<&str> {
    let (number, _zone) = address.split_once('%').unwrap_or((address, ""));
    let is_address = number.parse::<Ipv6Addr>().is_ok();
    let cause = "no address of IPv6; with a port it is written [ADDRESS]:PORT";
    if is_address { Ok(address) } else { Err(Error::new(Status::Usage, format!("address {address}"), cause)) }
}

fn parse_port(address: &str, port: &str) -> Result<u16> {
    port.parse().map_err(|_| {
        Error::new(Status::Usage, format!("address {address}"), format!("{port:?} is not a port (0 to 65535)"))
    })
}

/// The addresses that `address` (`HOST:PORT`) stands for, at least one.
///
/// # Errors
/// When the name isn't known. May block for as long as the system's resolver does.
pub fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    let fail = |cause: String| Error::new(Status::Unreachable, format!("address {address}"), cause);
    let found: Vec<_> = address.to_socket_addrs().map_err(|error| fail(error.to_string()))?.collect();
    if found.is_empty() { Err(fail("the name has no address".to_owned())) } else { Ok(found) }
}

/// A connection to the first of the addresses that `address` (`HOST:PORT`) stands for at which somebody listens.
///
/// # Errors
/// When the name isn't known, or nobody does. Blocks, for each address for at most `CONNECT_MAX_MS`.
pub fn dial(address: &str) -> Result<TcpStream> {
    let mut outcome = Err(io::ErrorKind::NotFound.into());
    for to in resolve(address)? {
        outcome = TcpStream::connect_timeout(&to, Duration::from_millis(CONNECT_MAX_MS));
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map_err(|error| Error::new(Status::Unreachable, format!("server at {address}"), error))
}

/// What counts as one address: of IPv6 a network of 64 bits, which is what one customer has; an IPv4 address is the same in
/// either form.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

/// A socket that takes connections; non-blocking, closed on exec.
pub struct Listener(Socket);

impl Listener {
    /// Binds to `at`, one of the addresses of `address`, and listens. A port that was just left is taken at once.
    ///
    /// # Errors
    /// With the address in it, when another listens there or the address isn't this host's.
    pub fn open(address: &str, at: SocketAddr) -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&at.into())?;
            socket.listen(LISTEN_BACKLOG)?;
            Ok(socket)
        };
        open().map(Self).map_err(|error| Error::new(Status::Failed, format!("listen {address}"), error))
    }

    /// The address it really got.
    ///
    /// # Errors
    /// What getsockname(2) says.
    pub fn address(&self) -> Result<SocketAddr> {
        let name = self.0.local_addr().map_err(|error| Error::new(Status::Failed, "listen", error))?;
        name.as_socket().ok_or_else(|| Error::new(Status::Failed, "listen", "not an internet address"))
    }

    /// The same for a runtime that accepts by itself. What it accepts is as `accept` gives it: it inherits that.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn into_std(self) -> io::Result<TcpListener> {
        Stream::tune(self.0).map(|tuned| tuned.0.into())
    }

    /// The next connection that waits, if any.
    ///
    /// # Errors
    /// When descriptors have run out; a connection that vanished while it waited is passed over.
    pub fn accept(&self) -> io::Result<Option<(Stream, SocketAddr)>> {
        match self.0.accept() {
            Ok((socket, from)) => {
                let stream = Stream::tune(socket)?;
                Ok(from.as_socket().map(|from| (stream, from)))
            }
            Err(error) if is_pause(&error) || error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A connection; non-blocking, closed on exec, without Nagle's delay.
pub struct Stream(Socket);

impl Stream {
    fn tune(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // Urgent bytes are bytes like others: a read that stops at their mark isn't short for want of more.
        socket.set_out_of_band_inline(true)?;
        // What a dead peer leaves unacknowledged must not outlive the protocol's own bound on silence.
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(Duration::from_millis(SILENCE_MAX_MS)))?;
        Ok(Self(socket))
    }

    /// Begins to connect. When the descriptor turns writable, `outcome` tells how it went.
    ///
    /// # Errors
    /// When it fails at once.
    pub fn connect(to: SocketAddr) -> io::Result<Self> {
        Self::socket_for(to)?.begin(to)
    }

    /// Begins to connect, as `connect`, from an address of this host and a port that is free there.
    ///
    /// # Errors
    /// When it fails at once.
    pub fn connect_from(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let stream = Self::socket_for(to)?;
        stream.0.bind(&SocketAddr::new(from, 0).into())?;
        stream.begin(to)
    }

    fn socket_for(to: SocketAddr) -> io::Result<Self> {
        Self::tune(Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?)
    }

    fn begin(self, to: SocketAddr) -> io::Result<Self> {
        match self.0.connect(&to.into()) {
            Ok(()) => Ok(self),
            Err(error) if is_pause(&error) => Ok(self),
            Err(error) => Err(error),
        }
    }

    /// How a connection that was begun came out.
    ///
    /// # Errors
    /// Why it failed.
    pub fn outcome(&self) -> io::Result<()> {
        self.0.take_error()?.map_or(Ok(()), Err)
    }

    /// Closes it with a last word. What has come is read first, as closing over it would take that word back.
    pub fn dismiss(self, word: &[u8]) {
        let mut scrap = [0; 4096];
        let _ = self.read(&mut scrap);
        let _ = self.write(word);
    }

    /// True if so much has come that isn't read yet that there may be more, and an end behind it, which its sender can't send.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let mut scrap = [MaybeUninit::uninit(); GUEST_READ_MAX_BYTES];
        self.0.peek(&mut scrap).is_ok_and(|count| count == scrap.len())
    }

    /// True if the other side is on this host, as far as addresses tell: a loopback address, or the one that it has reached here.
    #[must_use]
    pub fn peer_is_here(&self) -> bool {
        let ip = |name: io::Result<SockAddr>| Some(name.ok()?.as_socket()?.ip().to_canonical());
        let peer = ip(self.0.peer_addr());
        peer.is_some_and(|peer| peer.is_loopback() || ip(self.0.local_addr()) == Some(peer))
    }

    /// Tells the other side that nothing more will come.
    pub fn shut_down_sending(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }

    /// Reads what there is.
    ///
    /// # Errors
    /// As read(2): `WouldBlock` when there is nothing yet.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(into)
    }

    /// Writes what fits. A peer that is gone gives an error, never SIGPIPE, which Rust programs ignore.
    ///
    /// # Errors
    /// As write(2): `WouldBlock` when nothing fits now.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// True if `error` only says "not now".
#[must_use]
pub fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        || error.raw_os_error() == Some(nix::libc::EINPROGRESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_their_port() {
        let forms = [
            ("node01", "node01:8128"),
            ("node01:9", "node01:9"),
            (":9", "127.0.0.1:9"),
            ("", "127.0.0.1:8128"),
            ("::1", "[::1]:8128"),
            ("[::1]", "[::1]:8128"),
            ("[::1]:9", "[::1]:9"),
        ];
        for (given, want) in forms {
            assert_eq!(with_port(given, SEARCH_PORT).unwrap(), want, "{given:?}");
        }
        assert_eq!(with_port("fe80::1%eth0", SEARCH_PORT).unwrap(), "[fe80::1%eth0]:8128");
        for given in ["node01:", "node01:x", "node01:65536", "[::1]:-1", "::1:20000", "a:b:c", "node01:8128:9"] {
            assert_eq!(with_port(given, SEARCH_PORT).unwrap_err().status(), Status::Usage, "{given:?}");
        }
    }

    #[test]
    fn of_several_addresses_the_one_that_listens_is_dialled() {
        let listener = Listener::open("here", "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address().unwrap();
        // Where localhost is ::1 as well, nobody listens there.
        let stream = dial(&format!("localhost:{}", address.port())).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        drop(listener);
        assert_eq!(dial(&address.to_string()).unwrap_err().status(), Status::Unreachable);
    }

    #[test]
    fn a_peer_on_a_loopback_address_is_here() {
        // Where there is no IPv6, that leaves the first.
        for (listen, to) in [("127.0.0.1:0", "127.0.0.1"), ("127.0.0.1:0", "::ffff:127.0.0.1"), ("[::1]:0", "::1")] {
            let Ok(listener) = Listener::open("here", listen.parse().unwrap()) else { continue };
            let port = listener.address().unwrap().port();
            let Ok(near) = TcpStream::connect((to.parse::<IpAddr>().unwrap(), port)) else { continue };
            let far = std::iter::repeat_with(|| listener.accept().unwrap()).flatten().next().unwrap().0;
            assert!(far.peer_is_here() && Stream(near.into()).peer_is_here(), "{to}");
        }
        let nobody = Stream::socket_for("127.0.0.1:1".parse().unwrap()).unwrap();
        assert!(!nobody.peer_is_here());
    }

    #[test]
    fn an_address_is_one_in_all_its_forms() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_eq!(parse("2001:db8:0:1::2"), parse("2001:db8:0:1:ffff::3"));
        assert_ne!(parse("2001:db8:0:1::2"), parse("2001:db8:0:2::2"));
        assert_ne!(parse("10.0.0.1"), parse("10.0.0.2"));
    }
}
