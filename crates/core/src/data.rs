//! Data assets: making them from trees and addresses, reading their files, resolving references to them.

use lazuli_spec::assets::{Asset, AssetContent, AssetKind, Origin};
use lazuli_spec::data::{DataContent, DataSource, DataType};
use lazuli_spec::references::{Reference, Version};
use lazuli_spec::trees::{Tree, TreeEntry, TreeId};

use crate::assets::{self, Labels, Made, NewVersion};
use crate::content::{BlobRead, ByteRange, open_noted, tree_of};
use crate::{Access, Caller, Core, Error, Result};

/// A data asset to be made.
#[derive(Clone, Debug)]
pub struct NewData {
    /// The name.
    pub name: String,
    /// The next number when absent.
    pub version: Option<String>,
    /// File or folder; what the path is when absent.
    pub data_type: Option<DataType>,
    /// `tree:<id>`, `tree:<id>/<path>`, or an address elsewhere.
    pub path: String,
    /// Description, tags, properties.
    pub labels: Labels,
}

/// A data asset that a reference named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedData {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// File or folder.
    pub data_type: DataType,
    /// Where it is.
    pub source: DataSource,
}

impl ResolvedData {
    /// The reference that always means this: `azureml:<name>:<version>`.
    pub fn reference(&self) -> String {
        format!("azureml:{}:{}", self.name, self.version)
    }

    /// Its tree; an error for an address elsewhere, which Lazuli does not fetch.
    pub fn tree(&self) -> Result<&TreeId> {
        match &self.source {
            DataSource::Tree(id) => Ok(id),
            DataSource::Uri(uri) => Err(Error::new(
                lazuli_spec::ErrorCode::Unsupported,
                format!(
                    "the data asset `{}:{}` is not stored here: it names `{uri}`",
                    self.name, self.version
                ),
            )
            .hint("download it once and register the files")),
        }
    }
}

impl Core {
    /// Makes a version of a data asset.
    pub async fn create_data(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewData,
    ) -> Result<Made> {
        let access = self
            .access(caller, workspace, AssetKind::Data.write_action())
            .await?;
        let (content, tree) = content_at(&access, new.data_type, &new.path).await?;
        let version = NewVersion {
            name: new.name,
            version: new.version,
            content: AssetContent::Data(content),
            size: tree.as_ref().map_or(0, Tree::size),
            files: tree.as_ref().map_or(0, |tree| tree.count() as u64),
            labels: new.labels,
            origin: Origin::default(),
        };
        assets::create(&access, version).await
    }

    /// The files of a data asset.
    pub async fn data_tree(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
    ) -> Result<Tree> {
        let access = self
            .access(caller, workspace, AssetKind::Data.read_action())
            .await?;
        stored_tree(
            &access,
            &assets::find(&access, AssetKind::Data, name, version).await?,
        )
        .await
    }

    /// One file of a data asset. The path may be left out when there is only one file.
    pub async fn data_file(
        &self,
        caller: &Caller,
        workspace: &str,
        named: (&str, &str),
        path: Option<&str>,
    ) -> Result<TreeEntry> {
        let access = self
            .access(caller, workspace, AssetKind::Data.read_action())
            .await?;
        Ok(find_file(&access, named, path).await?.1)
    }

    /// Reads a file that [`Self::data_file`] found, whole or in part.
    pub async fn open_data_file(
        &self,
        caller: &Caller,
        workspace: &str,
        entry: &TreeEntry,
        range: Option<ByteRange>,
    ) -> Result<BlobRead> {
        let access = self
            .access(caller, workspace, AssetKind::Data.read_action())
            .await?;
        open_noted(&access, &entry.sha256, range).await
    }
}

/// One file of a data asset, with the version it is of. The access must be to read data.
pub(crate) async fn find_file(
    access: &Access,
    named: (&str, &str),
    path: Option<&str>,
) -> Result<(Asset, TreeEntry)> {
    let asset = assets::find(access, AssetKind::Data, named.0, named.1).await?;
    let tree = stored_tree(access, &asset).await?;
    let found = match (path, tree.entries()) {
        (None, [only]) => only.clone(),
        (None, _) => {
            let message = format!(
                "`{}:{}` is a folder of {} files",
                asset.name,
                asset.version,
                tree.count()
            );
            return Err(Error::invalid("path", message)
                .hint("name a file with `path`; the version's files list them"));
        }
        (Some(path), _) => tree.get(path).cloned().ok_or_else(|| {
            Error::not_found("file", format!("{}:{}/{path}", asset.name, asset.version))
        })?,
    };
    Ok((asset, found))
}

/// What a reference `azureml:<name>:<version>` or `azureml:<name>@latest` means now. The access must be to read data.
pub async fn resolve_data(access: &Access, reference: &str) -> Result<ResolvedData> {
    let parsed =
        Reference::parse(reference).map_err(|error| Error::invalid("path", error.to_string()))?;
    let Reference::Asset { name, version } = parsed else {
        let message =
            format!("`{reference}` does not name a data asset; write `azureml:<name>:<version>`");
        return Err(Error::invalid("path", message));
    };
    let version = match version {
        Version::Exact(version) => version,
        Version::Label(label) if label == assets::LATEST => label,
        Version::Label(label) => return Err(Error::not_found("label", format!("{name}@{label}"))),
    };
    let asset = assets::find(access, AssetKind::Data, &name, &version).await?;
    let AssetContent::Data(DataContent { data_type, source }) = asset.content else {
        return Err(Error::internal("a data asset has other content than data"));
    };
    Ok(ResolvedData {
        name: asset.name,
        version: asset.version,
        data_type,
        source,
    })
}

/// Registers a job's output, whose tree is stored, as a data asset, and remembers the job. The access must be to write data.
pub async fn register_data_output(
    access: &Access,
    name: &str,
    version: Option<&str>,
    data_type: DataType,
    tree: &TreeId,
    origin: Origin,
) -> Result<Made> {
    let files = tree_of(access, tree).await?;
    let content = DataContent::stored(data_type, tree.clone(), &files)?;
    let version = NewVersion {
        name: name.to_owned(),
        version: version.map(ToOwned::to_owned),
        content: AssetContent::Data(content),
        size: files.size(),
        files: files.count() as u64,
        labels: Labels::default(),
        origin,
    };
    assets::create(access, version).await
}

/// What a path in a request is: a tree of this workspace or a part of one, or an address elsewhere.
async fn content_at(
    access: &Access,
    data_type: Option<DataType>,
    path: &str,
) -> Result<(DataContent, Option<Tree>)> {
    let parsed =
        Reference::parse(path).map_err(|error| Error::invalid("path", error.to_string()))?;
    let Reference::Tree { id, path: inside } = parsed else {
        let data_type = data_type.unwrap_or(DataType::UriFolder);
        return Ok((DataContent::elsewhere(data_type, path)?, None));
    };
    let id = TreeId::parse(&id).map_err(|error| Error::invalid("path", error.to_string()))?;
    let whole = tree_of(access, &id)
        .await
        .map_err(|error| error.in_field("path"))?;
    let file = whole.get(&inside).is_some();
    let tree = part_of(access, whole, &id, &inside).await?;
    let guessed = if file {
        DataType::UriFile
    } else {
        DataType::UriFolder
    };
    let content = DataContent::stored(data_type.unwrap_or(guessed), tree.id(), &tree)?;
    Ok((content, Some(tree)))
}

/// The tree itself, or the file or folder in it as a tree of its own.
pub(crate) async fn part_of(
    access: &Access,
    whole: Tree,
    id: &TreeId,
    inside: &str,
) -> Result<Tree> {
    if inside.is_empty() {
        return Ok(whole);
    }
    let part = whole.subtree(inside).ok_or_else(|| {
        Error::invalid("path", format!("the tree {id} has nothing at `{inside}`"))
    })?;
    if part.id() != *id {
        crate::content::adopt_tree(access, &part).await?;
    }
    Ok(part)
}

async fn stored_tree(access: &Access, asset: &Asset) -> Result<Tree> {
    let AssetContent::Data(content) = &asset.content else {
        return Err(Error::internal("a data asset has other content than data"));
    };
    let resolved = ResolvedData {
        name: asset.name.clone(),
        version: asset.version.clone(),
        data_type: content.data_type,
        source: content.source.clone(),
    };
    tree_of(access, resolved.tree()?).await
}
