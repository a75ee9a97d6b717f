//! Groups of settings that go to one part of the server as they are: the object store's access, where packages come from, webhooks.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lazuli_spec::runner::PackageIndex;
use reqwest::Url;

use super::{Values, sources};
use crate::error::CliError;

/// How the object store is reached.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Storage {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub account: Option<String>,
    pub secret: Option<String>,
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the other fields may be secrets
        f.debug_struct("Storage")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

pub(super) fn storage(read: &Values<'_>) -> Result<Storage, CliError> {
    let endpoint = read.text("storage.endpoint");
    if endpoint
        .as_deref()
        .is_some_and(|text| !is_web_address(text))
    {
        return Err(read.raw("storage.endpoint")?.wrong(ADDRESS));
    }
    let given = read.raw("storage.options")?;
    let mut options = BTreeMap::new();
    for text in &given.texts {
        // what was given may be a secret and is not repeated
        let Some((name, value)) = text.split_once('=') else {
            return Err(given.wrong("each option is written `name=value`"));
        };
        options.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(Storage {
        endpoint,
        region: read.text("storage.region"),
        account: read.text("storage.account"),
        secret: read.text("storage.secret"),
        options,
    })
}

pub(super) fn packages(read: &Values<'_>) -> Result<PackageIndex, CliError> {
    let extra = read.raw("packages.extra_index_urls")?;
    if !extra.texts.iter().all(|text| is_index(text)) {
        return Err(extra.wrong(ADDRESS));
    }
    let index_url = read.text("packages.index_url");
    if index_url.as_deref().is_some_and(|text| !is_index(text)) {
        return Err(read.raw("packages.index_url")?.wrong(ADDRESS));
    }
    let find_links = read.raw("packages.find_links")?.texts.iter();
    Ok(PackageIndex {
        index_url,
        extra_index_urls: extra.texts.clone(),
        // builds have other working directories
        find_links: find_links
            .map(|text| match Url::parse(text) {
                Ok(_) => text.clone(),
                Err(_) => sources::absolute(text, read.around).display().to_string(),
            })
            .collect(),
        offline: read.choice("packages.offline")? == "true",
    })
}

/// Scheme, host and what stands before the server's own paths; nothing after it.
pub(super) fn external_url(read: &Values<'_>) -> Result<Option<String>, CliError> {
    let Some(text) = read.text("external_url") else {
        return Ok(None);
    };
    let plain = Url::parse(&text).is_ok_and(|url| {
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
    });
    if !is_web_address(&text) || !plain {
        return Err(read.raw("external_url")?.wrong(ADDRESS));
    }
    Ok(Some(text.trim_end_matches('/').to_owned()))
}

/// How webhooks are delivered.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    pub allow_private: bool,
    pub schemes: Vec<String>,
    pub timeout: Duration,
    pub retries: u32,
}

pub(super) fn webhooks(read: &Values<'_>) -> Result<Webhooks, CliError> {
    let schemes = read.raw("webhooks.schemes")?;
    let known = |text: &String| matches!(text.as_str(), "http" | "https");
    if !schemes.texts.iter().all(known) {
        return Err(schemes.wrong("a scheme of webhooks is `https` or `http`"));
    }
    Ok(Webhooks {
        allow_private: read.choice("webhooks.allow_private")? == "true",
        schemes: schemes.texts.clone(),
        timeout: read.positive_span("webhooks.timeout")?,
        retries: read.number("webhooks.retries")?,
    })
}

const ADDRESS: &str = "is not an address such as `https://host/path`";

fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_index(text: &str) -> bool {
    is_web_address(text) || Url::parse(text).is_ok_and(|url| url.scheme() == "file")
}
