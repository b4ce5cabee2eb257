//! A real browser without a screen: Chromium, driven by its own driver (W3C WebDriver).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::http::request;
use super::{Scene, until};

/// A browser with one window.
pub struct Browser {
    driver: SocketAddr,
    session: String,
}

impl Scene {
    /// Starts a browser.
    pub fn browser(&self) -> Browser {
        let driver = self.start_command(&["chromedriver", "--port=0"]);
        let told = || {
            driver
                .stdout
                .text()
                .lines()
                .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
        };
        let port: u16 = until("a driver of the browser", told);
        let mut browser = Browser { driver: ([127, 0, 0, 1], port).into(), session: String::new() };
        let profile = self.path("profile");
        // Root has no sandbox of Chromium's; what is opened is collect's page alone.
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--disable-background-networking".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let session = browser.command("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        browser
    }
}

impl Browser {
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let reply = request(self.driver, method, path, &["Content-Type: application/json"], &body);
        let mut answer: Value = serde_json::from_slice(&reply.body).expect("the driver answers in JSON");
        assert_eq!(reply.status, 200, "{method} {path}: {answer}");
        answer["value"].take()
    }

    fn ask(&self, what: &str, body: &Value) -> Value {
        self.command("POST", &format!("/session/{}/{what}", self.session), body)
    }

    /// Opens a page, and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.ask("url", &json!({ "url": url }));
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of the first element that a selector finds; empty if there is none.
    pub fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({})?.textContent ?? ''", json!(selector));
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Sets a feature of the browser's development protocol.
    pub fn set(&self, command: &str, parameters: &Value) {
        self.ask("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Makes the window so many pixels wide and high, light or dark.
    pub fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.set("Emulation.setDeviceMetricsOverride", &size);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.set("Emulation.setEmulatedMedia", &features);
    }

    /// Takes a picture of the whole page into a file.
    pub fn photograph(&self, into: &Path) {
        let taken = self.ask(
            "goog/cdp/execute",
            &json!({ "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": true } }),
        );
        let encoded = into.with_extension("base64");
        std::fs::write(&encoded, taken["data"].as_str().expect("a picture")).expect("a file can be written");
        let decoded = Command::new("base64").arg("-d").arg(&encoded).output().expect("base64 runs");
        std::fs::write(into, decoded.stdout).expect("a file can be written");
        std::fs::remove_file(encoded).expect("it is there");
    }

    /// What stands in its console since the last time.
    pub fn console(&self) -> Vec<Value> {
        self.ask("se/log", &json!({ "type": "browser" })).as_array().cloned().unwrap_or_default()
    }

    /// The addresses of all that was asked for since the last time.
    pub fn requests(&self) -> Vec<String> {
        let events = self.ask("se/log", &json!({ "type": "performance" }));
        let url = |event: &Value| {
            let event: Value = serde_json::from_str(event["message"].as_str()?).ok()?;
            let message = &event["message"];
            let sent = message["method"] == "Network.requestWillBeSent";
            sent.then(|| message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
        };
        events.as_array().into_iter().flatten().filter_map(url).collect()
    }
}
