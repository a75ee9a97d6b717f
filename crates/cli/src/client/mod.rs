//! The HTTP client of every command that talks to a server.
//!
//! Built on first use: reading credentials and setting up TLS costs milliseconds that `--help` must not pay. Paths are
//! given in segments and encoded here, so that a name can never reach another route. Lists are followed page by page.

mod answer;
mod discover;
mod events;
pub(crate) mod logins;
mod transport;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

pub(crate) use answer::Answer;
pub(crate) use discover::Target;
pub(crate) use events::{Event, EventStream};

use crate::cli::Globals;
use crate::error::{CliError, CliResult};

/// Items asked for in one page of a list.
const PAGE: usize = 200;

/// A connection to one server, in one workspace.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    target: Target,
    workspace: String,
}

impl Client {
    /// Finds the server and the token, and prepares TLS. Sends nothing yet.
    pub(crate) fn connect(globals: &Globals) -> CliResult<Self> {
        let target = Target::discover(globals)?;
        Ok(Self {
            http: transport::build(&target)?,
            target,
            workspace: globals.workspace_name.clone(),
        })
    }

    /// As [`Client::connect`], with a target that was made by hand (`lazuli login` before it stores anything).
    pub(crate) fn to(target: Target, workspace: &str) -> CliResult<Self> {
        Ok(Self {
            http: transport::build(&target)?,
            target,
            workspace: workspace.to_owned(),
        })
    }

    /// Which server, which token.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The path of something in the workspace.
    pub(crate) fn path(&self, segments: &[&str]) -> String {
        let mut path = format!("/api/v1/workspaces/{}", encode(&self.workspace));
        push_segments(&mut path, segments);
        path
    }

    /// GET, answered with JSON.
    pub(crate) async fn get(&self, path: &str) -> CliResult<Value> {
        self.get_with(path, &[]).await
    }

    /// GET with query parameters.
    pub(crate) async fn get_with(&self, path: &str, query: &[(&str, &str)]) -> CliResult<Value> {
        self.send(self.request(Method::GET, path).query(query))
            .await?
            .json()
            .await
    }

    /// GET that also keeps the ETag, for an update that must not overwrite another's.
    pub(crate) async fn get_tagged(&self, path: &str) -> CliResult<(Value, Option<String>)> {
        let answer = self.send(self.request(Method::GET, path)).await?;
        let tag = answer.etag();
        Ok((answer.json().await?, tag))
    }

    /// POST of a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> CliResult<Value> {
        self.send(self.request(Method::POST, path).json(body))
            .await?
            .json()
            .await
    }

    /// PUT of a JSON body.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> CliResult<Value> {
        self.put_if(path, body, None).await
    }

    /// PUT of a JSON body, if nobody else has changed the thing since `tag` was read.
    pub(crate) async fn put_if(
        &self,
        path: &str,
        body: &Value,
        tag: Option<&str>,
    ) -> CliResult<Value> {
        self.change(Method::PUT, path, body, tag).await
    }

    /// PATCH of a JSON body, if nobody else has changed the thing since `tag` was read.
    pub(crate) async fn patch(
        &self,
        path: &str,
        body: &Value,
        tag: Option<&str>,
    ) -> CliResult<Value> {
        self.change(Method::PATCH, path, body, tag).await
    }

    async fn change(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        tag: Option<&str>,
    ) -> CliResult<Value> {
        let mut request = self.request(method, path).json(body);
        if let Some(tag) = tag {
            request = request.header(reqwest::header::IF_MATCH, tag);
        }
        self.send(request).await?.json().await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> CliResult<Value> {
        self.send(self.request(Method::DELETE, path))
            .await?
            .json()
            .await
    }

    /// A whole list, page by page, up to `most` items.
    pub(crate) async fn list(
        &self,
        path: &str,
        query: &[(&str, String)],
        most: Option<usize>,
    ) -> CliResult<Vec<Value>> {
        let most = most.unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, path).query(query);
            request = request.query(&[("limit", PAGE.min(most - items.len()))]);
            if let Some(token) = &token {
                request = request.query(&[("page_token", token)]);
            }
            let mut page = self.send(request).await?.json().await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            token = page
                .get("next_page_token")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if token.is_none() || items.len() >= most {
                items.truncate(most);
                return Ok(items);
            }
        }
    }

    /// A request with the token in place, for callers that stream.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.target.url));
        match &self.target.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }

    /// A request with another secret than the caller's token: an endpoint's key.
    pub(crate) fn keyed_request(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.target.url))
            .bearer_auth(key)
    }

    /// Sends, trying again while the server is away or asks for patience, and turns a refusal into an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> CliResult<Answer> {
        let response = self.send_patiently(request).await?;
        if response.status().is_success() {
            return Ok(Answer::new(response));
        }
        Err(answer::refusal(response, &self.target).await)
    }

    /// Connection refused means nothing was received: any request may be sent again. A 429 or 503 says so itself.
    async fn send_patiently(&self, request: RequestBuilder) -> CliResult<Response> {
        let mut pause = Duration::from_millis(100);
        for _ in 0..4 {
            let Some(copy) = request.try_clone() else {
                break;
            };
            match copy.send().await {
                Ok(response) if is_busy(&response) => pause = patience(&response).unwrap_or(pause),
                Ok(response) => return Ok(response),
                Err(error) if error.is_connect() && !transport::is_tls(&error) => {}
                Err(error) => return Err(transport::failure(&error, &self.target)),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        request
            .send()
            .await
            .map_err(|error| transport::failure(&error, &self.target))
    }
}

fn is_busy(response: &Response) -> bool {
    matches!(response.status().as_u16(), 429 | 503)
}

/// What `Retry-After` asks for, at most ten seconds: a person is waiting.
fn patience(response: &Response) -> Option<Duration> {
    let seconds: u64 = response
        .headers()
        .get(reqwest::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds.min(10)))
}

/// `/a/b c` with each segment percent-encoded.
pub(crate) fn push_segments(path: &mut String, segments: &[&str]) {
    for segment in segments {
        path.push('/');
        path.push_str(&encode(segment));
    }
}

/// The path of something outside workspaces.
pub(crate) fn server_path(segments: &[&str]) -> String {
    let mut path = "/api/v1".to_owned();
    push_segments(&mut path, segments);
    path
}

/// Percent-encodes one path segment.
pub(crate) fn encode(segment: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'@');
    // `.` and `..` would be folded away by URL parsing.
    match segment {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => percent_encoding::utf8_percent_encode(segment, KEPT).to_string(),
    }
}

/// Runs a client command: one thread is enough, and starts fastest.
pub(crate) fn block_on<F: Future<Output = CliResult<T>>, T>(future: F) -> CliResult<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(format!("cannot start: {error}")))?;
    runtime.block_on(future)
}

#[cfg(test)]
mod tests;
