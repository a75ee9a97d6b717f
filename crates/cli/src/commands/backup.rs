//! `lazuli backup FILE`: database, artifacts, keys and settings in one verified file, while the server runs.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use futures::TryStreamExt as _;
use lazuli_blob::Blobs;
use serde_json::json;

use crate::archive::{Reader, Totals, Writer};
use crate::cli::Globals;
use crate::client::block_on;
use crate::error::{CliError, CliResult};
use crate::output::{Printer, note};
use crate::server::compose;
use crate::server::config::flags::SettingFlags;
use crate::server::config::{Config, Surroundings};
use crate::server::home::Home;

/// Files of the home that a backup holds beside the database and the artifacts.
const HOME_FILES: &[&str] = &[
    "config.toml",
    "credentials",
    "keys/secrets.key",
    "tls/ca.pem",
    "tls/ca.key",
];

/// Write a backup; the server may be running.
#[derive(Debug, Args)]
#[command(
    after_help = "The file holds keys and the administrator's token: it is made readable by you alone; keep it so.

Examples:
  lazuli backup /backup/lazuli-monday
  lazuli backup --verify /backup/lazuli-monday      read it to its end and compare every checksum"
)]
pub(crate) struct Backup {
    /// The file to write.
    file: PathBuf,
    /// Only verify a file that was written before.
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Backup {
    /// Runs the command.
    pub(crate) fn run(&self, globals: &Globals) -> CliResult<()> {
        let printer = Printer::new(globals.output, globals.query.as_deref())?;
        if self.verify {
            let totals = verify(&self.file)?;
            note(format!("{} is whole", self.file.display()));
            return printer.object(json!(totals));
        }
        if self.file.exists() {
            return Err(
                CliError::usage(format!("`{}` exists already", self.file.display()))
                    .hint("choose another name; a backup is never overwritten"),
            );
        }
        let config = Config::load(
            &self.settings.with_home(globals.home.as_deref()),
            &Surroundings::process(),
        )?;
        let home = Home::at(&config.home);
        if config.database.is_none() && !home.database().exists() {
            return Err(CliError::not_found(format!(
                "there is no database in `{}`",
                home.root().display()
            ))
            .hint("name the home with --home"));
        }
        let partial = beside(&self.file, "partial");
        let written = block_on(write(&config, &home, &partial)).and_then(|totals| {
            verify(&partial)?;
            fs::rename(&partial, &self.file)
                .map_err(|error| CliError::io("name", &self.file, &error))?;
            Ok(totals)
        });
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        let totals = written?;
        note(format!("wrote and verified {}", self.file.display()));
        printer
            .object(json!({ "file": self.file, "entries": totals.entries, "bytes": totals.bytes }))
    }
}

/// A name next to a file, on the same disk.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    name.into()
}

/// Reads a backup to its end; every checksum must fit.
pub(super) fn verify(file: &Path) -> CliResult<Totals> {
    let open = File::open(file).map_err(|error| CliError::io("open", file, &error))?;
    let wrong = |why: String| CliError::new(format!("`{}`: {why}", file.display()));
    let mut reader = Reader::open(open).map_err(wrong)?;
    while reader.next_entry().map_err(wrong)?.is_some() {}
    Ok(reader.totals().clone())
}

/// The database first: every artifact that its rows name is there already, and nothing that is stored by content ever changes.
async fn write(config: &Config, home: &Home, partial: &Path) -> CliResult<Totals> {
    let failed = |error: std::io::Error| CliError::io("write", partial, &error);
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(partial)
        .map_err(failed)?;
    let mut writer = Writer::start(BufWriter::with_capacity(256 * 1024, file)).map_err(failed)?;
    let rows = beside(partial, "store");
    let store = compose::open_store(config, home).await?;
    let dumped = store.backup_file(&rows).await;
    store.close().await;
    let added = dumped
        .map_err(|error| CliError::new(format!("cannot back up the database: {error}")))
        .and_then(|_| add_file(&mut writer, "store", &rows));
    let _ = fs::remove_file(&rows);
    added?;
    for name in HOME_FILES
        .iter()
        .filter(|name| home.root().join(name).exists())
    {
        add_file(
            &mut writer,
            &format!("file/{name}"),
            &home.root().join(name),
        )?;
    }
    add_blobs(&mut writer, &compose::open_blobs(config, home)?).await?;
    let (out, totals) = writer.finish().map_err(failed)?;
    let file = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(totals)
}

type Out = Writer<BufWriter<File>>;

fn add_file(writer: &mut Out, name: &str, path: &Path) -> CliResult<()> {
    let failed = |error: std::io::Error| CliError::io("back up", path, &error);
    let mut file = File::open(path).map_err(failed)?;
    writer
        .begin(name, file.metadata().map_err(failed)?.len())
        .map_err(failed)?;
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return writer.end_entry().map_err(failed);
        }
        writer.content(&buffer[..read]).map_err(failed)?;
    }
}

async fn add_blobs(writer: &mut Out, blobs: &Blobs) -> CliResult<()> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(format!("cannot back up the artifacts: {error}"))
    };
    let mut listed = blobs.list(None);
    while let Some(meta) = listed.try_next().await.map_err(|error| failed(&error))? {
        let mut read = match blobs.get(&meta.key).await {
            Ok(read) => read,
            // deleted since it was listed
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(failed(&error)),
        };
        writer
            .begin(&format!("blob/{}", meta.key), read.meta.size)
            .map_err(|error| failed(&error))?;
        while let Some(chunk) = read
            .stream
            .try_next()
            .await
            .map_err(|error| failed(&error))?
        {
            writer.content(&chunk).map_err(|error| failed(&error))?;
        }
        writer.end_entry().map_err(|error| failed(&error))?;
    }
    Ok(())
}
