//! `lazuli restore FILE`: a home from a backup. The whole file is verified before anything is written, and a restore that fails leaves the
//! home as it was.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use futures::stream;
use lazuli_blob::{BlobKey, Blobs};
use lazuli_spec::{Clock as _, SystemClock};
use lazuli_store::Store;
use serde_json::json;

use super::backup::{beside, verify};
use crate::archive::{Contents, Reader};
use crate::cli::Globals;
use crate::client::block_on;
use crate::error::{CliError, CliResult};
use crate::output::{Printer, note};
use crate::server::config::flags::SettingFlags;
use crate::server::config::{Config, Surroundings};
use crate::server::home::{Home, private_dir, write_atomic};
use crate::server::{compose, lock};

/// Make a home from a backup; no server may be running on it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lazuli restore /backup/lazuli-monday --home /srv/lazuli
  lazuli restore /backup/lazuli-monday --database postgres://lazuli@db/lazuli     into an empty PostgreSQL database")]
pub(crate) struct Restore {
    /// The file that `lazuli backup` wrote.
    file: PathBuf,
    /// Replace a home that is in use: it is kept beside the new one, under another name.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Restore {
    /// Runs the command.
    pub(crate) fn run(&self, globals: &Globals) -> CliResult<()> {
        let printer = Printer::new(globals.output, globals.query.as_deref())?;
        let totals = verify(&self.file)?;
        let config = Config::load(
            &self.settings.with_home(globals.home.as_deref()),
            &Surroundings::process(),
        )?;
        let home = Home::at(&config.home);
        let replaced = self.make_room(&home)?;
        let restored = block_on(read_into(&self.file, &config, &home));
        if let Err(error) = restored {
            undo(&home, replaced.as_deref());
            return Err(error);
        }
        if let Some(place) = &replaced {
            note(format!(
                "the home that was there before is kept as `{}`",
                place.display()
            ));
        }
        note(format!(
            "restored `{}`; start it with `lazuli up --home {0}`",
            home.root().display()
        ));
        printer.object(json!({ "home": home.root(), "entries": totals.entries, "bytes": totals.bytes, "replaced": replaced }))
    }

    /// Leaves an empty, private home; says where the old one went, if there was one.
    fn make_room(&self, home: &Home) -> CliResult<Option<PathBuf>> {
        let occupied = fs::read_dir(home.root()).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !self.force {
            return Err(CliError::new(format!("the home `{}` is not empty", home.root().display()))
                .hint("restore into another with --home, or replace it with --force (it is kept under another name)"));
        }
        let mut replaced = None;
        if occupied {
            let held = lock::take(home)?;
            let place = beside(
                home.root(),
                &format!("replaced-{}", SystemClock.now().as_seconds()),
            );
            fs::rename(home.root(), &place)
                .map_err(|error| CliError::io("set aside", home.root(), &error))?;
            drop(held);
            replaced = Some(place);
        }
        home.prepare()?;
        Ok(replaced)
    }
}

fn undo(home: &Home, replaced: Option<&Path>) {
    let _ = fs::remove_dir_all(home.root());
    if let Some(place) = replaced {
        let _ = fs::rename(place, home.root());
    }
}

async fn read_into(file: &Path, config: &Config, home: &Home) -> CliResult<()> {
    let held = lock::take(home)?;
    let open = File::open(file).map_err(|error| CliError::io("open", file, &error))?;
    let wrong = |why: String| CliError::new(format!("`{}`: {why}", file.display()));
    let blobs = compose::open_blobs(config, home)?;
    let mut reader = Reader::open(open).map_err(wrong)?;
    while let Some(mut entry) = reader.next_entry().map_err(wrong)? {
        let name = entry.name().to_owned();
        if name == "store" {
            restore_store(&mut entry, config, home).await?;
        } else if let Some(path) = name.strip_prefix("file/") {
            restore_file(&mut entry, path, home)?;
        } else if let Some(key) = name.strip_prefix("blob/") {
            restore_blob(&mut entry, key, &blobs).await?;
        } else {
            return Err(wrong(format!(
                "it holds `{name}`, which this version does not know"
            )));
        }
    }
    drop(held);
    Ok(())
}

async fn restore_store<R: Read>(
    entry: &mut Contents<'_, R>,
    config: &Config,
    home: &Home,
) -> CliResult<()> {
    let path = home.root().join("restore.store");
    let failed = |error: std::io::Error| CliError::io("write", &path, &error);
    let mut file = File::create(&path).map_err(failed)?;
    std::io::copy(entry, &mut file).map_err(failed)?;
    let restored = Store::restore_file(compose::store_options(config, home), &path).await;
    let _ = fs::remove_file(&path);
    let (store, _) =
        restored.map_err(|error| CliError::new(format!("cannot restore the database: {error}")))?;
    store.close().await;
    Ok(())
}

/// Small files of the home. Their names come from the backup, so nothing but plain parts is taken.
fn restore_file<R: Read>(entry: &mut Contents<'_, R>, name: &str, home: &Home) -> CliResult<()> {
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || entry.size() > 1 << 20 {
        return Err(CliError::new(format!(
            "the backup holds `{name}`, which is no file of a home"
        )));
    }
    let path = home.root().join(name);
    if let Some(parent) = path.parent() {
        private_dir(parent)?;
    }
    let mut content = Vec::new();
    entry
        .read_to_end(&mut content)
        .map_err(|error| CliError::io("write", &path, &error))?;
    write_atomic(&path, &content, 0o600)
}

async fn restore_blob<R: Read + Send>(
    entry: &mut Contents<'_, R>,
    key: &str,
    blobs: &Blobs,
) -> CliResult<()> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(format!("cannot restore the artifact `{key}`: {error}"))
    };
    let parsed = BlobKey::parse(key).map_err(|error| failed(&error))?;
    let mut unread = None;
    let chunks = std::iter::from_fn(|| {
        let mut buffer = vec![0_u8; 256 * 1024];
        match entry.read(&mut buffer) {
            Ok(0) => None,
            Ok(read) => {
                buffer.truncate(read);
                Some(Ok::<Bytes, std::io::Error>(buffer.into()))
            }
            Err(error) => {
                unread = Some(error.to_string());
                Some(Err(error))
            }
        }
    });
    blobs
        .put_stream(&parsed, stream::iter(chunks))
        .await
        .map_err(|error| failed(&error))?;
    unread.map_or(Ok(()), |error| Err(failed(&error)))
}
