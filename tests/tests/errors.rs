//! `docs/errors.md` is the catalogue of codes, in words for clients.

use std::{collections::BTreeMap, fs, path::Path};

use buttress_tests::Gateway;
use gateway_common::CATALOGUE;
use serde_json::Value;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    fs::read_to_string(path).expect("docs/errors.md")
}

/// Status, retryable and what to do, by code.
fn rows(page: &str) -> BTreeMap<String, (u16, bool, String)> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let rows = lines.map(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        let [code, status, retryable, todo] = cells[..] else { panic!("{line}") };
        let status = status.split(',').next().and_then(|status| status.parse().ok()).expect("a status comes first");
        assert!(["yes", "no"].contains(&retryable), "{line}");
        (code.trim_end_matches('`').to_owned(), (status, retryable == "yes", todo.to_owned()))
    });
    let rows: Vec<_> = rows.collect();
    let count = rows.len();
    let map = BTreeMap::from_iter(rows);
    assert_eq!(map.len(), count, "each code is there once");
    map
}

#[test]
fn every_code_stands_there_with_its_status_and_what_to_do() {
    let mut rows = rows(&page());
    for entry in CATALOGUE.iter() {
        let code = entry.code().as_str();
        let (status, retryable, todo) = rows.remove(code).unwrap_or_else(|| panic!("{code} is missing"));
        assert_eq!((status, retryable), (entry.status().as_u16(), entry.retryable()), "{code}");
        assert!(todo.len() > 10, "{code}: {todo}");
    }
    assert!(rows.is_empty(), "nobody answers with {:?}", rows.keys());
}

#[tokio::test]
async fn the_example_has_the_members_of_an_answer() {
    let page = page();
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let example: Value = serde_json::from_str(example).expect("it is JSON");
    let answer = Gateway::start(|_| {}).await.http().get("/api/jobs/none").await.json();
    let members = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&example), members(&answer));
    assert_eq!(members(&example["error"]), members(&answer["error"]));
}
