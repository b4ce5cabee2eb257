//! A directory and the programs that run in it.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::thread::panicking;

use serde_json::Value;
use tempfile::TempDir;

use super::ledger::Ledger;
use super::process::Process;

/// What one test plays in. When it goes, so does all that was started in it.
pub struct Scene {
    directory: TempDir,
    started: RefCell<Vec<Rc<Process>>>,
}

/// A manage that listens.
pub struct Manage {
    process: Rc<Process>,
    /// Where.
    pub address: SocketAddr,
    /// What it was started through; its reports are asked for through the same.
    through: String,
    /// The keys that it was started with, which its computes and reports need too.
    keys: String,
}

impl Manage {
    /// Waits until `process` listens; `Err` if it ends before.
    fn of(process: Rc<Process>, through: &str, arguments: &str) -> Result<Self, Rc<Process>> {
        match process.log.line_or_end("listening on ") {
            Some(line) => {
                let keys = arguments.split_whitespace().skip_while(|word| *word != "--keys").nth(1).unwrap_or_default();
                let keys = keys.to_owned();
                Ok(Self { address: address(&line), process, through: through.to_owned(), keys })
            }
            None => Err(process),
        }
    }

    /// Its process, to be kept beside it.
    pub fn process(&self) -> Rc<Process> {
        Rc::clone(&self.process)
    }
}

impl Deref for Manage {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Scene {
    /// An empty directory.
    pub fn new() -> Self {
        let _ = nix::sys::prctl::set_child_subreaper(true);
        let directory = TempDir::with_prefix("aliquot-").expect("a directory can be made");
        Self { directory, started: RefCell::default() }
    }

    /// The path of `name` in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts one of the programs in the directory; `arguments` are separated by spaces.
    pub fn start(&self, program: &str, arguments: &str) -> Rc<Process> {
        self.run(Command::new(executable(program)), arguments)
    }

    /// Starts one of the programs through another command, such as `taskset -c 0`, if any.
    pub fn start_through(&self, wrapper: &str, program: &str, arguments: &str) -> Rc<Process> {
        self.start_by(wrapper.split_whitespace(), program, arguments)
    }

    /// Starts one of the programs through another command, given word by word.
    pub fn start_by<S: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
        program: &str,
        arguments: &str,
    ) -> Rc<Process> {
        let mut words = words.into_iter();
        let Some(name) = words.next() else { return self.start(program, arguments) };
        let mut command = Command::new(name);
        command.args(words).arg(executable(program));
        self.run(command, arguments)
    }

    /// Starts another program in the directory.
    pub fn start_command(&self, words: &[&str]) -> Rc<Process> {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.run(command, "")
    }

    /// Starts one of the programs with a terminal as its standard error.
    pub fn start_on_terminal(&self, program: &str, arguments: &str) -> Rc<Process> {
        self.run_by(Process::start_on_terminal, Command::new(executable(program)), arguments)
    }

    /// Starts one of the programs; its standard input is what the test writes.
    pub fn start_with_input(&self, program: &str, arguments: &str) -> Rc<Process> {
        self.run_by(Process::start_with_input, Command::new(executable(program)), arguments)
    }

    /// Starts one of the programs at a terminal, where the test types.
    pub fn start_at_terminal(&self, program: &str, arguments: &str) -> Rc<Process> {
        self.run_by(Process::start_at_terminal, Command::new(executable(program)), arguments)
    }

    fn run(&self, command: Command, arguments: &str) -> Rc<Process> {
        self.run_by(Process::start, command, arguments)
    }

    fn run_by(&self, start: fn(Command) -> Process, mut command: Command, arguments: &str) -> Rc<Process> {
        command.args(arguments.split_whitespace()).current_dir(self.directory.path());
        command
            .env_remove("ALIQUOT_MANAGE")
            .env_remove("ALIQUOT_KEYS")
            .env_remove("ALIQUOT_COLLECT")
            .env_remove("JOURNAL_STREAM");
        let process = Rc::new(start(command));
        self.started.borrow_mut().push(Rc::clone(&process));
        process
    }

    /// Starts manage on a free port with the ledger `search.db`, and waits until it listens.
    pub fn manage(&self, arguments: &str) -> Manage {
        self.manage_at("127.0.0.1:0", arguments)
    }

    /// Starts manage where a former one has listened.
    pub fn manage_again(&self, former: &Manage, arguments: &str) -> Manage {
        self.manage_at(&former.address.to_string(), arguments)
    }

    /// Starts manage at `listen`, and waits until it listens.
    pub fn manage_at(&self, listen: &str, arguments: &str) -> Manage {
        self.manage_through("", listen, arguments)
    }

    /// Starts manage at `listen` through another command, and waits until it listens.
    pub fn manage_through(&self, wrapper: &str, listen: &str, arguments: &str) -> Manage {
        self.try_manage(wrapper, listen, arguments).unwrap_or_else(|ended| panic!("{}", ended.evidence()))
    }

    /// As `manage_through`; `Err` if it ends before it listens.
    pub fn try_manage(&self, wrapper: &str, listen: &str, arguments: &str) -> Result<Manage, Rc<Process>> {
        let process = self.start_through(wrapper, "manage", &format!("--listen {listen} {arguments}"));
        Manage::of(process, wrapper, arguments)
    }

    /// Starts manage through another command, given word by word, and waits until it listens.
    pub fn manage_by<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>, arguments: &str) -> Manage {
        let process = self.start_by(words, "manage", &format!("--listen 127.0.0.1:0 {arguments}"));
        Manage::of(process, "", arguments).unwrap_or_else(|ended| panic!("{}", ended.evidence()))
    }

    /// Starts the manage at `path`, a copy in the directory, and waits until it listens.
    pub fn manage_of(&self, path: &str, arguments: &str) -> Manage {
        let process = self.run(Command::new(self.path(path)), &format!("--listen 127.0.0.1:0 {arguments}"));
        Manage::of(process, "", arguments).unwrap_or_else(|ended| panic!("{}", ended.evidence()))
    }

    /// Starts a compute of `manage`; it isn't connected yet when this returns.
    pub fn compute(&self, manage: &Manage, arguments: &str) -> Rc<Process> {
        let own = arguments.contains("--keys") || manage.keys.is_empty();
        let keys = if own { String::new() } else { format!("--keys {}", manage.keys) };
        self.start("compute", &format!("{} {keys} {arguments}", manage.address))
    }

    /// Starts a compute of `manage` with the name `host`, and waits until it has tested something of its range.
    pub fn busy_compute(&self, manage: &Manage, host: &str) -> Rc<Process> {
        let compute = self.compute(manage, &format!("--host {host}"));
        super::until("a busy compute", || {
            self.computes(manage).into_iter().find(|c| c["host"] == host && is_at_work(c))
        });
        compute
    }

    /// What `report --json` says.
    pub fn report(&self, manage: &Manage) -> Value {
        let keys = if manage.keys.is_empty() { String::new() } else { format!("--keys {}", manage.keys) };
        let report = self.start_through(&manage.through, "report", &format!("{} --json {keys}", manage.address));
        assert_eq!(report.wait(), 0);
        self.forget(&report);
        serde_json::from_str(&report.stdout.all()).expect("report --json prints JSON")
    }

    /// Keeps no more of a process that has ended, where there are many.
    pub fn forget(&self, ended: &Rc<Process>) {
        self.started.borrow_mut().retain(|other| !Rc::ptr_eq(other, ended));
    }

    /// The computes of [`Self::report`].
    pub fn computes(&self, manage: &Manage) -> Vec<Value> {
        self.report(manage)["computes"].as_array().expect("an array").clone()
    }

    /// The ledger `search.db` as it is now. If manage runs, its state of the last quiet moment.
    pub fn ledger(&self) -> Ledger {
        Ledger::copy_of(&self.path("search.db"))
    }

    /// Ends whatever still runs.
    pub fn end(&self) {
        for process in self.started.borrow().iter() {
            if panicking() {
                eprintln!("{}", process.evidence());
            }
            process.destroy();
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.end();
    }
}

/// The address that a line of manage's log ends with.
fn address(line: &str) -> SocketAddr {
    line.rsplit(' ').next().and_then(|address| address.parse().ok()).expect("an address")
}

/// True if a compute in a report has tested something of its range.
fn is_at_work(compute: &Value) -> bool {
    compute["state"] == "busy" && compute["rate_per_s"].as_u64() > Some(0)
}

/// A number of a report, which may be a string there.
pub fn number(value: &Value) -> u64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    text.or(value.as_u64()).unwrap_or_else(|| panic!("{value} is no number"))
}

/// The path of one of the programs.
pub fn executable(program: &str) -> &'static Path {
    Path::new(match program {
        "manage" => env!("CARGO_BIN_EXE_manage"),
        "compute" => env!("CARGO_BIN_EXE_compute"),
        "report" => env!("CARGO_BIN_EXE_report"),
        "pow" => env!("CARGO_BIN_EXE_pow"),
        "loot" => env!("CARGO_BIN_EXE_loot"),
        "collect" => env!("CARGO_BIN_EXE_collect"),
        "agent" => env!("CARGO_BIN_EXE_agent"),
        _ => panic!("no program {program}"),
    })
}
