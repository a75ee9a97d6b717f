//! At which address the client reached this server: for answers that name further addresses of it.
//!
//! A configured address comes first, then what a proxy in front says it was asked (`X-Forwarded-*`), then the request's own
//! `Host`. A client that lies about these gets addresses of no use to itself, and changes nothing for others.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version};
use lazuli_core::{Caller, Error};

use crate::mlflow::errors::MlflowError;

/// What the server's front knows of how it is reached; put on each request.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// The address that was configured, without a slash at its end.
    pub external_url: Option<Arc<str>>,
    /// The certificate is the administrator's own, which clients trust without being told of it.
    pub own_certificate: bool,
}

/// The request came over TLS that ends here; put on the request by the server's front.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// The server's address as this client can use it: scheme, host and what a proxy puts in front of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The whole address of a path and query of this server's.
    pub fn of(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    fn read(parts: &Parts) -> Option<Self> {
        let configured = parts.extensions.get::<Reached>();
        // a job on this machine reaches the server directly, wherever others reach it
        let of_job = parts.extensions.get::<Caller>().is_some_and(is_job);
        if let Some(url) = configured.and_then(|reached| reached.external_url.as_ref())
            && !of_job
        {
            return Some(Self(url.to_string()));
        }
        let headers = &parts.headers;
        let direct = match parts.version {
            Version::HTTP_2 | Version::HTTP_3 => parts.uri.authority().map(Authority::as_str),
            _ => headers.get(HOST).and_then(|value| value.to_str().ok()),
        };
        let host = forwarded(headers, "x-forwarded-host").or(direct)?;
        let host = host.parse::<Authority>().ok().filter(is_plain)?;
        let scheme = match forwarded(headers, "x-forwarded-proto") {
            Some(scheme @ ("http" | "https")) => scheme,
            _ if parts.extensions.get::<OverTls>().is_some() => "https",
            _ => "http",
        };
        let prefix = forwarded(headers, "x-forwarded-prefix").filter(|text| is_prefix(text));
        let prefix = prefix.unwrap_or_default().trim_end_matches('/');
        Some(Self(format!("{scheme}://{host}{prefix}")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = MlflowError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let unknown = || Error::invalid("Host", "the `Host` header is missing or malformed");
        Ok(Self::read(parts).ok_or_else(unknown)?)
    }
}

fn is_job(caller: &Caller) -> bool {
    caller.job().is_some()
}

/// Of several proxies, what the first one was asked.
fn forwarded<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim)
}

/// Without user and password.
fn is_plain(authority: &Authority) -> bool {
    !authority.as_str().contains('@') && !authority.host().is_empty()
}

fn is_prefix(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(good)
}

/// Whether a client can be expected to trust this connection's certificate with every program it has: the parts of an
/// upload are sent by one that is not told of a private CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedByAll(pub bool);

impl<S: Send + Sync> FromRequestParts<S> for TrustedByAll {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let reached = parts.extensions.get::<Reached>();
        let own = reached.is_some_and(|reached| reached.own_certificate);
        Ok(Self(own || parts.extensions.get::<OverTls>().is_none()))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn read(headers: &[(&str, &str)], change: impl FnOnce(&mut Parts)) -> Option<String> {
        let mut request = Request::builder().uri("/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        change(&mut parts);
        Address::read(&parts).map(|address| address.of("/p?q"))
    }

    #[test]
    fn addresses_are_those_that_the_client_used() {
        let host = ("host", "[::1]:80");
        let proto = ("x-forwarded-proto", "https, http");
        let by_proxy = ("x-forwarded-host", "ml.example.org, inner");
        let prefix = ("x-forwarded-prefix", "/ml/");
        let tls = |parts: &mut Parts| {
            parts.extensions.insert(OverTls);
        };
        let configured = |parts: &mut Parts| {
            parts.extensions.insert(Reached {
                external_url: Some("https://e.org/x".into()),
                own_certificate: false,
            });
        };
        let shown = [
            read(&[host], |_| {}),
            read(&[host], tls),
            read(&[host, proto], |_| {}),
            read(&[host, proto, by_proxy, prefix], |_| {}),
            read(&[host, ("x-forwarded-prefix", "//evil")], |_| {}),
            read(&[host, by_proxy], configured),
            read(&[], |_| {}),
            read(&[("host", "user@evil")], |_| {}),
            read(&[("host", "a b")], |_| {}),
        ];
        let shown: Vec<_> = shown
            .iter()
            .map(|one| one.as_deref().unwrap_or("none"))
            .collect();
        assert_eq!(
            shown,
            [
                "http://[::1]:80/p?q",
                "https://[::1]:80/p?q",
                "https://[::1]:80/p?q",
                "https://ml.example.org/ml/p?q",
                "http://[::1]:80/p?q",
                "https://e.org/x/p?q",
                "none",
                "none",
                "none",
            ]
        );
    }
}
