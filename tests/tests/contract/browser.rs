//! The demo page in a real browser, which nobody here wrote: over a good line, a line that is cut, and a dead one.

use std::{env, fs, ops::Deref, time::Duration};

use buttress_envelope::Mode;
use buttress_tests::{browser::Browser, proxy::Proxy};
use http::{Method, StatusCode};
use serde_json::Value;
use superduperai_sim::{Answer, EventMode, Fault};
use tokio::time::Instant;

use super::Gateway;

#[tokio::test]
async fn a_picture_appears_after_its_steps_and_every_event_is_listed_once() {
    let gateway = Gateway::start_with(steps_of(300), |_| ()).await;
    let page = Page::open(gateway.url()).await;
    page.make("image", "A paper boat on a calm lake at dawn").await;

    page.until("state() === 'working' && $('#bar[role=progressbar]').checkVisibility()").await;
    page.until("$('#step').textContent === 'Generating'").await;
    assert_ne!(page.eval("$('#elapsed').textContent").await, "");
    page.result().await;

    assert_eq!(page.eval("$('#picture').alt").await, "A paper boat on a calm lake at dawn");
    assert!(!page.is_visible("#bar").await);
    assert_eq!(page.eval("$('#reconnects').dataset.count").await, "0");
    let shown = page.shown().await;
    let types: Vec<_> = shown.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!((types.first(), types.last()), (Some(&"queued"), Some(&"completed")), "{types:?}");
    assert!(types.contains(&"progress") && types.contains(&"artifact"), "{types:?}");
    assert_eq!(shown, page.published(&gateway).await);
    assert_eq!(page.console().await, [""; 0]);
    page.close().await;
}

#[tokio::test]
async fn the_bar_shows_a_figure_only_where_the_provider_told_one() {
    let told = steps_of(600).events(EventMode::default().documented(true));
    for (provider, figures) in [(told, true), (steps_of(300), false)] {
        let gateway = Gateway::start_with(provider, |_| ()).await;
        let page = Page::open(gateway.url()).await;
        // Every figure that the bar ever showed.
        let watch = "new MutationObserver(() => (window.figures ??= []).push($('#bar').getAttribute('aria-valuenow')))
            .observe($('#bar'), { attributes: true })";
        page.eval(watch).await;
        page.make("video", "A paper boat that sails away").await;
        page.result().await;
        let shown = page.eval("figures.filter((figure) => figure !== null).length > 0").await;
        assert_eq!(shown, figures, "{}", page.eval("figures").await);
        page.close().await;
    }
}

#[tokio::test]
async fn a_video_plays() {
    let gateway = Gateway::start(|_| ()).await;
    let page = Page::open(gateway.url()).await;
    page.make("video", "A paper boat that sails away").await;

    page.until("state() === 'done'").await;
    page.until("$('#video').readyState >= 1 && $('#video').videoWidth > 0").await;
    assert!(page.eval("$('#video').duration").await.as_f64().unwrap() > 0.0);
    // A browser plays what is muted without a gesture.
    page.eval("$('#video').muted = true, $('#video').play(), true").await;
    page.until("$('#video').currentTime > 0").await;
    assert_eq!(page.console().await, [""; 0]);
    page.close().await;
}

#[tokio::test]
async fn a_picture_just_made_becomes_a_video() {
    let gateway = Gateway::start(|_| ()).await;
    let page = Page::open(gateway.url()).await;
    page.make("image", "A paper boat").await;
    page.until("state() === 'done'").await;

    page.click("#result .actions button").await;
    page.enter("#prompt", "It sails away").await;
    page.click("#submit").await;
    page.result().await;
    page.close().await;
}

#[tokio::test]
async fn a_picture_of_ones_own_becomes_a_video() {
    let gateway = Gateway::start(|_| ()).await;
    let page = Page::open(gateway.url()).await;
    let file = env::temp_dir().join(format!("buttress-upload-{}.png", gateway.addr().port()));
    fs::write(&file, GREY_PIXEL).unwrap();
    page.click("#kind-video").await;
    page.click("#source-upload").await;
    page.enter("#file", file.to_str().unwrap()).await;
    page.make("video", "It sails away").await;

    page.result().await;
    assert_eq!(page.console().await, [""; 0]);
    page.close().await;
    fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn three_cuts_of_every_connection_lose_and_double_nothing() {
    let gateway = Gateway::start_with(steps_of(2_500), |_| ()).await;
    let proxy = Proxy::start(gateway.addr()).await;
    let page = Page::open(&proxy.url()).await;
    page.make("image", "A boat in a storm").await;

    for cut in 1..=3 {
        page.until("state() === 'working' && rows().length > 0").await;
        assert!(proxy.cut() >= 1);
        page.until(&format!("$('#reconnects').dataset.count >= {cut}")).await;
    }
    // The rest of the job happens while the line is down.
    gateway.sim().change(|settings| settings.step(Duration::from_millis(40)));
    page.result().await;

    let shown = page.shown().await;
    assert_eq!(shown, page.published(&gateway).await);
    let offset = |id: &str| id.rsplit('-').next().and_then(|offset| offset.parse().ok()).expect("a cursor");
    let offsets: Vec<usize> = shown.iter().map(|(_, id)| offset(id)).collect();
    assert_eq!(offsets, (1..=shown.len()).collect::<Vec<_>>());
    page.close().await;
}

#[tokio::test]
async fn a_line_that_goes_silent_is_noticed_and_replaced() {
    let heartbeat = Duration::from_millis(200);
    let gateway = Gateway::start_with(steps_of(3_000), |settings| settings.heartbeat = heartbeat).await;
    let proxy = Proxy::start(gateway.addr()).await;
    let page = Page::open(&proxy.url()).await;
    page.make("image", "A boat in the fog").await;

    page.until("state() === 'working' && $('#heartbeats').dataset.count >= 2").await;
    let silent = Instant::now();
    proxy.silence();
    page.until("$('#log [data-type=reconnect]')?.textContent.includes('silent')").await;
    // The last heartbeat came up to one interval before the silence began.
    assert!(silent.elapsed() > heartbeat, "{:?}", silent.elapsed());
    gateway.sim().change(|settings| settings.step(Duration::from_millis(40)));
    page.result().await;
    assert_eq!(page.shown().await, page.published(&gateway).await);
    page.close().await;
}

#[tokio::test]
async fn a_reload_resumes_what_was_watched() {
    let gateway = Gateway::start_with(steps_of(800), |_| ()).await;
    let page = Page::open(gateway.url()).await;
    page.make("image", "A boat that comes back").await;
    page.until("rows().length >= 2").await;

    page.reload().await;
    page.result().await;
    assert_eq!(page.shown().await, page.published(&gateway).await);
    assert_eq!(gateway.sim().jobs().len(), 1);
    page.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_field_stands_next_to_it() {
    let gateway = Gateway::start(|_| ()).await;
    let page = Page::open(gateway.url()).await;
    page.click("#submit").await;

    page.until("state() === 'failed'").await;
    let problem = page.problem().await;
    assert_eq!((&problem["code"], &problem["retryable"]), (&"validation_failed".into(), &"false".into()));
    assert_ne!(problem["correlationId"], "");
    assert!(!page.is_visible("#retry").await);
    assert_ne!(page.eval("$('[data-field=prompt] .at-fault').textContent").await, "");
    assert_eq!(page.eval("document.activeElement.id").await, "prompt");
    assert!(gateway.sim().jobs().is_empty());
    page.close().await;
}

#[tokio::test]
async fn a_problem_is_shown_with_its_code_and_a_retry_only_where_that_helps() {
    let gateway = Gateway::start(|_| ()).await;
    let page = Page::open(gateway.url()).await;

    gateway.sim().add_fault(refusal(StatusCode::PAYMENT_REQUIRED, 1));
    page.make("image", "A boat of gold").await;
    page.until("state() === 'failed'").await;
    let refused = page.problem().await;
    assert_eq!((&refused["code"], &refused["retryable"]), (&"provider_insufficient_credit".into(), &"false".into()));
    assert_ne!(refused["correlationId"], "");
    assert!(!page.is_visible("#retry").await);

    gateway.sim().add_fault(refusal(StatusCode::SERVICE_UNAVAILABLE, 1_000));
    page.make("image", "A boat of wood").await;
    page.until("state() === 'failed'").await;
    let unavailable = page.problem().await;
    assert_eq!((&unavailable["code"], &unavailable["retryable"]), (&"provider_unavailable".into(), &"true".into()));
    assert_ne!(unavailable["correlationId"], refused["correlationId"]);

    gateway.sim().clear_faults();
    page.until("!$('#retry').disabled").await;
    page.click("#retry").await;
    page.result().await;
    assert!(!page.is_visible("#problem").await);
    assert_eq!(gateway.sim().jobs().len(), 1);
    page.close().await;
}

#[tokio::test]
async fn the_page_works_with_every_shape_of_answers() {
    for shape in [Mode::Legacy, Mode::Dual] {
        let gateway = Gateway::start(|settings| settings.envelope = shape).await;
        let page = Page::open(gateway.url()).await;
        page.make("image", "A paper boat").await;
        page.result().await;
        assert_eq!(page.shown().await, page.published(&gateway).await);
        page.close().await;
    }
}

#[tokio::test]
async fn a_job_that_fails_says_why() {
    let gateway = Gateway::start(|_| ()).await;
    let page = Page::open(gateway.url()).await;
    gateway.sim().fail_next_job();
    page.make("image", "A boat with a leak").await;

    page.until("state() === 'failed'").await;
    assert_eq!(page.problem().await["code"], "job_failed");
    assert_eq!(page.shown().await.last().unwrap().0, "failed");
    page.close().await;
}

#[tokio::test]
async fn the_policy_of_the_page_refuses_what_is_injected_and_nothing_else() {
    let gateway = Gateway::start(|_| ()).await;
    let page = Page::open(gateway.url()).await;
    page.until("$('#model').options.length > 1").await;
    assert_eq!(page.console().await, [""; 0]);

    let inject =
        "document.body.append(Object.assign(document.createElement('script'), { text: 'window.taken = true' }))";
    page.eval(inject).await;
    assert_eq!(page.eval("window.taken ?? 'refused'").await, "refused");
    let complaints = page.console().await;
    assert!(complaints.iter().any(|complaint| complaint.contains("Content Security Policy")), "{complaints:?}");
    page.close().await;
}

/// The demo page, with short words for what is on it.
struct Page(Browser);

impl Page {
    async fn open(url: &str) -> Self {
        let browser = Browser::start().await;
        browser.open(url).await;
        Self(browser)
    }

    async fn close(self) {
        self.0.close().await;
    }

    /// Fills in the form and sends it, with mouse and keyboard.
    async fn make(&self, kind: &str, prompt: &str) {
        self.click(&format!("#kind-{kind}")).await;
        self.enter("#prompt", prompt).await;
        self.click("#submit").await;
    }

    async fn eval(&self, expression: &str) -> Value {
        self.0.eval(&with_words(expression)).await
    }

    async fn until(&self, expression: &str) -> Value {
        self.0.until(&with_words(expression)).await
    }

    /// Waits for the result, and until its picture or video can be seen.
    async fn result(&self) {
        self.until("state() === 'done' && ($('#picture')?.naturalWidth ?? $('#video')?.videoWidth) > 0").await;
    }

    /// Type and id of the events that are listed.
    async fn shown(&self) -> Vec<(String, String)> {
        let rows = self.eval("rows().map((row) => [row.dataset.type, row.dataset.id])").await;
        serde_json::from_value(rows).expect("pairs of texts")
    }

    /// Type and id of the events of the job, as the gateway tells them to somebody who was not there.
    async fn published(&self, gateway: &Gateway) -> Vec<(String, String)> {
        let path = self.eval("JSON.parse(sessionStorage.job).links.events").await;
        let guest = gateway.http().with("cookie", &self.cookies().await);
        let events = guest.events(path.as_str().expect("a path"), &[], |_| false).await;
        events.into_iter().filter(|event| event.name != "heartbeat").map(|event| (event.name, event.id)).collect()
    }

    async fn problem(&self) -> Value {
        self.eval("({ ...$('#problem').dataset })").await
    }

    async fn is_visible(&self, css: &str) -> bool {
        self.eval(&format!("$('{css}').checkVisibility()")).await == true
    }
}

impl Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.0
    }
}

fn with_words(expression: &str) -> String {
    format!(
        "(($, state, rows) => ({expression}))(
            (css) => document.querySelector(css),
            () => document.querySelector('#status').dataset.state,
            () => [...document.querySelectorAll('#log li[data-id]')],
        )"
    )
}

fn steps_of(millis: u64) -> superduperai_sim::Settings {
    superduperai_sim::Settings::default().step(Duration::from_millis(millis))
}

fn refusal(status: StatusCode, times: u32) -> Fault {
    let answer = Answer::new(status).header("content-type", "application/json").body(r#"{"detail":"scripted"}"#);
    Fault::new(Method::POST, "/api/v1/file/generate-image", answer).times(times)
}

/// The smallest PNG: one pixel.
const GREY_PIXEL: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\x0aIDATx\x9cch\x00\x00\x00\x82\x00\x81w\xcdr\xb6\x00\x00\x00\x00IEND\xaeB`\x82";
