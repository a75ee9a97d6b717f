//! `docs/reference/mlflow.md`: every group of MLflow's endpoints, and whether it is here. It is written from three things that
//! must agree: the endpoints that MLflow has (`mlflow_endpoints.txt`), the routes there are, and the table of what is absent.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use lazuli_api::mlflow::absent::ABSENT;
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
    with words that say why and what to do instead. Each path under `/api` is also served under `/ajax-api`.\n\n\
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

/// The absent group whose routes answer this endpoint.
fn absent_group(route: &str) -> Option<&'static str> {
    let (method, path) = route.split_once(' ')?;
    let answers = |pattern: &str| {
        let full = if pattern.starts_with('/') {
            vec![pattern.to_owned()]
        } else {
            vec![format!("/api/{pattern}"), format!("/ajax-api/{pattern}")]
        };
        full.iter().any(|full| match full.strip_suffix("{*rest}") {
            Some(start) => path.len() > start.len() && path.starts_with(start),
            None => path == full,
        })
    };
    let group = ABSENT.iter().find(|absent| {
        let mut paths = absent.paths.iter();
        paths.any(|(pattern, methods)| {
            answers(pattern) && methods.iter().any(|known| known.as_str() == method)
        })
    });
    group.map(|absent| absent.group)
}

/// Our routes of this dialect, without those that only say what is absent.
fn routes() -> BTreeSet<String> {
    let table = whole_surface().table.into_iter();
    let ours = table.filter(|route| route.dialect == Dialect::Mlflow);
    let words = ours.map(|route| format!("{} {}", route.method, route.path));
    words
        .filter(|words| absent_group(words).is_none())
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
        let absent = ABSENT.iter().find(|absent| absent.group == group);
        let (state, words) = match absent {
            Some(absent) => ("no", format!("{}; {}", absent.why, absent.instead)),
            None if missing.is_empty() => ("yes", String::new()),
            None => ("partly", listed(&missing)),
        };
        let _ = writeln!(
            page,
            "| {group} | {} of {total} | {state} | {words} |",
            present.len()
        );
    }
    compare("mlflow.md", &page);
}

fn listed(missing: &[&str]) -> String {
    let quoted: Vec<String> = missing.iter().map(|route| format!("`{route}`")).collect();
    quoted.join(", ")
}

#[test]
fn what_is_said_to_be_absent_is_absent_and_whole() {
    let (all, here) = (endpoints(), routes());
    for absent in ABSENT {
        let of_group: Vec<&Endpoint> = all
            .iter()
            .filter(|endpoint| endpoint.group == absent.group)
            .collect();
        assert!(
            !of_group.is_empty(),
            "MLflow has no group `{}`",
            absent.group
        );
        for endpoint in of_group {
            assert!(
                !here.contains(&plain(endpoint.route)),
                "{} is here",
                endpoint.route
            );
            let answered = absent_group(endpoint.route);
            assert_eq!(answered, Some(absent.group), "{}", endpoint.route);
        }
    }
    for endpoint in &all {
        if let Some(group) = absent_group(endpoint.route) {
            assert_eq!(group, endpoint.group, "{}", endpoint.route);
        }
    }
}
