//! Keys on the agents' port: who has none is refused, whose line goes is gone.

use std::fs;

use serde_json::json;

use crate::support::{Collect, Scene, until};

/// A collect with keys, which are made for it.
fn keyed(scene: &Scene) -> Collect {
    let made = scene.start("collect", "--init-keys keys --add-key agent:web-1");
    assert_eq!(made.wait(), 0);
    assert!(made.stdout.all().contains("keys/agent.key"), "{}", made.stdout.all());
    scene.collect("--keys keys")
}

#[test]
fn agents_with_keys_are_taken_and_others_refused() {
    let scene = Scene::new();
    let collect = keyed(&scene);
    let agent = scene.start("agent", &format!("{} --name a --interval 1 --keys keys/web-1.key", collect.agents));
    collect.await_value("collect_agent_up{agent=\"a\"}", 1.0);
    let without = scene.start("agent", &format!("{} --name b --interval 1", collect.agents));
    assert_eq!(without.wait(), 77, "{}", without.log.all());
    let foreign = scene.start("collect", "--init-keys others");
    assert_eq!(foreign.wait(), 0);
    let foreign = scene.start("agent", &format!("{} --name c --interval 1 --keys others/agent.key", collect.agents));
    assert_eq!(foreign.wait(), 77, "{}", foreign.log.all());
    // By hand, in plain text: it is told in plain text, and not heard.
    let mut plain = collect.agent();
    plain.say(r#"{"A_Pressed": 1}"#);
    assert_eq!(plain.hear().expect("a last word")["error"]["code"], "forbidden");
    assert_eq!(collect.value("collect_agents"), Some(1.0));
    drop(agent);
}

#[test]
fn who_is_taken_off_the_list_is_gone() {
    let scene = Scene::new();
    let collect = keyed(&scene);
    let agent = scene.start("agent", &format!("{} --name a --interval 1 --keys keys/web-1.key", collect.agents));
    let other = scene.start("agent", &format!("{} --name b --interval 1 --keys keys/agent.key", collect.agents));
    collect.await_value("collect_agents", 2.0);
    let list = scene.path("keys/authorized");
    let text = fs::read_to_string(&list).unwrap();
    let rest: String = text.lines().filter(|line| !line.contains("web-1")).map(|line| format!("{line}\n")).collect();
    // As an editor would: the list is there as a whole at each moment.
    fs::write(scene.path("keys/new"), rest).unwrap();
    fs::set_permissions(scene.path("keys/new"), fs::metadata(&list).unwrap().permissions()).unwrap();
    fs::rename(scene.path("keys/new"), &list).unwrap();
    collect.await_value("collect_agent_up{agent=\"a\"}", 0.0);
    assert_eq!(agent.wait(), 77, "{}", agent.log.all());
    assert_eq!(collect.value("collect_agent_up{agent=\"b\"}"), Some(1.0));
    drop(other);
}

#[test]
fn beyond_loopback_agents_need_keys() {
    let scene = Scene::new();
    let refused = scene.start("collect", "--agents 0.0.0.0:0 --http 127.0.0.1:0");
    assert_eq!(refused.wait(), 2);
    for word in ["--init-keys", "--keys", "--insecure"] {
        assert!(refused.log.all().contains(word), "{}", refused.log.all());
    }
    let warned = scene.start("collect", "--agents 0.0.0.0:0 --http 0.0.0.0:0 --insecure");
    let log = until("it listens", || warned.log.text().contains("listening on").then(|| warned.log.text()));
    assert!(log.contains("anybody who can connect") && log.contains("may push") && log.contains("may read"), "{log}");
}

/// Who has keys, and meets a collect that has none, is told so.
#[test]
fn keys_where_none_are_wanted_are_told() {
    let scene = Scene::new();
    assert_eq!(scene.start("collect", "--init-keys keys").wait(), 0);
    let collect = scene.collect("");
    let agent = scene.start("agent", &format!("{} --name a --keys keys/agent.key", collect.agents));
    assert_eq!(agent.wait(), 77, "{}", agent.log.all());
    let mut honest = collect.named("b", 1);
    assert_eq!(honest.ask(&json!({ "push": { "seq": 1 } }))["taken"], 1);
}
