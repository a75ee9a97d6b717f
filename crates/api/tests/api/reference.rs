//! The reference pages that the code itself writes: any change of the interface, the codes or the permissions shows in review.
//! `UPDATE_REFERENCE=1 cargo test -p lazuli-api reference` writes them anew.

use std::fmt::Write as _;

use lazuli_api::mlflow::errors::mlflow_code;
use lazuli_api::rest::errors::status;
use lazuli_api::{AppState, Limits, Surface, surface};
use lazuli_core::testing::TestCore;
use lazuli_spec::roles::{RoleDefinition, built_in};
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::testing::run;

pub(crate) fn whole_surface() -> Surface {
    run(async {
        let test = TestCore::start().await;
        surface(AppState {
            core: test.core.clone(),
            limits: Limits::default(),
        })
    })
}

pub(crate) fn compare(file: &str, text: &str) {
    let path = format!("{}/../../docs/reference/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/reference/{file} differs: run with UPDATE_REFERENCE=1 and review the change"
    );
}

#[test]
fn openapi() {
    let text = whole_surface().openapi.to_pretty_json().unwrap();
    compare("openapi.json", &text);
}

#[test]
fn errors() {
    let mut page = String::from(
        "# Error codes\n\nThe native interface answers errors as problem details with a stable `code`; MLflow's dialect in MLflow's shape.\n\n\
         | code | meaning | HTTP | MLflow |\n| --- | --- | --- | --- |\n",
    );
    for code in ErrorCode::ALL {
        let (mlflow_status, mlflow) = mlflow_code(*code);
        let (number, mlflow_number) = (status(*code).as_u16(), mlflow_status.as_u16());
        let _ = writeln!(
            page,
            "| `{code}` | {} | {number} | {mlflow_number} `{mlflow}` |",
            code.title()
        );
    }
    compare("errors.md", &page);
}

#[test]
fn permissions() {
    let roles = built_in();
    let mut page = String::from(
        "# Permissions\n\nEvery action, and the built-in roles that have it.\n\n| action |",
    );
    for role in &roles {
        let _ = write!(page, " {} |", role.name);
    }
    let _ = writeln!(page, "\n| --- |{}", " --- |".repeat(roles.len()));
    for action in Action::ALL {
        let _ = write!(page, "| `{}` |", action.as_str());
        let has = |role: &RoleDefinition| role.compile().contains(*action);
        for role in &roles {
            page.push_str(if has(role) { " yes |" } else { " |" });
        }
        page.push('\n');
    }
    compare("permissions.md", &page);
}
