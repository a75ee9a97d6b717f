//! Content hashes and trees: how the content of every asset is named.
//!
//! A [`Tree`] is a sorted list of files (path, size, SHA-256). Its id is the SHA-256 of its canonical text, so the same
//! folder has the same id wherever and whenever it was made, and equal content is stored once. Data, code, models,
//! environment contexts and job outputs are all trees; a single file is a tree of one entry.
//!
//! Invariants of a [`Tree`]: entries sorted by path, no path twice, no path both a file and a folder, every path accepted
//! by [`check_path`], and the total size fits in an `i64`. They are checked whenever one is made, also when it is read.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(test)]
mod tests;

/// The longest path in a tree, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;
/// The longest segment of a path, in bytes: what common file systems take, less room for a temporary suffix.
pub const MAX_SEGMENT_BYTES: usize = 240;
/// The most files a tree may have.
pub const MAX_FILES: usize = 1_000_000;

/// The first line of a canonical text; a change of format would change it and so every id.
const HEADER: &str = "lazuli-tree 1";

/// What is wrong with a hash, a path or a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Not 64 lower-case hexadecimal digits.
    #[error("`{0}` is not a SHA-256 in 64 lower-case hexadecimal digits")]
    Hash(String),
    /// A path that is empty, absolute, climbs out, or could not be a file somewhere.
    #[error("the path `{path}` {reason}")]
    Path {
        /// The path, shortened and made printable.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The same path twice.
    #[error("the path `{0}` is listed twice")]
    Duplicate(String),
    /// A path below another that is a file.
    #[error("`{0}` is a file and also the folder of `{1}`")]
    FileAndFolder(String, String),
    /// More files or bytes than any tree may have.
    #[error("the tree has {0}")]
    TooLarge(String),
    /// A canonical text that is not one.
    #[error("line {line} of the tree's text {reason}")]
    Text {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A SHA-256 as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash(String);

/// A tree's id: the [`ContentHash`] of its canonical text.
pub type TreeId = ContentHash;

impl ContentHash {
    /// Reads the hexadecimal form.
    pub fn parse(text: &str) -> Result<Self, TreeError> {
        let good = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good {
            return Ok(Self(text.to_owned()));
        }
        Err(TreeError::Hash(shown(text)))
    }

    /// From the digest's bytes.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(hex::encode(digest))
    }

    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_digest(Sha256::digest(bytes).into())
    }

    /// The hexadecimal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ContentHash {
    type Error = TreeError;
    fn try_from(text: String) -> Result<Self, TreeError> {
        Self::parse(&text)
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.0
    }
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeEntry {
    /// Where it stands, relative, with `/` between segments.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The hash of its content.
    pub sha256: ContentHash,
}

/// A folder's content; see the module for the invariants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TreeDocument", into = "TreeDocument")]
pub struct Tree {
    entries: Vec<TreeEntry>,
    size: u64,
}

/// A tree as JSON carries it: `{"files": [{path, size, sha256}]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeDocument {
    /// The files, in any order when read, sorted when written.
    pub files: Vec<TreeEntry>,
}

impl Tree {
    /// Sorts and checks the entries.
    pub fn new(mut entries: Vec<TreeEntry>) -> Result<Self, TreeError> {
        if entries.len() > MAX_FILES {
            let found = format!("{} files; {MAX_FILES} are allowed", entries.len());
            return Err(TreeError::TooLarge(found));
        }
        for entry in &entries {
            check_path(&entry.path)?;
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        check_distinct(&entries)?;
        let size = total_size(&entries)?;
        Ok(Self { entries, size })
    }

    /// A tree of one file.
    pub fn of_file(path: &str, size: u64, sha256: ContentHash) -> Result<Self, TreeError> {
        let path = path.to_owned();
        Self::new(vec![TreeEntry { path, size, sha256 }])
    }

    /// The files, sorted by path.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of all files together.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file at this path.
    pub fn get(&self, path: &str) -> Option<&TreeEntry> {
        let at = self.entries.binary_search_by(|e| e.path.as_str().cmp(path));
        at.ok().and_then(|at| self.entries.get(at))
    }

    /// The part below a folder, with paths relative to it; the file alone when the path names a file.
    pub fn subtree(&self, path: &str) -> Option<Self> {
        if let Some(entry) = self.get(path) {
            let name = path.rsplit('/').next().unwrap_or(path);
            return Self::of_file(name, entry.size, entry.sha256.clone()).ok();
        }
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let below = self.entries.iter().filter_map(|entry| {
            let path = entry.path.strip_prefix(&prefix)?.to_owned();
            Some(TreeEntry {
                path,
                ..entry.clone()
            })
        });
        let tree = Self::new(below.collect()).ok()?;
        (tree.count() > 0).then_some(tree)
    }

    /// The text whose SHA-256 is the id: a header, then `<sha256> <size> <path>` in a line for each file.
    pub fn canonical_text(&self) -> String {
        let mut text = String::with_capacity(HEADER.len() + 1 + self.entries.len() * 120);
        text.push_str(HEADER);
        text.push('\n');
        for entry in &self.entries {
            // writing to a String cannot fail
            let _ = writeln!(text, "{} {} {}", entry.sha256, entry.size, entry.path);
        }
        text
    }

    /// Reads a canonical text; anything else, an unsorted one too, is refused, so that an id has one text only.
    pub fn parse_canonical(text: &str) -> Result<Self, TreeError> {
        let fault = |line, reason| TreeError::Text { line, reason };
        let body = text
            .strip_prefix(HEADER)
            .and_then(|rest| rest.strip_prefix('\n'))
            .ok_or(fault(1, "is not `lazuli-tree 1`"))?;
        let mut entries = Vec::new();
        for (index, line) in body.split_terminator('\n').enumerate() {
            let entry =
                parse_line(line).ok_or(fault(index + 2, "is not `<sha256> <size> <path>`"))?;
            entries.push(entry);
        }
        let tree = Self::new(entries)?;
        if tree.canonical_text() != text {
            return Err(fault(2, "or a later one is not in canonical order or form"));
        }
        Ok(tree)
    }

    /// The id.
    pub fn id(&self) -> TreeId {
        ContentHash::of(self.canonical_text().as_bytes())
    }
}

impl TryFrom<TreeDocument> for Tree {
    type Error = TreeError;
    fn try_from(document: TreeDocument) -> Result<Self, TreeError> {
        Self::new(document.files)
    }
}

impl From<Tree> for TreeDocument {
    fn from(tree: Tree) -> Self {
        Self {
            files: tree.entries,
        }
    }
}

/// Whether a path may stand in a tree or a storage key: relative, at most [`MAX_PATH_BYTES`], segments of 1 to
/// [`MAX_SEGMENT_BYTES`] bytes between single `/`, none of them `.` or `..`, no control characters, no `\`.
pub fn check_path(path: &str) -> Result<(), TreeError> {
    let fault = |reason| {
        Err(TreeError::Path {
            path: shown(path),
            reason,
        })
    };
    if path.is_empty() {
        return fault("is empty");
    }
    if path.len() > MAX_PATH_BYTES {
        return fault("is longer than 1024 bytes");
    }
    if path.starts_with('/') {
        return fault("is absolute; it must be relative");
    }
    if path.chars().any(char::is_control) {
        return fault("contains a control character");
    }
    if path.contains('\\') {
        return fault("contains a backslash; folders are separated by `/`");
    }
    for segment in path.split('/') {
        match segment {
            "" => return fault("has an empty segment"),
            "." | ".." => return fault("contains `.` or `..`"),
            long if long.len() > MAX_SEGMENT_BYTES => {
                return fault("has a segment longer than 240 bytes");
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_distinct(entries: &[TreeEntry]) -> Result<(), TreeError> {
    for pair in entries.windows(2) {
        if let [one, two] = pair
            && one.path == two.path
        {
            return Err(TreeError::Duplicate(one.path.clone()));
        }
    }
    let is_file = |path: &str| {
        entries
            .binary_search_by(|e| e.path.as_str().cmp(path))
            .is_ok()
    };
    for entry in entries {
        for (at, _) in entry.path.match_indices('/') {
            let folder = &entry.path[..at];
            if is_file(folder) {
                let below = entry.path.clone();
                return Err(TreeError::FileAndFolder(folder.to_owned(), below));
            }
        }
    }
    Ok(())
}

fn total_size(entries: &[TreeEntry]) -> Result<u64, TreeError> {
    let total = entries
        .iter()
        .try_fold(0_u64, |sum, e| sum.checked_add(e.size));
    total
        .filter(|total| i64::try_from(*total).is_ok())
        .ok_or_else(|| TreeError::TooLarge("more than 2^63 bytes".into()))
}

fn parse_line(line: &str) -> Option<TreeEntry> {
    let (sha256, rest) = line.split_once(' ')?;
    let (size, path) = rest.split_once(' ')?;
    Some(TreeEntry {
        path: path.to_owned(),
        size: size.parse().ok()?,
        sha256: ContentHash::parse(sha256).ok()?,
    })
}

/// A hostile text, safe to put into a message.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    short.escape_debug().to_string()
}
