//! The rules of the house. Each looks at the files of the repository and says what breaks it, and the way out.

use std::fs;
use std::path::Path;

mod imports;
mod lengths;
mod limits;
mod repository;
mod rooms;
mod source;
mod words;

use source::File;

/// Finds what breaks it in the files of a repository: `path:line: what (the rule): the way out`.
type Rule = fn(&[File]) -> Vec<String>;

const RULES: &[Rule] = &[
    imports::run_downward,
    imports::stand_in_order,
    lengths::files_are_short,
    lengths::functions_are_short,
    lengths::functions_do_one_thing,
    limits::durations_have_a_name,
    limits::limits_have_reason_and_unit,
    repository::dependencies_have_a_reason,
    repository::xml_is_written_by_hand,
    rooms::sockets_are_of_one_room,
    rooms::roles_have_no_threads,
    rooms::unsafe_has_its_rooms,
    words::files_have_a_header,
    words::output_goes_through_its_door,
    words::nothing_is_left_to_do,
    words::errors_are_handled,
    words::the_product_speaks_of_itself,
];

/// Folders that hold no part of the product.
const PASSED_OVER: &[&str] = &[".git", "target", "artifacts", "corpus"];

/// What holds text, by the end of its name; files without a dot in theirs do too.
const TEXTS: &[&str] =
    &["1", "conf", "css", "html", "js", "json", "md", "rnc", "rng", "rs", "service", "sh", "toml", "yml"];

#[test]
fn the_house_is_tidy() {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    collect(root, root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.iter().any(|file| file.path == "src/common/limits.rs"), "the walk has missed the source");
    let violations: Vec<_> = RULES.iter().flat_map(|rule| rule(&files)).collect();
    assert!(violations.is_empty(), "the house is untidy:\n{}\n", violations.join("\n"));
}

/// Reads every text below `folder`.
fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the repository can be read") {
        let path = entry.expect("the repository can be read").path();
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if path.is_dir() {
            if !PASSED_OVER.contains(&name.as_str()) {
                collect(root, &path, files);
            }
        } else if name.rsplit_once('.').is_none_or(|(_, end)| TEXTS.contains(&end))
            && let Ok(text) = fs::read_to_string(&path)
        {
            let inside = path.strip_prefix(root).expect("it is below the root");
            files.push(File::new(&inside.to_string_lossy(), &text));
        }
    }
}

/// `rule` finds one violation in a made-up file, in this line.
#[track_caller]
fn refuses(rule: Rule, path: &str, text: &str, line: usize) {
    let found = rule(&[File::new(path, text)]);
    let here = |violation: &String| violation.starts_with(&format!("{path}:{line}: "));
    assert!(found.len() == 1 && found.iter().all(here), "not one violation in line {line} of {path}: {found:?}");
}

/// `rule` finds nothing in a made-up file.
#[track_caller]
fn allows(rule: Rule, path: &str, text: &str) {
    assert_eq!(rule(&[File::new(path, text)]), [""; 0], "{path}");
}
