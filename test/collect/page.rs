//! The page in a real browser: it shows what agents push, follows it, and asks nobody else for anything.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::json;

use super::agents::{end, four_types};
use crate::support::{Browser, Client, SIGKILL, Scene, until};

/// Where the pictures go that the test takes.
fn picture(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

fn await_text(browser: &Browser, selector: &str, wanted: &str) {
    until(&format!("{selector}: {wanted}"), || browser.text(selector).contains(wanted).then_some(()));
}

/// That nothing was wrong, and nobody else was asked.
fn has_been_quiet(browser: &Browser, host: &str) {
    let console = browser.console();
    assert!(console.is_empty(), "{console:?}");
    let own = format!("http://{host}/");
    for url in browser.requests() {
        assert!(url.starts_with(&own) || url.starts_with("data:") || url.starts_with("chrome"), "{url}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let scene = Scene::new();
    let (collect, browser) = (scene.collect(""), scene.browser());
    browser.look(1_100, 900, "light");
    browser.open(&format!("http://{}/", collect.http));
    await_text(&browser, "#state", "live");
    let page = browser.text("main");
    for said in ["no manage given", "no pow server pushes here", "no loot server pushes here", "no agent has come yet"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    browser.photograph(&picture("empty.png"));
    has_been_quiet(&browser, &collect.http.to_string());
}

#[test]
fn the_page_follows_what_agents_push() {
    let scene = Scene::new();
    let (collect, browser) = (scene.collect(""), scene.browser());
    let mut agent = collect.declared("<b>web & 1</b>", 1, four_types());
    agent.push(json!([["t_level_seconds", 3]]));
    browser.open(&format!("http://{}/", collect.http));
    await_text(&browser, "#state", "live");
    assert!(browser.text(".agents tbody th").contains("<b>web & 1</b>"), "what an agent is called is no markup");
    for value in [5, 7, 11] {
        agent.push(json!([["t_level_seconds", value]]));
        await_text(&browser, "#g0", &format!("{value} s"));
    }
    // A second agent comes, and one goes.
    let other = collect.named("zz", 2);
    await_text(&browser, "main", "2 known, 2 here");
    drop(other);
    await_text(&browser, "main", "2 known, 1 here");
    await_text(&browser, "#s1", "gone");
    has_been_quiet(&browser, &collect.http.to_string());
}

#[test]
fn the_page_survives_a_restart_of_collect() {
    let scene = Scene::new();
    let (collect, browser) = (scene.collect(""), scene.browser());
    drop(collect.declared("a", 1, four_types()));
    browser.open(&format!("http://{}/", collect.http));
    await_text(&browser, "#state", "live");
    collect.signal(Signal::SIGKILL);
    assert_eq!(collect.wait(), SIGKILL);
    await_text(&browser, "#state", "trying again");
    let collect = scene.collect_again(&collect, "");
    await_text(&browser, "#state", "live");
    let _agent = collect.named("b", 2);
    await_text(&browser, ".agents", "b");
    end(&collect);
}

/// All of it: a search, proofs, draws, agents.
#[test]
fn everything_is_on_the_page() {
    let scene = Scene::new();
    let manage = scene.manage("--ledger :memory: --last 200000000000 --method sieve --seconds 0.2");
    let collect = scene.collect(&format!("--manage {}", manage.address));
    let compute = scene.compute(&manage, &format!("--host node-1 --collect {}", collect.agents));
    let loot = scene.loot(&format!("--size 1000 --ledger :memory: --collect {}", collect.agents));
    let pow = scene.start("pow", &format!("serve --listen 127.0.0.1:0 --collect {}", collect.agents));
    let line = pow.log.line("listening on ");
    let mut prover = Client::connect(line.rsplit(' ').next().and_then(|address| address.parse().ok()).unwrap());
    let _agent = scene.start("agent", &format!("{} --name web-1 --interval 1", collect.agents));
    let _original = {
        let mut agent = collect.agent();
        agent.say(r#"{"CPU_Utilization": 0.1, "A_Pressed": 1}"#);
        agent
    };
    let browser = scene.browser();
    browser.look(1_100, 1_500, "light");
    browser.open(&format!("http://{}/", collect.http));
    await_text(&browser, "#state", "live");
    loot.client().draw(250);
    for _ in 0..20 {
        prover.send(b"page\n");
        prover.text();
    }
    await_text(&browser, "#sf", "33,550,336");
    await_text(&browser, "#computes", "node-1");
    await_text(&browser, "#strip desc", "Of 240 equal parts");
    await_text(&browser, "#lf0", "25.0 %");
    await_text(&browser, "#lf0", "750");
    await_text(&browser, "#pf0", "20 in all");
    await_text(&browser, ".agents", "web-1");
    // What every screen reader needs: a name for each picture, a table beside each large one.
    let bare = "return [...document.querySelectorAll('svg')].filter(svg => !svg.querySelector('title')).length";
    assert_eq!(browser.run(bare), 0);
    let tables =
        "return [...document.querySelectorAll('figure')].every(each => each.querySelector('details table tbody tr'))";
    until("charts with tables", || (browser.run(tables) == true).then_some(()));
    let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    for (name, width, scheme) in
        [("light.png", 1_100, "light"), ("dark.png", 1_100, "dark"), ("narrow.png", 390, "light")]
    {
        browser.look(width, 1_500, scheme);
        assert_eq!(browser.run(wide), 0, "{name}: wider than the window");
        assert!(contrast(&browser) >= 4.5, "{name}: {}", contrast(&browser));
        browser.photograph(&picture(name));
    }
    has_been_quiet(&browser, &collect.http.to_string());
    compute.signal(Signal::SIGTERM);
    manage.signal(Signal::SIGKILL);
    await_text(&browser, "#manage", "away");
}

/// A search that has come to its end is shown as ended, and whole; not as one that was lost.
#[test]
fn a_search_that_is_done_is_shown_as_done() {
    let scene = Scene::new();
    let collect = scene.collect("--manage 127.0.0.1:1");
    let manage = scene.manage(&format!("--ledger :memory: --last 3000000 --method sieve --collect {}", collect.agents));
    end(&collect);
    let collect = scene.collect_again(&collect, &format!("--manage {}", manage.address));
    until("the search is on the page", || collect.page().contains("of 3,000,000").then_some(()));
    until("manage pushes", || collect.metrics().contains("search_tested_numbers{").then_some(()));
    let _compute = scene.compute(&manage, "");
    assert_eq!(manage.wait(), 0);
    until("it is shown as done", || collect.page().contains("ended: all is tested").then_some(()));
    let page = collect.page();
    assert!(page.contains("<dd>3,000,000<small>100 % of 3,000,000"), "{page}");
}

/// The least contrast of a text with what is behind it, as WCAG 2 has it: AA is 4.5.
fn contrast(browser: &Browser) -> f64 {
    let script = "
        const parse = color => color.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => {
            const part = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
        };
        const behind = e => {
            for (; e; e = e.parentElement) {
                const color = parse(getComputedStyle(e).backgroundColor);
                if (color.length < 4 || color[3] > 0) return color;
            }
            return [255, 255, 255];
        };
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        let least = 21;
        while (walker.nextNode()) {
            const e = walker.currentNode.parentElement;
            if (!walker.currentNode.textContent.trim() || e.closest('svg, script')) continue;
            const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
            least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
        }
        return least;";
    browser.run(script).as_f64().expect("a number")
}

#[test]
fn without_a_script_it_is_a_still_picture() {
    let scene = Scene::new();
    let (collect, browser) = (scene.collect(""), scene.browser());
    let _agent = collect.declared("web-1", 1, four_types());
    browser.set("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    browser.open(&format!("http://{}/", collect.http));
    let page = collect.page();
    assert!(
        page.contains("a still picture: reload it") && page.contains("web-1") && page.contains("<path d="),
        "{page}"
    );
    browser.photograph(&picture("still.png"));
}
