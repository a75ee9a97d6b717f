//! The OpenAPI document stands in `docs/reference/openapi.json`: any change of the native interface shows in review.
//! `UPDATE_REFERENCE=1 cargo test -p lazuli-api --test openapi` writes it anew.

use lazuli_api::{AppState, Limits, surface};
use lazuli_core::testing::TestCore;
use lazuli_store::testing::run;

#[test]
fn the_document_is_the_committed_one() {
    let text = run(async {
        let test = TestCore::start().await;
        let state = AppState {
            core: test.core.clone(),
            limits: Limits::default(),
        };
        surface(state).openapi.to_pretty_json().unwrap()
    });
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/openapi.json"
    );
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/reference/openapi.json differs: run with UPDATE_REFERENCE=1 and review the change"
    );
}
