//! Every list in the native interface: pages by key, filters, orders, and what it refuses; on both back ends.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::bench::{Bench, each};

/// The lists of the server, and of a workspace with an endpoint `e` and a model `m`.
const LISTS: [&str; 17] = [
    "workspaces",
    "principals",
    "tokens",
    "roles",
    "role-assignments",
    "audit",
    "workspaces/default/role-assignments",
    "workspaces/default/computes",
    "workspaces/default/online-endpoints",
    "workspaces/default/online-endpoints/e-1/deployments",
    "workspaces/default/models",
    "workspaces/default/models/m/versions",
    "workspaces/default/data",
    "workspaces/default/data/d/versions",
    "workspaces/default/environments",
    "workspaces/default/code",
    "workspaces/default/jobs",
];

impl Bench {
    /// The values of a field of all items of a list, read in pages of two.
    async fn walk(&self, path: &str, field: &str) -> Vec<String> {
        let (mut token, mut all) = (String::new(), Vec::new());
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = format!("{path}{sign}limit=2{token}");
            let page = self.admin("GET", &page, Value::Null).await.ok();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2, "{path}");
            all.extend(
                items
                    .iter()
                    .filter_map(|item| Some(item[field].as_str()?.to_owned())),
            );
            match page["next_page_token"].as_str() {
                Some(next) => token = format!("&page_token={next}"),
                None => return all,
            }
        }
    }

    /// The same of the default workspace.
    async fn walk_default(&self, path: &str, field: &str) -> Vec<String> {
        self.walk(&format!("workspaces/default/{path}"), field)
            .await
    }

    async fn some_of_each(&self) {
        for (name, team) in [("e-1", "vision"), ("e-2", "text"), ("other", "vision")] {
            let tags = json!({"team": team});
            let compute = json!({"name": name, "type": "amlcompute", "size": "1c1g", "tags": tags});
            let made = self.call("PUT", &format!("computes/{name}"), compute).await;
            assert!(made.status.is_success(), "{:?}", made.body);
            let endpoint = json!({"name": name, "auth_mode": "key", "tags": tags});
            let path = format!("online-endpoints/{name}");
            let made = self.call("PUT", &path, endpoint).await;
            assert!(made.status.is_success(), "{:?}", made.body);
            let workspace = json!({"name": format!("w-{name}"), "tags": tags});
            let made = self.admin("POST", "workspaces", workspace).await;
            assert!(made.status.is_success(), "{:?}", made.body);
        }
        let tree = self.upload(&[("model.bin", "weights")]).await;
        for (name, version) in [("m", "1"), ("m", "2"), ("m", "10"), ("net", "1")] {
            let body = json!({"name": name, "version": version, "path": format!("tree:{tree}"),
                "tags": {"round": version}});
            let made = self.call("POST", "models", body).await;
            assert!(made.status.is_success(), "{:?}", made.body);
        }
        let body = json!({"name": "d", "type": "uri_file", "path": "https://example.org/x"});
        let made = self.call("POST", "data", body).await;
        assert!(made.status.is_success(), "{:?}", made.body);
    }
}

#[test]
fn every_list_refuses_what_it_does_not_know() {
    each(|bench| async move {
        bench.some_of_each().await;
        for path in LISTS {
            let whole = bench.admin("GET", path, Value::Null).await;
            assert_eq!(whole.status, StatusCode::OK, "{path}: {:?}", whole.body);
            for wrong in ["colour=red", "limit=many", "page_token=made-up"] {
                let answer = bench
                    .admin("GET", &format!("{path}?{wrong}"), Value::Null)
                    .await;
                assert_eq!(
                    answer.status,
                    StatusCode::BAD_REQUEST,
                    "{path}?{wrong}: {:?}",
                    answer.body
                );
            }
            if path.ends_with("data/d/versions") {
                continue;
            }
            let answer = bench
                .admin("GET", &format!("{path}?order_by=colour"), Value::Null)
                .await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
            assert!(answer.problem().contains("order"), "{path}");
        }
        let paths = ["workspaces", "workspaces/default/models"];
        for path in paths {
            let answer = bench
                .admin(
                    "GET",
                    &format!("{path}?prefix=%00&tag=%00=%00"),
                    Value::Null,
                )
                .await;
            assert!(!answer.status.is_server_error(), "{:?}", answer.body);
        }
    });
}

#[test]
fn named_things_are_filtered_sorted_and_paged() {
    each(|bench| async move {
        bench.some_of_each().await;
        for (list, prefix) in [("computes", "e-"), ("online-endpoints", "e-")] {
            let path = |query: &str| format!("{list}?{query}");
            let names = bench
                .walk_default(&path("order_by=name+desc"), "name")
                .await;
            let names: Vec<_> = names
                .iter()
                .filter(|name| name.as_str() != "local")
                .collect();
            assert_eq!(names, ["other", "e-2", "e-1"], "{list}");
            let found = bench
                .walk_default(&path(&format!("prefix={prefix}")), "name")
                .await;
            assert_eq!(found, ["e-1", "e-2"], "{list}");
            let found = bench
                .walk_default(&path("tag=team=vision&order_by=created_at+desc"), "name")
                .await;
            assert_eq!(found.len(), 2, "{list}");
        }
        let found = bench.walk("workspaces?prefix=w-e&tag=team", "name").await;
        assert_eq!(found, ["w-e-1", "w-e-2"]);
        let first = bench
            .admin("GET", "workspaces?limit=1", Value::Null)
            .await
            .ok();
        let token = first["next_page_token"].as_str().unwrap();
        let foreign = format!("workspaces?limit=1&order_by=created_at&page_token={token}");
        let answer = bench.admin("GET", &foreign, Value::Null).await;
        assert!(answer.problem().contains("another query"));
    });
}

#[test]
fn models_have_views_tags_and_orders() {
    each(|bench| async move {
        bench.some_of_each().await;
        assert_eq!(bench.walk_default("models", "name").await, ["m", "net"]);
        let names = bench.walk_default("models?order_by=name+desc", "name");
        assert_eq!(names.await, ["net", "m"]);
        assert_eq!(bench.walk_default("models?prefix=n", "name").await, ["net"]);
        // the tag of the newest version, not of one before
        let tagged = bench.walk_default("models?tag=round=10", "name");
        assert_eq!(tagged.await, ["m"]);
        assert!(
            bench
                .walk_default("models?tag=round=2", "name")
                .await
                .is_empty()
        );
        bench
            .call("POST", "models/net/archive", json!({}))
            .await
            .ok();
        for (query, expected) in [
            ("", vec!["m"]),
            ("?view=archived", vec!["net"]),
            ("?list_view_type=ArchivedOnly", vec!["net"]),
            ("?view=all", vec!["m", "net"]),
            ("?include_archived=true", vec!["m", "net"]),
            ("?include_archived=false", vec!["m"]),
        ] {
            let found = bench.walk_default(&format!("models{query}"), "name").await;
            assert_eq!(found, expected, "{query}");
        }
        let both = bench.get("models?view=active&include_archived=true").await;
        assert!(both.problem().contains("give one of them"));

        let archived = bench.call("POST", "models/m/versions/2/archive", json!({}));
        archived.await.ok();
        for (query, expected) in [
            ("", vec!["10", "1"]),
            ("?view=all", vec!["10", "2", "1"]),
            ("?view=archived", vec!["2"]),
            (
                "?include_archived=true&order_by=version",
                vec!["1", "2", "10"],
            ),
            ("?prefix=1", vec!["10", "1"]),
            ("?tag=round=1", vec!["1"]),
        ] {
            let path = format!("models/m/versions{query}");
            assert_eq!(
                bench.walk_default(&path, "version").await,
                expected,
                "{query}"
            );
        }
    });
}

#[test]
fn identities_and_records_are_filtered() {
    each(|bench| async move {
        for (name, kind) in [("ada", "user"), ("ci-1", "service"), ("ci-2", "service")] {
            let body = json!({"name": name, "kind": kind});
            bench.admin("POST", "principals", body).await.ok();
            let body = json!({"name": format!("of {name}"), "principal": name});
            bench.admin("POST", "tokens", body).await.ok();
            let body = json!({"principal": name, "role": "Reader"});
            bench.admin("POST", "role-assignments", body).await.ok();
        }
        let found = bench.walk("principals?kind=service&order_by=name+desc", "name");
        assert_eq!(found.await, ["ci-2", "ci-1"]);
        assert_eq!(
            bench.walk("principals?prefix=a", "name").await,
            ["ada", "admin"]
        );
        let robot = bench.admin("GET", "principals?kind=robot", Value::Null);
        assert!(robot.await.problem().contains("`user`, `service`"));

        let made = bench.walk("tokens?principal=ci-1", "name").await;
        assert_eq!(made, ["of ci-1"]);
        let id = &bench.walk("tokens?principal=ci-1", "id").await[0];
        let path = format!("tokens/{id}");
        let gone = bench.admin("DELETE", &path, Value::Null).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        let revoked = bench.walk("tokens?all=true&state=revoked", "name");
        assert_eq!(revoked.await, ["of ci-1"]);
        let active = bench.walk(
            "tokens?all=true&state=active&prefix=of&order_by=name+desc",
            "name",
        );
        assert_eq!(active.await, ["of ci-2", "of ada"]);

        let ids = bench.walk("principals?prefix=ci-1", "id").await;
        let path = "role-assignments?principal=ci-1&role=reader";
        assert_eq!(bench.walk(path, "principal_id").await, ids);
        let missing = bench.admin("GET", "role-assignments?role=none", Value::Null);
        assert_eq!(missing.await.status, StatusCode::NOT_FOUND);

        let roles = bench
            .walk("roles?built_in=true&order_by=name+desc", "name")
            .await;
        assert!(
            roles.len() > 2 && roles.is_sorted_by(|a, b| a > b),
            "{roles:?}"
        );
        assert_eq!(bench.walk("roles?prefix=Read", "name").await, ["Reader"]);
        assert!(bench.walk("roles?built_in=false", "name").await.is_empty());

        let newest = bench.walk("audit?action=tokens/write", "target").await;
        let mut oldest = bench
            .walk("audit?action=tokens/write&order_by=at", "target")
            .await;
        oldest.reverse();
        assert!(newest.len() >= 3);
        assert_eq!(newest, oldest);
    });
}
