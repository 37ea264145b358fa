//! `/assets/events.js` in pages that are not the demo: behind nginx as it is by default, in a real Chromium.

use std::{fs, time::Duration};

use buttress_tests::{
    Gateway,
    browser::Browser,
    clients,
    http::Event,
    nginx::Nginx,
    program::{self, Folder},
    proxy::Proxy,
};
use tokio::process::Command;

const HEARTBEAT: Duration = Duration::from_millis(200);

const README: &str = include_str!("../../examples/gateway-common/src/page/README.md");

const MODULE: &str = include_str!("../../examples/gateway-common/src/page/events.js");

/// A gateway, somebody's pages beside it on one nginx, and a line to both that breaks on command.
struct Site {
    gateway: Gateway,
    nginx: Nginx,
    line: Proxy,
}

impl Site {
    async fn start() -> Self {
        let slow = superduperai_sim::Settings::default().step(Duration::from_millis(2_500));
        let gateway = Gateway::start_with(slow, |settings| settings.heartbeat = HEARTBEAT).await;
        let directives = format!(
            "location / {{ proxy_pass http://{}; }}
            location /own/ {{ alias html/; }}
            location = /own/tokens {{ alias html/tokens; default_type text/event-stream; }}",
            gateway.addr()
        );
        let nginx = Nginx::start(&directives).await;
        let line = Proxy::start(nginx.addr()).await;
        Self { gateway, nginx, line }
    }

    /// Opens a page with these scripts in it. What it logs is kept in `said`.
    async fn open(&self, browser: &Browser, scripts: &str) {
        let keep = "const said = []; console.log = (...words) => said.push(words.join(' '));";
        let page = format!("<!doctype html><title>My own</title><script>{keep}</script><body>{scripts}</body>");
        self.nginx.add_file("page.html", &page);
        browser.open(&format!("{}/own/page.html", self.line.url())).await;
    }
}

/// The page that the README shows, for this job and with short heartbeats.
fn page_of_the_readme(job: &str) -> String {
    let block = README.split("```html\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a page");
    assert!(block.contains("01998f4e") && block.contains("15_000"), "{block}");
    block.replace("01998f4e", job).replace("15_000", &HEARTBEAT.as_millis().to_string())
}

/// What that page logs of an event.
fn logged(event: &Event) -> String {
    let json = event.json();
    let (step, progress) = (json["step"].as_str().unwrap_or_default(), json["progress"].as_f64());
    format!("{} {step} {}", event.name, progress.map(|it| it.to_string()).unwrap_or_default())
}

#[tokio::test]
async fn the_page_of_the_readme_follows_a_job_over_a_line_that_is_cut_and_one_that_goes_silent() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    site.open(&browser, "").await;
    let order = "fetch('/api/images', {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ prompt: 'a boat' }),
    }).then((answer) => answer.json())";
    let job = browser.eval(order).await["data"].clone();
    site.open(&browser, &page_of_the_readme(job["jobId"].as_str().expect("a job"))).await;

    browser.until("said.includes('the line stands') && said.some((line) => line.startsWith('queued'))").await;
    assert!(site.line.cut() >= 1);
    browser.until("said.includes('the line was lost (cut); reconnecting')").await;
    browser.until("said.filter((line) => line === 'the line stands').length === 2").await;
    site.line.silence();
    browser.until("said.includes('the line was lost (silent); reconnecting')").await;
    site.gateway.sim().change(|settings| settings.step(Duration::from_millis(40)));
    browser.until("said.some((line) => line.startsWith('completed'))").await;

    let guest = site.gateway.http().with("cookie", &browser.cookies().await);
    let published = guest.events(job["links"]["events"].as_str().expect("a path"), &[], |_| false).await;
    let published: Vec<_> = published.iter().map(logged).collect();
    let shown = browser.eval("said.filter((line) => !line.startsWith('the line '))").await;
    assert_eq!(serde_json::from_value::<Vec<String>>(shown).expect("lines"), published);
    browser.close().await;
}

#[tokio::test]
async fn a_page_listens_for_the_types_of_any_other_stream() {
    let site = Site::start().await;
    let tokens = [("1", "token", r#""to ""#), ("2", "token", r#""be""#), ("3", "other", "0"), ("4", "done", "{}")];
    let tokens = tokens.map(|(id, name, data)| format!("id: {id}\nevent: {name}\ndata: {data}\n\n"));
    site.nginx.add_file("tokens", &tokens.concat());
    let browser = Browser::start().await;
    let script = r#"<script type="module">
        import { watch } from "/assets/events.js";
        const onEvent = ({ id, type, data }) => console.log(id, type, JSON.stringify(data));
        watch("/own/tokens", { types: ["token"], lastTypes: ["done"], onEvent, onLost: (why) => console.log(why) });
    </script>"#;
    site.open(&browser, script).await;
    browser.until("said.length >= 3").await;
    // The stream has ended, and was not asked for again.
    assert_eq!(browser.eval("said").await, serde_json::json!([r#"1 token "to ""#, r#"2 token "be""#, "4 done {}"]));
    let asked =
        browser.eval("performance.getEntriesByType('resource').filter((it) => it.name.endsWith('tokens')).length");
    assert_eq!(asked.await, 1);
    browser.close().await;
}

#[tokio::test]
async fn a_compiler_knows_the_types_of_the_module() {
    let folder = Folder::new("types");
    fs::write(folder.path().join("events.js"), MODULE).expect("a file for the test");
    for (expression, complaint) in [
        ("data.step.toUpperCase() + type", None),
        ("data.stpe", Some("Property 'stpe' does not exist on type 'Progress'")),
    ] {
        let page = format!(
            "import {{ watch, type StreamEvent }} from './events.js';
            interface Progress {{ step: string }}
            const stop: () => void = watch('/events', {{
                onEvent({{ type, data }}: StreamEvent<Progress>) {{ console.log({expression}); }},
                onLost: (why: 'cut' | 'silent' | 'refused') => stop(),
            }});"
        );
        fs::write(folder.path().join("page.ts"), page).expect("a file for the test");
        let mut tsc = Command::new("node");
        tsc.arg(clients::folder().join("node_modules/typescript/bin/tsc"));
        tsc.args(["--noEmit", "--strict", "--allowJs", "--checkJs", "--target", "es2022", "--module", "es2022"]);
        tsc.args(["--moduleResolution", "bundler", "--lib", "dom,es2022", "page.ts"]).current_dir(folder.path());
        let output = program::expect("node", tsc.output().await, clients::INSTALL);
        let said = String::from_utf8_lossy(&output.stdout);
        match complaint {
            None => assert!(output.status.success(), "{said}\n{}", clients::INSTALL),
            Some(complaint) => assert!(said.contains(complaint), "{said}"),
        }
    }
}
