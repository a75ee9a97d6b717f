//! Every route, every role: no credentials 401, no right to see 404, no right to do 403, and the denial recorded.
//!
//! The table comes from the router itself, so a new route is tested from the moment it exists. What needs no credentials is
//! listed in `public_routes.txt`; a route that joins that list shows in review.

use axum::body::Body;
use axum::http::StatusCode;
use lazuli_api::routing::{Permission, Route};
use lazuli_core::audit::AuditFilter;
use lazuli_spec::audit::Outcome;
use lazuli_spec::roles::built_in;
use lazuli_spec::{ActionSet, PageRequest};
use lazuli_store::testing::run;

use crate::bench::{Bench, JSON};

impl Bench {
    async fn knock(&self, route: &Route, token: Option<&str>) -> StatusCode {
        let headers = [JSON, ("x-request-id", "route-table")];
        let (method, path) = (route.method.as_str(), filled(&route.path));
        self.request(token, method, &path, &headers, Body::from("{}"))
            .await
            .status
    }
}

/// A path with something in the place of each parameter: the default workspace, and names of nothing.
fn filled(path: &str) -> String {
    let mut text = path.replace("{workspace}", "default");
    while let (Some(start), Some(end)) = (text.find('{'), text.find('}')) {
        let name = &text[start + 1..end];
        let value = if name.contains("sha256") || name == "tree" {
            "0".repeat(64)
        } else {
            "nothing".to_owned()
        };
        text.replace_range(start..=end, &value);
    }
    text
}

fn words(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

#[test]
fn without_credentials_only_the_listed_routes_answer() {
    run(async {
        let bench = Bench::start().await;
        let mut public = Vec::new();
        for route in &bench.table {
            let status = bench.knock(route, None).await;
            if route.permission == Permission::Public {
                public.push(words(route));
            } else {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{}", words(route));
            }
        }
        public.sort();
        let listed = include_str!("public_routes.txt")
            .lines()
            .filter(|line| !line.starts_with('#'));
        let listed: Vec<&str> = listed.collect();
        assert_eq!(
            public, listed,
            "tests/api/public_routes.txt lists the routes that need no credentials"
        );
    });
}

#[test]
fn a_wrong_token_opens_nothing() {
    run(async {
        let bench = Bench::start().await;
        let wrong = format!("lzt_{}_{}", "0".repeat(12), "0".repeat(64));
        for route in bench
            .table
            .iter()
            .filter(|route| route.permission != Permission::Public)
        {
            let status = bench.knock(route, Some(&wrong)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{}", words(route));
        }
    });
}

#[test]
fn without_a_role_a_workspace_is_not_there() {
    run(async {
        let bench = Bench::start().await;
        let (_, token) = bench.test.user("stranger", None).await;
        for route in &bench.table {
            let status = bench.knock(route, Some(&token)).await;
            match route.permission {
                Permission::Workspace(_) => {
                    assert_eq!(status, StatusCode::NOT_FOUND, "{}", words(route));
                }
                Permission::Server(_) | Permission::Runner => {
                    assert_eq!(status, StatusCode::FORBIDDEN, "{}", words(route));
                }
                Permission::Signed => {
                    assert_eq!(status, StatusCode::UNAUTHORIZED, "{}", words(route));
                }
                _ => assert!(!status.is_server_error(), "{}", words(route)),
            }
        }
    });
}

#[test]
fn each_role_passes_exactly_the_doors_it_has_the_actions_for() {
    run(async {
        let bench = Bench::start().await;
        for (number, role) in built_in().into_iter().enumerate() {
            let rights = role.compile();
            if rights.is_empty() {
                continue;
            }
            let name = format!("user{number}");
            let (_, token) = bench.test.user(&name, Some(("default", &role.name))).await;
            for route in &bench.table {
                let status = bench.knock(route, Some(&token)).await;
                check(route, &role.name, rights, status);
            }
        }
    });
}

fn check(route: &Route, role: &str, rights: ActionSet, status: StatusCode) {
    let case = format!("{role}: {} answered {status}", words(route));
    assert!(
        !status.is_server_error() || status == StatusCode::NOT_IMPLEMENTED,
        "{case}"
    );
    // no token stands in for a signature
    let unsigned = route.permission == Permission::Signed;
    assert_eq!(unsigned, status == StatusCode::UNAUTHORIZED, "{case}");
    match route.permission {
        Permission::Workspace(action) => {
            // a handler may ask for more than its door does, never for less
            if !rights.contains(action) {
                assert_eq!(status, StatusCode::FORBIDDEN, "{case}");
            } else if rights == everything() {
                assert_ne!(status, StatusCode::FORBIDDEN, "{case}");
            }
        }
        Permission::Server(_) | Permission::Runner => {
            assert_eq!(status, StatusCode::FORBIDDEN, "{case}");
        }
        _ => {}
    }
}

fn everything() -> ActionSet {
    lazuli_spec::Action::ALL.iter().copied().collect()
}

#[test]
fn every_denial_is_in_the_audit_trail() {
    run(async {
        let bench = Bench::start().await;
        let (_, token) = bench
            .test
            .user("writer", Some(("default", "AzureML Metrics Writer")))
            .await;
        let mut denied = 0;
        for route in &bench.table {
            let audited = matches!(
                route.permission,
                Permission::Workspace(_) | Permission::Server(_)
            );
            if audited && bench.knock(route, Some(&token)).await == StatusCode::FORBIDDEN {
                denied += 1;
            }
        }
        let filter = AuditFilter {
            principal: Some("writer".to_owned()),
            outcome: Some(Outcome::Denied),
            ..AuditFilter::default()
        };
        let page = PageRequest {
            limit: Some(1_000),
            page_token: None,
        };
        let records = bench
            .test
            .core
            .list_audit(&bench.test.admin, filter, page)
            .await
            .unwrap();
        assert!(denied > 0);
        assert_eq!(records.items.len(), denied);
        assert!(
            records
                .items
                .iter()
                .all(|record| record.request_id == "route-table")
        );
    });
}

#[test]
fn unknown_paths_and_methods_are_answered_in_words() {
    run(async {
        let bench = Bench::start().await;
        for (method, path, status) in [
            ("GET", "/api/v1/nothing", 404),
            ("PATCH", "/api/v1/whoami", 405),
        ] {
            let answer = bench.request(None, method, path, &[], Body::empty()).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    });
}
