//! Writing a backup.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use super::{Line, MAGIC, Totals};

/// Writes entries one after the other.
pub(crate) struct Writer<W> {
    out: W,
    whole: Sha256,
    entry: Sha256,
    missing: u64,
    totals: Totals,
}

impl<W: Write> Writer<W> {
    /// Begins a backup.
    pub(crate) fn start(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            whole: Sha256::new(),
            entry: Sha256::new(),
            missing: 0,
            totals: Totals::default(),
        };
        writer.put(MAGIC.as_bytes())?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.whole.update(bytes);
        self.out.write_all(bytes)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.put(&text)
    }

    /// Begins an entry of exactly this size.
    pub(crate) fn begin(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.entry = Sha256::new();
        self.missing = size;
        self.totals.entries += 1;
        self.totals.bytes += size;
        self.line(&Line::Entry {
            name: name.to_owned(),
            size,
        })
    }

    /// Adds bytes to the entry.
    pub(crate) fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = self.missing.checked_sub(bytes.len() as u64);
        self.missing =
            left.ok_or_else(|| io::Error::other("the content is longer than announced"))?;
        self.entry.update(bytes);
        self.put(bytes)
    }

    /// Ends the entry.
    pub(crate) fn end_entry(&mut self) -> io::Result<()> {
        if self.missing > 0 {
            return Err(io::Error::other("the content is shorter than announced"));
        }
        let sum = hex::encode(std::mem::take(&mut self.entry).finalize());
        self.put(format!("{sum}\n").as_bytes())
    }

    /// Ends the backup; gives back the output and what was written.
    pub(crate) fn finish(mut self) -> io::Result<(W, Totals)> {
        self.line(&Line::End {
            end: self.totals.entries,
        })?;
        let sum = hex::encode(self.whole.finalize());
        writeln!(self.out, "{sum}")?;
        self.out.flush()?;
        Ok((self.out, self.totals))
    }
}
