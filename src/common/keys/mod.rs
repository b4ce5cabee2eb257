//! Keys: who may do what. A key is an Ed25519 key pair; there is no certificate, no authority and no expiry.
//!
//! A key file holds one secret and the public key of the server that it is for, so that one file is all that a host needs.

mod authorized;
mod file;

use std::fmt;

pub use authorized::{Authorized, Entry};
pub use file::{KeyFile, check_directory, find, load, named};

use super::named::named;

/// Bytes of a public key, and of the seed that a secret key is made from (RFC 8032).
pub const KEY_BYTES: usize = 32;

named! {
    /// What the holder of a key is.
    Role {
        /// The master of a search: others know it by its key.
        Manage = "manage",
        /// Computes ranges and hands in results.
        Worker = "worker",
        /// Reads reports.
        Viewer = "viewer",
        /// Reads reports, and may end the search.
        Operator = "operator",
        /// Takes metrics: agents know it by its key.
        Collect = "collect",
        /// Pushes metrics.
        Agent = "agent",
    }
}

impl Role {
    /// Whom a key of this role is for: the server whose public key stands in its file. A server's is for itself.
    #[must_use]
    pub fn server(self) -> Self {
        match self {
            Self::Manage | Self::Worker | Self::Viewer | Self::Operator => Self::Manage,
            Self::Collect | Self::Agent => Self::Collect,
        }
    }

    /// The roles of those whom this server may know.
    pub fn clients(self) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |role| *role != self && role.server() == self)
    }

    /// The names of `clients` in a sentence: "worker, viewer or operator".
    fn clients_in_words(self) -> String {
        let names: Vec<_> = self.clients().map(Self::name).collect();
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => "none".to_owned(),
        }
    }

    /// The role called `name`, of those whom `server` may know.
    ///
    /// # Errors
    /// Which these are.
    pub fn of_client(name: &str, server: Self) -> Result<Self, String> {
        let role = name.parse().ok().filter(|role: &Self| server.clients().any(|client| client == *role));
        role.ok_or_else(|| format!("the role is {}", server.clients_in_words()))
    }
}

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Public(pub [u8; KEY_BYTES]);

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Public {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        parse_hex(text).map(Self).ok_or(())
    }
}

/// The seed of a secret key. It is never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; KEY_BYTES]);

impl Secret {
    /// As a key file has it.
    #[must_use]
    pub fn to_hex(self) -> String {
        Public(self.0).to_string()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret")
    }
}

/// Reads 64 hexadecimal digits.
fn parse_hex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut bytes = [0; KEY_BYTES];
    for (at, byte) in bytes.iter_mut().enumerate().filter(|_| digits) {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    digits.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_of_one_server() {
        let clients = |server: Role| server.clients().map(Role::name).collect::<Vec<_>>();
        assert_eq!(clients(Role::Manage), ["worker", "viewer", "operator"]);
        assert_eq!(clients(Role::Collect), ["agent"]);
        assert_eq!(clients(Role::Agent), [""; 0]);
    }

    #[test]
    fn a_client_of_another_server_is_none() {
        assert_eq!(Role::of_client("agent", Role::Collect), Ok(Role::Agent));
        assert_eq!(Role::of_client("worker", Role::Collect), Err("the role is agent".to_owned()));
        for other in ["agent", "manage", "boss"] {
            assert_eq!(Role::of_client(other, Role::Manage), Err("the role is worker, viewer or operator".to_owned()));
        }
    }
}
