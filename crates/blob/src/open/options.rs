//! What may be said when a storage is opened, and what that means to each kind of store.

use std::collections::BTreeMap;

use object_store::ObjectStoreScheme;

/// How to open a storage. The first four mean the same for every store; the rest is the store's own.
#[derive(Clone)]
pub struct BlobOptions {
    /// The store's address, when it is not the provider's own.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The access key id, the account's name or the service account's file.
    pub account: Option<String>,
    /// The secret that belongs to it.
    pub secret: Option<String>,
    /// The store's own options, such as `session_token`, `sas_token`, `timeout`.
    pub values: BTreeMap<String, String>,
    /// Variables of the environment. Those of the provider (`AWS_*`, `AZURE_*`, `GOOGLE_*`) are used when there is no `account`.
    pub environment: BTreeMap<String, String>,
    /// Whether a local write is on the disk, not only in the system's cache, before it is acknowledged.
    pub durable: bool,
}

impl Default for BlobOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            account: None,
            secret: None,
            values: BTreeMap::new(),
            environment: BTreeMap::new(),
            durable: true,
        }
    }
}

impl std::fmt::Debug for BlobOptions {
    /// Values may be secrets: only their names are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobOptions")
            .field("given", &self.given())
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

/// What a kind of store calls the four common things, and how its variables begin.
struct Words {
    variables: &'static str,
    endpoint: Option<&'static str>,
    region: Option<&'static str>,
    account: Option<&'static str>,
    secret: Option<&'static str>,
}

fn words(scheme: &ObjectStoreScheme) -> Words {
    match scheme {
        ObjectStoreScheme::AmazonS3 => Words {
            variables: "AWS_",
            endpoint: Some("aws_endpoint"),
            region: Some("aws_region"),
            account: Some("aws_access_key_id"),
            secret: Some("aws_secret_access_key"),
        },
        ObjectStoreScheme::MicrosoftAzure => Words {
            variables: "AZURE_",
            endpoint: Some("azure_storage_endpoint"),
            region: None,
            account: Some("azure_storage_account_name"),
            secret: Some("azure_storage_account_key"),
        },
        ObjectStoreScheme::GoogleCloudStorage => Words {
            variables: "GOOGLE_",
            endpoint: Some("google_base_url"),
            region: None,
            account: Some("google_service_account"),
            secret: None,
        },
        _ => Words {
            variables: "\0",
            endpoint: None,
            region: None,
            account: None,
            secret: None,
        },
    }
}

impl BlobOptions {
    /// The names of what was given, for messages.
    pub(super) fn given(&self) -> Vec<&str> {
        self.common()
            .into_iter()
            .filter_map(|(name, value)| value.is_some().then_some(name))
            .chain(self.values.keys().map(String::as_str))
            .collect()
    }

    fn common(&self) -> [(&'static str, Option<&String>); 4] {
        [
            ("endpoint", self.endpoint.as_ref()),
            ("region", self.region.as_ref()),
            ("account", self.account.as_ref()),
            ("secret", self.secret.as_ref()),
        ]
    }

    /// What was said, in this store's own words, later ones winning; the reason when it has no word for it.
    pub(super) fn settled(
        &self,
        scheme: &ObjectStoreScheme,
    ) -> Result<Vec<(String, String)>, String> {
        let words = words(scheme);
        let known = [words.endpoint, words.region, words.account, words.secret];
        let mut settled = Vec::new();
        for ((name, value), word) in self.common().into_iter().zip(known) {
            if let Some(value) = value {
                let word = word.ok_or_else(|| format!("it has no `{name}`"))?;
                settled.push((word.to_owned(), value.clone()));
            }
        }
        let own = self.values.iter().map(|(k, v)| (k.clone(), v.clone()));
        settled.extend(own);
        Ok(settled)
    }

    /// The provider's variables, if they are to be used.
    pub(super) fn variables(
        &self,
        scheme: &ObjectStoreScheme,
    ) -> impl Iterator<Item = (String, &String)> {
        let start = words(scheme).variables;
        let used = self.account.is_none();
        self.environment
            .iter()
            .filter(move |(name, _)| used && name.starts_with(start))
            // an address that was given is not overruled by one for a single service
            .filter(|(name, _)| self.endpoint.is_none() || !name.contains("ENDPOINT"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> BTreeMap<String, String> {
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_ENDPOINT_URL_S3",
            "AZURE_CLIENT_ID",
            "HOME",
        ]
        .map(|name| (name.to_owned(), name.to_lowercase()))
        .into()
    }

    #[test]
    fn each_store_is_told_in_its_own_words() {
        let options = BlobOptions {
            endpoint: Some("http://e".into()),
            account: Some("a".into()),
            secret: Some("s".into()),
            values: [("timeout".to_owned(), "9s".to_owned())].into(),
            ..BlobOptions::default()
        };
        let said = |scheme| format!("{:?}", options.settled(&scheme));
        let shown = [
            said(ObjectStoreScheme::AmazonS3),
            said(ObjectStoreScheme::MicrosoftAzure),
            said(ObjectStoreScheme::GoogleCloudStorage),
            said(ObjectStoreScheme::Http),
        ];
        insta::assert_snapshot!(shown.join("\n"), @r#"
        Ok([("aws_endpoint", "http://e"), ("aws_access_key_id", "a"), ("aws_secret_access_key", "s"), ("timeout", "9s")])
        Ok([("azure_storage_endpoint", "http://e"), ("azure_storage_account_name", "a"), ("azure_storage_account_key", "s"), ("timeout", "9s")])
        Err("it has no `secret`")
        Err("it has no `endpoint`")
        "#);
    }

    #[test]
    fn the_providers_variables_are_used_when_nobody_was_named() {
        let used = |options: &BlobOptions| {
            let found = options.variables(&ObjectStoreScheme::AmazonS3);
            found.map(|(name, _)| name).collect::<Vec<_>>().join(" ")
        };
        let mut options = BlobOptions {
            environment: environment(),
            ..BlobOptions::default()
        };
        assert_eq!(used(&options), "aws_access_key_id aws_endpoint_url_s3");
        options.endpoint = Some("http://e".into());
        assert_eq!(used(&options), "aws_access_key_id");
        options.account = Some("a".into());
        assert_eq!(used(&options), "");
    }
}
