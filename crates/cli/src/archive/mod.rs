//! The backup file: a sequence of named, checksummed entries that is written and read in one pass, in constant memory.
//!
//! ```text
//! lazuli-backup 1\n
//! {"name":"store","size":123}\n <123 bytes> <sha256 hex>\n       … once for each entry
//! {"end":2}\n <sha256 hex of everything above>\n
//! ```
//!
//! A file that was cut off, changed or lengthened does not verify. Names are `store` (the database), `file/…` (keys, certificates and
//! settings of the home) and `blob/…` (artifacts).

mod read;
mod write;

use serde::{Deserialize, Serialize};

pub(crate) use self::read::{Contents, Reader};
pub(crate) use self::write::Writer;

const MAGIC: &str = "lazuli-backup 1\n";

/// The line before an entry's bytes, or the last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Entry { name: String, size: u64 },
    End { end: u64 },
}

/// What a backup holds, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    /// Entries.
    pub entries: u64,
    /// Bytes in them.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn written(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::start(Vec::new()).unwrap();
        for (name, bytes) in entries {
            writer.begin(name, bytes.len() as u64).unwrap();
            writer.content(bytes).unwrap();
            writer.end_entry().unwrap();
        }
        writer.finish().unwrap().0
    }

    fn read_back(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut reader = Reader::open(bytes)?;
        let mut found = Vec::new();
        while let Some(mut entry) = reader.next_entry()? {
            let mut content = Vec::new();
            entry
                .read_to_end(&mut content)
                .map_err(|error| error.to_string())?;
            found.push((entry.name().to_owned(), content));
        }
        Ok(found)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = written(&[
            ("store", b"rows"),
            ("blob/empty", b""),
            ("blob/a\nb \"c\"", &[0, 255, 10]),
        ]);
        let found = read_back(&bytes).unwrap();
        let expected: Vec<(String, Vec<u8>)> = vec![
            ("store".into(), b"rows".to_vec()),
            ("blob/empty".into(), vec![]),
            ("blob/a\nb \"c\"".into(), vec![0, 255, 10]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let whole = written(&[("store", b"some rows"), ("blob/x", b"some bytes")]);
        for length in 0..whole.len() {
            assert!(read_back(&whole[..length]).is_err(), "cut at {length}");
        }
        for position in 0..whole.len() {
            let mut changed = whole.clone();
            changed[position] ^= 1;
            assert!(read_back(&changed).is_err(), "changed at {position}");
        }
        let mut longer = whole;
        longer.push(b'x');
        assert!(read_back(&longer).is_err());
    }

    #[test]
    fn an_entry_that_is_not_read_is_still_verified() {
        let bytes = written(&[("store", b"some rows"), ("blob/x", b"some bytes")]);
        let mut reader = Reader::open(bytes.as_slice()).unwrap();
        let mut names = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            names.push(entry.name().to_owned());
        }
        assert_eq!(names, ["store", "blob/x"]);
        assert_eq!(
            reader.totals(),
            &Totals {
                entries: 2,
                bytes: 19
            }
        );
    }

    #[test]
    fn too_much_or_too_little_content_is_an_error() {
        let mut writer = Writer::start(Vec::new()).unwrap();
        writer.begin("x", 2).unwrap();
        assert!(writer.content(b"abc").is_err());
        let mut writer = Writer::start(Vec::new()).unwrap();
        writer.begin("x", 2).unwrap();
        writer.content(b"a").unwrap();
        assert!(writer.end_entry().is_err());
    }
}
