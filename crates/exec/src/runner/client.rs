//! The runner's side of the protocol with the server.
//!
//! A call is repeated, with growing pauses, for as long as the server is away or in trouble; only an answer that will not change
//! (a 4xx) is an error. A server that comes back on another port is found through `<home>/server.json`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lazuli_spec::runner::Launch;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After this long without the server a runner gives up; the job's end stays in `result.json`.
const PATIENCE: Duration = Duration::from_hours(7 * 24);

/// An answer that trying again will not change.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {message}")]
pub(super) struct Refused {
    /// What was asked.
    what: String,
    /// The server's words.
    message: String,
}

/// What a request carries.
#[derive(Debug, Clone)]
pub(super) enum Body<'a> {
    Nothing,
    Json(Bytes),
    Bytes(Bytes),
    File(&'a Path),
}

impl Body<'_> {
    fn json(value: &impl serde::Serialize) -> Self {
        // plain types with string keys: this cannot fail, and an empty body would be refused with clear words
        Self::Json(serde_json::to_vec(value).unwrap_or_default().into())
    }

    async fn put_into(&self, request: RequestBuilder) -> io::Result<RequestBuilder> {
        const BINARY: &str = "application/octet-stream";
        Ok(match self {
            Self::Nothing => request,
            Self::Json(bytes) => request
                .header(CONTENT_TYPE, "application/json")
                .body(bytes.clone()),
            Self::Bytes(bytes) => request.header(CONTENT_TYPE, BINARY).body(bytes.clone()),
            Self::File(path) => {
                let file = tokio::fs::File::open(path).await?;
                let length = file.metadata().await?.len();
                let pieces = ReaderStream::with_capacity(file.take(length), 256 * 1024);
                request
                    .header(CONTENT_TYPE, BINARY)
                    .header(CONTENT_LENGTH, length)
                    .body(reqwest::Body::wrap_stream(pieces))
            }
        })
    }
}

/// A connection to the server; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Arc<Mutex<String>>,
    token: Arc<str>,
    workspace: Arc<str>,
    announcement: PathBuf,
}

impl Client {
    pub(super) fn new(launch: &Launch) -> Result<Self, String> {
        let broken =
            |error: reqwest::Error| format!("cannot prepare to talk to the server: {error}");
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_mins(2))
            .tcp_nodelay(true);
        if is_loopback(&launch.server_url) {
            builder = builder.no_proxy();
        }
        let authorities = match &launch.ca_pem {
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(broken)?,
            None => Vec::new(),
        };
        // the machine's own list takes a while to read, and a server without TLS or with its own authority needs none of it
        if !authorities.is_empty() || launch.server_url.starts_with("http://") {
            builder = builder.tls_certs_only(authorities);
        }
        Ok(Self {
            http: builder.build().map_err(broken)?,
            base: Arc::new(Mutex::new(
                launch.server_url.trim_end_matches('/').to_owned(),
            )),
            token: launch.token.as_str().into(),
            workspace: launch.workspace.as_str().into(),
            announcement: Path::new(&launch.home).join("server.json"),
        })
    }

    fn base(&self) -> String {
        self.base
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// `/api/v1/workspaces/<workspace>/<rest>`
    pub(super) fn in_workspace(&self, rest: &str) -> String {
        format!("/api/v1/workspaces/{}/{rest}", self.workspace)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base()))
            .bearer_auth(&self.token)
    }

    /// Sends a request until it is answered; the body is made anew for every attempt.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
    ) -> Result<Response, Refused> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let request = body
                .put_into(self.request(method.clone(), path))
                .await
                .map_err(|error| refused(&method, path, error.to_string()))?;
            let trouble = match request.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) if is_lasting(response.status()) => {
                    return Err(refused(&method, path, words_of(response).await));
                }
                Ok(response) => format!("status {}", response.status()),
                Err(error) => {
                    self.look_for_server();
                    error.to_string()
                }
            };
            if started.elapsed() > PATIENCE {
                return Err(refused(&method, path, trouble));
            }
            tracing::debug!(path, trouble, "will try again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One attempt only, for what is stale when it is late.
    pub(super) async fn try_once<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Option<T> {
        let response = self
            .request(method, path)
            .timeout(Duration::from_secs(10))
            .json(body)
            .send()
            .await;
        match response {
            Ok(response) if response.status().is_success() => response.json().await.ok(),
            Ok(_) => None,
            Err(_) => {
                self.look_for_server();
                None
            }
        }
    }

    pub(super) async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        let response = self.call(Method::GET, path, Body::Nothing).await?;
        decode(Method::GET, path, response).await
    }

    pub(super) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, Refused> {
        let response = self.call(method.clone(), path, Body::json(body)).await?;
        decode(method, path, response).await
    }

    /// Sends a body whose answer does not matter.
    pub(super) async fn put_json(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<(), Refused> {
        self.call(Method::PUT, path, Body::json(body))
            .await
            .map(drop)
    }

    /// Sends a file, read anew for each attempt.
    pub(super) async fn put_file(&self, path: &str, file: &Path) -> Result<(), Refused> {
        self.call(Method::PUT, path, Body::File(file))
            .await
            .map(drop)
    }

    /// A restarted server may answer elsewhere: it says where in its home.
    fn look_for_server(&self) {
        #[derive(Deserialize)]
        struct Announcement {
            url: String,
        }
        let Ok(text) = std::fs::read(&self.announcement) else {
            return;
        };
        let Ok(found) = serde_json::from_slice::<Announcement>(&text) else {
            return;
        };
        let url = found.url.trim_end_matches('/').to_owned();
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        // the scheme stays: the authorities were chosen for it, and one port speaks both
        if let (Some((scheme, _)), Some((_, place))) =
            (base.split_once("://"), url.split_once("://"))
        {
            let moved = format!("{scheme}://{place}");
            *base = moved;
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|start| host.starts_with(start))
}

/// A request that is wrong stays wrong; "too early", "too many" and "timed out" pass.
fn is_lasting(status: StatusCode) -> bool {
    status.is_client_error()
        && !matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY
        )
}

fn refused(method: &Method, path: &str, message: String) -> Refused {
    let place = path.split('?').next().unwrap_or(path);
    Refused {
        what: format!("{method} {place}"),
        message,
    }
}

/// The server's explanation, whichever dialect it speaks.
async fn words_of(response: Response) -> String {
    let status = response.status();
    let body: serde_json::Value = response.json().await.unwrap_or_default();
    let words = ["detail", "message", "title"]
        .iter()
        .find_map(|name| body.get(name).and_then(serde_json::Value::as_str));
    words.map_or_else(
        || status.to_string(),
        |words| format!("{words} ({})", status.as_u16()),
    )
}

async fn decode<T: DeserializeOwned>(
    method: Method,
    path: &str,
    response: Response,
) -> Result<T, Refused> {
    response
        .json()
        .await
        .map_err(|error| refused(&method, path, format!("the answer cannot be read: {error}")))
}
