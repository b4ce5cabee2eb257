//! epoll(7), edge-triggered, for those who have too many descriptors to rebuild a set of them each turn: the kernel keeps the
//! set, and an owner that closes its descriptor takes it out of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll as Kernel, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Events that one `wait` brings at most; further ones come with the next.
const EVENTS_TURN_MAX: usize = 256;
/// The name under which a waker's event comes.
const WAKER: u64 = u64::MAX;

/// What has changed at one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The name that it was added with.
    pub name: u64,
    /// There is something new to read, an end or an error included.
    pub readable: bool,
    /// There is room again to write.
    pub writable: bool,
    /// The other side has ended its sending.
    pub ended: bool,
    /// The connection is broken, or closed by both sides.
    pub gone: bool,
}

/// A set of descriptors.
pub struct Epoll {
    kernel: Kernel,
    events: Vec<EpollEvent>,
}

impl Epoll {
    /// An empty set that `waker` wakes.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new(waker: &Waker) -> io::Result<Self> {
        let kernel = Kernel::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        kernel.add(&waker.0, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, WAKER))?;
        Ok(Self { kernel, events: vec![EpollEvent::empty(); EVENTS_TURN_MAX] })
    }

    /// Adds a descriptor, for all that can happen to it: each change is told once. It leaves the set when it is closed.
    ///
    /// # Errors
    /// When the system's memory or its limit of watches has run out.
    pub fn add(&self, fd: impl AsFd, name: u64) -> io::Result<()> {
        let all = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        Ok(self.kernel.add(fd, EpollEvent::new(all, name))?)
    }

    /// Waits until something has changed, the waker was called or `timeout` has passed; what has changed. A signal's
    /// interruption counts as time passed.
    ///
    /// # Errors
    /// What epoll_wait(2) says, but EINTR.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<impl Iterator<Item = Event> + use<'_>> {
        let ms = timeout.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
        let timeout = EpollTimeout::try_from(ms).unwrap_or(EpollTimeout::MAX);
        let count = match self.kernel.wait(&mut self.events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        Ok(self.events[..count].iter().map(event).filter(|event| event.name != WAKER))
    }
}

fn event(event: &EpollEvent) -> Event {
    let flags = event.events();
    let gone = flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
    Event {
        name: event.data(),
        readable: gone || flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP),
        writable: gone || flags.contains(EpollFlags::EPOLLOUT),
        ended: flags.contains(EpollFlags::EPOLLRDHUP),
        gone,
    }
}

/// What another thread wakes a waiting one with.
pub struct Waker(EventFd);

impl Waker {
    /// A waker that nobody has called yet.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new() -> io::Result<Self> {
        Ok(Self(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?))
    }

    /// Ends the present `wait`, or the next one: its edge isn't lost, and nobody has to take it back.
    pub fn wake(&self) {
        // It can only fail where 2^64 calls have come before.
        let _ = self.0.write(1);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use nix::unistd::write;

    #[test]
    fn a_change_is_told_once_and_a_call_ends_the_next_wait() {
        let waker = Waker::new().unwrap();
        let mut epoll = Epoll::new(&waker).unwrap();
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_NONBLOCK).unwrap();
        epoll.add(&ours, 7).unwrap();
        let told = |epoll: &mut Epoll| epoll.wait(Duration::ZERO).unwrap().collect::<Vec<_>>();
        let room = Event { name: 7, readable: false, writable: true, ended: false, gone: false };
        assert_eq!(told(&mut epoll), [room]);
        assert_eq!(told(&mut epoll), []);
        write(&theirs, b"a").unwrap();
        assert_eq!(told(&mut epoll), [Event { readable: true, ..room }]);
        waker.wake();
        waker.wake();
        assert_eq!(epoll.wait(Duration::from_secs(3_600)).unwrap().count(), 0);
        drop(theirs);
        assert_eq!(told(&mut epoll), [Event { readable: true, ended: true, gone: true, ..room }]);
        drop(ours);
        assert_eq!(told(&mut epoll), []);
    }
}
