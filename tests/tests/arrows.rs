//! Who may depend on whom. Anything that is not drawn here is forbidden.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Packages that stand above the kit and may depend on all of it.
const ABOVE: [&str; 6] =
    ["buttress-benches", "buttress-tests", "gateway-axum", "gateway-common", "gateway-hyper", "gateway-warp"];

/// What each other package depends on, and beside that what its tests do.
const ARROWS: [(&str, &[&str], &[&str]); 13] = [
    ("buttress-circuit-breaker", &["buttress-core"], &[]),
    ("buttress-config", &[], &[]),
    ("buttress-core", &[], &[]),
    ("buttress-correlation-id", &["buttress-core"], &[]),
    ("buttress-envelope", &["buttress-core"], &[]),
    ("buttress-idempotency", &["buttress-core"], &[]),
    ("buttress-provider", &["buttress-core"], &[]),
    ("buttress-rate-limit", &["buttress-core"], &[]),
    ("buttress-request-log", &["buttress-core"], &[]),
    ("buttress-retry", &["buttress-core"], &[]),
    ("buttress-sse", &["buttress-core"], &[]),
    (
        "buttress-superduperai",
        &[
            "buttress-circuit-breaker",
            "buttress-core",
            "buttress-correlation-id",
            "buttress-provider",
            "buttress-retry",
            "buttress-sse",
        ],
        &["superduperai-sim"],
    ),
    ("superduperai-sim", &[], &[]),
];

/// What only tests and examples build upon.
const FRAMEWORKS: [&str; 4] = ["axum", "tower", "tower-http", "warp"];

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().expect("cargo describes the workspace")
}

/// The names of what a package depends on, for its users or for its tests.
fn dependencies(package: &Package, kind: DependencyKind) -> BTreeSet<String> {
    package.dependencies.iter().filter(|on| on.kind == kind).map(|on| on.name.to_string()).collect()
}

fn of_the_workspace(names: BTreeSet<String>, metadata: &Metadata) -> BTreeSet<String> {
    let ours: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    names.intersection(&ours).cloned().collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_package_depends_on_what_is_drawn_and_on_nothing_else() {
    let metadata = metadata();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if ABOVE.contains(&name) {
            continue;
        }
        let (_, users, tests) = ARROWS
            .iter()
            .find(|(drawn, ..)| *drawn == name)
            .unwrap_or_else(|| panic!("{name} is not drawn: say in ARROWS what it may depend on"));
        let found = of_the_workspace(dependencies(package, DependencyKind::Normal), &metadata);
        assert_eq!(found, set(users), "what {name} depends on");
        let found = of_the_workspace(dependencies(package, DependencyKind::Development), &metadata);
        assert_eq!(found, set(tests), "what the tests of {name} depend on");
    }
}

#[test]
fn no_published_package_depends_on_a_framework() {
    for package in metadata().packages.iter().filter(|package| package.publish.is_none()) {
        let found = dependencies(package, DependencyKind::Normal);
        let frameworks: Vec<_> = FRAMEWORKS.iter().filter(|framework| found.contains(**framework)).collect();
        assert!(frameworks.is_empty(), "{} depends on {frameworks:?}", package.name);
    }
}

#[test]
fn no_published_package_has_more_than_a_handful_of_mandatory_dependencies() {
    for package in metadata().packages.iter().filter(|package| package.publish.is_none()) {
        // Loom, for its model alone, is no dependency of whoever uses the crate.
        let of_users = |on: &&cargo_metadata::Dependency| on.kind == DependencyKind::Normal && on.target.is_none();
        let mandatory = package.dependencies.iter().filter(of_users).filter(|on| !on.optional);
        let (name, count) = (&package.name, mandatory.count());
        let most = match name.as_str() {
            // Providers speak a whole protocol.
            "buttress-provider" | "buttress-superduperai" => 18,
            // It keeps a list in place besides what every layer does.
            "buttress-rate-limit" => 9,
            // It counts bytes, reads the clock and writes lines besides what every layer does.
            "buttress-request-log" => 9,
            // It hashes besides what every layer does; loom, of its own tests, is counted.
            "buttress-idempotency" => 10,
            _ => 8,
        };
        assert!(count <= most, "{name} has {count} mandatory dependencies");
    }
}

#[test]
fn every_published_package_says_what_the_registry_wants_to_know() {
    for package in metadata().packages.iter().filter(|package| package.publish.is_none()) {
        let name = &package.name;
        assert!(package.description.is_some(), "{name} has no description");
        assert_eq!(package.license.as_deref(), Some("MIT OR Apache-2.0"), "{name}");
        assert!(package.rust_version.is_some() && package.repository.is_some(), "{name}");
        assert!((1..=5).contains(&package.keywords.len()) && !package.categories.is_empty(), "{name}");
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
        for file in ["README.md", "CHANGELOG.md"] {
            assert!(folder.join(file).exists(), "{name} has no {file}");
        }
    }
}
