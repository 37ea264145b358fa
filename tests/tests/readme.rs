//! Every command of every README is run, as it stands there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use buttress_tests::{Axum, Gateway, Host, Hosted, Hyper, Warp, program::Folder};
use superduperai_sim::Simulator;
use tokio::process::Command;

/// Commands that start the whole build, or this test itself. `./test` runs them; here they only have to exist.
const ELSEWHERE: [&str; 6] = [
    "cargo run --release -p gateway-axum",
    "cargo run --release -p gateway-hyper",
    "cargo run --release -p gateway-warp",
    "cargo run -p superduperai-sim",
    "./test",
    "cargo test --workspace",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace around this package").to_owned()
}

/// The shell blocks of a README.
fn blocks(readme: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(readme)).unwrap_or_else(|error| panic!("{readme}: {error}"));
    let parts = text.split("```sh\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Runs a block in a folder and gives what it printed.
async fn run(block: &str, folder: &Path) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", block]).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = bash.output().await.expect("bash and curl: apt-get install -y bash curl");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{}: {out}{err}", output.status);
    out + &err
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_lines_of_the_front_page_make_a_picture_and_a_video() {
    let gateway = Gateway::start(|_| {}).await;
    let block = blocks("README.md").into_iter().find(|block| block.contains("curl")).expect("curl lines");
    let folder = Folder::new("readme");
    let printed = run(&block.replace("http://127.0.0.1:3000", gateway.url()), folder.path()).await;
    assert_eq!(printed.matches("event: completed").count(), 2, "{printed}");
    assert!(printed.contains(r#"{"ok":true,"data":{"jobId":"#), "{printed}");
    let read = |name| fs::read(folder.path().join(name)).expect("a download");
    assert_eq!(&read("boat.webp")[8..12], b"WEBP");
    assert_eq!(&read("boat.mp4")[4..8], b"ftyp");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_lines_of_each_gateway_make_a_picture() {
    make_a_picture::<Axum>("examples/gateway-axum/README.md").await;
    make_a_picture::<Hyper>("examples/gateway-hyper/README.md").await;
    make_a_picture::<Warp>("examples/gateway-warp/README.md").await;
}

async fn make_a_picture<H: Host>(readme: &str) {
    let gateway = Hosted::<H>::start(|_| {}).await;
    let block = blocks(readme).into_iter().find(|block| block.contains("curl")).expect("curl lines");
    let folder = Folder::new("readme");
    let printed = run(&block.replace("http://127.0.0.1:3000", gateway.url()), folder.path()).await;
    for sign in ["event: completed", r#""mediaType":"image/webp""#, r#""name":"comfyui/flux""#] {
        assert!(printed.contains(sign), "{sign} in {printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_lines_of_the_simulator_script_it() {
    let sim = Simulator::start(superduperai_sim::Settings::default()).await.expect("a simulator");
    let block = blocks("crates/superduperai-sim/README.md")
        .into_iter()
        .find(|block| block.contains("curl"))
        .expect("curl lines");
    let folder = Folder::new("sim");
    let printed = run(&block.replace("http://127.0.0.1:4010", sim.url()), folder.path()).await;
    assert!(printed.contains(r#""visibility_delay""#), "{printed}");
    assert!(!printed.contains("error"), "{printed}");
}

/// What people read: the pages of the repository, and of each package.
fn texts() -> Vec<String> {
    let mut texts = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["crates", "examples"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder").filter_map(Result::ok);
        texts.extend(entries.map(|entry| format!("{folder}/{}/README.md", entry.file_name().to_string_lossy())));
    }
    let entries = fs::read_dir(root().join("docs")).expect("a folder").filter_map(Result::ok);
    texts.extend(entries.map(|entry| format!("docs/{}", entry.file_name().to_string_lossy())));
    texts.retain(|text| text.ends_with(".md") && root().join(text).exists());
    texts
}

#[test]
fn what_is_linked_to_within_the_repository_is_there() {
    for name in texts() {
        let text = fs::read_to_string(root().join(&name)).expect("a text");
        let folder = root().join(&name).parent().expect("a folder").to_owned();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let within = targets.filter(|target| !target.contains("://") && !target.contains("::"));
        for target in within.filter_map(|target| target.split('#').next()).filter(|target| target.contains(['/', '.']))
        {
            assert!(folder.join(target).exists(), "{name} links to {target}");
        }
    }
}

#[test]
fn every_other_command_is_one_that_the_whole_test_runs() {
    // The other two gateways are built and started by tests of their own packages.
    let test = fs::read_to_string(root().join("test")).expect("./test");
    assert!(test.contains("cargo run --quiet --release -p gateway-axum") && test.contains("cargo test --workspace"));
    for readme in &texts() {
        for block in blocks(readme).iter().filter(|block| !block.contains("curl")) {
            let command = block.lines().next().unwrap_or_default().split('#').next().unwrap_or_default().trim();
            assert!(ELSEWHERE.contains(&command) && block.lines().count() == 1, "{readme}: {block}");
        }
    }
}
