//! Paths and problem documents, as the client handles them.

use reqwest::StatusCode;

use super::answer::problem;
use super::*;
use crate::error::Exit;

fn target(token: bool) -> Target {
    Target {
        url: "https://127.0.0.1:7878".to_owned(),
        token: token.then(|| discover::Secret::new("t")),
        token_from: "from LAZULI_TOKEN".to_owned(),
        ca: None,
    }
}

#[test]
fn a_name_cannot_reach_another_route() {
    assert_eq!(
        server_path(&["tokens", "../users", ".."]),
        "/api/v1/tokens/..%2Fusers/%2E%2E"
    );
    assert_eq!(encode("a b?c#d%"), "a%20b%3Fc%23d%25");
    assert_eq!(encode("iris@latest"), "iris@latest");
}

#[test]
fn a_problem_document_is_told_whole() {
    let body = br#"{"type":"about:blank","title":"Bad request","status":400,"code":"invalid","detail":"`cpus` is not known",
        "field":"resources.cpus","hint":"did you mean `cpu`?","request_id":"r1"}"#;
    insta::assert_snapshot!(problem(StatusCode::BAD_REQUEST, body, &target(true)).render(), @r"
    error: `cpus` is not known
      field: resources.cpus

    hint: did you mean `cpu`?
    ");
}

#[test]
fn refusals_without_words_still_say_what_to_do() {
    insta::assert_snapshot!(problem(StatusCode::UNAUTHORIZED, b"", &target(false)).render(), @r"
    error: the server answered 401 Unauthorized

    hint: no token was found for https://127.0.0.1:7878; set LAZULI_TOKEN or run `lazuli login --server https://127.0.0.1:7878`
    ");
    let missing = problem(StatusCode::NOT_FOUND, b"<html>", &target(true));
    assert_eq!(missing.exit, Exit::NotFound);
    let broken = problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        br#"{"detail":"oops","request_id":"r9"}"#,
        &target(true),
    );
    assert_eq!(
        broken.detail.as_deref(),
        Some("request r9; the server's log says more")
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_asked_again_and_then_explained() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let client = Client::to(
        Target {
            url,
            ..target(false)
        },
        "default",
    )
    .unwrap();
    let error = client.get("/healthz").await.unwrap_err();
    assert_eq!(
        error.hint.as_deref(),
        Some("is the server running? start it with `lazuli up`")
    );
    assert!(
        error
            .message
            .starts_with("cannot reach the server at http://127.0.0.1:"),
        "{}",
        error.message
    );
}
