//! What a job made: `./outputs` and `./logs` become artifacts of its run, named outputs become trees.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures::{StreamExt as _, TryStreamExt as _};
use lazuli_spec::runner::{OutputReport, RunnerPlan};
use lazuli_spec::trees::{ContentHash, Tree, TreeEntry};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::content::blocking;
use super::folders::Folders;

const AT_ONCE: usize = 4;
/// Hashes asked about in one request.
const ASKED_AT_ONCE: usize = 1000;

/// A file to upload: where it is and what it is called.
#[derive(Debug, Clone)]
struct Found {
    path: PathBuf,
    name: String,
}

/// Uploads everything; the error says what could not be.
pub(super) async fn upload(
    plan: &RunnerPlan,
    folders: &Folders,
    client: &Client,
) -> Result<(), String> {
    for folder in ["outputs", "logs"] {
        upload_artifacts(plan, &folders.code().join(folder), folder, client).await?;
    }
    for (name, output) in &plan.outputs {
        let folder = folders.outputs().join(name);
        let tree = upload_tree(&folder, client)
            .await
            .map_err(|why| format!("output `{name}`: {why}"))?;
        if output.file && tree.count() == 0 {
            // declared and not written: a consumer will say so, with its own name for it
            continue;
        }
        let report = OutputReport {
            tree: tree.id().to_string(),
        };
        client
            .put_json(
                &format!("/api/v1/runner/outputs/{}", escaped(name)),
                &report,
            )
            .await
            .map_err(|why| why.to_string())?;
    }
    Ok(())
}

async fn upload_artifacts(
    plan: &RunnerPlan,
    folder: &Path,
    name: &str,
    client: &Client,
) -> Result<(), String> {
    let root = folder.to_owned();
    let found = blocking(move || walk(&root))
        .await
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let base = format!(
        "/api/2.0/mlflow-artifacts/artifacts/{}/{}/artifacts/{name}",
        escaped(&plan.experiment_id),
        escaped(&plan.run_id)
    );
    let sends = found.iter().map(|file| {
        let path = format!(
            "{base}/{}",
            file.name
                .split('/')
                .map(escaped)
                .collect::<Vec<_>>()
                .join("/")
        );
        async move {
            client
                .put_file(&path, &file.path)
                .await
                .map_err(|why| format!("{name}/{}: {why}", file.name))
        }
    });
    futures::stream::iter(sends)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

/// Stores a folder's content and its tree.
async fn upload_tree(folder: &Path, client: &Client) -> Result<Tree, String> {
    let root = folder.to_owned();
    let (found, entries) = blocking(move || {
        let found = walk(&root)?;
        let entries = found
            .iter()
            .map(hash)
            .collect::<io::Result<Vec<TreeEntry>>>()?;
        Ok((found, entries))
    })
    .await
    .map_err(|error| error.to_string())?;
    let missing = missing(&entries, client).await?;
    let mut todo: Vec<(&Found, &TreeEntry)> = found
        .iter()
        .zip(&entries)
        .filter(|(_, entry)| missing.contains(&entry.sha256))
        .collect();
    todo.sort_by(|one, two| one.1.sha256.cmp(&two.1.sha256));
    todo.dedup_by(|one, two| one.1.sha256 == two.1.sha256);
    let sends = todo.iter().map(|(file, entry)| {
        let path = client.in_workspace(&format!("content/{}", entry.sha256));
        async move {
            client
                .put_file(&path, &file.path)
                .await
                .map_err(|why| format!("{}: {why}", file.name))
        }
    });
    futures::stream::iter(sends)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let tree = Tree::new(entries).map_err(|error| error.to_string())?;
    client
        .put_json(&client.in_workspace(&format!("trees/{}", tree.id())), &tree)
        .await
        .map_err(|why| why.to_string())?;
    Ok(tree)
}

async fn missing(entries: &[TreeEntry], client: &Client) -> Result<Vec<ContentHash>, String> {
    #[derive(Deserialize)]
    struct Missing {
        sha256s: Vec<ContentHash>,
    }
    let path = client.in_workspace("content/missing");
    let mut missing = Vec::new();
    for some in entries.chunks(ASKED_AT_ONCE) {
        let hashes: Vec<&ContentHash> = some.iter().map(|entry| &entry.sha256).collect();
        let answer: Missing = client
            .send_json(Method::POST, &path, &json!({ "sha256s": hashes }))
            .await
            .map_err(|why| why.to_string())?;
        missing.extend(answer.sha256s);
    }
    Ok(missing)
}

/// The regular files below a folder, sorted. Links to files count as the files; links to folders are not followed, so a circle ends.
fn walk(root: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            // the job removed it, which is its right
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder == root => {
                return Ok(found);
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if path.symlink_metadata()?.is_dir() {
                folders.push(path);
            } else if fs::metadata(&path).is_ok_and(|meta| meta.is_file()) {
                let name = name_below(root, &path)?;
                found.push(Found { path, name });
            }
        }
    }
    found.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(found)
}

fn name_below(root: &Path, path: &Path) -> io::Result<String> {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.to_str().map(ToOwned::to_owned).ok_or_else(|| {
        io::Error::other(format!(
            "the name of {} is not valid UTF-8",
            below.display()
        ))
    })
}

fn hash(file: &Found) -> io::Result<TreeEntry> {
    let mut input = fs::File::open(&file.path)?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = io::Read::read(&mut input, &mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        size += count as u64;
    }
    Ok(TreeEntry {
        path: file.name.clone(),
        size,
        sha256: ContentHash::from_digest(hash.finalize().into()),
    })
}

/// One segment of a path, percent-encoded.
fn escaped(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_once_and_circles_end() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("a/b")).unwrap();
        fs::write(home.path().join("a/b/c.txt"), "x").unwrap();
        std::os::unix::fs::symlink(home.path(), home.path().join("a/circle")).unwrap();
        std::os::unix::fs::symlink("b/c.txt", home.path().join("a/link.txt")).unwrap();
        std::os::unix::fs::symlink("nothing", home.path().join("dangling")).unwrap();
        let names: Vec<String> = walk(home.path())
            .unwrap()
            .into_iter()
            .map(|found| found.name)
            .collect();
        assert_eq!(names, ["a/b/c.txt", "a/link.txt"]);
        assert!(walk(&home.path().join("gone")).unwrap().is_empty());
    }

    #[test]
    fn segments_survive_a_url() {
        assert_eq!(escaped("a b%ü.txt"), "a%20b%25%C3%BC.txt");
    }
}
