//! Dependencies only point down. The table is the architecture; an edge that is not in it fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on, of our own.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lazuli-spec", &[]),
    ("lazuli-store", &["lazuli-spec"]),
    ("lazuli-blob", &["lazuli-spec"]),
    ("lazuli-learn", &["lazuli-spec"]),
    (
        "lazuli-core",
        &["lazuli-spec", "lazuli-store", "lazuli-blob", "lazuli-learn"],
    ),
    (
        "lazuli-exec",
        &["lazuli-core", "lazuli-blob", "lazuli-spec"],
    ),
    (
        "lazuli-serve",
        &["lazuli-core", "lazuli-blob", "lazuli-spec", "lazuli-learn"],
    ),
    ("lazuli-api", &["lazuli-core", "lazuli-spec"]),
    (
        "lazuli",
        &[
            "lazuli-api",
            "lazuli-blob",
            "lazuli-core",
            "lazuli-exec",
            "lazuli-learn",
            "lazuli-serve",
            "lazuli-spec",
            "lazuli-store",
        ],
    ),
];

/// Libraries that would drag a crate out of its layer.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "lazuli-spec",
        &["tokio", "axum", "rusqlite", "reqwest", "object_store"],
    ),
    (
        "lazuli-learn",
        &["tokio", "axum", "rusqlite", "reqwest", "object_store"],
    ),
    ("lazuli-store", &["axum", "reqwest", "object_store"]),
    ("lazuli-blob", &["axum", "rusqlite", "postgres"]),
    (
        "lazuli-core",
        &[
            "axum",
            "hyper",
            "rusqlite",
            "postgres",
            "reqwest",
            "object_store",
        ],
    ),
    (
        "lazuli-api",
        &["rusqlite", "postgres", "reqwest", "object_store"],
    ),
];

/// Normal and build dependencies by crate; what only tests use may reach further (a store for a core's tests).
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let names = dependencies
                .filter(|found| found["kind"] != "dev")
                .map(|found| found["name"].as_str().unwrap().to_owned());
            (
                package["name"].as_str().unwrap().to_owned(),
                names.collect(),
            )
        })
        .collect()
}

#[test]
fn dependencies_only_point_down() {
    let mut wrong = Vec::new();
    for (package, dependencies) in edges() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package) else {
            wrong.push(format!(
                "{package} is not in the table of crates/cli/tests/project/dependency_rule.rs"
            ));
            continue;
        };
        let ours = dependencies
            .iter()
            .filter(|name| name.starts_with("lazuli"));
        wrong.extend(
            ours.filter(|name| !allowed.contains(&name.as_str()))
                .map(|name| format!("{package} must not depend on {name}")),
        );
        let forbidden = FORBIDDEN
            .iter()
            .find(|(name, _)| *name == package)
            .map_or(&[][..], |(_, list)| *list);
        wrong.extend(
            forbidden
                .iter()
                .filter(|name| dependencies.contains(**name))
                .map(|name| format!("{package} must not use {name}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
