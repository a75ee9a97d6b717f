//! Sending what the server lacks: ask which contents are missing, send those, then the list of files.

use std::collections::HashMap;

use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::ProgressBar;
use lazuli_spec::trees::{ContentHash, Tree};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::{AT_ONCE, LocalFile};
use crate::client::Client;
use crate::error::{CliError, CliResult};

/// Hashes asked about in one request.
const ASKED_AT_ONCE: usize = 1000;

/// Makes the server have the tree.
pub(super) async fn send(
    client: &Client,
    tree: &Tree,
    files: &[(LocalFile, ContentHash)],
    bar: &ProgressBar,
) -> CliResult<()> {
    let by_hash: HashMap<&ContentHash, &LocalFile> =
        files.iter().map(|(file, hash)| (hash, file)).collect();
    let hashes: Vec<&ContentHash> = by_hash.keys().copied().collect();
    let missing = missing(client, &hashes).await?;
    let todo: Vec<(&LocalFile, ContentHash)> = missing
        .into_iter()
        .filter_map(|hash| Some((*by_hash.get(&hash)?, hash)))
        .collect();
    bar.set_position(0);
    bar.set_length(todo.iter().map(|(file, _)| file.size).sum());
    bar.set_message("Uploading");
    let sends = todo
        .iter()
        .map(|(file, hash)| send_file(client, file, hash, bar));
    futures::stream::iter(sends)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let document = serde_json::to_value(tree).map_err(|error| CliError::new(error.to_string()))?;
    client
        .put(&client.path(&["trees", tree.id().as_str()]), &document)
        .await?;
    Ok(())
}

async fn missing(client: &Client, hashes: &[&ContentHash]) -> CliResult<Vec<ContentHash>> {
    let mut missing = Vec::new();
    for some in hashes.chunks(ASKED_AT_ONCE) {
        let mut answer = client
            .post(
                &client.path(&["content", "missing"]),
                &json!({ "sha256s": some }),
            )
            .await?;
        let found = answer
            .get_mut("sha256s")
            .map(Value::take)
            .unwrap_or_default();
        let found: Vec<ContentHash> = serde_json::from_value(found).map_err(|error| {
            CliError::new(format!(
                "the server's list of missing contents cannot be read: {error}"
            ))
        })?;
        missing.extend(found);
    }
    Ok(missing)
}

/// Streams one file. The server checks the hash, so a file that changed after it was hashed is refused there.
async fn send_file(
    client: &Client,
    file: &LocalFile,
    hash: &ContentHash,
    bar: &ProgressBar,
) -> CliResult<()> {
    let input = tokio::fs::File::open(&file.path)
        .await
        .map_err(|error| CliError::io("read", &file.path, &error))?;
    let counted = bar.clone();
    let pieces = ReaderStream::with_capacity(input, 256 * 1024)
        .inspect_ok(move |piece| counted.inc(piece.len() as u64));
    let path = client.path(&["content", hash.as_str()]);
    let request = client
        .request(Method::PUT, &path)
        .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
        .header(reqwest::header::CONTENT_LENGTH, file.size)
        .body(Body::wrap_stream(pieces));
    match client.send(request).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let now = tokio::fs::metadata(&file.path)
                .await
                .map(|meta| meta.len())
                .ok();
            if now == Some(file.size) {
                Err(error)
            } else {
                Err(super::changed(&file.path))
            }
        }
    }
}
