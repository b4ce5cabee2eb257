//! Key files and the list: how they are made, and which are refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use aliquot::common::keys::Role;

use super::refused;
use crate::support::{Keys, Scene, number, replace};
use crate::torture::is_root;

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn keys_are_made_for_their_owner_alone_and_only_those_that_are_missing() {
    let scene = Scene::new();
    let keys = Keys::new(&scene, "keys", &["worker:node02"]);
    for name in ["manage", "worker", "viewer", "operator", "node02"] {
        assert_eq!(mode(&keys.file(name)), 0o600, "{name}");
    }
    assert_eq!((mode(&keys.list()), mode(&scene.path("keys"))), (0o600, 0o700));
    assert_eq!((keys.key("node02").role, keys.key("node02").server), (Role::Worker, keys.key("manage").server));
    let (list, worker) = (fs::read_to_string(keys.list()).unwrap(), keys.key("worker"));
    keys.remove("node02");
    let again = Keys::new(&scene, "keys", &["viewer:ann"]);
    assert_eq!(again.key("worker"), worker);
    let now = fs::read_to_string(again.list()).unwrap();
    assert!(now.contains("viewer    ann ") && !now.contains("node02") && list.contains("node02"), "{now}");
}

/// One more line on a list whose last one has no end.
#[test]
fn a_key_is_added_on_a_line_of_its_own() {
    let scene = Scene::new();
    let keys = Keys::new(&scene, "keys", &[]);
    let whole = fs::read_to_string(keys.list()).unwrap();
    fs::write(keys.list(), whole.trim_end()).unwrap();
    Keys::new(&scene, "keys", &["worker:node02"]);
    let now = fs::read_to_string(keys.list()).unwrap();
    assert!(now.starts_with(&whole) && now.lines().count() == whole.lines().count() + 1, "{now}");
    let refused = scene.start("manage", "--init-keys keys --add-key viewer:node02");
    assert_eq!(refused.wait(), 1);
    refused.log.line("node02.key: it is there already, and its role is worker");
}

/// Root makes keys for a user whose directory may hold anything: it touches nothing there with its own rights.
#[test]
fn root_follows_nobody_into_his_directory() {
    if !is_root("making keys for somebody else") {
        return;
    }
    let scene = Scene::new();
    let user = nix::unistd::User::from_name("nobody").unwrap().expect("there is a user nobody");
    fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o711)).unwrap();
    fs::write(scene.path("victim"), "mine").unwrap();
    let init = || scene.start("manage", "--init-keys keys --user nobody --add-key worker:x");
    assert_eq!(init().wait(), 0);
    for name in ["x.key", "authorized"] {
        fs::remove_file(scene.path("keys").join(name)).unwrap();
        symlink(scene.path("victim"), scene.path("keys").join(name)).unwrap();
    }
    fs::remove_file(scene.path("keys/worker.key")).unwrap();
    assert_ne!(init().wait(), 0);
    let victim = fs::metadata(scene.path("victim")).unwrap();
    assert_eq!((victim.uid(), fs::read_to_string(scene.path("victim")).unwrap().as_str()), (0, "mine"));
    assert_eq!(fs::metadata(scene.path("keys")).unwrap().uid(), user.uid.as_raw());
}

/// Of a file that somebody else owns nobody can tell what it will say tomorrow. Only root may use everybody's.
#[test]
fn a_list_of_another_user_is_refused() {
    if !is_root("giving files away") {
        return;
    }
    let scene = Scene::new();
    let keys = Keys::new(&scene, "keys", &[]);
    let user = nix::unistd::User::from_name("nobody").unwrap().expect("there is a user nobody");
    fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o711)).unwrap();
    for path in [scene.path("keys"), keys.file("manage"), keys.file("viewer"), keys.list()] {
        chown(path, Some(user.uid.as_raw()), None).unwrap();
    }
    let manage = "--keys keys --listen 127.0.0.1:0 --ledger :memory:";
    let nobody = format!("setpriv --reuid={} --regid={} --clear-groups", user.uid, user.gid);
    for path in [keys.list(), scene.path("keys")] {
        let mode = mode(&path) | 0o055;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, Some(1), None).unwrap();
        let process = scene.start_through(&nobody, "manage", manage);
        assert_eq!(process.wait_gone(), 77);
        process.log.line("it belongs to user 1: run this as that user, or chown it");
        chown(&path, Some(user.uid.as_raw()), None).unwrap();
    }
    scene.manage_through(&nobody, "127.0.0.1:0", "--keys keys --ledger :memory:");
    scene.manage("--keys keys --ledger :memory:");
}

#[test]
fn keys_where_others_can_write_are_refused() {
    let scene = Scene::new();
    let _keys = Keys::new(&scene, "keys", &[]);
    fs::set_permissions(scene.path("keys"), fs::Permissions::from_mode(0o777)).unwrap();
    let said = refused(&scene, "manage", "--keys keys --listen 127.0.0.1:0 --ledger :memory:");
    assert!(said.contains("others can write keys (mode 0777): chmod go-w keys"), "{said}");
}

/// The list may stand elsewhere, behind a symbolic link, also for one who has given up reading elsewhere.
#[test]
fn the_list_may_be_a_link() {
    let scene = Scene::new();
    let keys = Keys::new(&scene, "keys", &[]);
    fs::create_dir(scene.path("etc")).unwrap();
    fs::rename(keys.list(), scene.path("etc/list")).unwrap();
    symlink("../etc/list", keys.list()).unwrap();
    let manage = scene.manage("--keys keys --ledger :memory:");
    assert_eq!(number(&scene.report(&manage)["tested"]), 0);
}

#[test]
fn a_key_that_others_can_read_is_none() {
    let scene = Scene::new();
    let keys = Keys::new(&scene, "keys", &[]);
    for (name, program, arguments) in [
        ("manage", "manage", "--keys keys --listen 127.0.0.1:0"),
        ("worker", "compute", "--keys keys 127.0.0.1:1"),
        ("viewer", "report", "--keys keys 127.0.0.1:1"),
    ] {
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(keys.file(name), fs::Permissions::from_mode(mode)).unwrap();
            let said = refused(&scene, program, arguments);
            assert!(said.contains(&format!("(mode {mode:04o}): chmod go= keys/{name}.key")), "{said}");
        }
    }
}

#[test]
fn a_file_that_is_no_key_is_named() {
    let scene = Scene::new();
    let keys = Keys::new(&scene, "keys", &[]);
    let whole = fs::read_to_string(keys.file("worker")).unwrap();
    let broken = |text: &str| {
        replace(&keys.file("bad"), text);
        fs::set_permissions(keys.file("bad"), fs::Permissions::from_mode(0o600)).unwrap();
        refused(&scene, "compute", "--keys keys/bad.key 127.0.0.1:1")
    };
    assert!(broken("").contains("no key file: it has no line \"role ...\""));
    assert!(broken(&whole.replace("secret  ", "secret  0")).contains("its secret isn't 64 hexadecimal digits"));
    assert!(broken(&format!("{whole}manage {}\n", "0".repeat(64))).contains("it has two lines \"manage ...\""));
    assert!(broken(&whole.repeat(20)).contains("longer than 4096 bytes"));
    assert!(refused(&scene, "compute", "--keys keys/viewer.key 127.0.0.1:1").contains("needed is worker.key"));
    assert!(refused(&scene, "report", "-k --keys keys/viewer.key 127.0.0.1:1").contains("needed is operator.key"));
    assert!(refused(&scene, "report", "--keys nowhere 127.0.0.1:1").contains("No such file"));
    assert!(refused(&scene, "manage", "--keys . --listen 127.0.0.1:0").contains("there is no manage.key in it"));
}
