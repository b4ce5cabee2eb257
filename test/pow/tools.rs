//! `pow solve` and `pow verify`.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::{Scene, executable, until};

const GOLDEN: [&str; 5] = ["aaaab", "aaacx", "aaaxh", "aaaLo", "agjHq"];

#[test]
fn the_first_seed_is_found_by_any_number_of_threads_and_every_kernel() {
    let scene = Scene::new();
    for kernel in aliquot::pow::sha::kernel::Kernel::all() {
        for threads in [1, 2, 5] {
            for (difficulty, seed) in (1..).zip(GOLDEN) {
                let arguments = format!("solve 70NVO -d {difficulty} --threads {threads} --kernel {}", kernel.name());
                let (status, line, _) = scene.run_pow(&arguments);
                assert_eq!(status, 0, "{arguments}");
                assert!(line.starts_with(&format!("70NVO,{seed},")), "{arguments}: {line}");
            }
        }
    }
}

#[test]
fn what_is_solved_is_verified() {
    let scene = Scene::new();
    let (_, line, _) = scene.run_pow("solve 70NVO -d 5");
    let line = line.trim_end();
    assert_eq!(line, "70NVO,agjHq,00000d812eebd3b4f03c267cc79f1153fc7a2adaac6a1b12b6e0ba2ad5116edd");
    let (status, said, _) = scene.run_pow(&format!("verify {line} -d 5"));
    assert_eq!((status, said), (0, format!("right  {line}\n")));
    let (status, said, log) = scene.run_pow(&format!("verify {line} -d 6"));
    assert_eq!((status, said), (1, format!("wrong  {line}: the hash begins with 5 zero digits only\n")));
    assert!(log.contains("verify: not proofs: 1 of 1"), "{log}");
    assert_eq!(scene.run_pow(&format!("verify -q {line} nonsense")), (1, String::new(), String::new()));
}

#[test]
fn another_seed_each_time_if_wanted() {
    let scene = Scene::new();
    let lines: Vec<_> = (0..3).map(|_| scene.run_pow("solve same --random -d 4").1).collect();
    assert!(lines[0] != lines[1] || lines[1] != lines[2], "{lines:?}");
    for line in lines {
        assert_eq!(scene.run_pow(&format!("verify -d 4 {line}")).0, 0);
    }
}

#[test]
fn lines_of_standard_input_are_verified() {
    let right = "70NVO,aaaaa,x\n70NVO,aaaab,0ed0fd961327cf732d47c57a779bfdc4aeb3e135fe3810608c95f68ee3f3ba11";
    assert_eq!(verify_input(right.as_bytes(), "1"), (Some(1), vec!["wrong".to_owned(), "right".to_owned()]));
    let right = "70NVO,aaaab,0ed0fd961327cf732d47c57a779bfdc4aeb3e135fe3810608c95f68ee3f3ba11\r\n";
    assert_eq!(verify_input(right.as_bytes(), "1"), (Some(0), vec!["right".to_owned()]));
    assert_eq!(verify_input(b"", "1"), (Some(1), vec![]));
    assert_eq!(verify_input(&vec![b'x'; 70_000], "1"), (Some(1), vec![]));
}

/// The exit status, and the verdicts.
fn verify_input(input: &[u8], difficulty: &str) -> (Option<i32>, Vec<String>) {
    let mut command = Command::new(executable("pow"));
    command.args(["verify", "-d", difficulty]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // It may have seen enough before its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), said.lines().map(|line| line[..5].to_owned()).collect())
}

#[test]
fn a_message_may_be_any_bytes_but_a_line_feed() {
    let run =
        |message: &[u8]| Command::new(executable("pow")).arg("solve").arg(OsStr::from_bytes(message)).output().unwrap();
    let output = run(b"\xff,\xfe");
    assert!(output.status.success() && output.stdout.starts_with(b"\xff,\xfe,"), "{output:?}");
    let output = run(b"two\nlines");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("line feed"), "{output:?}");
    for arguments in [&["solve"][..], &["solve", "a", "-d", "10"], &["verify", "-d", "x"], &["nonsense"], &[]] {
        assert_eq!(
            Command::new(executable("pow")).args(arguments).output().unwrap().status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

#[test]
fn on_a_terminal_a_dear_search_shows_how_far_it_is() {
    let scene = Scene::new();
    let solving = scene.start_on_terminal("pow", "solve endless -d 9 --threads 1 --kernel portable");
    for part in [" tried at ", "; chance 0 %; mean ", " s more, 99 % in vain"] {
        until(part, || solving.log.text().contains(part).then_some(()));
    }
    solving.signal(Signal::SIGINT);
    assert_eq!(solving.wait(), 1);
    let screen = solving.log.all();
    assert!(screen.contains("pow: solve: ended by SIGINT before a seed was found"), "{screen}");
}

#[test]
fn solving_is_ended_by_a_signal() {
    let scene = Scene::new();
    let solving = scene.start("pow", "solve endless -d 9 --threads 1 --kernel portable");
    // It blocks signals before it starts its threads: more than one says that it listens.
    until("threads", || {
        (std::fs::read_dir(format!("/proc/{}/task", solving.pid())).unwrap().count() > 1).then_some(())
    });
    solving.signal(Signal::SIGINT);
    assert_eq!(solving.wait(), 1);
    assert!(solving.log.all().contains("ended by SIGINT before a seed was found"), "{}", solving.log.all());
}
