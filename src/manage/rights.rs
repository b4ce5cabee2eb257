//! Who may say what: the one table of rights. Pure.

use std::fmt;

use crate::common::keyring;
use crate::common::keys::{Public, Role};
use crate::common::limits::HOST_MAX_BYTES;
use crate::common::message::{Code, Message, Role as Purpose};

/// Who is behind a connection, by the key that was proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Bearer {
    /// Nobody yet: the handshake isn't over.
    #[default]
    Unknown,
    /// Somebody whose key isn't authorized, or not any more.
    Stranger(Public),
    /// Somebody of whom it can't be said now whether his key is authorized.
    Unsure,
    /// Anybody: no keys are in use, and everybody may do everything.
    Anyone,
    /// The holder of this key, which has this role and name.
    Key(Role, String, Public),
}

impl From<keyring::Bearer> for Bearer {
    fn from(bearer: keyring::Bearer) -> Self {
        match bearer {
            keyring::Bearer::Key(role, name, key) => Self::Key(role, name, key),
            keyring::Bearer::Unsure => Self::Unsure,
            keyring::Bearer::Stranger(key) => Self::Stranger(key),
        }
    }
}

impl fmt::Display for Bearer {
    /// For a log, behind something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(role, name, _) => write!(f, " ({role} {name})"),
            Self::Stranger(key) => write!(f, " (key {key})"),
            Self::Unknown | Self::Unsure | Self::Anyone => Ok(()),
        }
    }
}

impl Bearer {
    /// Its key, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<Public> {
        if let Self::Key(_, _, key) = self { Some(*key) } else { None }
    }

    /// What a compute of this bearer is called that calls its host `host`. Who has a key of his own name can't be taken for
    /// another, whatever he says.
    ///
    /// # Errors
    /// Why it can't be called so.
    pub fn name_of(&self, host: String) -> Result<String, String> {
        let Self::Key(role, name, _) = self else { return Ok(host) };
        if host.contains('@') {
            return Err("1:1: with keys, a host's name has no @: behind it stands the key's".to_owned());
        }
        let whole = if name == role.name() { host } else { format!("{host}@{name}") };
        if whole.len() > HOST_MAX_BYTES {
            Err("1:1: the names of host and key are too long together".to_owned())
        } else {
            Ok(whole)
        }
    }

    /// That this bearer may say `message`.
    ///
    /// # Errors
    /// What it is refused with.
    pub fn check(&self, message: &Message) -> Result<(), (Code, String)> {
        match self {
            Self::Anyone => Ok(()),
            Self::Key(role, ..) if may(*role, message) => Ok(()),
            Self::Key(role, ..) => {
                let what = match message {
                    Message::Hello(hello) => format!("say hello as {}", hello.role),
                    message => format!("say {}", message.name()),
                };
                Err((Code::Forbidden, format!("1:1: a key of role {role} may not {what}")))
            }
            Self::Unknown | Self::Stranger(_) => {
                let text = "1:1: this key is not authorized here: it has no line in manage's list, or not any more";
                Err((Code::Unauthorized, text.to_owned()))
            }
            Self::Unsure => Err((
                Code::Busy,
                "1:1: it can't be said now whether this key is authorized: see manage's log".to_owned(),
            )),
        }
    }
}

/// The table. What isn't in it is for manage alone to say.
#[must_use]
pub fn may(role: Role, message: &Message) -> bool {
    let worker = role == Role::Worker;
    let operator = role == Role::Operator;
    let reader = operator || role == Role::Viewer;
    match message {
        Message::Hello(hello) => match hello.role {
            Purpose::Compute | Purpose::Control => worker,
            Purpose::Report => reader,
        },
        Message::Speed(_) | Message::Request(_) | Message::Alive(_) | Message::Found(_) => worker,
        Message::Query(_) => reader,
        Message::Signal(_) => operator,
        Message::Error(_) => worker || reader,
        _ => false,
    }
}
