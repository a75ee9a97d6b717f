//! Models: a registered model is a name with versions, aliases and tags; the same noun in the native, Azure and MLflow
//! dialects. Limits and messages are the ones that MLflow's clients know.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::invalid::Invalid;
use crate::limits;
use crate::runs::KeyValue;

/// Longest name of a model.
pub const NAME: usize = 256;
/// Longest value of a registry tag.
pub const TAG_VALUE: usize = 100_000;
/// Longest alias.
pub const ALIAS: usize = 255;
/// The tag that makes a registered model a prompt.
pub const TAG_IS_PROMPT: &str = "mlflow.prompt.is_prompt";
/// The tag of a version that holds a prompt's text.
pub const TAG_PROMPT_TEXT: &str = "mlflow.prompt.text";
/// What clients write as the source of a prompt.
pub const PROMPT_SOURCES: [&str; 2] = ["prompt-template", "dummy-source"];
/// The tag of a logged model that lists the versions registered from it.
pub const TAG_MODEL_VERSIONS: &str = "mlflow.modelVersions";

/// What a version's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelType {
    /// Any files; a `score.py` knows how to use them.
    CustomModel,
    /// A folder with an `MLmodel` file.
    MlflowModel,
}

impl ModelType {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CustomModel => "custom_model",
            Self::MlflowModel => "mlflow_model",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "custom_model" => Some(Self::CustomModel),
            "mlflow_model" => Some(Self::MlflowModel),
            _ => None,
        }
    }
}

/// MLflow's stage of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Registered only.
    #[default]
    None,
    /// Being tried.
    Staging,
    /// In use.
    Production,
    /// Put away.
    Archived,
}

impl Stage {
    /// Every stage, in MLflow's order.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Reads the word in any case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL
            .into_iter()
            .find(|stage| stage.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let valid = Self::ALL.map(Self::as_str).join(", ");
            Invalid(format!(
                "Invalid Model Version stage: {text}. Value must be one of {valid}."
            ))
        })
    }

    /// Whether older versions in it may be archived when a new one arrives.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Staging | Self::Production)
    }
}

/// A name that points to one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// The alias.
    pub alias: String,
    /// The version it points to.
    pub version: String,
}

/// A registered model.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredModel {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Hidden from native lists.
    pub archived: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it, or one of its versions, last changed.
    pub updated_at: Timestamp,
    /// Its tags, by key.
    pub tags: Vec<KeyValue>,
    /// Its aliases, by name.
    pub aliases: Vec<Alias>,
    /// The newest version in each stage.
    pub latest_versions: Vec<ModelVersion>,
}

/// One version of a registered model. Its content never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelVersion {
    /// The model's name.
    pub name: String,
    /// The version: a number, unless the one who registered it chose another word.
    pub version: String,
    /// What its files are.
    pub model_type: ModelType,
    /// Where it came from, as its maker said.
    pub source: String,
    /// Where its files are, as an MLflow client resolves it.
    pub location: String,
    /// The files as a content tree, once known.
    pub tree: Option<String>,
    /// The run that made it.
    pub run_id: Option<String>,
    /// A link to that run on another server.
    pub run_link: Option<String>,
    /// The logged model it was registered from.
    pub model_id: Option<String>,
    /// The job that made it.
    pub job: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Who registered it.
    pub user_id: String,
    /// MLflow's stage.
    pub stage: Stage,
    /// Hidden from native lists; it goes on working.
    pub archived: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its tags, by key.
    pub tags: Vec<KeyValue>,
    /// Free properties (native and Azure dialects), by key.
    pub properties: Vec<KeyValue>,
    /// The aliases that point to it.
    pub aliases: Vec<String>,
}

/// The name of a registered model.
pub fn name(name: &str) -> Result<(), Invalid> {
    named("name", name)
}

/// The new name of a registered model.
pub fn new_name(name: &str) -> Result<(), Invalid> {
    if name.trim().is_empty() {
        return Err(Invalid::missing("new_name"));
    }
    named("name", name)
}

fn named(parameter: &str, name: &str) -> Result<(), Invalid> {
    if name.trim().is_empty() {
        return Err(Invalid::missing(parameter));
    }
    if name.contains(['/', ':']) {
        return Err(Invalid(format!(
            "Invalid model name '{name}'. Names cannot contain '/' or ':'."
        )));
    }
    if name == "." || name.starts_with("..") || name.chars().any(char::is_control) {
        let reason = "Names may be treated as files in certain cases, and must not resolve to other names when treated as such.";
        return Err(Invalid::value(parameter, name, reason));
    }
    limits::length(parameter, NAME, name)
}

/// A version in MLflow's dialect, which knows numbers only: `07` means `7`.
pub fn version_number(text: &str) -> Result<i64, Invalid> {
    let number = text.trim().parse::<i64>();
    number.map_err(|_| {
        Invalid(format!(
            "Parameter 'version' must be an integer, got '{text}'."
        ))
    })
}

/// A tag of a registered model or of one of its versions.
pub fn tag(tag: &KeyValue) -> Result<(), Invalid> {
    limits::key("key", "key", &tag.key)?;
    limits::length("value", TAG_VALUE, &tag.value).map_err(|error| match tag.key.as_str() {
        TAG_PROMPT_TEXT => Invalid(format!(
            "Prompt text exceeds max length of {TAG_VALUE} characters."
        )),
        _ => error,
    })
}

/// Tags by key; of two with the same key the last one counts.
pub fn tags(given: Vec<KeyValue>) -> Result<Vec<KeyValue>, Invalid> {
    let mut by_key = std::collections::BTreeMap::new();
    for one in given {
        tag(&one)?;
        by_key.insert(one.key, one.value);
    }
    Ok(by_key
        .into_iter()
        .map(|(key, value)| KeyValue { key, value })
        .collect())
}

/// An alias, to look one up or delete it.
pub fn alias(alias: &str) -> Result<(), Invalid> {
    if alias.is_empty() {
        return Err(Invalid::new("Registered model alias name cannot be empty."));
    }
    if !alias
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    {
        return Err(Invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    limits::length("Registered model alias name", ALIAS, alias)
}

/// An alias that is to be set: `latest` and `v1` have a meaning already.
pub fn new_alias(name: &str) -> Result<(), Invalid> {
    alias(name)?;
    if name.eq_ignore_ascii_case("latest") {
        return Err(Invalid::new(
            "'latest' alias name (case insensitive) is reserved.",
        ));
    }
    let digits = name.strip_prefix(['v', 'V']).unwrap_or_default();
    if !digits.is_empty() && digits.chars().all(char::is_numeric) {
        return Err(Invalid(format!("Version alias name '{name}' is reserved.")));
    }
    Ok(())
}

/// Whether the tags say that this is a prompt, which shares the registry's protocol with models.
pub fn is_prompt(tags: &[KeyValue]) -> bool {
    let last = tags.iter().rev().find(|tag| tag.key == TAG_IS_PROMPT);
    last.is_some_and(|tag| tag.value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_follow_the_protocol() {
        for good in ["iris", "my model", "a.b-c_d", "模型"] {
            assert_eq!(name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "  ",
            "a/b",
            "a:b",
            "..",
            "../x",
            "a\nb",
            &"x".repeat(257),
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            name(" ").unwrap_err().0,
            "Missing value for required parameter 'name'."
        );
        assert_eq!(new_alias("champion-1_x"), Ok(()));
        for reserved in ["latest", "LATEST", "v1", "V22"] {
            assert!(
                new_alias(reserved).unwrap_err().0.contains("reserved"),
                "{reserved}"
            );
        }
        for bad in ["", "a b", "a.b", "a/b"] {
            assert!(alias(bad).is_err(), "{bad:?}");
        }
        assert_eq!(new_alias("version"), Ok(()));
    }

    #[test]
    fn stages_are_read_in_any_case() {
        assert_eq!(Stage::parse("PRODUCTION"), Ok(Stage::Production));
        assert_eq!(
            Stage::parse("live").unwrap_err().0,
            "Invalid Model Version stage: live. Value must be one of None, Staging, Production, Archived."
        );
    }

    #[test]
    fn the_last_of_two_tags_counts() {
        let given = vec![
            KeyValue::new("b", "1"),
            KeyValue::new("a", "2"),
            KeyValue::new("b", "3"),
        ];
        assert_eq!(
            tags(given).unwrap(),
            [KeyValue::new("a", "2"), KeyValue::new("b", "3")]
        );
        assert!(tags(vec![KeyValue::new("../k", "")]).is_err());
        assert!(tags(vec![KeyValue::new("k", "x".repeat(TAG_VALUE + 1))]).is_err());
        assert!(is_prompt(&[KeyValue::new(TAG_IS_PROMPT, "True")]));
    }

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version_number("07"), Ok(7));
        assert_eq!(
            version_number("x").unwrap_err().0,
            "Parameter 'version' must be an integer, got 'x'."
        );
    }
}
