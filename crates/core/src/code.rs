//! Code assets: snapshots of source folders. Jobs make anonymous ones; people may name theirs.

use lazuli_spec::assets::{AssetContent, AssetKind, Origin};
use lazuli_spec::code::{ANONYMOUS_VERSION, CodeContent};
use lazuli_spec::references::Reference;
use lazuli_spec::trees::TreeId;

use crate::assets::{self, Labels, Made, NewVersion};
use crate::content::tree_of;
use crate::data::part_of;
use crate::{Access, Caller, Core, Error, Result};

/// A code asset to be made.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The name; without one it is the tree's id, and the version is `1`.
    pub name: Option<String>,
    /// The next number when absent.
    pub version: Option<String>,
    /// `tree:<id>` or `tree:<id>/<path>`.
    pub path: String,
    /// Description, tags, properties.
    pub labels: Labels,
}

impl Core {
    /// Makes a version of a code asset.
    pub async fn create_code(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewCode,
    ) -> Result<Made> {
        let access = self
            .access(caller, workspace, AssetKind::Code.write_action())
            .await?;
        create_code(&access, new).await
    }
}

/// Makes a version of a code asset; for a job's snapshot too. The access must be to write code.
pub async fn create_code(access: &Access, new: NewCode) -> Result<Made> {
    let parsed =
        Reference::parse(&new.path).map_err(|error| Error::invalid("path", error.to_string()))?;
    let Reference::Tree { id, path } = parsed else {
        let message = format!("`{}` is not a stored tree", new.path);
        return Err(Error::invalid("path", message).hint("upload the folder and give `tree:<id>`"));
    };
    let id = TreeId::parse(&id).map_err(|error| Error::invalid("path", error.to_string()))?;
    let whole = tree_of(access, &id)
        .await
        .map_err(|error| error.in_field("path"))?;
    let tree = part_of(access, whole, &id, &path).await?;
    let content = CodeContent::stored(tree.id(), &tree)?;
    let (name, version) = match new.name {
        Some(name) => (name, new.version),
        None => (
            content.anonymous_name().to_owned(),
            Some(ANONYMOUS_VERSION.to_owned()),
        ),
    };
    let version = NewVersion {
        name,
        version,
        content: AssetContent::Code(content),
        size: tree.size(),
        files: tree.count() as u64,
        labels: new.labels,
        origin: Origin::default(),
    };
    assets::create(access, version).await
}

/// The tree of the code asset of that name and version. The access must be to read code.
pub async fn find_code(access: &Access, name: &str, version: &str) -> Result<TreeId> {
    let asset = assets::find(access, AssetKind::Code, name, version).await?;
    match asset.content {
        AssetContent::Code(code) => Ok(code.tree),
        _ => Err(Error::internal(
            "a code asset has other content than a tree",
        )),
    }
}
