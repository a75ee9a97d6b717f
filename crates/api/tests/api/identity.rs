//! Users, tokens, roles and the audit trail in the native interface, on both back ends.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, each, lines, settled, shown};

impl Bench {
    async fn make_user(&self, name: &str) -> Value {
        let made = self
            .admin("POST", "principals", json!({"name": name}))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
        made.json()
    }

    /// A token of somebody, with its id.
    async fn make_token(&self, principal: &str) -> (String, String) {
        let body = json!({"name": "test", "principal": principal});
        let made = self.admin("POST", "tokens", body).await.ok();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        (text("token"), text("id"))
    }

    async fn status(&self, token: &str, path: &str) -> u16 {
        let answer = self.as_user(token, "GET", path, Value::Null).await;
        answer.status.as_u16()
    }
}

#[test]
fn users_are_made_disabled_and_enabled() {
    each(|bench| async move {
        let body = json!({"name": "ci-pipeline", "kind": "service", "display_name": "Nightly"});
        let made = bench.admin("POST", "principals", body).await;
        insta::assert_snapshot!("principal_view", shown(&made.ok()));
        let (token, _) = bench.make_token("ci-pipeline").await;
        assert_eq!(bench.status(&token, "whoami").await, 200);
        let disabled = bench
            .admin("POST", "principals/ci-pipeline/disable", json!({}))
            .await;
        assert_eq!(disabled.ok()["disabled"], true);
        assert_eq!(bench.status(&token, "whoami").await, 401);
        let enabled = bench
            .admin("POST", "principals/ci-pipeline/enable", json!({}))
            .await;
        assert_eq!(enabled.ok()["disabled"], false);
        assert_eq!(
            bench.status(&token, "whoami").await,
            401,
            "tokens stay revoked"
        );
        let list = bench.admin("GET", "principals", Value::Null).await.ok();
        let list = lines(&list, &["name", "kind"]);
        assert!(list.contains(&"ci-pipeline service".to_owned()), "{list:?}");

        let mut problems = Vec::new();
        for body in [
            json!({"name": "ci-pipeline"}),
            json!({"name": ""}),
            json!({"name": "a b/c"}),
            json!({"name": "x", "kind": "robot"}),
            json!({"name": "x", "admin": true}),
        ] {
            problems.push(bench.admin("POST", "principals", body).await.problem());
        }
        let nobody = bench.admin("POST", "principals/nobody/disable", json!({}));
        problems.push(nobody.await.problem());
        insta::assert_snapshot!("principal_refused", problems.join("\n"));
    });
}

#[test]
fn a_token_is_shown_once_and_ends_when_told() {
    each(|bench| async move {
        bench.make_user("ada").await;
        let body = json!({"name": "nightly", "principal": "ada", "scopes": ["*/read"], "expires_in_seconds": 3600});
        let made = bench.admin("POST", "tokens", body).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let made = made.json();
        insta::assert_snapshot!("token_made", shown(&made));
        let token = made["token"].as_str().unwrap();
        let who = bench.as_user(token, "GET", "whoami", Value::Null).await;
        insta::assert_snapshot!("whoami", shown(&who.ok()));
        let own = bench.as_user(token, "GET", "tokens", Value::Null).await;
        assert!(!String::from_utf8_lossy(&own.body).contains(token));
        assert_eq!(own.ok()["items"].as_array().unwrap().len(), 1);
        bench
            .test
            .clock
            .advance(std::time::Duration::from_secs(3_601));
        assert_eq!(bench.status(token, "whoami").await, 401);

        let (token, id) = bench.make_token("ada").await;
        let revoked = bench
            .admin("DELETE", &format!("tokens/{id}"), Value::Null)
            .await;
        assert_eq!(revoked.status, StatusCode::NO_CONTENT);
        let refused = bench.as_user(&token, "GET", "whoami", Value::Null).await;
        insta::assert_snapshot!("token_revoked", shown(&refused.json()));

        let mut problems = Vec::new();
        for body in [
            json!({"name": "x", "principal": "nobody"}),
            json!({"name": "x", "scopes": ["Microsoft.Nothing/*"]}),
            json!({"name": "x", "expires_in_seconds": 0}),
            json!({"name": "x", "expires_in_seconds": -1}),
            json!({}),
        ] {
            problems.push(bench.admin("POST", "tokens", body).await.problem());
        }
        let gone = bench.admin("DELETE", "tokens/nothing", Value::Null).await;
        problems.push(gone.problem());
        insta::assert_snapshot!("token_refused", problems.join("\n"));
    });
}

#[test]
fn a_password_logs_in_until_it_is_changed() {
    each(|bench| async move {
        bench.make_user("ada").await;
        let path = "principals/ada/password";
        let set = bench
            .admin("PUT", path, json!({"password": "a long enough one"}))
            .await;
        assert_eq!(set.status, StatusCode::NO_CONTENT, "{:?}", set.body);
        let short = bench.admin("PUT", path, json!({"password": "short"})).await;
        assert_eq!(short.status, StatusCode::BAD_REQUEST);
        let (token, _) = bench.make_token("ada").await;
        let other = "principals/admin/password";
        let body = json!({"password": "a long enough one"});
        let others = bench.as_user(&token, "PUT", other, body).await;
        assert_eq!(others.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn a_role_opens_its_doors_where_it_is_given() {
    each(|bench| async move {
        bench.make_user("ada").await;
        let (token, _) = bench.make_token("ada").await;
        let models = "workspaces/default/models";
        assert_eq!(
            bench.status(&token, models).await,
            404,
            "no role, no workspace"
        );
        let role = json!({"name": "Model Reader", "description": "reads models", "actions": ["*/models/read"]});
        let role = bench.admin("POST", "roles", role).await;
        assert_eq!(role.status, StatusCode::CREATED, "{:?}", role.body);
        insta::assert_snapshot!("role_view", shown(&role.json()));

        let assignments = "workspaces/default/role-assignments";
        let body = json!({"principal": "ada", "role": "Model Reader"});
        let given = bench.admin("POST", assignments, body).await.ok();
        insta::assert_snapshot!("role_assignment", shown(&given));
        assert_eq!(bench.status(&token, models).await, 200);
        let refused = bench
            .as_user(&token, "GET", "workspaces/default/data", Value::Null)
            .await;
        insta::assert_snapshot!("role_lacks", shown(&refused.json()));
        assert_eq!(bench.status(&token, "principals").await, 403);

        let path = format!("{assignments}/{}", given["id"].as_str().unwrap());
        let taken = bench.admin("DELETE", &path, Value::Null).await;
        assert_eq!(taken.status, StatusCode::NO_CONTENT);
        assert_eq!(bench.status(&token, models).await, 404);

        let names = bench.admin("GET", "roles", Value::Null).await.ok();
        let names = lines(&names, &["name"]);
        assert!(
            names.contains(&"AzureML Data Scientist".to_owned()),
            "{names:?}"
        );
        let problems = [
            bench
                .admin("POST", "roles", json!({"name": "Empty", "actions": []}))
                .await,
            bench
                .admin("POST", "roles", json!({"name": "Owner", "actions": ["*"]}))
                .await,
            bench
                .admin(
                    "POST",
                    "roles",
                    json!({"name": "Odd", "actions": ["Microsoft.Nothing/*"]}),
                )
                .await,
            bench
                .admin(
                    "POST",
                    assignments,
                    json!({"principal": "nobody", "role": "Owner"}),
                )
                .await,
            bench
                .admin(
                    "POST",
                    assignments,
                    json!({"principal": "ada", "role": "King"}),
                )
                .await,
            bench.admin("DELETE", &path, Value::Null).await,
        ];
        let problems: Vec<String> = problems.iter().map(Answer::problem).collect();
        insta::assert_snapshot!("role_refused", settled(&problems.join("\n")));
    });
}

#[test]
fn the_trail_tells_who_did_what_and_proves_it() {
    each(|bench| async move {
        bench.make_user("ada").await;
        let (token, _) = bench.make_token("ada").await;
        assert_eq!(bench.status(&token, "audit").await, 403);
        let trail = bench.admin("GET", "audit", Value::Null).await.ok();
        let trail = lines(&trail, &["principal", "action", "target", "outcome"]);
        insta::assert_snapshot!("trail", settled(&trail.join("\n")));
        let denied = "audit?principal=ada&outcome=denied";
        let denied = bench.admin("GET", denied, Value::Null).await.ok();
        assert_eq!(denied["items"].as_array().unwrap().len(), 1);
        let sound = bench.admin("GET", "audit/verify", Value::Null).await.ok();
        assert_eq!(sound["sound"], true);
        let problems = [
            bench
                .admin("GET", "audit?outcome=maybe", Value::Null)
                .await
                .problem(),
            bench
                .admin("GET", "audit?page_token=x", Value::Null)
                .await
                .problem(),
        ];
        insta::assert_snapshot!("audit_refused", problems.join("\n"));
    });
}
