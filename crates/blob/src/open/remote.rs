//! Clients of remote object stores.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::memory::InMemory;
use object_store::{ClientConfigKey, ObjectStore, ObjectStoreScheme};
use url::Url;

use super::BlobOptions;

pub(super) fn remote(
    scheme: &ObjectStoreScheme,
    url: &Url,
    options: &BlobOptions,
) -> Result<Arc<dyn ObjectStore>, String> {
    // the first client made needs a TLS provider; a binary that has chosen one already keeps its choice
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = |e: object_store::Error| e.to_string();
    let told = Told {
        scheme,
        url,
        options,
    };
    match scheme {
        ObjectStoreScheme::Memory => Ok(Arc::new(InMemory::new())),
        ObjectStoreScheme::AmazonS3 => {
            let start = AmazonS3Builder::new().with_url(url.to_string());
            let builder = told.to(start, |b, k: AmazonS3ConfigKey, v| b.with_config(k, v))?;
            Ok(Arc::new(builder.build().map_err(text)?))
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let start = MicrosoftAzureBuilder::new().with_url(url.to_string());
            let builder = told.to(start, |b, k: AzureConfigKey, v| b.with_config(k, v))?;
            Ok(Arc::new(builder.build().map_err(text)?))
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let start = GoogleCloudStorageBuilder::new().with_url(url.to_string());
            let builder = told.to(start, |b, k: GoogleConfigKey, v| b.with_config(k, v))?;
            Ok(Arc::new(builder.build().map_err(text)?))
        }
        ObjectStoreScheme::Http => {
            let host = &url[..url::Position::BeforePath];
            let start = HttpBuilder::new().with_url(host);
            let builder = told.to(start, |b, k: ClientConfigKey, v| b.with_config(k, v))?;
            Ok(Arc::new(builder.build().map_err(text)?))
        }
        other => Err(format!("{other:?} is not supported")),
    }
}

/// What a client is told.
struct Told<'a> {
    scheme: &'a ObjectStoreScheme,
    url: &'a Url,
    options: &'a BlobOptions,
}

impl Told<'_> {
    /// Applies every option; one that the store does not know is an error, not a silence. Of the environment's variables, which are
    /// not all meant for us, those it does not know are left.
    fn to<B, K>(&self, mut builder: B, apply: impl Fn(B, K, String) -> B) -> Result<B, String>
    where
        K: FromStr,
        K::Err: Display,
    {
        let mut plain = self.url.scheme() == "http";
        for (name, value) in self.options.variables(self.scheme) {
            if let Ok(key) = name.parse::<K>() {
                plain |= is_plain_address(&name, value);
                builder = apply(builder, key, value.clone());
            }
        }
        let settled = self.options.settled(self.scheme)?;
        plain |= settled
            .iter()
            .any(|(name, value)| is_plain_address(name, value));
        // an address of plain HTTP was written by somebody: that is permission enough
        let allowed = plain.then(|| ("allow_http".to_owned(), "true".to_owned()));
        for (name, value) in allowed.into_iter().chain(settled) {
            let key = name.to_ascii_lowercase().parse::<K>();
            let key = key.map_err(|_| format!("it has no option `{name}`"))?;
            builder = apply(builder, key, value);
        }
        Ok(builder)
    }
}

fn is_plain_address(name: &str, value: &str) -> bool {
    (name.contains("endpoint") || name.contains("base_url")) && value.starts_with("http://")
}
