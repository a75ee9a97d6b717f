//! Environments: definitions kept by name and version. Building them is the resolver's business.

use lazuli_spec::assets::{Asset, AssetContent, AssetKind, Origin};
use lazuli_spec::environments::EnvironmentDefinition;

use crate::assets::{self, Labels, Made, NewVersion};
use crate::{Access, Caller, Core, Error, Result};

/// An environment to be made.
#[derive(Clone, Debug)]
pub struct NewEnvironment {
    /// The name.
    pub name: String,
    /// The next number when absent.
    pub version: Option<String>,
    /// What it is made of.
    pub definition: EnvironmentDefinition,
    /// Description, tags, properties.
    pub labels: Labels,
}

impl Core {
    /// Makes a version of an environment.
    pub async fn create_environment(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewEnvironment,
    ) -> Result<Made> {
        let access = self
            .access(caller, workspace, AssetKind::Environment.write_action())
            .await?;
        let version = NewVersion {
            name: new.name,
            version: new.version,
            content: AssetContent::Environment(new.definition.checked()?),
            size: 0,
            files: 0,
            labels: new.labels,
            origin: Origin::default(),
        };
        assets::create(&access, version).await
    }
}

/// The environment of that name and version (`latest` is one too), and its definition. The access must be to read environments.
pub async fn find_environment(
    access: &Access,
    name: &str,
    version: &str,
) -> Result<(Asset, EnvironmentDefinition)> {
    let asset = assets::find(access, AssetKind::Environment, name, version).await?;
    match asset.content.clone() {
        AssetContent::Environment(definition) => Ok((asset, definition)),
        _ => Err(Error::internal(
            "an environment has other content than a definition",
        )),
    }
}
