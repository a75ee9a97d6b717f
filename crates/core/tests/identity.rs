//! Who may do what: tokens, roles, the audit trail, on both back ends.

use lazuli_core::authentication::Credentials;
use lazuli_core::testing::{TestCore, login};
use lazuli_core::tokens::NewToken;
use lazuli_core::workspaces::WorkspaceChange;
use lazuli_core::{Error, RequestContext};
use lazuli_spec::{Action, ErrorCode, PageRequest};
use lazuli_store::testing::{each_backend, run};

async fn refusal(core: &lazuli_core::Core, token: &str) -> Error {
    let credentials = Credentials::Bearer(token.to_owned());
    let outcome = core
        .authenticate(credentials, RequestContext::default())
        .await;
    outcome.expect_err("these credentials are refused")
}

#[test]
fn whoever_sees_nothing_of_a_workspace_is_told_there_is_none() {
    each_backend(|store| async {
        let test = TestCore::over(store).await;
        let (stranger, _) = test.user("stranger", None).await;
        let denied = test
            .core
            .get_workspace(&stranger, "default")
            .await
            .unwrap_err();
        assert_eq!(denied.code, ErrorCode::NotFound);
        let absent = test
            .core
            .get_workspace(&stranger, "nowhere")
            .await
            .unwrap_err();
        assert_eq!(denied.message.replace("default", "nowhere"), absent.message);
    });
}

#[test]
fn a_reader_may_not_write_and_the_attempt_is_recorded() {
    each_backend(|store| async {
        let test = TestCore::over(store).await;
        let (reader, _) = test.user("reader", Some(("default", "Reader"))).await;
        test.core.get_workspace(&reader, "default").await.unwrap();
        let change = WorkspaceChange::default();
        let denied = test
            .core
            .update_workspace(&reader, "default", change, None)
            .await
            .unwrap_err();
        assert_eq!(denied.code, ErrorCode::PermissionDenied);
        let filter = lazuli_core::audit::AuditFilter {
            principal: Some("reader".to_owned()),
            ..Default::default()
        };
        let records = test
            .core
            .list_audit(&test.admin, filter, PageRequest::default())
            .await
            .unwrap();
        assert_eq!(records.items.len(), 1);
        assert_eq!(records.items[0].action, Action::WorkspacesWrite.as_str());
        assert!(test.core.verify_audit(&test.admin).await.unwrap().sound);
    });
}

#[test]
fn a_revoked_or_expired_token_is_refused() {
    each_backend(|store| async {
        let test = TestCore::over(store).await;
        let (user, token) = test.user("worker", Some(("default", "Reader"))).await;
        test.core
            .revoke_token(&user, user.token_id().unwrap())
            .await
            .unwrap();
        assert_eq!(
            refusal(&test.core, &token).await.message,
            "the token was revoked"
        );

        let short = NewToken {
            name: "short".to_owned(),
            scopes: Vec::new(),
            lifetime: Some(std::time::Duration::from_mins(1)),
            principal: None,
        };
        let (_, text) = test.core.create_token(&test.admin, short).await.unwrap();
        login(&test.core, &text.reveal()).await;
        test.clock.advance(std::time::Duration::from_secs(61));
        assert_eq!(
            refusal(&test.core, &text.reveal()).await.message,
            "the token has expired"
        );
    });
}

#[test]
fn a_token_cannot_widen_itself() {
    run(async {
        let test = TestCore::start().await;
        let narrow = test
            .token("admin", &["*/read", "Lazuli.Identity/tokens/write"])
            .await;
        let narrow = login(&test.core, &narrow).await;
        let wide = NewToken {
            name: "wide".to_owned(),
            scopes: vec!["*".to_owned()],
            lifetime: None,
            principal: None,
        };
        let refused = test.core.create_token(&narrow, wide).await.err().unwrap();
        assert_eq!(refused.field.as_deref(), Some("scopes"));
        let refused = test
            .core
            .assign_role(&narrow, None, "admin", "Owner")
            .await
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
    });
}

#[test]
fn a_token_made_with_a_token_does_not_outlive_it() {
    run(async {
        let test = TestCore::start().await;
        let new = |lifetime| NewToken {
            name: "short".to_owned(),
            scopes: Vec::new(),
            lifetime,
            principal: None,
        };
        let minute = std::time::Duration::from_mins(1);
        let (first, text) = test
            .core
            .create_token(&test.admin, new(Some(minute)))
            .await
            .unwrap();
        let caller = login(&test.core, &text.reveal()).await;
        for asked in [None, Some(minute * 60)] {
            let (second, _) = test.core.create_token(&caller, new(asked)).await.unwrap();
            assert_eq!(second.expires_at, first.expires_at);
        }
    });
}

#[test]
fn a_disabled_principal_has_no_working_credential_left() {
    run(async {
        let test = TestCore::start().await;
        let (_, token) = test.user("leaver", Some(("default", "Contributor"))).await;
        test.core
            .set_principal_disabled(&test.admin, "leaver", true)
            .await
            .unwrap();
        assert_eq!(
            refusal(&test.core, &token).await.code,
            ErrorCode::Unauthenticated
        );
        let last = test
            .core
            .set_principal_disabled(&test.admin, "admin", true)
            .await
            .unwrap_err();
        assert_eq!(last.code, ErrorCode::Conflict);
    });
}

#[test]
fn passwords_log_in_and_wrong_ones_do_not() {
    run(async {
        let test = TestCore::start().await;
        test.user("person", Some(("default", "Reader"))).await;
        let short = test
            .core
            .set_password(&test.admin, "person", "short".to_owned())
            .await
            .unwrap_err();
        assert_eq!(short.field.as_deref(), Some("password"));
        test.core
            .set_password(&test.admin, "person", "a long enough one".to_owned())
            .await
            .unwrap();
        let basic = |password: &str| Credentials::Basic {
            name: "person".to_owned(),
            password: password.to_owned(),
        };
        let context = RequestContext::default;
        let caller = test
            .core
            .authenticate(basic("a long enough one"), context())
            .await
            .unwrap();
        assert_eq!(caller.name(), "person");
        for _ in 0..10 {
            let refused = test
                .core
                .authenticate(basic("wrong"), context())
                .await
                .unwrap_err();
            assert_eq!(refused.code, ErrorCode::Unauthenticated);
        }
        let throttled = test
            .core
            .authenticate(basic("wrong"), context())
            .await
            .unwrap_err();
        assert_eq!(throttled.code, ErrorCode::TooManyRequests);
    });
}

/// Looking after users is no way to become an owner, and neither is a token that may do little.
#[test]
fn nobody_takes_over_who_may_do_more() {
    each_backend(|store| async {
        let test = TestCore::over(store).await;
        let (core, admin) = (&test.core, &test.admin);
        let role = lazuli_core::roles::NewRole {
            name: "usher".to_owned(),
            description: String::new(),
            actions: vec![
                "Lazuli.Identity/*".to_owned(),
                "*/workspaces/read".to_owned(),
            ],
            not_actions: Vec::new(),
        };
        core.create_role(admin, role).await.unwrap();
        test.user("usher", None).await;
        core.assign_role(admin, None, "usher", "usher")
            .await
            .unwrap();
        let usher = login(core, &test.token("usher", &["*"]).await).await;
        test.user("worker", Some(("default", "Contributor"))).await;
        test.user("newcomer", None).await;
        let limited = login(core, &test.token("admin", &["Lazuli.Identity/*"]).await).await;
        let password = "a long enough one";
        let token = |name: &str| NewToken {
            name: "t".to_owned(),
            scopes: Vec::new(),
            lifetime: None,
            principal: Some(name.to_owned()),
        };
        for name in ["admin", "worker"] {
            let set = core.set_password(&usher, name, password.to_owned()).await;
            assert_eq!(set.unwrap_err().code, ErrorCode::PermissionDenied);
            let made = core.create_token(&usher, token(name)).await;
            assert_eq!(
                made.map(drop).unwrap_err().code,
                ErrorCode::PermissionDenied
            );
            let set = core.set_password(&limited, name, password.to_owned()).await;
            assert_eq!(set.unwrap_err().code, ErrorCode::PermissionDenied);
        }
        core.set_password(&usher, "newcomer", password.to_owned())
            .await
            .unwrap();
        core.create_token(&usher, token("newcomer")).await.unwrap();
        // what the token may do is within one's own rights
        let little = NewToken {
            scopes: vec!["*/workspaces/read".to_owned()],
            ..token("worker")
        };
        core.create_token(&usher, little).await.unwrap();
        core.set_password(admin, "worker", password.to_owned())
            .await
            .unwrap();
    });
}

#[test]
fn a_change_in_the_audit_table_is_found() {
    each_backend(|store| async move {
        let test = TestCore::over(store.clone()).await;
        test.user("someone", Some(("default", "Reader"))).await;
        let sound = test.core.verify_audit(&test.admin).await.unwrap();
        assert!(sound.sound);
        let tamper = store.write(|tx| {
            tx.execute(
                "UPDATE audit_records SET target = 'data/other:1' WHERE sequence = 2",
                lazuli_store::params![],
            )
        });
        tamper.await.unwrap();
        let broken = test.core.verify_audit(&test.admin).await.unwrap();
        assert!(!broken.sound);
        assert_eq!(broken.first_break.unwrap().sequence, 2);
    });
}
