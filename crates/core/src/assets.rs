//! What data, environments and code have in common: versions, labels, lists, archiving. The kinds' own rules are in
//! `data`, `environments` and `code`.

use std::collections::BTreeMap;

use lazuli_spec::assets::{Asset, AssetError, AssetKind, ListView, check_labels};
use lazuli_spec::{ErrorCode, Page, PageRequest, Timestamp, page_tokens};
pub use lazuli_store::asset_lists::AssetOrder;
use lazuli_store::asset_lists::{self, AssetSearch};
use lazuli_store::{Tx, assets as rows};
use serde_json::Value;

pub use crate::asset_creation::Made;
pub(crate) use crate::asset_creation::{NewVersion, create};
use crate::{Access, Caller, Change, Core, Error, Result};

/// What of a version may be said when it is made and changed afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// For people.
    pub description: Option<String>,
    /// Free labels; they replace the ones there are.
    pub tags: Option<BTreeMap<String, String>>,
    /// Free facts; they replace the ones there are.
    pub properties: Option<BTreeMap<String, String>>,
}

/// Which names to list.
#[derive(Clone, Debug, Default)]
pub struct AssetFilter {
    /// Which archived ones.
    pub view: ListView,
    /// Only names that begin so.
    pub prefix: Option<String>,
    /// Only with this tag, and this value if one is given.
    pub tag: Option<(String, Option<String>)>,
    /// The order.
    pub order: AssetOrder,
    /// Backwards.
    pub descending: bool,
}

impl From<AssetError> for Error {
    fn from(error: AssetError) -> Self {
        Self::invalid(error.field, error.message)
    }
}

impl Core {
    /// One version; `latest` stands for the one made last that is not archived.
    pub async fn get_asset(
        &self,
        caller: &Caller,
        workspace: &str,
        kind: AssetKind,
        name: &str,
        version: &str,
    ) -> Result<Asset> {
        let access = self.access(caller, workspace, kind.read_action()).await?;
        find(&access, kind, name, version).await
    }

    /// The version that a label stands for.
    pub async fn get_labelled_asset(
        &self,
        caller: &Caller,
        workspace: &str,
        kind: AssetKind,
        name: &str,
        label: &str,
    ) -> Result<Asset> {
        let access = self.access(caller, workspace, kind.read_action()).await?;
        if label != LATEST {
            return Err(Error::not_found("label", format!("{name}@{label}"))
                .hint("the one label there is is `latest`"));
        }
        find(&access, kind, name, LATEST).await
    }

    /// Names, each with its newest version.
    pub async fn list_assets(
        &self,
        caller: &Caller,
        workspace: &str,
        kind: AssetKind,
        filter: AssetFilter,
        page: PageRequest,
    ) -> Result<Page<Asset>> {
        let access = self.access(caller, workspace, kind.read_action()).await?;
        let query = format!("{kind:?} {filter:?}");
        let after = page
            .page_token
            .as_deref()
            .map(|token| place(&query, token))
            .transpose()?;
        let limit = page.limit_or(100, 1_000);
        let search = AssetSearch {
            kind,
            view: filter.view,
            prefix: filter.prefix,
            tag: filter.tag,
            order: filter.order,
            descending: filter.descending,
            after,
            limit: limit + 1,
        };
        let workspace_id = access.workspace_id().to_owned();
        let found = access
            .read(move |tx| Ok(asset_lists::names(tx, &workspace_id, &search)?))
            .await?;
        Ok(Page::from_rows(found, limit, |last| {
            page_tokens::encode(
                &[&query],
                &[last.created_at.0.into(), last.name.as_str().into()],
            )
        }))
    }

    /// The versions of one name, the newest first.
    pub async fn list_asset_versions(
        &self,
        caller: &Caller,
        workspace: &str,
        kind: AssetKind,
        name: &str,
        view: ListView,
        page: PageRequest,
    ) -> Result<Page<Asset>> {
        let access = self.access(caller, workspace, kind.read_action()).await?;
        let limit = page.limit_or(100, 1_000);
        let before = match page.page_token.as_deref() {
            None => i64::MAX,
            Some(token) => token.parse().map_err(|_| foreign_token())?,
        };
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        let found = access
            .read(move |tx| {
                if !rows::name_exists(tx, &workspace_id, kind, &name)? {
                    return Err(Error::not_found(kind.noun(), &name));
                }
                Ok(asset_lists::versions(
                    tx,
                    &workspace_id,
                    kind,
                    &name,
                    view,
                    before,
                    limit + 1,
                )?)
            })
            .await?;
        Ok(Page::from_rows(found, limit, |last| {
            last.sequence.to_string()
        }))
    }

    /// Changes a version's description, tags or properties. `if_match` is the etag the caller read.
    pub async fn update_asset(
        &self,
        caller: &Caller,
        workspace: &str,
        kind: AssetKind,
        named: (&str, &str),
        labels: Labels,
        if_match: Option<Timestamp>,
    ) -> Result<Asset> {
        check_all(&labels)?;
        let access = self.access(caller, workspace, kind.write_action()).await?;
        change(&access, kind, named, move |asset, mark, _| {
            if if_match.is_some_and(|etag| etag != asset.updated_at) {
                let message = format!(
                    "the {} has changed since it was read; read it again",
                    kind.noun()
                );
                return Err(Error::new(ErrorCode::PreconditionFailed, message));
            }
            apply(asset, labels);
            Ok(mark)
        })
        .await
    }

    /// Hides a version from lists and `latest`, or shows it again. It goes on working for whoever names it.
    pub async fn archive_asset(
        &self,
        caller: &Caller,
        workspace: &str,
        kind: AssetKind,
        named: (&str, &str),
        archived: bool,
    ) -> Result<Asset> {
        let access = self.access(caller, workspace, kind.write_action()).await?;
        change(&access, kind, named, move |_, mark, record| {
            if mark == archived {
                record.nothing();
            }
            Ok(archived)
        })
        .await
    }

    /// Hides a whole name, with the versions it will ever have, or shows it again.
    pub async fn archive_asset_name(
        &self,
        caller: &Caller,
        workspace: &str,
        kind: AssetKind,
        name: &str,
        archived: bool,
    ) -> Result<()> {
        let access = self.access(caller, workspace, kind.write_action()).await?;
        let (workspace_id, wanted) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(
                format!("{}/{name}", kind.collection()),
                move |tx, record| match rows::mark_name(tx, &workspace_id, kind, &wanted, archived)?
                {
                    None => Err(Error::not_found(kind.noun(), &wanted)),
                    Some(changed) => {
                        if !changed {
                            record.nothing();
                        }
                        Ok(())
                    }
                },
            )
            .await
    }
}

/// The label, and the version that may be asked for in its place.
pub const LATEST: &str = "latest";

/// Finds a version by itself or by `latest`.
pub(crate) async fn find(
    access: &Access,
    kind: AssetKind,
    name: &str,
    version: &str,
) -> Result<Asset> {
    let workspace_id = access.workspace_id().to_owned();
    let (name, version) = (name.to_owned(), version.to_owned());
    access
        .read(move |tx| find_in(tx, &workspace_id, kind, &name, &version))
        .await
}

fn find_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
    version: &str,
) -> Result<Asset> {
    let found = match version {
        LATEST => rows::latest(tx, workspace_id, kind, name)?,
        exact => rows::find(tx, workspace_id, kind, name, exact)?,
    };
    if let Some(found) = found {
        return Ok(found);
    }
    if !rows::name_exists(tx, workspace_id, kind, name)? {
        return Err(Error::not_found(kind.noun(), name));
    }
    let missing = Error::not_found(kind.noun(), format!("{name}:{version}"));
    Err(match version {
        LATEST => missing.hint("all its versions are archived; name one, or restore one"),
        _ => missing.hint(format!(
            "GET {}/{name}/versions lists the versions there are",
            kind.collection()
        )),
    })
}

/// Changes a version; the closure gets its own archived mark and returns the new one.
async fn change<F>(access: &Access, kind: AssetKind, named: (&str, &str), work: F) -> Result<Asset>
where
    F: FnOnce(&mut Asset, bool, &mut Change) -> Result<bool> + Send + 'static,
{
    let workspace_id = access.workspace_id().to_owned();
    let (name, version) = (named.0.to_owned(), named.1.to_owned());
    access
        .write(
            format!("{}/{name}:{version}", kind.collection()),
            move |tx, record| {
                let mut asset = find_in(tx, &workspace_id, kind, &name, &version)?;
                let mark = rows::own_mark(tx, &workspace_id, kind, &name, &asset.version)?;
                record.target(format!("{}/{name}:{}", kind.collection(), asset.version));
                let new_mark = work(&mut asset, mark, record)?;
                // two changes in one microsecond must still have different etags
                asset.updated_at = record.now().max(Timestamp(asset.updated_at.0 + 1));
                rows::update(tx, &workspace_id, &asset, new_mark)?;
                find_in(tx, &workspace_id, kind, &name, &asset.version)
            },
        )
        .await
}

fn apply(asset: &mut Asset, labels: Labels) {
    if let Some(description) = labels.description {
        asset.description = description;
    }
    if let Some(tags) = labels.tags {
        asset.tags = tags;
    }
    if let Some(properties) = labels.properties {
        asset.properties = properties;
    }
}

pub(crate) fn check_all(labels: &Labels) -> Result<()> {
    check_labels(labels.description.as_deref(), labels.tags.as_ref())?;
    check_labels(None, labels.properties.as_ref())
        .map_err(|error| Error::invalid("properties", error.message))
}

fn place(query: &str, token: &str) -> Result<(Timestamp, String)> {
    let key = page_tokens::decode(&[query], token)
        .map_err(|error| Error::invalid("page_token", error.0))?;
    match key.as_slice() {
        [Value::Number(time), Value::String(name)] => Ok((
            Timestamp(time.as_i64().ok_or_else(foreign_token)?),
            name.clone(),
        )),
        _ => Err(foreign_token()),
    }
}

fn foreign_token() -> Error {
    Error::invalid("page_token", "this page token is not one of this list")
}
