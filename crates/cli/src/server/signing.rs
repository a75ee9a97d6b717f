//! The server's keys in `<home>/keys`, made on the first start: `signing.key` signs links, `secrets.key` seals secrets in the
//! database.
//!
//! Without the first file a new key is made, and every link given until then is void: that is how to take them all back.
//! Without the second one the secrets of webhooks cannot be read any more and must be given anew; servers that share a
//! database need the same one.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use lazuli_blob::Signer;
use lazuli_core::sealing::Sealer;
use lazuli_spec::IdSource;

use super::home::{Home, private_dir, write_atomic};
use crate::error::CliError;

/// The signer with the home's key.
pub(super) fn signer(home: &Home, ids: &dyn IdSource) -> Result<Signer, CliError> {
    let lost = "links given until now stop working";
    Ok(Signer::new(&key(&home.signing_key(), lost, ids)?))
}

/// The sealer with the home's key.
pub(super) fn sealer(home: &Home, ids: &dyn IdSource) -> Result<Sealer, CliError> {
    let lost = "webhooks then need their secrets anew";
    Ok(Sealer::new(key(&home.secrets_key(), lost, ids)?))
}

fn key(path: &Path, lost: &str, ids: &dyn IdSource) -> Result<[u8; 32], CliError> {
    match fs::read_to_string(path) {
        Ok(text) => read(&text).ok_or_else(|| {
            CliError::new(format!(
                "`{}` holds no key of 64 hexadecimal digits",
                path.display()
            ))
            .hint(format!("remove the file to have a new key made; {lost}"))
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => make(path, ids),
        Err(error) => Err(CliError::io("read", path, &error)),
    }
}

fn read(text: &str) -> Option<[u8; 32]> {
    hex::decode(text.trim()).ok()?.try_into().ok()
}

fn make(path: &Path, ids: &dyn IdSource) -> Result<[u8; 32], CliError> {
    if let Some(folder) = path.parent() {
        private_dir(folder)?;
    }
    let mut key = [0; 32];
    ids.fill(&mut key);
    write_atomic(path, format!("{}\n", hex::encode(key)).as_bytes(), 0o600)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use lazuli_blob::Grant;
    use lazuli_spec::{SeededIds, Timestamp};

    use super::*;

    fn sign(home: &Home, seed: u64) -> String {
        let grant = Grant {
            method: "GET".to_owned(),
            path: "/x".to_owned(),
            expires: Timestamp(1_000_000),
            max_bytes: None,
        };
        signer(home, &SeededIds::new(seed)).unwrap().sign(&grant)
    }

    #[test]
    fn the_key_is_made_once_and_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let first = sign(&home, 1);
        assert_eq!(sign(&home, 2), first, "the key is kept");
        let mode = home.signing_key().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(home.signing_key()).unwrap();
        assert_ne!(sign(&home, 3), first, "a new key voids what was signed");
        fs::write(home.signing_key(), "short").unwrap();
        let refused = signer(&home, &SeededIds::new(4)).unwrap_err().to_string();
        assert!(refused.contains("64 hexadecimal digits"), "{refused}");
    }
}
