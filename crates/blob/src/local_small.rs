//! Whole small objects on local disk, each in one piece of work beside the tasks: most artifacts are small, and for those the way from
//! thread to thread costs more than the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path as FilePath, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{
    Attributes, Extensions, GetResult, GetResultPayload, ObjectMeta, PutPayload, PutResult, Result,
};

use crate::local::{generic, look};

/// Objects up to this size are read in one go.
const SMALL: u64 = 256 * 1024;

/// The whole of an object, if it is small; all else, errors too, is left to the usual way.
pub(crate) fn get(root: &FilePath, location: &Path) -> Result<Option<GetResult>> {
    let small = |found: &fs::Metadata| found.is_file() && found.len() <= SMALL;
    if !look(root.to_path_buf(), location)?.is_some_and(|found| small(&found)) {
        return Ok(None);
    }
    Ok(read(&at(root, location), location).ok().flatten())
}

fn read(path: &FilePath, location: &Path) -> io::Result<Option<GetResult>> {
    let mut file = File::open(path)?;
    let found = file.metadata()?;
    let size = found.len();
    if !found.is_file() || size > SMALL {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        return Ok(None);
    }
    let whole = futures::stream::once(async { Ok(Bytes::from(bytes)) });
    Ok(Some(GetResult {
        payload: GetResultPayload::Stream(whole.boxed()),
        meta: ObjectMeta {
            location: location.clone(),
            last_modified: found.modified()?.into(),
            size,
            e_tag: Some(etag(&found)?),
            version: None,
        },
        range: 0..size,
        attributes: Attributes::default(),
        extensions: Extensions::default(),
    }))
}

/// Writes an object, replacing what was there: whole or not at all, and on the disk if it is to be `durable`.
pub(crate) fn put(
    root: &FilePath,
    location: &Path,
    payload: &PutPayload,
    durable: bool,
) -> Result<PutResult> {
    if look(root.to_path_buf(), location)?.is_some_and(|found| found.is_dir()) {
        return Err(generic(ErrorKind::IsADirectory.into()));
    }
    let path = at(root, location);
    let (file, stage) = staged(root, &path, durable).map_err(generic)?;
    let done = fill(file, payload, durable).and_then(|etag| {
        fs::rename(&stage, &path)?;
        if let (true, Some(folder)) = (durable, path.parent()) {
            sync_folder(folder)?;
        }
        Ok(etag)
    });
    if done.is_err() {
        let _ = fs::remove_file(&stage);
    }
    Ok(PutResult {
        e_tag: Some(done.map_err(generic)?),
        version: None,
        extensions: Extensions::default(),
    })
}

/// A file beside the place where it will be, with the mark of what is unfinished.
fn staged(root: &FilePath, path: &FilePath, durable: bool) -> io::Result<(File, PathBuf)> {
    let mut attempt = 1;
    loop {
        let mut stage = path.as_os_str().to_owned();
        stage.push(format!("#{attempt}"));
        let stage = PathBuf::from(stage);
        let made = OpenOptions::new().write(true).create_new(true).open(&stage);
        match made {
            Ok(file) => return Ok((file, stage)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => attempt += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_folders(root, path.parent().unwrap_or(root), durable)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes the folder and those above it; each new one is on the disk when that is asked for.
fn make_folders(root: &FilePath, folder: &FilePath, durable: bool) -> io::Result<()> {
    let new: Vec<_> = folder
        .ancestors()
        .take_while(|one| *one != root && !one.exists())
        .collect();
    fs::create_dir_all(folder)?;
    for parent in new.iter().filter_map(|one| one.parent()) {
        if durable {
            sync_folder(parent)?;
        }
    }
    Ok(())
}

fn fill(mut file: File, payload: &PutPayload, durable: bool) -> io::Result<String> {
    for piece in payload {
        file.write_all(piece)?;
    }
    let etag = etag(&file.metadata()?)?;
    if durable {
        file.sync_all()?;
    }
    Ok(etag)
}

pub(crate) fn at(root: &FilePath, location: &Path) -> PathBuf {
    let parts = location.parts();
    parts.fold(root.to_path_buf(), |at, part| at.join(part.as_ref()))
}

/// The same as `object_store`'s own, which says it of larger files: two ways of reading must not disagree.
fn etag(found: &fs::Metadata) -> io::Result<String> {
    let modified = found.modified()?.duration_since(UNIX_EPOCH);
    let modified = modified.unwrap_or_default().as_micros();
    let (inode, size) = (inode(found), found.len());
    Ok(format!("\"{inode:x}-{modified:x}-{size:x}\""))
}

#[cfg(unix)]
fn inode(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(unix)]
pub(crate) fn sync_folder(folder: &FilePath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &FilePath) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{BlobKey, BlobOptions, Blobs, ByteRange};

    /// Small and large files, whole and in part, looked at and read: one etag and one moment.
    #[tokio::test]
    async fn every_way_of_reading_says_the_same_of_a_file() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::open_folder(home.path(), &BlobOptions::default()).unwrap();
        for size in [0, 1, 262_144, 262_145, 3_000_000] {
            let key = BlobKey::parse(&format!("a/b/{size}")).unwrap();
            let put = blobs.put_bytes(&key, vec![7; size].into()).await.unwrap();
            let (head, whole) = (
                blobs.head(&key).await.unwrap(),
                blobs.get(&key).await.unwrap(),
            );
            assert_eq!(
                (put.etag, &whole.meta),
                (head.etag.clone(), &head),
                "{size}"
            );
            assert_eq!(whole.bytes(u64::MAX).await.unwrap().len(), size);
            if size > 0 {
                let part = blobs.get_range(&key, ByteRange::From(0)).await.unwrap();
                assert_eq!(part.meta, head);
            }
        }
    }
}
