//! Listing a local folder: in the order of names, one folder in memory at a time, never through a symbolic link.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path as FilePath, PathBuf};
use std::time::SystemTime;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Extensions, ListResult, ObjectMeta, Result};

use crate::local::generic;

/// What a folder holds: files, and folders still to be read.
enum Found {
    File(ObjectMeta),
    Folder(Path),
}

/// Every file below a folder.
pub(crate) fn recursive(root: PathBuf, prefix: Path) -> BoxStream<'static, Result<ObjectMeta>> {
    let start = VecDeque::from([Found::Folder(prefix)]);
    let batches = stream::try_unfold((root, start), |(root, pending)| async move {
        let work = move || {
            let mut pending = pending;
            let batch = next_batch(&root, &mut pending)?;
            Ok::<_, object_store::Error>((!batch.is_empty()).then_some((batch, (root, pending))))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(object_store::Error::from)?
    });
    batches
        .map_ok(|batch| stream::iter(batch.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

/// One folder's files, and the folders in it that hold a file somewhere.
pub(crate) fn folder(root: &FilePath, prefix: &Path) -> Result<ListResult> {
    let mut listed = ListResult {
        common_prefixes: Vec::new(),
        objects: Vec::new(),
        extensions: Extensions::default(),
    };
    for found in read(root, prefix)? {
        match found {
            Found::File(meta) => listed.objects.push(meta),
            Found::Folder(path) => {
                let mut below = VecDeque::from([Found::Folder(path.clone())]);
                if !next_batch(root, &mut below)?.is_empty() {
                    listed.common_prefixes.push(path);
                }
            }
        }
    }
    Ok(listed)
}

/// Reads on until at least one file was found; empty at the end.
fn next_batch(root: &FilePath, pending: &mut VecDeque<Found>) -> Result<Vec<ObjectMeta>> {
    const ENOUGH: usize = 1_000;
    let mut batch = Vec::new();
    while batch.len() < ENOUGH {
        match pending.pop_front() {
            Some(Found::File(meta)) => batch.push(meta),
            Some(Found::Folder(path)) => {
                for found in read(root, &path)?.into_iter().rev() {
                    pending.push_front(found);
                }
            }
            None => break,
        }
    }
    Ok(batch)
}

/// One folder, sorted as the full names of all files below sort.
fn read(root: &FilePath, folder: &Path) -> Result<Vec<Found>> {
    let mut at = root.to_path_buf();
    for part in folder.parts() {
        at.push(part.as_ref());
        if fs::symlink_metadata(&at).is_ok_and(|m| m.is_symlink()) {
            return Ok(Vec::new());
        }
    }
    let entries = match fs::read_dir(&at) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(generic(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        if let Some(one) = classify(folder, &entry.map_err(generic)?)? {
            found.push(one);
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

fn classify(folder: &Path, entry: &fs::DirEntry) -> Result<Option<(String, Found)>> {
    let Ok(name) = entry.file_name().into_string() else {
        return Ok(None);
    };
    let location = if folder.as_ref().is_empty() {
        Path::parse(&name)
    } else {
        Path::parse(format!("{folder}/{name}"))
    };
    // `metadata` of a directory entry does not follow links; a file that has just gone is not an error
    let (Ok(location), Ok(meta)) = (location, entry.metadata()) else {
        return Ok(None);
    };
    if meta.is_dir() {
        return Ok(Some((format!("{name}/"), Found::Folder(location))));
    }
    if !meta.is_file() || is_unfinished(&name) {
        return Ok(None);
    }
    let modified = meta.modified().map_err(generic)?;
    let found = ObjectMeta {
        location,
        last_modified: modified.into(),
        size: meta.len(),
        e_tag: None,
        version: None,
    };
    Ok(Some((name, Found::File(found))))
}

/// Removes uploads that a killed process left unfinished, last written before this moment; returns how many.
pub(crate) fn sweep_unfinished(folder: &FilePath, before: SystemTime) -> std::io::Result<u64> {
    let mut swept = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            swept += sweep_unfinished(&entry.path(), before)?;
        } else if meta.is_file()
            && is_unfinished(&entry.file_name().to_string_lossy())
            && meta.modified()? < before
        {
            fs::remove_file(entry.path())?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// `name#<number>` is an upload in progress; finished objects never contain `#`.
fn is_unfinished(name: &str) -> bool {
    name.contains('#')
}
