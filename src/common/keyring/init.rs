//! `--init-keys`: makes the keys of a server and its clients. What is there already stays as it is.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::Path;

use nix::unistd::{Gid, Uid};

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::common::keys::{self, Authorized, KeyFile, Public, Role};
use crate::common::limits::KEY_NAME_MAX_BYTES;
use crate::common::sandbox;
use crate::common::tls;

use super::AUTHORIZED;

/// What the list of authorized keys begins with.
const HEADING: &str = "# Who may do what: a line a key: role, name, public key. It is read at each connection; who is\n\
                       # taken out is refused, and its open connections are closed within seconds.\n";

/// A key that somebody asks for: `ROLE:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    role: Role,
    name: String,
}

/// A parser of wishes for keys of this server's clients, for `clap`.
pub fn wish(server: Role) -> impl Fn(&str) -> std::result::Result<Wish, String> + Clone + Send + Sync + 'static {
    move |text| Wish::parse(text, server)
}

impl Wish {
    fn parse(text: &str, server: Role) -> std::result::Result<Self, String> {
        let example = || server.clients().next().map_or_else(String::new, |role| format!(", as in {role}:node02"));
        let (role, name) = text.split_once(':').ok_or_else(|| format!("not ROLE:NAME{}", example()))?;
        let role = Role::of_client(role, server)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_name = (1..=KEY_NAME_MAX_BYTES).contains(&name.len()) && name.chars().all(plain);
        let is_others = Role::ALL.iter().any(|other| other.name() == name && *other != role);
        if !is_name || name.starts_with('.') || is_others {
            return Err(format!("{name:?} is no name for a key: letters, digits, and - _ . within"));
        }
        Ok(Self { role, name: name.to_owned() })
    }

    fn of(role: Role) -> Self {
        Self { role, name: role.name().to_owned() }
    }
}

/// Makes what is missing of the keys in `directory`: this server's, one for each role of its clients, those `wished` for, and the
/// list. Gives what is to be said about it. For a `user` root makes the directory; the rest is done as that user, who so gets nothing of root's.
///
/// # Errors
/// Failed, when they can't be written; refused, if a key that is there isn't what it should be.
pub fn init(directory: &Path, server: Role, wished: &[Wish], user: Option<&str>) -> Result<String> {
    make_directory(directory, user)?;
    keys::check_directory(directory)?;
    let of_roles: Vec<_> = server.clients().map(Wish::of).collect();
    let list = directory.join(AUTHORIZED);
    let (key, mut said) = make_key(directory, &Wish::of(server), None)?;
    if !list.exists() {
        write_new(&list, HEADING).map_err(|error| failed(&list, &error))?;
        said += &describe(&list, "who may do what; without its line a key is worth nothing");
    }
    for wish in of_roles.iter().chain(wished) {
        said += &make_key(directory, wish, Some((key.server, &list)))?.1;
    }
    let all = || format!("{}: all keys are there already; nothing was changed\n", directory.display());
    Ok(if said.is_empty() { all() } else { said })
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(Status::Failed, format!("--init-keys: {}", path.display()), error)
}

/// Makes the directory, unless it is there, and becomes the user that it is for.
fn make_directory(directory: &Path, user: Option<&str>) -> Result<()> {
    let owner = user.map(sandbox::user).transpose()?;
    let parents = directory.parent().map_or(Ok(()), fs::create_dir_all);
    let made = parents.and_then(|()| DirBuilder::new().mode(0o700).create(directory));
    match made {
        Ok(()) => {
            let own = |(uid, gid): (Uid, Gid)| lchown(directory, Some(uid.as_raw()), Some(gid.as_raw()));
            owner.map_or(Ok(()), own).map_err(|error| failed(directory, &error))?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(directory, &error)),
    }
    user.map_or(Ok(()), sandbox::become_user)
}

/// Makes the key that is wished for, for the server of that key, and adds its line to that list: a server's own has neither. Gives
/// the key, made or found, and what is to be said if it was made.
fn make_key(directory: &Path, wish: &Wish, of: Option<(Public, &Path)>) -> Result<(KeyFile, String)> {
    let path = directory.join(format!("{}.key", wish.name));
    if path.symlink_metadata().is_ok() {
        let key = KeyFile::read(&path)?;
        if key.role != wish.role {
            return Err(failed(&path, &format!("it is there already, and its role is {}", key.role)));
        }
        let missing = of.map_or(Ok(None), |(_, list)| missing_line(list, wish, &key))?;
        return Ok((key, missing.unwrap_or_default()));
    }
    let secret = tls::random_secret()?;
    let public = tls::public(secret)?;
    if let Some((_, list)) = of {
        authorize(list, wish, public).map_err(|error| failed(list, &error))?;
    }
    let server = of.map_or(public, |(server, _)| server);
    let key = KeyFile { role: wish.role, name: wish.name.clone(), secret, server };
    write_new(&path, &key.text()).map_err(|error| failed(&path, &error))?;
    Ok((key, describe(&path, purpose(wish.role))))
}

/// What is to be said of a key that is there and not on the list: it may have been taken off on purpose.
fn missing_line(list: &Path, wish: &Wish, key: &KeyFile) -> Result<Option<String>> {
    let public = tls::public(key.secret)?;
    let told = || {
        let text = "is not authorized; to change that add the line";
        format!("{}.key {text}:\n{}", list.with_file_name(&wish.name).display(), line_of(wish, public))
    };
    Ok(Authorized::open(list, wish.role.server())?.entry(public).is_none().then(told))
}

/// The line of a key.
fn line_of(wish: &Wish, key: Public) -> String {
    format!("{:<9} {:<16} {key}\n", wish.role.name(), wish.name)
}

fn purpose(role: Role) -> &'static str {
    match role {
        Role::Manage => "stays on this host: manage --keys DIRECTORY",
        Role::Worker => "for hosts that compute: compute --keys FILE ADDR",
        Role::Viewer => "for those who may look: report --keys FILE ADDR",
        Role::Operator => "for those who may end the search too: report -k --keys FILE ADDR",
        Role::Collect => "stays on this host: collect --keys DIRECTORY",
        Role::Agent => "for hosts that are watched: agent --keys FILE ADDR",
    }
}

fn describe(path: &Path, what: &str) -> String {
    format!("{:<24} {what}\n", path.display().to_string())
}

/// Writes a file that isn't there yet, for its owner alone; it is there whole or not at all.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| file.write_all(text.as_bytes()));
    let done = written.and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&new, path));
    let _ = fs::remove_file(&new);
    done
}

/// Adds a key's line to the list, on the disk before its secret is.
fn authorize(list: &Path, wish: &Wish, key: Public) -> io::Result<()> {
    let mut file = File::options().read(true).append(true).open(list)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // An editor may have left the last line without its end.
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{end}{}", line_of(wish, key)).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_a_role_and_a_name() {
        for fine in ["worker:node02", "operator:ann.b", "viewer:viewer"] {
            assert!(Wish::parse(fine, Role::Manage).is_ok(), "{fine}");
        }
        assert!(Wish::parse("agent:web-1", Role::Collect).is_ok());
        let other = |wish, server| Wish::parse(wish, server).unwrap_err();
        assert_eq!(other("agent:web-1", Role::Manage), "the role is worker, viewer or operator");
        assert_eq!(other("worker:node02", Role::Collect), "the role is agent");
        assert_eq!(other("web-1", Role::Collect), "not ROLE:NAME, as in agent:node02");
        for fault in [
            "worker",
            "manage:a",
            "boss:a",
            "worker:",
            "worker:a/b",
            "worker:a@b",
            "worker:..",
            "worker:manage",
            "worker:operator",
            "worker:a b",
        ] {
            assert!(Wish::parse(fault, Role::Manage).is_err(), "{fault}");
        }
    }
}
