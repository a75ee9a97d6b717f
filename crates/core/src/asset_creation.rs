//! Making versions of assets: numbering, and content that never changes.

use lazuli_spec::assets::{self, Asset, AssetContent, Origin, check_version};
use lazuli_spec::{ErrorCode, Timestamp};
use lazuli_store::assets as rows;

use crate::assets::{Labels, check_all};
use crate::{Access, Error, Result};

/// A version to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewVersion {
    pub(crate) name: String,
    /// The next number when absent.
    pub(crate) version: Option<String>,
    pub(crate) content: AssetContent,
    pub(crate) size: u64,
    pub(crate) files: u64,
    pub(crate) labels: Labels,
    pub(crate) origin: Origin,
}

/// A version, and whether the request made it or found the same one there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The version.
    pub asset: Asset,
    /// Whether it is new.
    pub created: bool,
}

/// Makes a version. The same version with the same content is there already and stays; with other content it is refused.
pub(crate) async fn create(access: &Access, new: NewVersion) -> Result<Made> {
    assets::check_name(&new.name)?;
    new.version.as_deref().map_or(Ok(()), check_version)?;
    check_all(&new.labels)?;
    let kind = new.content.kind();
    let workspace_id = access.workspace_id().to_owned();
    let by = access.caller().principal_id().to_owned();
    let target = match &new.version {
        Some(version) => format!("{}/{}:{version}", kind.collection(), new.name),
        None => format!("{}/{}", kind.collection(), new.name),
    };
    access
        .write(target, move |tx, record| {
            if let Some(version) = &new.version
                && let Some(there) = rows::find(tx, &workspace_id, kind, &new.name, version)?
            {
                record.nothing();
                return unchanged(there, &new.content);
            }
            // the name's row orders writers, so what was not there before it was locked is looked for again
            let reserved = rows::reserve(tx, &workspace_id, kind, &new.name, record.now())?;
            let version = match new.version.clone() {
                Some(version) => version,
                None => reserved.next_version.to_string(),
            };
            if let Some(there) = rows::find(tx, &workspace_id, kind, &new.name, &version)? {
                record.nothing();
                return unchanged(there, &new.content);
            }
            record.target(format!("{}/{}:{version}", kind.collection(), new.name));
            let asset = fresh(new, version, reserved, by, record.now());
            rows::insert(tx, &workspace_id, &asset)?;
            let asset = Asset {
                archived: reserved.archived,
                ..asset
            };
            Ok(Made {
                asset,
                created: true,
            })
        })
        .await
}

fn fresh(
    new: NewVersion,
    version: String,
    reserved: rows::Reserved,
    by: String,
    now: Timestamp,
) -> Asset {
    Asset {
        name: new.name,
        version,
        sequence: reserved.sequence,
        content_hash: new.content.hash(),
        content: new.content,
        size: new.size,
        files: new.files,
        description: new.labels.description.unwrap_or_default(),
        tags: new.labels.tags.unwrap_or_default(),
        properties: new.labels.properties.unwrap_or_default(),
        origin: new.origin,
        archived: false,
        created_at: now,
        created_by: by,
        updated_at: now,
    }
}

/// The answer when the version is there: itself if the content is the same, otherwise both hashes.
fn unchanged(there: Asset, content: &AssetContent) -> Result<Made> {
    if there.content == *content {
        let created = false;
        return Ok(Made {
            asset: there,
            created,
        });
    }
    let message = format!(
        "the {} `{}:{}` exists with other content: its hash is {}, this one's is {}",
        content.kind().noun(),
        there.name,
        there.version,
        there.content_hash,
        content.hash()
    );
    let hint = "the content of a version never changes: choose another version, or leave it out to get the next number";
    Err(Error::new(ErrorCode::ImmutableContent, message).hint(hint))
}
