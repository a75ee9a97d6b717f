//! The requests that webhooks send, and to whom: the one place where people outside choose what this server connects to.
//!
//! A name is resolved here, every address it stands for is judged, and the connection is made to the very addresses that
//! passed: there is no second look-up that could say something else. Proxies and redirects would both lead elsewhere, so
//! neither is followed. What comes back is read to a limit.

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use lazuli_core::webhooks::{Answer, Failure, Outbound, Post};
use lazuli_spec::invalid::Invalid;
use lazuli_spec::webhooks::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use tokio::sync::Semaphore;

/// Time to resolve a name.
const RESOLVE: Duration = Duration::from_secs(5);
/// Names being resolved at once: a resolver that hangs must not take all threads.
const RESOLVING: usize = 8;
/// How much of an answer is read.
const ANSWER: usize = 64 << 10;

/// What webhooks may reach.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Also what is not on the public internet.
    pub allow_private: bool,
    /// Schemes of addresses.
    pub schemes: Vec<String>,
    /// Time for one request.
    pub timeout: Duration,
}

/// Sends webhooks.
#[derive(Debug)]
pub struct WebhookClient {
    reach: Reach,
    resolver: Arc<Resolver>,
    http: OnceLock<Result<Client, String>>,
}

impl WebhookClient {
    /// A client that reaches so far. Nothing is connected yet.
    pub fn new(reach: Reach) -> Self {
        let resolver = Resolver {
            allow_private: reach.allow_private,
            turns: Semaphore::new(RESOLVING),
        };
        Self {
            reach,
            resolver: Arc::new(resolver),
            http: OnceLock::new(),
        }
    }

    fn http(&self) -> Result<&Client, Failure> {
        let made = self.http.get_or_init(|| {
            // another part of this program may have chosen one already, which will do
            let _ = rustls::crypto::ring::default_provider().install_default();
            let client = Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .dns_resolver(Asked(Arc::clone(&self.resolver)))
                .pool_max_idle_per_host(0)
                .connect_timeout(self.reach.timeout)
                .timeout(self.reach.timeout)
                .user_agent(concat!("lazuli/", env!("CARGO_PKG_VERSION")))
                .build();
            client.map_err(|error| in_words(&error))
        });
        made.as_ref().map_err(|message| Failure {
            message: message.clone(),
            for_good: false,
        })
    }

    /// The address, if it has a form that webhooks may have; numeric hosts are judged already.
    fn parsed(&self, text: &str) -> Result<Url, Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid(format!(
                "Webhook URL cannot be empty or just whitespace: '{text}'"
            )));
        }
        let schemes = &self.reach.schemes;
        let wrong_scheme = |scheme: &str| {
            Invalid(format!(
                "Invalid webhook URL scheme: '{scheme}'. Allowed schemes are: {}.",
                schemes.join(", ")
            ))
        };
        let url = Url::parse(text).map_err(|error| {
            let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
            if schemes
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme))
            {
                Invalid(format!("Invalid webhook URL '{text}': {error}"))
            } else {
                wrong_scheme(scheme)
            }
        })?;
        if !schemes.iter().any(|known| known == url.scheme()) {
            return Err(wrong_scheme(url.scheme()));
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(Invalid(format!(
                "Webhook URL must include a hostname: '{text}'"
            )));
        };
        if let Some(address) = numeric(host)
            && !self.reach.allow_private
            && !is_public(address)
        {
            return Err(not_public(host, address));
        }
        Ok(url)
    }
}

#[async_trait]
impl Outbound for WebhookClient {
    async fn check(&self, url: &str) -> Result<(), Invalid> {
        let url = self.parsed(url)?;
        match url.host_str() {
            Some(host) if !self.reach.allow_private && numeric(host).is_none() => {
                self.resolver.addresses(host).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn post(&self, post: Post) -> Result<Answer, Failure> {
        let refused = |error: Invalid| Failure {
            message: error.0,
            for_good: true,
        };
        let url = self.parsed(&post.url).map_err(refused)?;
        let mut request = self.http()?.post(url).body(post.body);
        request = request.header(CONTENT_TYPE, "application/json");
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok().map(str::to_owned));
        let mut body = Vec::new();
        // the status is the answer; a body that breaks off changes nothing
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ANSWER - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == ANSWER {
                break;
            }
        }
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

/// Resolves names to addresses that may be reached, or to none.
#[derive(Debug)]
struct Resolver {
    allow_private: bool,
    turns: Semaphore,
}

/// What reqwest asks; it takes only what is its own.
struct Asked(Arc<Resolver>);

impl Resolve for Asked {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.0);
        Box::pin(async move {
            let found = resolver.addresses(name.as_str()).await;
            let addresses = found.map_err(|error| Refused(error.0))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Resolver {
    /// All addresses of a name; refused when one of them may not be reached.
    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Invalid> {
        let unknown = |why: &dyn fmt::Display| {
            Invalid(format!(
                "Cannot resolve Webhook URL hostname '{host}': {why}"
            ))
        };
        let look_up = async {
            let _turn = self.turns.acquire().await;
            tokio::net::lookup_host((host, 0)).await
        };
        let found = tokio::time::timeout(RESOLVE, look_up).await.map_err(|_| {
            Invalid(format!(
                "Timed out resolving Webhook URL hostname '{host}' after {} seconds",
                RESOLVE.as_secs()
            ))
        })?;
        let addresses: Vec<SocketAddr> = found.map_err(|error| unknown(&error))?.collect();
        if addresses.is_empty() {
            return Err(unknown(&"it has no address"));
        }
        let closed = addresses.iter().find(|address| !is_public(address.ip()));
        match closed {
            Some(closed) if !self.allow_private => Err(not_public(host, closed.ip())),
            _ => Ok(addresses),
        }
    }
}

/// A name that was not resolved to what may be reached.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Refused {}

fn not_public(host: &str, address: IpAddr) -> Invalid {
    Invalid(format!(
        "Webhook URL must not resolve to a non-public IP address. '{host}' resolves to {address}. The server's setting `webhooks.allow_private` permits it"
    ))
}

/// The address that a host is written as; IPv6 stands in brackets.
fn numeric(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// Why a request had no answer. A closed address is refused for good; everything else may pass.
fn failure(error: &reqwest::Error) -> Failure {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(Refused(message)) = cause.downcast_ref() {
            return Failure {
                message: message.clone(),
                for_good: message.contains("non-public"),
            };
        }
        source = cause.source();
    }
    Failure {
        message: in_words(error),
        for_good: error.is_builder(),
    }
}

/// The innermost cause says most; the address may hold a secret and is left out.
fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the receiver did not answer in time".to_owned();
    }
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.source().is_some() {
        format!("the receiver cannot be reached: {cause}")
    } else {
        "the receiver cannot be reached".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::HeaderMap;
    use axum::response::Redirect;
    use axum::routing::post;

    use super::*;

    fn client(allow_private: bool) -> WebhookClient {
        WebhookClient::new(Reach {
            allow_private,
            schemes: vec!["https".to_owned(), "http".to_owned()],
            timeout: Duration::from_millis(500),
        })
    }

    fn strict() -> WebhookClient {
        client(false)
    }

    fn to(url: String) -> Post {
        Post {
            url,
            headers: vec![("X-MLflow-Delivery-Id", "d".to_owned())],
            body: "{}".to_owned(),
        }
    }

    /// A receiver on this machine; says its port and counts what comes.
    async fn receiver() -> (u16, Arc<AtomicUsize>) {
        let came = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&came);
        let take = move |headers: HeaderMap| async move {
            counter.fetch_add(1, Ordering::SeqCst);
            headers["x-mlflow-delivery-id"].to_str().unwrap().to_owned()
        };
        let router = Router::new()
            .route("/", post(take))
            .route("/away", post(|| async { Redirect::temporary("/") }))
            .route("/large", post(|| async { "x".repeat(1 << 20) }))
            .route("/slow", post(|| tokio::time::sleep(Duration::from_secs(5))));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (port, came)
    }

    #[tokio::test]
    async fn addresses_of_no_public_host_are_refused_in_every_spelling() {
        let client = client(false);
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://localhost/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://10.0.0.1/",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "https://[fd00:ec2::254]/",
        ] {
            let refused = client.check(url).await.unwrap_err();
            assert!(refused.0.contains("non-public"), "{url}: {}", refused.0);
            let failed = client.post(to(url.to_owned())).await.unwrap_err();
            assert!(failed.for_good, "{url}: {}", failed.message);
        }
        assert_eq!(client.check("https://8.8.8.8/hook").await, Ok(()));
    }

    #[tokio::test]
    async fn other_forms_are_refused_in_words() {
        let client = client(true);
        for (url, words) in [
            ("", "cannot be empty"),
            ("invalid-url", "Invalid webhook URL scheme: ''"),
            ("ftp://example.com", "Invalid webhook URL scheme: 'ftp'"),
            ("file:///etc/passwd", "Invalid webhook URL scheme: 'file'"),
            ("http://", "Invalid webhook URL 'http://'"),
            ("https://exa mple", "Invalid webhook URL"),
        ] {
            let refused = client.check(url).await.unwrap_err();
            assert!(refused.0.contains(words), "{url}: {}", refused.0);
        }
        let refused = strict().check("https://no-such-host.invalid/").await;
        assert!(refused.unwrap_err().0.contains("no-such-host.invalid"));
    }

    #[tokio::test]
    async fn what_is_permitted_is_reached_and_nothing_is_followed() {
        let (port, came) = receiver().await;
        let client = client(true);
        let sent = |path: &str| client.post(to(format!("http://localhost:{port}{path}")));
        assert_eq!(sent("/").await.unwrap().body, "d");
        assert_eq!(sent("/away").await.unwrap().status, 307);
        assert_eq!(sent("/large").await.unwrap().body.len(), ANSWER);
        assert_eq!(came.load(Ordering::SeqCst), 1);
        let slow = sent("/slow").await.unwrap_err();
        assert!(
            !slow.for_good && slow.message.contains("in time"),
            "{slow:?}"
        );
        // the check at delivery holds for whoever was let in before
        let refused = strict().post(to(format!("http://localhost:{port}/"))).await;
        assert!(refused.unwrap_err().for_good);
        assert_eq!(came.load(Ordering::SeqCst), 1);
    }
}
