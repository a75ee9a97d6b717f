//! Which files of a folder are uploaded.
//!
//! The rules are Azure's: an `.amlignore` at the top decides; without one, the `.gitignore` files do. Hidden files are
//! taken, links are followed. Git's own folder and Python's `__pycache__` never travel: they change by themselves and would give the
//! same code a new hash every time.

use std::path::Path;

use ignore::WalkBuilder;

use super::LocalFile;
use crate::error::{CliError, CliResult};

const NEVER: [&str; 2] = [".git", "__pycache__"];

/// The files below a folder sorted by name, or the file alone.
pub(super) fn files(path: &Path) -> CliResult<Vec<LocalFile>> {
    let meta = std::fs::metadata(path).map_err(|error| CliError::io("read", path, &error))?;
    if meta.is_file() {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_str().ok_or_else(|| not_text(path))?.to_owned();
        return Ok(vec![LocalFile {
            path: path.to_owned(),
            name,
            size: meta.len(),
        }]);
    }
    if !meta.is_dir() {
        return Err(CliError::new(format!(
            "`{}` is neither a file nor a folder",
            path.display()
        )));
    }
    let mut files = walk(path)?;
    if files.is_empty() {
        return Err(CliError::new(format!(
            "there is no file to upload in `{}`",
            path.display()
        ))
        .hint("is everything in it named by its `.amlignore` or `.gitignore`?"));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn walk(root: &Path) -> CliResult<Vec<LocalFile>> {
    let has_own_rules = root.join(".amlignore").is_file();
    let mut builder = WalkBuilder::new(root);
    builder
        .standard_filters(false)
        .follow_links(true)
        .require_git(false)
        .git_ignore(!has_own_rules)
        .filter_entry(|entry| !NEVER.iter().any(|name| entry.file_name() == *name));
    if has_own_rules {
        builder.add_custom_ignore_filename(".amlignore");
    }
    let mut files = Vec::new();
    for entry in builder.build() {
        let entry = entry
            .map_err(|error| CliError::new(format!("cannot read `{}`: {error}", root.display())))?;
        let meta = entry.metadata().map_err(|error| {
            CliError::new(format!("cannot read `{}`: {error}", entry.path().display()))
        })?;
        // Sockets, pipes and devices have no content that could be stored.
        if meta.is_file() {
            let name = relative(root, entry.path())?;
            files.push(LocalFile {
                path: entry.path().to_owned(),
                name,
                size: meta.len(),
            });
        }
    }
    Ok(files)
}

/// The path below the root with `/` between its parts.
fn relative(root: &Path, path: &Path) -> CliResult<String> {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Option<Vec<&str>> = below
        .components()
        .map(|part| part.as_os_str().to_str())
        .collect();
    parts
        .map(|parts| parts.join("/"))
        .ok_or_else(|| not_text(path))
}

fn not_text(path: &Path) -> CliError {
    CliError::new(format!(
        "the name of `{}` is not valid UTF-8",
        path.display()
    ))
    .hint("rename the file")
}
