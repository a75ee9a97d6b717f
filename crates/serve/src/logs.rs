//! A deployment's log: what its workers print, kept in two files of bounded size.
//!
//! Workers write whole lines through one pipe each; the server appends them here. `online-deployment get-logs` reads the end.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tokio::io::AsyncReadExt;

/// One file's size; with its predecessor a deployment keeps twice as much.
const MAX_BYTES: u64 = 8 << 20;
/// A line longer than this is cut in two, so that one endless line cannot grow in memory.
const MAX_LINE: usize = 64 << 10;

/// An append-only log that forgets its oldest half when it is full.
#[derive(Debug)]
pub struct DeploymentLog {
    path: PathBuf,
    open: Mutex<Option<(File, u64)>>,
}

impl DeploymentLog {
    /// The log kept in `folder`; files appear with the first line.
    pub fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("log.txt"),
            open: Mutex::new(None),
        }
    }

    /// Appends text as it is.
    pub fn append(&self, text: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open
            .as_ref()
            .is_some_and(|(_, size)| *size + text.len() as u64 > MAX_BYTES)
        {
            *open = None;
            std::fs::rename(&self.path, self.previous())?;
        }
        if open.is_none() {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            let size = file.metadata()?.len();
            *open = Some((file, size));
        }
        if let Some((file, size)) = open.as_mut() {
            file.write_all(text)?;
            *size += text.len() as u64;
        }
        Ok(())
    }

    /// One line of the server's own.
    pub fn note(&self, text: &str) {
        if let Err(error) = self.append(format!("[lazuli] {text}\n").as_bytes()) {
            tracing::warn!(%error, "a deployment's log cannot be written");
        }
    }

    /// The last `lines` lines, oldest first.
    pub fn tail(&self, lines: usize) -> io::Result<String> {
        let mut kept: VecDeque<String> = VecDeque::new();
        for path in [self.previous(), self.path.clone()] {
            match File::open(&path) {
                Ok(file) => keep_last(file, lines, &mut kept)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(kept.into_iter().collect())
    }

    fn previous(&self) -> PathBuf {
        self.path.with_file_name("log.1.txt")
    }
}

fn keep_last(file: File, lines: usize, kept: &mut VecDeque<String>) -> io::Result<()> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if kept.len() == lines {
            kept.pop_front();
        }
        if lines > 0 {
            kept.push_back(String::from_utf8_lossy(&line).into_owned());
        }
        line.clear();
    }
    Ok(())
}

/// Copies what a worker prints into the log, whole lines at a time, until it closes the pipe.
pub(crate) async fn pump(mut pipe: impl AsyncReadExt + Unpin, log: std::sync::Arc<DeploymentLog>) {
    let mut pending: Vec<u8> = Vec::with_capacity(8 << 10);
    loop {
        let ended = !matches!(pipe.read_buf(&mut pending).await, Ok(read) if read > 0);
        let ready = match pending.iter().rposition(|byte| *byte == b'\n') {
            _ if ended || pending.len() > MAX_LINE => pending.len(),
            Some(end) => end + 1,
            None => 0,
        };
        if ready > 0 {
            let mut lines: Vec<u8> = pending.drain(..ready).collect();
            if lines.last() != Some(&b'\n') {
                lines.push(b'\n');
            }
            let log = log.clone();
            let written = tokio::task::spawn_blocking(move || log.append(&lines)).await;
            if !matches!(written, Ok(Ok(()))) {
                tracing::warn!("lines of a deployment's log were lost");
            }
        }
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn lines_stay_whole_and_an_unfinished_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(DeploymentLog::new(folder.path()));
        let (mut writer, reader) = tokio::io::duplex(16);
        let pumped = tokio::spawn(pump(reader, log.clone()));
        tokio::io::AsyncWriteExt::write_all(
            &mut writer,
            b"first line\nsecond line that is long\nlast",
        )
        .await
        .unwrap();
        drop(writer);
        pumped.await.unwrap();
        assert_eq!(
            log.tail(10).unwrap(),
            "first line\nsecond line that is long\nlast\n"
        );
        assert_eq!(log.tail(1).unwrap(), "last\n");
        assert_eq!(log.tail(0).unwrap(), "");
    }

    #[test]
    fn a_full_log_forgets_its_oldest_part() {
        let folder = tempfile::tempdir().unwrap();
        let log = DeploymentLog::new(folder.path());
        let block = [vec![b'x'; 1 << 20], b"\n".to_vec()].concat();
        for _ in 0..40 {
            log.append(&block).unwrap();
        }
        log.note("the end");
        let sizes: u64 = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(sizes <= 2 * MAX_BYTES, "{sizes}");
        assert_eq!(log.tail(1).unwrap(), "[lazuli] the end\n");
    }
}
