//! What came back: JSON, bytes, or a refusal that has to be told to a person.

use futures::{Stream, StreamExt as _};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::Target;
use crate::error::{CliError, CliResult, Exit};

/// A successful response.
#[derive(Debug)]
pub(crate) struct Answer(Response);

impl Answer {
    pub(super) fn new(response: Response) -> Self {
        Self(response)
    }

    /// The ETag, quotes and all.
    pub(crate) fn etag(&self) -> Option<String> {
        self.header("etag")
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name)?.to_str().ok().map(str::to_owned)
    }

    /// The body as JSON; an empty body (204) is `null`.
    pub(crate) async fn json(self) -> CliResult<Value> {
        let bytes = self.0.bytes().await.map_err(|error| cut_off(&error))?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            CliError::new(format!("the answer is not JSON: {error}"))
                .hint("is something other than Lazuli listening at this address?")
        })
    }

    /// The body as text.
    pub(crate) async fn text(self) -> CliResult<String> {
        self.0.text().await.map_err(|error| cut_off(&error))
    }

    /// The body piece by piece.
    pub(crate) fn stream(self) -> impl Stream<Item = CliResult<bytes::Bytes>> + Unpin + Send {
        self.0
            .bytes_stream()
            .map(|piece| piece.map_err(|error| cut_off(&error)))
            .boxed()
    }
}

fn cut_off(error: &reqwest::Error) -> CliError {
    CliError::new(format!(
        "the answer broke off: {}",
        super::transport::deepest(error)
    ))
    .hint("was the server stopped? the same command can be run again")
    .passing()
}

/// Reads a problem document (or an MLflow error, or plain text) into an error.
pub(super) async fn refusal(response: Response, target: &Target) -> CliError {
    let status = response.status();
    let body = response.bytes().await.unwrap_or_default();
    problem(status, &body, target)
}

/// A problem document as an error; kept apart from the network so that tests can read it.
pub(super) fn problem(status: StatusCode, body: &[u8], target: &Target) -> CliError {
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text = |key: &str| {
        document
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let message = text("detail")
        .or_else(|| text("message"))
        .or_else(|| text("title"))
        .unwrap_or_else(|| format!("the server answered {status}"));
    let mut error = CliError::new(message);
    error.field = text("field").map(Into::into);
    error.hint = text("hint")
        .or_else(|| default_hint(status, target))
        .map(Into::into);
    if status == StatusCode::NOT_FOUND {
        error.exit = Exit::NotFound;
    }
    if status.is_server_error() {
        error.is_passing = true;
        error.detail =
            text("request_id").map(|id| format!("request {id}; the server's log says more").into());
    }
    error
}

fn default_hint(status: StatusCode, target: &Target) -> Option<String> {
    match status {
        StatusCode::UNAUTHORIZED if target.token.is_none() => Some(format!(
            "no token was found for {}; set LAZULI_TOKEN or run `lazuli login --server {}`",
            target.url, target.url
        )),
        StatusCode::UNAUTHORIZED => Some(format!(
            "the token ({}) was not accepted; it may have expired or been revoked",
            target.token_from
        )),
        StatusCode::PRECONDITION_FAILED => {
            Some("it was changed by someone else meanwhile; run the command again".to_owned())
        }
        _ => None,
    }
}
