//! What manage and compute have given up: tried from inside, in a process that has entered the same sandbox.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::chown;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use aliquot::common::sandbox::{Needs, enclose, enter};
use aliquot::manage::options::Options;
use aliquot::{compute, manage};
use clap::Parser;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, listen, socket};
use nix::unistd::{Pid, User, execv, fexecve};

use crate::support::{Process, Scene, until};
use crate::torture::is_root;

/// Says what the process inside is, and where the outside is.
const INSIDE: &str = "ALIQUOT_TEST_INSIDE";

/// The outside, as the process inside is told of it.
#[derive(Clone)]
struct Outside {
    /// Whose sandbox: compute's, that of one with a pusher, manage's, that of a manage with computes, or none.
    whose: String,
    /// A directory with a file `secret`, and `ledger/search.db`.
    directory: PathBuf,
    /// Where manage would listen, and where somebody else does.
    manage: SocketAddr,
    other: SocketAddr,
    /// A process that has nothing to do with it.
    stranger: Pid,
    /// The name of an abstract socket.
    socket: String,
}

impl Outside {
    fn of(text: &str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        Self {
            whose: words[0].to_owned(),
            directory: words[1].into(),
            manage: words[2].parse().unwrap(),
            other: words[3].parse().unwrap(),
            stranger: Pid::from_raw(words[4].parse().unwrap()),
            socket: words[5].to_owned(),
        }
    }

    fn needs(&self) -> Option<Needs> {
        let ledger = self.directory.join("ledger/search.db");
        let options = |more: &[&str]| {
            let given = [&["manage", "--ledger", ledger.to_str().unwrap()], more].concat();
            manage::needs(&Options::parse_from(given), "/bin/echo".into(), self.manage)
        };
        match self.whose.as_str() {
            "compute" => Some(compute::needs(&self.manage.to_string())),
            "pushing" => Some(Needs { is_enclosed: true, ..compute::needs(&self.manage.to_string()) }),
            "manage" => Some(options(&[])),
            "computes" => Some(options(&["--computes", "2"])),
            _ => None,
        }
    }
}

/// What is tried: its name, and whether a process outside of the sandbox may try it as well without harm.
type Act = (&'static str, bool, fn(&Outside) -> io::Result<()>);

const FORBIDDEN: &[Act] = &[
    ("write a file", true, |it| File::create(it.directory.join("new")).map(drop)),
    ("write beside the ledger", true, |it| File::create(it.directory.join("ledger/new")).map(drop)),
    ("write a device", true, |_| File::options().write(true).open("/dev/null").map(drop)),
    ("remove a file", true, |it| fs::remove_file(it.directory.join("scrap"))),
    ("read a secret", true, |it| fs::read(it.directory.join("secret")).map(drop)),
    ("start a program", false, |_| become_program("/bin/true")),
    ("read a program", true, |_| fs::read("/bin/true").map(drop)),
    ("start a program from memory", false, |_| {
        let memory = memfd_create(c"program", MFdFlags::empty())?;
        File::from(memory.try_clone()?).write_all(&fs::read("/usr/lib/os-release")?)?;
        fexecve(memory, &[c"program"], &[c""])?;
        Ok(())
    }),
    ("connect elsewhere", true, |it| TcpStream::connect(it.other).map(drop)),
    ("listen at a port", true, |_| TcpListener::bind("127.0.0.1:0").map(drop)),
    ("listen at any port", true, |_| {
        let stream = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
        Ok(listen(&stream, Backlog::new(1)?)?)
    }),
    ("signal a stranger", true, |it| Ok(kill(it.stranger, Signal::SIGCONT)?)),
    ("trace a stranger", false, |it| Ok(ptrace::attach(it.stranger)?)),
    ("mount", false, |it| Ok(mount(Some("none"), &it.directory, Some("tmpfs"), MsFlags::empty(), None::<&str>)?)),
    ("make a namespace", false, |_| Ok(unshare(CloneFlags::CLONE_NEWUSER)?)),
    ("see all packets", true, |_| Ok(socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None).map(drop)?)),
    ("talk to an abstract socket", true, |it| {
        UnixStream::connect_addr(&UnixAddr::from_abstract_name(&it.socket)?).map(drop)
    }),
];

const ALLOWED: &[Act] = &[
    ("look up a name", true, |_| fs::read("/etc/hosts").map(drop)),
    ("look at itself", true, |_| fs::read_dir("/proc/self/fd").map(drop)),
    ("signal itself", true, |_| Ok(kill(Pid::this(), Signal::SIGCONT)?)),
];

fn become_program(path: &str) -> io::Result<()> {
    let path = CString::new(path)?;
    execv(&path, &[path.as_c_str()])?;
    Ok(())
}

/// Enters a sandbox and tries everything, in a process of its own: a line each, with what came of it.
#[test]
#[ignore = "the other tests of this file run it in a process of its own"]
fn inside() {
    let Ok(outside) = std::env::var(INSIDE) else { return };
    let outside = Outside::of(&outside);
    let needs = outside.needs();
    if needs.as_ref().is_some_and(|needs| needs.is_enclosed) {
        enclose().expect("it can be entered");
    }
    if let Some(needs) = &needs {
        println!("{}", enter(needs).expect("it can be entered"));
    }
    for (name, _, act) in FORBIDDEN.iter().filter(|(_, harmless, _)| *harmless || needs.is_some()) {
        println!("{name}: {}", act(&outside).map_or_else(|error| format!("refused: {error}"), |()| "done".to_owned()));
    }
    let ledger = File::options().write(true).open(outside.directory.join("ledger/search.db")).map(drop);
    let manage = TcpStream::connect(outside.manage).map(drop);
    for (name, outcome) in [("write the ledger", ledger), ("connect to manage", manage)] {
        println!("{name}: {}", outcome.map_or_else(|error| format!("refused: {error}"), |()| "done".to_owned()));
    }
    for (name, _, act) in ALLOWED {
        act(&outside).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// What a process in the sandbox of `whose` could do, line by line.
fn tried(whose: &str) -> String {
    let scene = Scene::new();
    fs::create_dir(scene.path("ledger")).unwrap();
    for file in ["secret", "scrap", "ledger/search.db"] {
        fs::write(scene.path(file), "x").unwrap();
    }
    let (manage, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let stranger = scene.start_command(&["sleep", "60"]);
    let socket = format!("aliquot-test-{}", fastrand::u64(..));
    let _listens = UnixListener::bind_addr(&UnixAddr::from_abstract_name(&socket).unwrap()).unwrap();
    let (manage, other) =
        (manage.local_addr().map(|at| (at, manage)).unwrap(), other.local_addr().map(|at| (at, other)).unwrap());
    let inside = format!("{whose} {} {} {} {} {socket}", scene.path("").display(), manage.0, other.0, stranger.pid());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["sandbox::inside", "--exact", "--ignored", "--nocapture"])
        .env(INSIDE, inside)
        .output()
        .expect("this program can be started again");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// What came of the act `name`.
fn outcome<'t>(said: &'t str, name: &str) -> &'t str {
    let line = said.lines().find_map(|line| line.split_once(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("{name} wasn't tried:\n{said}")).1
}

#[test]
fn nothing_forbidden_can_be_done_from_inside() {
    if !is_root("seeing that the same succeeds outside") {
        return;
    }
    let free = tried("nobody");
    for (name, ..) in FORBIDDEN.iter().filter(|(_, harmless, _)| *harmless) {
        assert_eq!(outcome(&free, name), "done", "{name}, outside");
    }
    let all = [("compute", false, true), ("pushing", false, true), ("manage", true, false), ("computes", true, true)];
    for (whose, ledger, manage) in all {
        let said = tried(whose);
        assert!(said.contains("Landlock, seccomp"), "this kernel lacks something:\n{said}");
        for (name, ..) in FORBIDDEN {
            assert!(outcome(&said, name).starts_with("refused: "), "{whose}: {name}\n{said}");
        }
        assert_eq!(outcome(&said, "write the ledger") == "done", ledger, "{whose}\n{said}");
        assert_eq!(outcome(&said, "connect to manage") == "done", manage, "{whose}\n{said}");
    }
}

/// A line of /proc/PID/status.
fn status_of(pid: Pid, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field}")).trim().to_owned()
}

#[test]
fn every_process_of_a_search_is_inside() {
    let scene = Scene::new();
    let manage = scene.manage("--seconds 1000 --computes 1");
    let compute = scene.busy_compute(&manage, "another");
    let local = manage.only_child();
    let several = scene.compute(&manage, "--count 2");
    let two = until("both of them", || (several.children().len() == 2).then(|| several.children()));
    let monitors = [compute.only_child().pid, until("its monitor", || local.children().first().map(|it| it.pid))];
    for pid in [manage.pid(), compute.pid(), local.pid].into_iter().chain(monitors).chain([
        several.pid(),
        two[0].pid,
        two[1].pid,
    ]) {
        assert_eq!(
            (status_of(pid, "NoNewPrivs"), status_of(pid, "Seccomp")),
            ("1".to_owned(), "2".to_owned()),
            "{pid}"
        );
    }
    manage.log.line(&format!("sandbox: writes {}", scene.path("search.db").display()));
    compute.log.line("sandbox: writes nowhere, starts nothing, connects to port ");
}

/// strace(1) plays the part of a kernel that has less.
#[test]
fn what_a_kernel_lacks_is_said_and_the_search_goes_on() {
    let landlock = ("landlock_create_ruleset:error=ENOSYS", "NO Landlock in this kernel: files, connections");
    let seccomp = ("seccomp:error=EINVAL", "NO seccomp in this kernel");
    for (lacking, said) in [landlock, seccomp] {
        let scene = Scene::new();
        let inject = format!("inject={lacking}");
        let strace =
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=landlock_create_ruleset,seccomp", "-e", &inject];
        let manage = scene.manage_by(strace, "--last 1000000 --seconds 0.1 --computes 1");
        assert!(manage.log.line("sandbox: ").contains(said));
        assert_eq!(manage.wait_gone(), 0);
    }
}

/// Started by root they become somebody else, with nothing left of root.
#[test]
fn root_is_given_up() {
    if !is_root("becoming another user") {
        return;
    }
    let scene = Scene::new();
    let nobody = User::from_name("nobody").unwrap().expect("there is a user nobody");
    let own = |path: &str| chown(scene.path(path), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    own("");
    let made = scene.start("manage", "--init-keys keys --user nobody");
    assert_eq!(made.wait(), 0);
    let manage = scene.manage("--keys keys --user nobody --seconds 1000 --computes 1");
    let own: Vec<Rc<Process>> = vec![scene.compute(&manage, "--user nobody")];
    until("both computes at work", || {
        (scene.computes(&manage).iter().filter(|it| it["state"] == "busy").count() == 2).then_some(())
    });
    let uids = ["\t"; 4].map(|_| nobody.uid.to_string()).join("\t");
    for pid in [manage.pid(), manage.only_child().pid, own[0].pid(), own[0].only_child().pid] {
        assert_eq!(status_of(pid, "Uid"), uids);
        assert_eq!(status_of(pid, "CapEff"), "0000000000000000");
    }
    assert!(!manage.log.text().contains("running as root"));
}

#[test]
fn nobody_becomes_a_user_that_there_is_not() {
    let scene = Scene::new();
    let refused = scene.start("manage", "--listen 127.0.0.1:0 --user nosuchuser --ledger :memory:");
    assert_eq!(refused.wait(), 2);
    refused.log.line("--user nosuchuser: there is no such user");
    if is_root("being somebody else") {
        let wrapper = "setpriv --reuid=65534 --regid=65534 --clear-groups";
        let refused = scene.start_through(wrapper, "compute", "--user root 127.0.0.1:1");
        assert_eq!(refused.wait(), 2);
        refused.log.line("--user root: only root can become another user");
    }
}
