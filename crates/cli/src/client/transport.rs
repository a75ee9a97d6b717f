//! TLS and connections: which certificates are trusted, and what a failed connection means to a person.

use std::fs;
use std::time::Duration;

use reqwest::Certificate;

use super::Target;
use crate::error::{CliError, CliResult};

/// Builds the HTTP client. Proxies are for other machines: this machine is reached directly.
pub(super) fn build(target: &Target) -> CliResult<reqwest::Client> {
    // An error only says that a provider was installed before, which is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("lazuli/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none());
    if super::discover::is_loopback(&target.url) {
        builder = builder.no_proxy();
    }
    if let Some(path) = &target.ca {
        let pem =
            fs::read(path).map_err(|error| CliError::io("read", path, &error).field("--ca"))?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .ok()
            .filter(|found| !found.is_empty())
            .ok_or_else(|| {
                CliError::new(format!("`{}` holds no PEM certificate", path.display()))
                    .field("--ca")
            })?;
        builder = builder.tls_certs_only(certificates);
    }
    builder
        .build()
        .map_err(|error| CliError::new(format!("cannot set up TLS: {}", deepest(&error))))
}

/// A failed request in words.
pub(super) fn failure(error: &reqwest::Error, target: &Target) -> CliError {
    let cause = deepest(error);
    if is_tls(error) {
        return CliError::new(format!("cannot trust the server at {}: {cause}", target.url))
            .hint("pass the server's certificate authority with `--ca FILE` (on the server: HOME/tls/ca.pem)");
    }
    if error.is_connect() {
        let hint = if super::discover::is_loopback(&target.url) {
            "is the server running? start it with `lazuli up`"
        } else {
            "is the server running, and is the address right?"
        };
        return CliError::new(format!(
            "cannot reach the server at {}: {cause}",
            target.url
        ))
        .hint(hint)
        .passing();
    }
    if error.is_timeout() {
        return CliError::new(format!(
            "the server at {} did not answer in time",
            target.url
        ))
        .passing();
    }
    CliError::new(format!("the request to {} failed: {cause}", target.url))
        .hint("was the server stopped? the same command can be run again")
        .passing()
}

/// Whether the certificate was the trouble.
pub(super) fn is_tls(error: &reqwest::Error) -> bool {
    sources(error).any(|source| {
        let text = source.to_string();
        text.contains("certificate") || text.contains("UnknownIssuer") || text.contains("TLS")
    })
}

/// The innermost cause: the outer ones only repeat the address.
pub(super) fn deepest(error: &reqwest::Error) -> String {
    sources(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: Option<&(dyn std::error::Error + 'static)> = Some(error);
    std::iter::successors(first, |error| error.source())
}
