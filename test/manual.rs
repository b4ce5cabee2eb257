//! The man pages against the programs: the same flags, the same defaults, every exit status; and `--help` stays short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use aliquot::{agent, collect, compute, loot, manage, pow, report};
use clap::{Arg, Command, CommandFactory};

/// The sections that every page has, in this order.
const SECTIONS: &[&str] = &[
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "SIGNALS",
    "ENVIRONMENT",
    "FILES",
    "EXIT STATUS",
    "EXAMPLES",
    "DIAGNOSTICS",
    "SEE ALSO",
    "CAVEATS",
];
/// Lines that the help of one flag may have, 100 columns wide.
const HELP_MAX_LINES: usize = 2;

/// The programs, as clap knows them.
fn programs() -> Vec<Command> {
    let mut programs = vec![
        manage::options::Options::command(),
        compute::options::Options::command(),
        report::options::Options::command(),
        pow::options::Options::command(),
        loot::options::Options::command(),
        collect::options::Options::command(),
        agent::options::Options::command(),
    ];
    programs.iter_mut().for_each(Command::build);
    programs
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn page(program: &Command) -> String {
    let path = root().join(format!("doc/{}.1", program.get_name()));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What takes arguments: a program, or each of its commands. With the part of the page's description that is about it.
fn parts() -> Vec<(String, Command, String)> {
    let mut parts = Vec::new();
    for program in programs() {
        let (name, page) = (program.get_name().to_owned(), page(&program));
        let description = section(&page, "DESCRIPTION");
        let own = if program.has_subcommands() {
            description.split("\n.Ss ").next().unwrap_or_default()
        } else {
            description
        };
        for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
            let title = format!("\n.Ss {name} {}\n", command.get_name());
            let (_, text) = description.split_once(&title).unwrap_or_else(|| panic!("doc/{name}.1: no {title}"));
            let text = text.split("\n.Ss ").next().unwrap_or_default();
            // Its help is every command's, and said once.
            let command = command
                .clone()
                .mut_args(|argument| argument.clone().hide(["help", "version"].contains(&argument.get_id().as_str())));
            parts.push((name.clone(), command, format!("\n{text}")));
        }
        parts.push((name, program.clone(), own.to_owned()));
    }
    parts
}

/// The arguments of a program or command that a page explains.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !argument.is_hide_set())
}

/// The lines of one section of a page.
fn section<'p>(page: &'p str, name: &str) -> &'p str {
    let rest = page.split_once(&format!("\n.Sh {name}\n")).unwrap_or_else(|| panic!("no section {name}")).1;
    rest.split_once("\n.Sh ").map_or(rest, |(section, _)| section)
}

/// The flags that a line of mdoc names: `.It Fl v , Fl -verbose` gives `-v` and `--verbose`.
fn flags_of(line: &str) -> BTreeSet<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).filter(|pair| pair[0].ends_with("Fl")).map(|pair| format!("-{}", pair[1])).collect()
}

/// The options that a page explains: their flags, and the text below.
fn explained(description: &str) -> Vec<(BTreeSet<String>, String)> {
    let mut explained = Vec::new();
    for item in description.split("\n.It ").skip(1) {
        let (head, text) = item.split_once('\n').expect("an item has a text");
        let flags = flags_of(head);
        if !flags.is_empty() {
            let text = text.split_once("\n.El").map_or(text, |(text, _)| text);
            explained.push((flags, text.to_owned()));
        }
    }
    explained
}

/// The flags of an argument; none if it is positional.
fn flags(argument: &Arg) -> BTreeSet<String> {
    let long = argument.get_long().map(|long| format!("--{long}"));
    argument.get_short().map(|short| format!("-{short}")).into_iter().chain(long).collect()
}

/// The default that clap fills in for an option that takes a value.
fn default(argument: &Arg) -> Option<&str> {
    let value = argument.get_default_values().first()?.to_str()?;
    argument.get_action().takes_values().then_some(value)
}

#[test]
fn pages_and_programs_have_the_same_flags() {
    for (page_name, program, description) in parts() {
        let name = program.get_name();
        let known: BTreeSet<_> = arguments(&program).map(flags).filter(|flags| !flags.is_empty()).collect();
        let explained: BTreeSet<_> = explained(&description).into_iter().map(|(flags, _)| flags).collect();
        assert_eq!(explained, known, "doc/{page_name}.1 explains, {name} knows");
        let page = fs::read_to_string(root().join(format!("doc/{page_name}.1"))).expect("the page is there");
        let synopsis: BTreeSet<String> = section(&page, "SYNOPSIS").lines().flat_map(flags_of).collect();
        for flags in known {
            let short = |flag: &String| synopsis.iter().any(|it| !it.starts_with("--") && it.contains(&flag[1..2]));
            let named = flags.iter().any(|flag| synopsis.contains(flag) || (flag.len() == 2 && short(flag)));
            assert!(named, "doc/{page_name}.1: the synopsis lacks {flags:?}");
        }
    }
}

#[test]
fn pages_and_programs_have_the_same_defaults() {
    for (page_name, program, description) in parts() {
        let name = program.get_name();
        for argument in arguments(&program) {
            // Of this host's cores there are as many as there are.
            let default = default(argument).filter(|_| !argument.is_hide_default_value_set());
            let Some((_, text)) = explained(&description).into_iter().find(|(named, _)| *named == flags(argument))
            else {
                let text = description.replace('\n', " ");
                let stated = default.is_none_or(|default| text.contains(&format!("else {default}.")));
                assert!(stated, "doc/{page_name}.1: the default of an operand of {name}");
                continue;
            };
            // A default of several words is one that the program looks for elsewhere.
            let stated = text.lines().find_map(|line| line.strip_prefix("The default is ")?.strip_suffix('.'));
            let stated = stated.filter(|value| !value.contains(' '));
            assert_eq!(stated, default, "doc/{page_name}.1 and {name} about the default of {:?}", flags(argument));
        }
    }
}

#[test]
fn pages_name_the_environment() {
    for program in programs() {
        let page = page(&program);
        for variable in program.get_arguments().filter_map(Arg::get_env) {
            let item = format!("\n.It Ev {}\n", variable.to_str().expect("a variable has a plain name"));
            assert!(section(&page, "ENVIRONMENT").contains(&item), "doc/{}.1: {item}", program.get_name());
        }
    }
}

#[test]
fn pages_name_every_exit_status() {
    let source = fs::read_to_string(root().join("src/common/exit.rs")).expect("exit.rs is there");
    let numbers = source.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse().ok());
    let known: BTreeSet<u8> = numbers.collect();
    assert!(known.contains(&0) && known.len() > 3, "{known:?}");
    for program in programs() {
        let page = page(&program);
        let items = section(&page, "EXIT STATUS").lines().filter_map(|line| line.strip_prefix(".It "));
        let named: BTreeSet<u8> = items.flat_map(|item| item.split(" , ")).filter_map(|it| it.parse().ok()).collect();
        assert_eq!(named, known, "doc/{}.1, EXIT STATUS", program.get_name());
    }
}

#[test]
fn pages_are_whole_and_mandoc_has_no_complaint() {
    for program in programs() {
        let (name, page) = (program.get_name(), page(&program));
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".Sh ")).collect();
        assert_eq!(sections, SECTIONS, "doc/{name}.1");
        let path = root().join(format!("doc/{name}.1"));
        let output = Process::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(path).output();
        let output = output.expect("mandoc, from the package mandoc, is needed by this test");
        assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn help_is_short_and_clear() {
    for mut program in parts().into_iter().map(|(_, program, _)| program.term_width(100)) {
        let help = program.render_help().to_string();
        for argument in arguments(&program) {
            let name = argument.get_id();
            let text = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(text.starts_with(char::is_uppercase) && !text.ends_with('.'), "{name}: {text:?}");
        }
        // A command may have none.
        let Some((_, options)) = help.split_once("\nOptions:\n") else { continue };
        let options = options.split_once("\n\n").map_or(options, |(options, _)| options);
        // What isn't the first line of an option is indented further.
        let mut lines = 0;
        for line in options.lines() {
            lines = if line.trim_start().starts_with('-') { 1 } else { lines + 1 };
            assert!(lines <= HELP_MAX_LINES, "more than {HELP_MAX_LINES} lines:\n{help}");
        }
    }
}
