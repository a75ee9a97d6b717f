//! Data assets: a file or a folder, stored here or named by its address elsewhere.

use serde::{Deserialize, Serialize};

use crate::assets::AssetError;
use crate::trees::{ContentHash, Tree, TreeId};

/// The longest address, in bytes.
const MAX_URI_BYTES: usize = 2_048;
/// Addresses that may be stored; they are never fetched when the asset is made.
const SCHEMES: &[&str] = &[
    "https", "http", "azureml", "s3", "gs", "az", "abfss", "wasbs", "adl",
];

/// Whether a data asset is one file or a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// One file.
    UriFile,
    /// A folder of files.
    UriFolder,
}

impl DataType {
    /// Azure's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UriFile => "uri_file",
            Self::UriFolder => "uri_folder",
        }
    }

    /// Reads Azure's word.
    pub fn parse(text: &str) -> Result<Self, AssetError> {
        match text {
            "uri_file" => Ok(Self::UriFile),
            "uri_folder" => Ok(Self::UriFolder),
            "mltable" => Err(AssetError::new(
                "type",
                "`mltable` is not supported: register the folder as `uri_folder`",
            )),
            other => Err(AssetError::new(
                "type",
                format!(
                    "`{}` is neither `uri_file` nor `uri_folder`",
                    other.escape_debug()
                ),
            )),
        }
    }
}

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataSource {
    /// Stored here.
    Tree(TreeId),
    /// Elsewhere; stored as an address, read by whoever uses it.
    Uri(String),
}

/// What a data asset consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataContent {
    /// File or folder.
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// Where.
    pub source: DataSource,
}

impl DataContent {
    /// Data that is stored here; a `uri_file` is a tree of exactly one file.
    pub fn stored(data_type: DataType, id: TreeId, tree: &Tree) -> Result<Self, AssetError> {
        if data_type == DataType::UriFile && tree.count() != 1 {
            let found = format!(
                "a `uri_file` is exactly one file; this tree has {}",
                tree.count()
            );
            return Err(AssetError::new("path", found));
        }
        if tree.count() == 0 {
            return Err(AssetError::new(
                "path",
                "a data asset has at least one file; this tree is empty",
            ));
        }
        let source = DataSource::Tree(id);
        Ok(Self { data_type, source })
    }

    /// Data elsewhere.
    pub fn elsewhere(data_type: DataType, uri: &str) -> Result<Self, AssetError> {
        check_uri(uri)?;
        let source = DataSource::Uri(uri.to_owned());
        Ok(Self { data_type, source })
    }

    /// Equal data has equal hashes: a stored tree's is its id, an address's is that of its text.
    pub fn hash(&self) -> ContentHash {
        match &self.source {
            DataSource::Tree(id) => id.clone(),
            DataSource::Uri(uri) => ContentHash::of(uri.as_bytes()),
        }
    }

    /// The tree, if it is stored here.
    pub const fn tree(&self) -> Option<&TreeId> {
        match &self.source {
            DataSource::Tree(id) => Some(id),
            DataSource::Uri(_) => None,
        }
    }
}

fn check_uri(uri: &str) -> Result<(), AssetError> {
    let fault = |message: String| Err(AssetError::new("path", message));
    if uri.len() > MAX_URI_BYTES || uri.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return fault(format!(
            "an address has at most {MAX_URI_BYTES} bytes and neither spaces nor control characters"
        ));
    }
    let Some((scheme, rest)) = uri.split_once("://") else {
        return fault(format!(
            "`{uri}` is not an address; upload local files and give `tree:<id>`"
        ));
    };
    if !SCHEMES.contains(&scheme) {
        return fault(format!(
            "`{scheme}://` is not an address that data can have; known are {}",
            SCHEMES.join(", ")
        ));
    }
    if rest.is_empty() || rest.starts_with('/') {
        return fault(format!("`{uri}` names no host"));
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if matches!(scheme, "http" | "https") && authority.contains('@') {
        return fault("an address may not carry a user or password: it would be shown to everyone who can read the asset".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_file() {
        let hash = ContentHash::of(b"");
        let one = Tree::of_file("a.csv", 0, hash).unwrap();
        DataContent::stored(DataType::UriFile, one.id(), &one).unwrap();
        let none = Tree::default();
        let error = DataContent::stored(DataType::UriFile, none.id(), &none).unwrap_err();
        assert_eq!(
            error.message,
            "a `uri_file` is exactly one file; this tree has 0"
        );
        assert!(DataContent::stored(DataType::UriFolder, none.id(), &none).is_err());
    }

    #[test]
    fn addresses_are_checked_and_never_carry_a_password() {
        for good in [
            "https://example.org/iris.csv",
            "azureml://datastores/workspaceblobstore/paths/iris/",
            "wasbs://data@account.blob.core.windows.net/iris.csv",
            "s3://bucket/key",
        ] {
            DataContent::elsewhere(DataType::UriFile, good).unwrap();
        }
        let bad = [
            "./iris.csv",
            "file:///etc/passwd",
            "https://user:pw@host/x",
            "https:///x",
            "https://a b",
            "javascript://x",
        ];
        let shown: Vec<String> = bad
            .iter()
            .map(|uri| {
                DataContent::elsewhere(DataType::UriFile, uri)
                    .unwrap_err()
                    .to_string()
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        `./iris.csv` is not an address; upload local files and give `tree:<id>`
        `file://` is not an address that data can have; known are https, http, azureml, s3, gs, az, abfss, wasbs, adl
        an address may not carry a user or password: it would be shown to everyone who can read the asset
        `https:///x` names no host
        an address has at most 2048 bytes and neither spaces nor control characters
        `javascript://` is not an address that data can have; known are https, http, azureml, s3, gs, az, abfss, wasbs, adl
        ");
    }

    #[test]
    fn types_are_azures_words() {
        assert_eq!(
            DataType::parse("uri_folder").unwrap().as_str(),
            "uri_folder"
        );
        assert!(
            DataType::parse("mltable")
                .unwrap_err()
                .message
                .contains("uri_folder")
        );
    }
}
