//! Reading a backup; every byte is verified, those of skipped entries too.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest as _, Sha256};

use super::{Line, MAGIC, Totals};

/// The longest line between contents; anything longer is not a backup.
const LONGEST_LINE: u64 = 64 * 1024;

/// Reads entries one after the other.
pub(crate) struct Reader<R> {
    input: BufReader<R>,
    whole: Sha256,
    entry: Sha256,
    unread: u64,
    inside: bool,
    totals: Totals,
}

impl<R: Read> Reader<R> {
    /// Begins to read; an error says that it is not a backup.
    pub(crate) fn open(input: R) -> Result<Self, String> {
        let mut reader = Self {
            input: BufReader::with_capacity(256 * 1024, input),
            whole: Sha256::new(),
            entry: Sha256::new(),
            unread: 0,
            inside: false,
            totals: Totals::default(),
        };
        if reader.line()? != MAGIC {
            return Err("this is not a backup that `lazuli backup` of this version wrote".into());
        }
        Ok(reader)
    }

    /// What was read so far.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The next entry, or none at the verified end.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Contents<'_, R>>, String> {
        self.leave_entry()?;
        let line = self.line()?;
        match serde_json::from_str(&line).map_err(|_| damaged("a heading cannot be read"))? {
            Line::Entry { name, size } => {
                self.entry = Sha256::new();
                self.unread = size;
                self.inside = true;
                self.totals.entries += 1;
                self.totals.bytes += size;
                Ok(Some(Contents {
                    reader: self,
                    name,
                    size,
                }))
            }
            Line::End { end } => self.leave_backup(end).map(|()| None),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let line = self.unhashed_line()?;
        self.whole.update(line.as_bytes());
        Ok(line)
    }

    fn unhashed_line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        let read = self
            .input
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Err(damaged("it ends too early"));
        }
        String::from_utf8(line).map_err(|_| damaged("a heading is not text"))
    }

    /// Reads what is left of an entry and compares its checksum.
    fn leave_entry(&mut self) -> Result<(), String> {
        if !self.inside {
            return Ok(());
        }
        let mut rest = [0_u8; 8 * 1024];
        while self.unread > 0 {
            self.content(&mut rest).map_err(|error| error.to_string())?;
        }
        self.inside = false;
        let sum = hex::encode(std::mem::take(&mut self.entry).finalize());
        if self.line()? == format!("{sum}\n") {
            Ok(())
        } else {
            Err(damaged("a checksum differs"))
        }
    }

    fn leave_backup(&mut self, entries: u64) -> Result<(), String> {
        let sum = hex::encode(std::mem::take(&mut self.whole).finalize());
        if entries != self.totals.entries || self.unhashed_line()? != format!("{sum}\n") {
            return Err(damaged("the checksum of the whole differs"));
        }
        match self.input.read(&mut [0_u8]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(damaged("something follows its end")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.unread.min(buffer.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                damaged("it ends too early"),
            ));
        }
        self.entry.update(&buffer[..read]);
        self.whole.update(&buffer[..read]);
        self.unread -= read as u64;
        Ok(read)
    }
}

fn damaged(how: &str) -> String {
    format!("the backup is damaged: {how}")
}

/// One entry's bytes. Its checksum is compared when the next entry is asked for.
pub(crate) struct Contents<'a, R> {
    reader: &'a mut Reader<R>,
    name: String,
    size: u64,
}

impl<R> Contents<'_, R> {
    /// The entry's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The entry's size.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl<R: Read> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.content(buffer)
    }
}
