//! Opening a storage by its address.

mod options;
mod remote;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

pub use self::options::BlobOptions;
use self::remote::remote;
use crate::local::ConfinedLocal;
use crate::{BlobError, Blobs};

/// Parts of an upload to local disk are small, for memory's sake; remote stores ask for at least 5 MiB.
const LOCAL_PART: usize = 1024 * 1024;
const REMOTE_PART: usize = 8 * 1024 * 1024;

impl Blobs {
    /// Opens a storage: a path or `file:///folder` (made if absent), `s3://bucket/prefix`, `az://container/prefix`,
    /// `gs://bucket/prefix`, `https://host/prefix` (WebDAV), or `memory:///` (gone when dropped).
    pub fn open(address: &str, options: &BlobOptions) -> Result<Self, BlobError> {
        if !address.contains(':') {
            return Self::open_folder(FilePath::new(address), options);
        }
        let fault = |reason: String| BlobError::Open {
            url: without_secrets(address),
            reason,
        };
        let url = Url::parse(address).map_err(|e| fault(e.to_string()))?;
        if url.scheme() == "file" {
            let folder = url
                .to_file_path()
                .map_err(|()| fault("it is not the address of a local folder".into()))?;
            return Self::open_folder(&folder, options);
        }
        let (scheme, prefix) = ObjectStoreScheme::parse(&url)
            .map_err(|_| fault("use file://, s3://, az://, gs://, https:// or a path".into()))?;
        let store = remote(&scheme, &url, options).map_err(fault)?;
        let store: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
            store
        } else {
            Arc::new(PrefixStore::new(store, prefix))
        };
        let part = if scheme == ObjectStoreScheme::Memory {
            LOCAL_PART
        } else {
            REMOTE_PART
        };
        Ok(Self::new(store, part, None))
    }

    /// Opens a local folder, making it (for this user only) if it is absent.
    pub fn open_folder(folder: &FilePath, options: &BlobOptions) -> Result<Self, BlobError> {
        let fault = |reason: String| BlobError::Open {
            url: folder.display().to_string(),
            reason,
        };
        if let Some(name) = options.given().into_iter().next() {
            return Err(fault(format!("it is a folder, which has no `{name}`")));
        }
        make_private(folder).map_err(|e| fault(e.to_string()))?;
        let local =
            ConfinedLocal::new(folder, options.durable).map_err(|e| fault(e.to_string()))?;
        let root = PathBuf::from(local.to_string());
        Ok(Self::new(Arc::new(local), LOCAL_PART, Some(root)))
    }

    /// A storage in memory, for tests.
    pub fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()), LOCAL_PART, None)
    }
}

#[cfg(unix)]
fn make_private(folder: &FilePath) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &FilePath) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// The address without user, password and query, for messages.
fn without_secrets(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return address
            .chars()
            .take_while(|c| !matches!(c, '?' | '@'))
            .collect();
    };
    // fails only for addresses that cannot have one
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[(&str, &str)]) -> BlobOptions {
        let pairs = values
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        BlobOptions {
            values: pairs.collect(),
            durable: false,
            ..BlobOptions::default()
        }
    }

    #[tokio::test]
    async fn every_kind_of_address_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er");
        Blobs::open(path.to_str().unwrap(), &with(&[])).unwrap();
        assert!(path.is_dir());
        let url = Url::from_file_path(&path).unwrap();
        Blobs::open(url.as_str(), &with(&[])).unwrap();
        Blobs::open("memory:///", &with(&[])).unwrap();
        Blobs::open(
            "s3://bucket/some/prefix",
            &with(&[("aws_region", "eu-west-1")]),
        )
        .unwrap();
        Blobs::open("gs://bucket", &with(&[("google_skip_signature", "true")])).unwrap();
        let account = [
            ("azure_storage_account_name", "abc"),
            ("azure_skip_signature", "true"),
        ];
        Blobs::open("az://container/x", &with(&account)).unwrap();
        Blobs::open("https://dav.example/files", &with(&[])).unwrap();
    }

    #[tokio::test]
    async fn a_mistake_is_said_without_the_secret() {
        let cases = [
            Blobs::open("ftp://user:secret@host/x", &with(&[])),
            Blobs::open("s3://bucket", &with(&[("aws_regoin", "x")])),
            Blobs::open("/dev/null/x", &with(&[])),
            Blobs::open("/tmp", &with(&[("region", "x")])),
            Blobs::open(
                "az://container",
                &BlobOptions {
                    region: Some("x".into()),
                    ..BlobOptions::default()
                },
            ),
        ];
        let shown: Vec<String> = cases
            .into_iter()
            .map(|c| c.unwrap_err().to_string())
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        the storage `ftp://user@host/x` cannot be opened: use file://, s3://, az://, gs://, https:// or a path
        the storage `s3://bucket` cannot be opened: it has no option `aws_regoin`
        the storage `/dev/null/x` cannot be opened: Not a directory (os error 20)
        the storage `/tmp` cannot be opened: it is a folder, which has no `region`
        the storage `az://container` cannot be opened: it has no `region`
        ");
        assert!(!format!("{:?}", with(&[("aws_secret_access_key", "hush")])).contains("hush"));
    }
}
