//! `docs/reference/mlflow.md`: every group of MLflow's endpoints, and whether it is here. It is written from three things that
//! must agree: the endpoints that MLflow has (`mlflow_endpoints.txt`), the routes there are, and the table of what is absent.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use lazuli_api::mlflow::absent::{ABSENT, Absent};
use lazuli_api::routing::Dialect;

use crate::reference::{compare, whole_surface};

/// One of MLflow's endpoints.
struct Endpoint {
    group: &'static str,
    /// `METHOD /path`
    route: &'static str,
}

const HEAD: &str = "# MLflow's endpoints\n\n\
    Every group of endpoints that MLflow 3.17.2 serves, and whether it is here. What is absent answers `501 NOT_IMPLEMENTED` \
    with words that say why and what to do instead. Each path under `/api` is also served under `/ajax-api`. Prompts have no \
    endpoints of their own: they are registered models with tags that mark them.\n\n\
    | group | endpoints | here | what is missing |\n| --- | --- | --- | --- |\n";

fn endpoints() -> Vec<Endpoint> {
    let lines = include_str!("mlflow_endpoints.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (group, route) = line.split_once(" | ").unwrap();
            Endpoint { group, route }
        })
        .collect()
}

/// Without the names of parameters: what they are called is each server's own business.
fn plain(route: &str) -> String {
    let mut text = String::new();
    let mut within = false;
    for c in route.chars() {
        if c == '}' {
            within = false;
        }
        if !within {
            text.push(c);
        }
        if c == '{' {
            within = true;
        }
    }
    text
}

/// The entry of the table of what is absent that answers this endpoint.
fn absent(route: &str) -> Option<&'static Absent> {
    let (method, path) = route.split_once(' ')?;
    let answers = |pattern: &str| {
        let full = if pattern.starts_with('/') {
            vec![pattern.to_owned()]
        } else {
            vec![format!("/api/{pattern}"), format!("/ajax-api/{pattern}")]
        };
        full.iter().any(|full| match full.strip_suffix("{*rest}") {
            Some(start) => path.len() > start.len() && path.starts_with(start),
            None => plain(path) == plain(full),
        })
    };
    ABSENT.iter().find(|absent| {
        let mut paths = absent.paths.iter();
        paths.any(|(pattern, methods)| {
            answers(pattern) && methods.iter().any(|known| known.as_str() == method)
        })
    })
}

/// Our routes of this dialect, without those that only say what is absent.
fn routes() -> BTreeSet<String> {
    let table = whole_surface().table.into_iter();
    let ours = table.filter(|route| route.dialect == Dialect::Mlflow);
    let words = ours.map(|route| format!("{} {}", route.method, route.path));
    words
        .filter(|words| absent(words).is_none())
        .map(|words| plain(&words))
        .collect()
}

#[test]
fn the_reference_of_mlflows_endpoints() {
    let (all, here) = (endpoints(), routes());
    let mut groups: Vec<&str> = Vec::new();
    for endpoint in &all {
        if !groups.contains(&endpoint.group) {
            groups.push(endpoint.group);
        }
    }
    let mut page = HEAD.to_owned();
    for group in groups {
        let of_group = all.iter().filter(|endpoint| endpoint.group == group);
        let (present, missing): (Vec<&str>, Vec<&str>) = of_group
            .map(|endpoint| endpoint.route)
            .partition(|route| here.contains(&plain(route)));
        let total = present.len() + missing.len();
        let state = match (present.len(), missing.len()) {
            (_, 0) => "yes",
            (0, _) => "no",
            _ => "partly",
        };
        let words = words(group, &missing);
        let _ = writeln!(
            page,
            "| {group} | {} of {total} | {state} | {words} |",
            present.len()
        );
    }
    compare("mlflow.md", &page);
}

/// What the table of what is absent says of these; and those of which it says nothing.
fn words(group: &str, missing: &[&str]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for absent in missing.iter().filter_map(|route| absent(route)) {
        let named = if absent.group == group {
            String::new()
        } else {
            format!("{}: ", absent.group)
        };
        let part = format!("{named}{}; {}", absent.why, absent.instead);
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    let silent: Vec<&str> = missing
        .iter()
        .copied()
        .filter(|route| absent(route).is_none())
        .collect();
    if !silent.is_empty() {
        parts.push(listed(&silent));
    }
    parts.join(". ")
}

fn listed(missing: &[&str]) -> String {
    let quoted: Vec<String> = missing.iter().map(|route| format!("`{route}`")).collect();
    quoted.join(", ")
}

#[test]
fn what_is_said_to_be_absent_is_something_that_mlflow_has() {
    let all = endpoints();
    for entry in ABSENT {
        for (path, methods) in entry.paths {
            for method in *methods {
                let routes = all.iter().map(|endpoint| endpoint.route);
                let of_method = routes.filter(|route| route.starts_with(method.as_str()));
                let mut answered = of_method.filter_map(absent);
                assert!(
                    answered.any(|found| found.group == entry.group),
                    "{method} {path}"
                );
            }
        }
    }
}
