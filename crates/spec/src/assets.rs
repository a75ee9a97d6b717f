//! What data, environments and code have in common: a name, versions, and content that never changes.
//!
//! A version's content is fixed when it is made; only its description, tags and archived mark change later. Versions are
//! texts. A version left out is the next number: one more than the highest number there is. `@latest` is the version made
//! last among those that are not archived.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::code::CodeContent;
use crate::data::DataContent;
use crate::environments::EnvironmentDefinition;
use crate::trees::ContentHash;
use crate::{Action, Timestamp, names};

/// The most tags that a version may have.
pub const MAX_TAGS: usize = 100;
/// The longest key and value of a tag, in bytes.
pub const MAX_TAG_BYTES: usize = 5_000;
/// The longest description, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 50_000;

/// What is wrong with an asset, and in which field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AssetError {
    /// The field.
    pub field: &'static str,
    /// In words.
    pub message: String,
}

impl AssetError {
    /// An error in a field.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { field, message }
    }
}

/// The kinds of assets that share these rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssetKind {
    /// Data: files, or the address of some.
    Data,
    /// Environments: what Python packages code runs with.
    Environment,
    /// Code: snapshots of source folders.
    Code,
}

impl AssetKind {
    /// The kind's word in the store and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Environment => "environment",
            Self::Code => "code",
        }
    }

    /// What a person calls one.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Data => "data asset",
            Self::Environment => "environment",
            Self::Code => "code asset",
        }
    }

    /// The collection's name in paths and audit targets.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Environment => "environments",
            Self::Code => "code",
        }
    }

    /// The permission to look.
    pub const fn read_action(self) -> Action {
        match self {
            Self::Data => Action::DataRead,
            Self::Environment => Action::EnvironmentsRead,
            Self::Code => Action::CodesRead,
        }
    }

    /// The permission to make and change.
    pub const fn write_action(self) -> Action {
        match self {
            Self::Data => Action::DataWrite,
            Self::Environment => Action::EnvironmentsWrite,
            Self::Code => Action::CodesWrite,
        }
    }
}

/// What a version consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetContent {
    /// Of a data asset.
    Data(DataContent),
    /// Of an environment.
    Environment(EnvironmentDefinition),
    /// Of a code asset.
    Code(CodeContent),
}

impl AssetContent {
    /// The kind of asset this is the content of.
    pub const fn kind(&self) -> AssetKind {
        match self {
            Self::Data(_) => AssetKind::Data,
            Self::Environment(_) => AssetKind::Environment,
            Self::Code(_) => AssetKind::Code,
        }
    }

    /// Equal contents have equal hashes.
    pub fn hash(&self) -> ContentHash {
        match self {
            Self::Data(data) => data.hash(),
            Self::Environment(definition) => definition.hash(),
            Self::Code(code) => code.tree.clone(),
        }
    }

    /// The tree with its files, if it has any.
    pub const fn tree(&self) -> Option<&ContentHash> {
        match self {
            Self::Data(data) => data.tree(),
            Self::Code(code) => Some(&code.tree),
            Self::Environment(_) => None,
        }
    }
}

/// Where a version comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The job whose output it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Which output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// One version of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// Its place among the versions of the name, from 1 in the order they were made.
    pub sequence: i64,
    /// What it consists of.
    pub content: AssetContent,
    /// The hash of that.
    pub content_hash: ContentHash,
    /// The bytes of its files.
    pub size: u64,
    /// How many files.
    pub files: u64,
    /// For people.
    pub description: String,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// Free facts, kept and not searched.
    pub properties: BTreeMap<String, String>,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it, or its whole name, is hidden from lists and `@latest`.
    pub archived: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom, as a principal's id.
    pub created_by: String,
    /// When its description, tags or mark changed last; also its etag.
    pub updated_at: Timestamp,
}

/// Which archived versions a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListView {
    /// None of them.
    #[default]
    ActiveOnly,
    /// Only them.
    ArchivedOnly,
    /// Both.
    All,
}

impl ListView {
    /// Reads our words and Azure's.
    pub fn parse(text: &str) -> Result<Self, AssetError> {
        match text {
            "active" | "ActiveOnly" => Ok(Self::ActiveOnly),
            "archived" | "ArchivedOnly" => Ok(Self::ArchivedOnly),
            "all" | "All" => Ok(Self::All),
            other => Err(AssetError::new(
                "view",
                format!(
                    "`{}` is none of `active`, `archived`, `all`",
                    other.escape_debug()
                ),
            )),
        }
    }
}

/// The number that a version is, if it counts as one when the next is looked for: up to 15 digits, no sign, no leading zero.
pub fn version_number(version: &str) -> Option<i64> {
    let digits =
        !version.is_empty() && version.len() <= 15 && version.bytes().all(|b| b.is_ascii_digit());
    let canonical = version == "0" || !version.starts_with('0');
    if digits && canonical {
        version.parse().ok()
    } else {
        None
    }
}

/// Checks an asset's name.
pub fn check_name(name: &str) -> Result<(), AssetError> {
    names::asset(name).map_err(|e| AssetError::new("name", e.0))
}

/// Checks a version that a person chose.
pub fn check_version(version: &str) -> Result<(), AssetError> {
    names::version(version).map_err(|e| AssetError::new("version", e.0))
}

/// Checks description and tags.
pub fn check_labels(
    description: Option<&str>,
    tags: Option<&BTreeMap<String, String>>,
) -> Result<(), AssetError> {
    if description.is_some_and(|text| text.len() > MAX_DESCRIPTION_BYTES || text.contains('\0')) {
        let rule =
            format!("a description has at most {MAX_DESCRIPTION_BYTES} bytes and no NUL character");
        return Err(AssetError::new("description", rule));
    }
    let Some(tags) = tags else { return Ok(()) };
    if tags.len() > MAX_TAGS {
        let found = format!("there are {} tags; {MAX_TAGS} are allowed", tags.len());
        return Err(AssetError::new("tags", found));
    }
    for (key, value) in tags {
        let long = key.len() > MAX_TAG_BYTES || value.len() > MAX_TAG_BYTES;
        if key.is_empty() || long || key.contains('\0') || value.contains('\0') {
            let shown: String = key.chars().take(40).collect();
            let rule = format!(
                "the tag `{}` is not acceptable: keys have 1 to {MAX_TAG_BYTES} bytes, values up to {MAX_TAG_BYTES}, neither a NUL character",
                shown.escape_debug()
            );
            return Err(AssetError::new("tags", rule));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_numbers_count() {
        assert_eq!(version_number("7"), Some(7));
        assert_eq!(version_number("0"), Some(0));
        assert_eq!(version_number("999999999999999"), Some(999_999_999_999_999));
        for other in ["", "07", "+7", "-7", "1.0", "1000000000000000", "v1", "٣"] {
            assert_eq!(version_number(other), None, "{other}");
        }
    }

    #[test]
    fn labels_have_limits_and_the_message_names_the_tag() {
        check_labels(
            Some("fine"),
            Some(&[("a".to_owned(), String::new())].into()),
        )
        .unwrap();
        let long = "x".repeat(MAX_TAG_BYTES + 1);
        let error = check_labels(None, Some(&[("stage".to_owned(), long)].into())).unwrap_err();
        assert_eq!(error.field, "tags");
        assert!(
            error
                .message
                .starts_with("the tag `stage` is not acceptable")
        );
        let many = (0..=MAX_TAGS)
            .map(|n| (n.to_string(), String::new()))
            .collect();
        assert_eq!(
            check_labels(None, Some(&many)).unwrap_err().message,
            "there are 101 tags; 100 are allowed"
        );
        assert!(check_labels(Some(&"x".repeat(50_001)), None).is_err());
    }

    #[test]
    fn views_have_our_words_and_azures() {
        assert_eq!(
            ListView::parse("ArchivedOnly").unwrap(),
            ListView::ArchivedOnly
        );
        let error = ListView::parse("gone").unwrap_err();
        insta::assert_snapshot!(error, @"`gone` is none of `active`, `archived`, `all`");
    }

    proptest! {
        #[test]
        fn the_next_number_is_always_a_version(text in "[0-9]{1,16}") {
            if let Some(number) = version_number(&text) {
                prop_assert_eq!(number.to_string(), text);
                prop_assert!(check_version(&(number + 1).to_string()).is_ok());
            }
        }
    }
}
