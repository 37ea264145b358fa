//! The contract that the gateways serve at `/openapi.json`, held against their answers by schemathesis, which nobody here
//! wrote.

use std::process::Stdio;

use buttress_tests::{
    Axum, Host, Hosted, Hyper, Warp,
    clients::{self, INSTALL},
    program::{self, Folder},
};
use tokio::process::Command;

/// What an answer must not be, and what a request must not pass with. Not asked: that whatever fits the document is
/// accepted (a model may not offer what is asked of it) and that nothing goes without credentials (guests do).
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,negative_data_rejection,\
                      unsupported_method,allow_header_conformance";

/// Examples, every border of every parameter, random requests, and chains of requests that follow the links.
const PHASES: &str = "examples,coverage,fuzzing,stateful";

async fn finds_nothing<H: Host>() {
    let keys = vec![("alice".to_owned(), "alice-key-of-some-length".into())];
    let gateway = Hosted::<H>::start(|settings| settings.api_keys = keys).await;
    let folder = Folder::new("schemathesis");
    let mut command = Command::new(clients::folder().join("venv/bin/schemathesis"));
    command
        .args(["run", &format!("{}/openapi.json", gateway.url()), "--phases", PHASES, "--checks", CHECKS])
        .args(["--header", "Authorization: Bearer alice-key-of-some-length"])
        .args(["--max-examples", "15", "--seed", "1", "--no-color", "--continue-on-failure", "--request-timeout", "20"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = program::expect("schemathesis", command.output().await, INSTALL);
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "on {}: {told}", H::NAME);
    // It got as far as jobs that are done.
    assert!(gateway.sim().jobs().len() > 10, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_axum_is_outside_the_contract() {
    finds_nothing::<Axum>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_hyper_is_outside_the_contract() {
    finds_nothing::<Hyper>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_warp_is_outside_the_contract() {
    finds_nothing::<Warp>().await;
}
