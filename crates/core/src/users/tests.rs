//! Users and their levels, on every back end that is at hand.

use lazuli_spec::ErrorCode;
use lazuli_spec::users::Level;
use lazuli_store::testing::each_backend;

use crate::authentication::Credentials;
use crate::testing::TestCore;
use crate::{Caller, RequestContext};

const PASSWORD: &str = "correct horse battery";

async fn log_in(test: &TestCore, name: &str, password: &str) -> crate::Result<Caller> {
    let credentials = Credentials::Basic {
        name: name.to_owned(),
        password: password.to_owned(),
    };
    test.core
        .authenticate(credentials, RequestContext::default())
        .await
}

#[test]
fn users_are_made_changed_and_ended() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let (core, admin) = (&test.core, &test.admin);
        let made = core
            .create_user(admin, "ada", PASSWORD.to_owned())
            .await
            .unwrap();
        assert_eq!((made.username.as_str(), made.is_admin), ("ada", false));
        let again = core.create_user(admin, "ada", PASSWORD.to_owned()).await;
        assert_eq!(
            again.unwrap_err().message,
            "User (username=ada) already exists."
        );
        let short = core.create_user(admin, "bob", "short".to_owned()).await;
        assert_eq!(short.unwrap_err().code, ErrorCode::InvalidArgument);
        let missing = core.get_user(admin, "bob").await.unwrap_err();
        assert_eq!(missing.message, "User with username=bob not found");

        let ada = log_in(&test, "ada", PASSWORD).await.unwrap();
        assert_eq!(core.get_user(&ada, "ada").await.unwrap(), made);
        assert_eq!(
            core.get_user(&ada, "admin").await.unwrap_err().code,
            ErrorCode::PermissionDenied
        );
        let next = "another long password";
        for (present, words) in [
            (None, "is required"),
            (Some("wrong"), "does not match"),
            (Some(PASSWORD), ""),
        ] {
            let changed = core
                .change_password(&ada, "ada", next.to_owned(), present)
                .await;
            match changed {
                Ok(()) => assert!(words.is_empty()),
                Err(error) => assert!(
                    error.message.contains(words) && !words.is_empty(),
                    "{error}"
                ),
            }
        }
        assert!(log_in(&test, "ada", next).await.is_ok());

        core.set_user_admin(admin, "ada", true).await.unwrap();
        assert!(core.get_user(admin, "ada").await.unwrap().is_admin);
        core.set_user_admin(admin, "ada", false).await.unwrap();
        assert!(!core.get_user(admin, "ada").await.unwrap().is_admin);
        let last = core
            .set_user_admin(admin, "admin", false)
            .await
            .unwrap_err();
        assert!(last.message.contains("last owner"));

        assert!(core.delete_user(admin, "admin").await.is_err());
        core.delete_user(admin, "ada").await.unwrap();
        assert!(log_in(&test, "ada", next).await.is_err());
        assert_eq!(core.list_users(admin).await.unwrap().len(), 1);
    });
}

#[test]
fn levels_stand_for_roles_in_a_workspace() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let (core, admin) = (&test.core, &test.admin);
        core.create_user(admin, "ada", PASSWORD.to_owned())
            .await
            .unwrap();
        let ada = log_in(&test, "ada", PASSWORD).await.unwrap();
        assert_eq!(core.user_level(&ada, "default", "ada").await.unwrap(), None);
        for level in [Level::Read, Level::Manage, Level::Edit] {
            core.set_user_level(admin, "default", "ada", Some(level))
                .await
                .unwrap();
            assert_eq!(
                core.user_level(admin, "default", "ada").await.unwrap(),
                Some(level)
            );
            let held = core.user_roles(admin, "ada").await.unwrap();
            let names: Vec<_> = held
                .roles
                .iter()
                .map(|held| held.role.name.as_str())
                .collect();
            assert_eq!(names, [level.role()]);
        }
        let ada = log_in(&test, "ada", PASSWORD).await.unwrap();
        let denied = core
            .set_user_level(&ada, "default", "ada", Some(Level::Manage))
            .await;
        assert_eq!(denied.unwrap_err().code, ErrorCode::PermissionDenied);
        core.set_user_level(admin, "default", "ada", None)
            .await
            .unwrap();
        assert!(
            core.user_roles(admin, "ada")
                .await
                .unwrap()
                .roles
                .is_empty()
        );
    });
}
