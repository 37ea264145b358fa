//! A real Chromium, driven as WebDriver says.

use std::{
    process::{self, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep, timeout},
};

use crate::{
    http::Http,
    program::{self, Folder},
};

/// A browser with a profile of its own, and one page. It ends when it is dropped.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Driver,
    _turn: SemaphorePermit<'static>,
}

/// `chromedriver`, in a process group of its own together with the Chromium that it starts.
#[derive(Debug)]
struct Driver {
    process: Child,
    url: String,
    profile: Folder,
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// With the line that installs it, if Chromium or its driver is missing.
    pub async fn start() -> Self {
        let turn = TURNS.acquire().await.expect("never closed");
        let driver = Driver::start().await;
        let args = FLAGS.iter().map(|flag| flag.to_string());
        let profile = format!("--user-data-dir={}", driver.profile.path().display());
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": args.chain([profile]).collect::<Vec<_>>() },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().expect("an object").clone());
        let client = timeout(PATIENCE, builder.connect(&driver.url)).await.expect("a browser within the time");
        let client = client.unwrap_or_else(|error| panic!("{error}\n{INSTALL}"));
        Self { client, driver, _turn: turn }
    }

    /// Opens a page, and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("a page");
    }

    /// Loads the page anew.
    pub async fn reload(&self) {
        self.client.refresh().await.expect("a page");
    }

    /// Clicks, as a person does: on what is there, is seen and is not covered.
    pub async fn click(&self, css: &str) {
        let element = self.client.find(Locator::Css(css)).await.unwrap_or_else(|error| panic!("{css}: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Types a text in place of the one that a field holds.
    pub async fn enter(&self, css: &str, text: &str) {
        let element = self.client.find(Locator::Css(css)).await.unwrap_or_else(|error| panic!("{css}: {error}"));
        element.clear().await.expect("a field");
        element.send_keys(text).await.expect("a field");
    }

    /// The value of an expression in the page.
    pub async fn eval(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.client.execute(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression in the page is true, in the sense of its language, and returns its value.
    ///
    /// # Panics
    ///
    /// After half a minute, with what the page shows.
    pub async fn until(&self, expression: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let value = self.eval(expression).await;
            if !matches!(&value, Value::Null | Value::Bool(false)) && value != 0 && value != "" {
                return value;
            }
            sleep(Duration::from_millis(30)).await;
        }
        let text = self.eval("document.body.innerText").await;
        let console = self.console().await;
        panic!("not within {PATIENCE:?}: {expression}\n{}\n{console:#?}", text.as_str().unwrap_or_default());
    }

    /// The cookies that the page's server gets, for a client that speaks in the page's name.
    pub async fn cookies(&self) -> String {
        let cookies = self.client.get_all_cookies().await.expect("cookies");
        cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect::<Vec<_>>().join("; ")
    }

    /// What the browser had to complain about since this was last asked: errors of scripts and of loading, and what the
    /// page's policy refused.
    pub async fn console(&self) -> Vec<String> {
        let session = self.client.session_id().await.expect("a session").expect("a session");
        let path = format!("/session/{session}/se/log");
        let answer = Http::new(&self.driver.url).post(&path, &json!({ "type": "browser" })).await.json();
        let entries = answer["value"].as_array().unwrap_or_else(|| panic!("no log: {answer}"));
        let complaints = entries.iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        complaints.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Ends it, and waits until it has.
    pub async fn close(mut self) {
        // Dropping it ends it as well; this way the browser leaves in order, and nothing of it stays.
        let _ = timeout(PATIENCE, self.client.clone().close()).await;
        self.driver.kill();
        let _ = self.driver.process.wait().await;
    }
}

impl Driver {
    async fn start() -> Self {
        let found =
            Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        program::expect("chromium", found, INSTALL);
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut process = program::start(&mut command, INSTALL);
        let stdout = process.stdout.take().expect("it is piped");
        let port = timeout(PATIENCE, port(stdout)).await.expect("a driver within the time");
        Self { process, url: format!("http://127.0.0.1:{port}"), profile: Folder::new("browser") }
    }

    /// Ends the group: a driver that is killed alone leaves its browser behind.
    fn kill(&self) {
        // Once it was waited for it has no id any more, and another group may have it.
        if let Some(group) = self.process.id() {
            let _ = process::Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads on until the driver says which port it took.
async fn port(stdout: impl tokio::io::AsyncRead + Unpin) -> u16 {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.expect("lines of text") {
        let after = line.split_once("started successfully on port ").map(|(_, after)| after);
        if let Some(port) = after.and_then(|after| after.trim_end_matches('.').parse().ok()) {
            return port;
        }
    }
    panic!("chromedriver ended before it listened\n{INSTALL}");
}

const PATIENCE: Duration = Duration::from_secs(30);

/// A browser is a dozen processes: two at a time are enough for a small machine.
static TURNS: Semaphore = Semaphore::const_new(2);

const INSTALL: &str = "Install Chromium and its driver: apt-get install -y chromium chromium-driver";

const FLAGS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
