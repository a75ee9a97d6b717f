//! `lazuli model`: register models, find them, download them.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::args::File;
use super::assets::{Asset, List, MODEL, Update};
use super::data::Download;
use super::document::Draft;
use super::local;
use crate::error::CliResult;
use crate::output::note;

/// Commands on models.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Register a version of a model.
    #[command(after_help = "Examples:
  lazuli model create --name tumours --path ./model --type mlflow_model
  lazuli model create --name tumours --path azureml://jobs/brave_fox_1/outputs/model --type mlflow_model
  lazuli model create --name tumours --path runs:/0a1b2c/model --type mlflow_model
  lazuli model create --file model.yml")]
    Create(Create),
    /// List models, or the versions of one.
    #[command(after_help = "Examples:
  lazuli model list --prefix tum --tag team=vision --order-by 'updated_at desc'
  lazuli model list --archived-only
  lazuli model list --name tumours --query '[].version' -o tsv")]
    List(List),
    /// Show a model.
    #[command(after_help = "Examples:
  lazuli model show tumours:3
  lazuli model show tumours@champion -o json")]
    Show(Asset),
    /// Hide a model from lists; it goes on working.
    Archive(Asset),
    /// Bring an archived model back.
    Restore(Asset),
    /// Download a model.
    #[command(after_help = "Examples:
  lazuli model download tumours@champion --download-path ./model")]
    Download(Download),
    /// Change description, stage, tags, properties.
    Update(Update),
    /// Point an alias to a version; `name@alias` then means that version.
    #[command(after_help = "Examples:
  lazuli model set-alias tumours:3 --alias champion")]
    SetAlias(SetAlias),
    /// Remove an alias.
    #[command(after_help = "Examples:
  lazuli model delete-alias tumours --alias champion")]
    DeleteAlias(SetAlias),
}

/// Options of `model set-alias` and `model delete-alias`.
#[derive(Debug, Args)]
pub(crate) struct SetAlias {
    #[command(flatten)]
    asset: Asset,
    /// The alias.
    #[arg(long, short = 'a', value_name = "NAME")]
    alias: String,
}

/// Options of `model create`.
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
    /// `custom_model` or `mlflow_model` [default: mlflow_model where an MLmodel file lies, else custom_model].
    #[arg(long, short = 't', value_name = "TYPE")]
    r#type: Option<String>,
    /// Local file or folder, `azureml://jobs/<job>/outputs/<name>/paths/<path>`, or `runs:/<run>/<path>`.
    #[arg(long, short = 'p')]
    path: Option<String>,
    /// What it is.
    #[arg(long)]
    description: Option<String>,
    /// Stage, for example `Production`.
    #[arg(long, short = 's')]
    stage: Option<String>,
}

/// Runs a command on models.
pub(crate) async fn run(context: &Context, command: Model) -> CliResult<()> {
    match command {
        Model::Create(args) => create(context, &args).await,
        Model::List(args) => MODEL.list(context, &args).await,
        Model::Show(asset) => MODEL.show(context, &asset).await,
        Model::Archive(asset) => MODEL.act(context, &asset, "archive").await,
        Model::Restore(asset) => MODEL.act(context, &asset, "restore").await,
        Model::Download(args) => MODEL.download(context, &args).await,
        Model::Update(args) => MODEL.update(context, &args).await,
        Model::SetAlias(args) => set_alias(context, &args).await,
        Model::DeleteAlias(args) => {
            let (client, named) = (context.client()?, args.asset.named()?);
            client
                .delete(&client.path(&[MODEL.collection, &named.name, "labels", &args.alias]))
                .await?;
            note(format!(
                "Removed the alias `{}` of `{}`",
                args.alias, named.name
            ));
            Ok(())
        }
    }
}

async fn set_alias(context: &Context, args: &SetAlias) -> CliResult<()> {
    let (client, named) = (context.client()?, args.asset.named()?);
    let version = MODEL.version(client, &named).await?;
    let path = client.path(&[MODEL.collection, &named.name, "labels", &args.alias]);
    client.put(&path, &json!({ "version": version })).await?;
    note(format!(
        "`{}@{}` is version {version}",
        named.name, args.alias
    ));
    Ok(())
}

async fn create(context: &Context, args: &Create) -> CliResult<()> {
    let flags = [
        ("name", args.name.as_deref()),
        ("version", args.version.as_deref()),
        ("type", args.r#type.as_deref()),
        ("description", args.description.as_deref()),
        ("stage", args.stage.as_deref()),
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
        "stage",
        "tags",
        "properties",
        "flavors",
        "job_name",
    ])?;
    let name = draft.required("name", "--name")?.to_owned();
    draft.required("path", "--path")?;
    local::send_named(context, &mut draft, "path", &name).await?;
    let mut body = draft.body(&[
        "name",
        "version",
        "type",
        "path",
        "description",
        "stage",
        "job_name",
    ])?;
    if let Some(flavors) = draft.json("flavors")? {
        body["flavors"] = flavors;
    }
    MODEL.create(context, &draft, &body).await
}
