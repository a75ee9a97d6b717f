//! Environments: what Python packages code runs with, as a definition that is built where it is needed.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::assets::AssetError;
use crate::trees::ContentHash;

/// The longest definition file, in bytes.
const MAX_FILE_BYTES: usize = 256 * 1024;
/// The longest image name, in bytes.
const MAX_IMAGE_BYTES: usize = 512;

/// What an environment is made of: an image, a conda file, requirements, or several of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentDefinition {
    /// An image's name, or a curated environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The text of a conda file, YAML or JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda_file: Option<String>,
    /// The text of a pip requirements file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<String>,
}

impl EnvironmentDefinition {
    /// Checks a definition; empty parts count as absent, and a conda file must be a mapping.
    pub fn checked(mut self) -> Result<Self, AssetError> {
        for part in [
            &mut self.image,
            &mut self.conda_file,
            &mut self.requirements,
        ] {
            if part.as_deref().is_some_and(|text| text.trim().is_empty()) {
                *part = None;
            }
        }
        if let Some(image) = &self.image {
            check_image(image)?;
        }
        if let Some(text) = &self.conda_file {
            check_length("conda_file", text)?;
            check_conda(text)?;
        }
        if let Some(text) = &self.requirements {
            check_length("requirements", text)?;
        }
        if self == Self::default() {
            return Err(AssetError::new(
                "image",
                "an environment needs `image`, `conda_file` or `requirements`",
            ));
        }
        Ok(self)
    }

    /// The same definition has the same hash: it names the built environment as well. Line ends do not count.
    pub fn hash(&self) -> ContentHash {
        let mut text = String::from("lazuli-environment 1\n");
        for (name, part) in [
            ("image", &self.image),
            ("conda_file", &self.conda_file),
            ("requirements", &self.requirements),
        ] {
            if let Some(part) = part {
                let part = part.replace("\r\n", "\n");
                let part = part.trim_end();
                // writing to a String cannot fail
                let _ = write!(text, "{name} {}\n{part}\n", part.len());
            }
        }
        ContentHash::of(text.as_bytes())
    }
}

fn check_image(image: &str) -> Result<(), AssetError> {
    if image.len() > MAX_IMAGE_BYTES || image.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let rule =
            "an image's name has at most 512 bytes and neither spaces nor control characters";
        return Err(AssetError::new("image", rule));
    }
    Ok(())
}

fn check_length(field: &'static str, text: &str) -> Result<(), AssetError> {
    if text.len() > MAX_FILE_BYTES || text.contains('\0') {
        let rule = format!("`{field}` has at most {MAX_FILE_BYTES} bytes and no NUL character");
        return Err(AssetError::new(field, rule));
    }
    Ok(())
}

fn check_conda(text: &str) -> Result<(), AssetError> {
    let parsed: Result<serde_json::Value, _> = serde_saphyr::from_str(text);
    match parsed {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(AssetError::new(
            "conda_file",
            "a conda file is a mapping with `dependencies`; send its content, not its path",
        )),
        Err(error) => Err(AssetError::new(
            "conda_file",
            format!("the conda file is not YAML: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(
        image: Option<&str>,
        conda: Option<&str>,
        requirements: Option<&str>,
    ) -> EnvironmentDefinition {
        EnvironmentDefinition {
            image: image.map(Into::into),
            conda_file: conda.map(Into::into),
            requirements: requirements.map(Into::into),
        }
    }

    #[test]
    fn a_definition_says_something() {
        let error = with(None, Some("  \n"), None).checked().unwrap_err();
        insta::assert_snapshot!(error, @"an environment needs `image`, `conda_file` or `requirements`");
        let error = with(None, Some("conda.yml"), None).checked().unwrap_err();
        insta::assert_snapshot!(error, @"a conda file is a mapping with `dependencies`; send its content, not its path");
        assert_eq!(
            with(None, Some("a: [1"), None).checked().unwrap_err().field,
            "conda_file"
        );
        assert_eq!(
            with(Some("a b"), None, None).checked().unwrap_err().field,
            "image"
        );
        with(None, Some("dependencies: [pip]"), Some("numpy\n"))
            .checked()
            .unwrap();
    }

    #[test]
    fn the_hash_follows_the_meaning() {
        let plain = with(None, None, Some("numpy\npandas\n"));
        assert_eq!(
            plain.hash(),
            with(None, None, Some("numpy\r\npandas")).hash()
        );
        assert_ne!(plain.hash(), with(None, None, Some("numpy")).hash());
        assert_ne!(
            with(Some("x"), None, None).hash(),
            with(None, None, Some("x")).hash()
        );
    }
}
