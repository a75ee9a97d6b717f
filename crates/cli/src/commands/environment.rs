//! `lazuli environment`: what a job or a deployment runs in.

use clap::{Args, Subcommand};
use lazuli_spec::jobs::InlineEnvironment;

use super::Context;
use super::args::File;
use super::assets::{Asset, ENVIRONMENT, List, Update};
use super::document::Draft;
use super::local;
use crate::error::CliResult;

/// Commands on environments.
#[derive(Debug, Subcommand)]
pub(crate) enum Environment {
    /// Create a version of an environment.
    #[command(after_help = "Examples:
  lazuli environment create --name train --conda-file conda.yml
  lazuli environment create --file environment.yml")]
    Create(Create),
    /// List environments, or the versions of one.
    List(List),
    /// Show an environment.
    #[command(after_help = "Examples:
  lazuli environment show train@latest")]
    Show(Asset),
    /// Hide an environment from lists; it goes on working.
    Archive(Asset),
    /// Bring an archived environment back.
    Restore(Asset),
    /// Change description, tags, properties.
    Update(Update),
}

/// Options of `environment create`.
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
    /// Image it is based on.
    #[arg(long, short = 'i')]
    image: Option<String>,
    /// Conda file with the packages.
    #[arg(long, short = 'c', value_name = "FILE")]
    conda_file: Option<String>,
    /// Requirements file with the packages.
    #[arg(long, value_name = "FILE")]
    requirements: Option<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
}

/// Runs a command on environments.
pub(crate) async fn run(context: &Context, command: Environment) -> CliResult<()> {
    match command {
        Environment::Create(args) => create(context, &args).await,
        Environment::List(args) => ENVIRONMENT.list(context, &args).await,
        Environment::Show(asset) => ENVIRONMENT.show(context, &asset).await,
        Environment::Archive(asset) => ENVIRONMENT.act(context, &asset, "archive").await,
        Environment::Restore(asset) => ENVIRONMENT.act(context, &asset, "restore").await,
        Environment::Update(args) => ENVIRONMENT.update(context, &args).await,
    }
}

async fn create(context: &Context, args: &Create) -> CliResult<()> {
    let flags = [
        ("name", args.name.as_deref()),
        ("version", args.version.as_deref()),
        ("image", args.image.as_deref()),
        ("description", args.description.as_deref()),
    ];
    let mut draft = Draft::read(&args.file, &flags)?;
    for (field, path) in [
        ("conda_file", &args.conda_file),
        ("requirements", &args.requirements),
    ] {
        if let Some(path) = path {
            draft.put_local(field, path)?;
        }
    }
    draft.required("name", "--name")?;
    local::inline_environment(&mut draft, "")?;
    draft.only(&[
        "name",
        "version",
        "image",
        "conda_file",
        "requirements",
        "build",
        "os_type",
        "inference_config",
        "description",
        "tags",
        "properties",
    ])?;
    let mut body = draft.body(&["name", "version", "image", "description", "os_type"])?;
    let parts: InlineEnvironment = draft.read_part(&[
        "name",
        "description",
        "image",
        "conda_file",
        "requirements",
        "build",
        "os_type",
        "inference_config",
    ])?;
    body["conda_file"] = parts.conda_text().into();
    body["requirements"] = parts.requirements_text().into();
    ENVIRONMENT.create(context, &draft, &body).await
}
