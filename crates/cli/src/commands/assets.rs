//! What data, models and environments have in common: a name, versions, labels, archiving.

use clap::Args;
use serde_json::{Map, Value};

use super::Context;
use super::args::{Listing, key_value};
use super::data::{Download, fetch};
use super::document::Draft;
use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::output::{Column, note};

/// One kind of asset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// In paths.
    pub(crate) collection: &'static str,
    /// In messages.
    pub(crate) noun: &'static str,
    columns: &'static [Column],
}

/// Data assets.
pub(crate) const DATA: Kind = Kind {
    collection: "data",
    noun: "data asset",
    columns: &[
        Column::text("Name", "name"),
        Column::text("Version", "version|latest_version"),
        Column::text("Type", "type"),
        Column::size("Size", "size"),
        Column::text("Description", "description"),
        Column::time("Created", "created_at|creation_context.created_at"),
    ],
};

/// Models.
pub(crate) const MODEL: Kind = Kind {
    collection: "models",
    noun: "model",
    columns: &[
        Column::text("Name", "name"),
        Column::text("Version", "version|latest_version"),
        Column::text("Type", "type"),
        Column::text("Aliases", "aliases"),
        Column::text("Job", "job_name|run_id"),
        Column::time("Created", "created_at|creation_context.created_at"),
    ],
};

/// Environments.
pub(crate) const ENVIRONMENT: Kind = Kind {
    collection: "environments",
    noun: "environment",
    columns: &[
        Column::text("Name", "name"),
        Column::text("Version", "version|latest_version"),
        Column::text("Image", "image"),
        Column::text("Description", "description"),
        Column::time("Created", "created_at|creation_context.created_at"),
    ],
};

/// An asset by name, and a version of it.
#[derive(Debug, Args)]
pub(crate) struct Asset {
    /// Its name, also as `name:version` or `name@label`.
    #[arg(value_name = "NAME", required_unless_present = "name")]
    position: Option<String>,
    /// Its name, as an option.
    #[arg(long, short = 'n', conflicts_with = "position")]
    name: Option<String>,
    /// Its version.
    #[arg(long, short = 'v')]
    version: Option<String>,
    /// A label instead of a version: `latest`, or an alias.
    #[arg(long, short = 'l', conflicts_with = "version")]
    label: Option<String>,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// List the versions of this one.
    #[arg(long, short = 'n')]
    name: Option<String>,
    /// Only names that begin so.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

/// Options of `update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    asset: Asset,
    /// New description.
    #[arg(long)]
    description: Option<String>,
    /// Set a field, for example `--set tags.team=vision` or `--set description=...`; may be repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = key_value, num_args = 1..)]
    set: Vec<(String, String)>,
}

/// A name and which of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) which: Which,
}

/// Which version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The newest.
    Latest,
    /// This one.
    Version(String),
    /// The one with this label or alias.
    Label(String),
}

impl Named {
    /// Reads `name`, `name:version`, `name@label`, with or without `azureml:` in front, and the options beside it.
    pub(crate) fn parse(text: &str, version: Option<&str>, label: Option<&str>) -> CliResult<Self> {
        let text = text.strip_prefix("azureml:").unwrap_or(text);
        let (name, inline) = match (text.split_once(':'), text.split_once('@')) {
            (Some((name, version)), _) => (name, Some(Which::Version(version.to_owned()))),
            (None, Some((name, label))) => (name, Some(label_of(label))),
            (None, None) => (text, None),
        };
        let option = version
            .map(|version| Which::Version(version.to_owned()))
            .or_else(|| label.map(label_of));
        let which = match (inline, option) {
            (Some(_), Some(_)) => {
                return Err(
                    CliError::usage(format!("`{text}` already says which version"))
                        .hint("leave out `--version` and `--label`"),
                );
            }
            (inline, option) => inline.or(option).unwrap_or(Which::Latest),
        };
        if name.is_empty()
            || matches!(&which, Which::Version(text) | Which::Label(text) if text.is_empty())
        {
            return Err(CliError::usage(format!("`{text}` is not a name"))
                .hint("write `name`, `name:version` or `name@label`"));
        }
        Ok(Self {
            name: name.to_owned(),
            which,
        })
    }
}

fn label_of(label: &str) -> Which {
    if label == "latest" {
        Which::Latest
    } else {
        Which::Label(label.to_owned())
    }
}

impl Asset {
    /// The name and version that were meant.
    pub(crate) fn named(&self) -> CliResult<Named> {
        let name = self
            .position
            .as_deref()
            .or(self.name.as_deref())
            .unwrap_or_default();
        Named::parse(name, self.version.as_deref(), self.label.as_deref())
    }

    fn says_which(&self) -> CliResult<bool> {
        Ok(self.named()?.which != Which::Latest || self.label.is_some())
    }
}

impl Kind {
    /// The path of one version; labels are resolved by the server.
    pub(crate) fn path(&self, client: &Client, asset: &Named) -> String {
        let base = [self.collection, &asset.name];
        match &asset.which {
            Which::Version(version) => client.path(&[base[0], base[1], "versions", version]),
            Which::Label(label) => client.path(&[base[0], base[1], "labels", label]),
            Which::Latest => client.path(&[base[0], base[1], "labels", "latest"]),
        }
    }

    /// Reads one version.
    pub(crate) async fn get(&self, client: &Client, asset: &Named) -> CliResult<Value> {
        client.get(&self.path(client, asset)).await
    }

    /// The version number that a label stands for.
    pub(crate) async fn version(&self, client: &Client, asset: &Named) -> CliResult<String> {
        if let Which::Version(version) = &asset.which {
            return Ok(version.clone());
        }
        let found = self.get(client, asset).await?;
        let version = found.get("version").and_then(Value::as_str);
        version.map(str::to_owned).ok_or_else(|| {
            CliError::new(format!("the {} `{}` has no version", self.noun, asset.name))
        })
    }

    /// The end of `create`: sends what a document became, and prints the version that was made.
    pub(crate) async fn create(
        &self,
        context: &Context,
        draft: &Draft,
        body: &Value,
    ) -> CliResult<()> {
        let client = context.client()?;
        let made = client
            .post(&client.path(&[self.collection]), body)
            .await
            .map_err(|error| draft.blame(error))?;
        context.printer.object(made)
    }

    /// `download`.
    pub(crate) async fn download(&self, context: &Context, args: &Download) -> CliResult<()> {
        let named = args.asset.named()?;
        let found = self.get(context.client()?, &named).await?;
        fetch(context, &found, &named.name, args.download_path.as_deref()).await
    }

    /// `show`.
    pub(crate) async fn show(&self, context: &Context, asset: &Asset) -> CliResult<()> {
        context
            .printer
            .object(self.get(context.client()?, &asset.named()?).await?)
    }

    /// `list`: the assets, or the versions of one.
    pub(crate) async fn list(&self, context: &Context, args: &List) -> CliResult<()> {
        let client = context.client()?;
        let path = match &args.name {
            Some(name) => client.path(&[self.collection, name, "versions"]),
            None => client.path(&[self.collection]),
        };
        let mut query = args.listing.query();
        if let Some(prefix) = &args.prefix {
            query.push(("prefix", prefix.clone()));
        }
        let items = client
            .list(&path, &query, args.listing.sorted.max_results)
            .await?;
        context.printer.list(items, self.columns)
    }

    /// `archive` and `restore`: one version, or all of them when none is named.
    pub(crate) async fn act(&self, context: &Context, asset: &Asset, verb: &str) -> CliResult<()> {
        let client = context.client()?;
        let named = asset.named()?;
        let path = if asset.says_which()? {
            let version = self.version(client, &named).await?;
            client.path(&[self.collection, &named.name, "versions", &version, verb])
        } else {
            client.path(&[self.collection, &named.name, verb])
        };
        client.post(&path, &Value::Object(Map::new())).await?;
        let done = if verb == "archive" {
            "Archived"
        } else {
            "Restored"
        };
        note(format!("{done} the {} `{}`", self.noun, named.name));
        Ok(())
    }

    /// `update`: description, tags, properties. The content of a version never changes.
    pub(crate) async fn update(&self, context: &Context, args: &Update) -> CliResult<()> {
        let client = context.client()?;
        let mut named = args.asset.named()?;
        named.which = Which::Version(self.version(client, &named).await?);
        let path = self.path(client, &named);
        let (current, tag) = client.get_tagged(&path).await?;
        let body = change(&current, args.description.as_deref(), &args.set)?;
        context
            .printer
            .object(client.patch(&path, &body, tag.as_deref()).await?)
    }
}

/// The body of a PATCH: changed fields only; a map such as `tags` is sent whole, with the change in it.
pub(crate) fn change(
    current: &Value,
    description: Option<&str>,
    set: &[(String, String)],
) -> CliResult<Value> {
    let mut body = Map::new();
    if let Some(description) = description {
        body.insert("description".to_owned(), Value::from(description));
    }
    for (field, value) in set {
        match field.split_once('.') {
            Some((map, key)) if matches!(map, "tags" | "properties") => {
                let whole = body.entry(map).or_insert_with(|| {
                    current
                        .get(map)
                        .cloned()
                        .unwrap_or_else(|| Value::Object(Map::new()))
                });
                if let Some(whole) = whole.as_object_mut() {
                    whole.insert(key.to_owned(), Value::from(value.as_str()));
                }
            }
            None if matches!(field.as_str(), "description" | "display_name" | "stage") => {
                body.insert(field.clone(), Value::from(value.as_str()));
            }
            _ => {
                return Err(CliError::usage(format!("`{field}` cannot be changed")).field("--set").hint("`description`, `display_name`, `stage`, `tags.<key>` and `properties.<key>` can"));
            }
        }
    }
    if body.is_empty() {
        return Err(CliError::usage("there is nothing to change")
            .hint("pass `--description` or `--set FIELD=VALUE`"));
    }
    Ok(Value::Object(body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_may_say_which_version() {
        let which = |text: &str| Named::parse(text, None, None).unwrap().which;
        assert_eq!(which("iris"), Which::Latest);
        assert_eq!(which("iris@latest"), Which::Latest);
        assert_eq!(which("azureml:iris:3"), Which::Version("3".to_owned()));
        assert_eq!(which("iris@champion"), Which::Label("champion".to_owned()));
        assert!(Named::parse("iris:3", Some("4"), None).is_err());
        assert!(
            Named::parse("iris:", None, None).is_err() && Named::parse("", None, None).is_err()
        );
    }

    #[test]
    fn a_change_keeps_the_other_tags() {
        let current = json!({ "tags": { "a": "1" }, "description": "old" });
        let set = vec![("tags.b".to_owned(), "2".to_owned())];
        assert_eq!(
            change(&current, None, &set).unwrap(),
            json!({ "tags": { "a": "1", "b": "2" } })
        );
        assert!(change(&current, None, &[]).is_err());
        assert!(change(&current, None, &[("path".to_owned(), "x".to_owned())]).is_err());
    }
}
