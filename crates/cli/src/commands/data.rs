//! `lazuli data`: versioned files and folders.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::Context;
use super::args::File;
use super::assets::{Asset, DATA, List, Update};
use super::document::Draft;
use super::local::{self, Found};
use crate::error::{CliError, CliResult};
use crate::output::{human_size, note};

/// Commands on data assets.
#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Create a version of a data asset.
    #[command(after_help = "Examples:
  lazuli data create --name iris --path ./iris.csv --type uri_file
  lazuli data create --file data.yml --version 2")]
    Create(Create),
    /// List data assets, or the versions of one.
    #[command(after_help = "Examples:
  lazuli data list
  lazuli data list --prefix iris --tag team=vision --order-by 'created_at desc'
  lazuli data list --name iris -o json")]
    List(List),
    /// Show a data asset.
    #[command(after_help = "Examples:
  lazuli data show iris@latest
  lazuli data show --name iris --version 2 --query path -o tsv")]
    Show(Asset),
    /// Hide a data asset from lists; it goes on working.
    Archive(Asset),
    /// Bring an archived data asset back.
    Restore(Asset),
    /// Download a data asset.
    #[command(after_help = "Examples:
  lazuli data download iris:2 --download-path ./data")]
    Download(Download),
    /// Change description, tags, properties.
    Update(Update),
}

/// Options of `data create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    file: File,
    /// Its name.
    #[arg(long, short = 'n')]
    name: Option<String>,
    /// Its version [default: the next number].
    #[arg(long, short = 'v')]
    version: Option<String>,
    /// `uri_file` or `uri_folder` [default: what the path is].
    #[arg(long, short = 't', value_name = "TYPE")]
    r#type: Option<String>,
    /// Local file or folder, or an address.
    #[arg(long, short = 'p')]
    path: Option<String>,
    /// What it is.
    #[arg(long)]
    description: Option<String>,
}

/// Options of `download`.
#[derive(Debug, Args)]
pub(crate) struct Download {
    #[command(flatten)]
    pub(crate) asset: Asset,
    /// Folder to write to [default: the asset's name].
    #[arg(long, short = 'p', value_name = "FOLDER")]
    pub(crate) download_path: Option<PathBuf>,
}

/// Runs a command on data assets.
pub(crate) async fn run(context: &Context, command: Data) -> CliResult<()> {
    match command {
        Data::Create(args) => create(context, &args).await,
        Data::List(args) => DATA.list(context, &args).await,
        Data::Show(asset) => DATA.show(context, &asset).await,
        Data::Archive(asset) => DATA.act(context, &asset, "archive").await,
        Data::Restore(asset) => DATA.act(context, &asset, "restore").await,
        Data::Download(args) => DATA.download(context, &args).await,
        Data::Update(args) => DATA.update(context, &args).await,
    }
}

async fn create(context: &Context, args: &Create) -> CliResult<()> {
    let flags = [
        ("name", args.name.as_deref()),
        ("version", args.version.as_deref()),
        ("type", args.r#type.as_deref()),
        ("description", args.description.as_deref()),
    ];
    let mut draft = Draft::read(&args.file, &flags)?;
    if let Some(path) = &args.path {
        draft.put_local("path", path)?;
    }
    draft.only(&[
        "name",
        "version",
        "type",
        "path",
        "description",
        "tags",
        "properties",
        "datastore",
    ])?;
    let name = draft.required("name", "--name")?.to_owned();
    draft.required("path", "--path")?;
    check_type(&mut draft)?;
    local::send(context, &mut draft, "path", &name).await?;
    let body = draft.body(&["name", "version", "type", "path", "description"])?;
    DATA.create(context, &draft, &body).await
}

/// The type must fit what lies at a local path; without one, it is taken from there.
fn check_type(draft: &mut Draft) -> CliResult<()> {
    let path = draft.text("path").unwrap_or_default().to_owned();
    let found = if super::document::is_local(&path) {
        if draft.existing("path", &path)?.is_dir() {
            Found::Folder
        } else {
            Found::File
        }
    } else {
        Found::Elsewhere
    };
    match (draft.text("type"), found) {
        (None, Found::File) => draft.document.put("type", "uri_file")?,
        (None, Found::Folder | Found::Elsewhere) => draft.document.put("type", "uri_folder")?,
        (Some("uri_file"), Found::Folder) => {
            return Err(draft
                .fault("type", format!("`{path}` is a folder"))
                .hint("use `uri_folder`"));
        }
        (Some("uri_folder"), Found::File) => {
            return Err(draft
                .fault("type", format!("`{path}` is a file"))
                .hint("use `uri_file`"));
        }
        _ => {}
    }
    Ok(())
}

/// Downloads the tree of an asset that the server described.
pub(crate) async fn fetch(
    context: &Context,
    asset: &Value,
    name: &str,
    into: Option<&std::path::Path>,
) -> CliResult<()> {
    let tree = asset
        .get("tree")
        .or_else(|| asset.get("tree_id"))
        .and_then(Value::as_str)
        .ok_or_else(|| {
            let path = asset
                .get("path")
                .and_then(Value::as_str)
                .unwrap_or_default();
            CliError::new(format!("`{name}` is not stored here: it names `{path}`"))
                .hint("fetch it from that address")
        })?;
    let into = into.map_or_else(|| PathBuf::from(name), std::path::Path::to_owned);
    let fetched = crate::download::tree(context.client()?, tree, &into).await?;
    note(format!(
        "Downloaded {} files, {}, to {}",
        fetched.files,
        human_size(fetched.bytes),
        into.display()
    ));
    let done = [
        ("path", Value::from(into.display().to_string())),
        ("files", fetched.files.into()),
        ("bytes", fetched.bytes.into()),
    ];
    if context.printer.for_people() {
        return Ok(());
    }
    context.printer.object(Value::Object(
        done.map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect::<Map<_, _>>(),
    ))
}
