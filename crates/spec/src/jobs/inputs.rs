//! Inputs and outputs of a job, in all the forms the YAML allows.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::runner::InputMode;
use crate::yaml::nearest;

/// An input.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum JobInput {
    /// A number, a truth value or text.
    Literal(Literal),
    /// Data, a model, another job's output.
    Asset(AssetInput),
    /// Several inputs under one name.
    Group(BTreeMap<String, JobInput>),
}

/// A plain value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Literal {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
}

/// An input that is content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssetInput {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: PortType,
    /// Where it is: a reference, an address or a local path.
    pub path: String,
    /// How it reaches the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ReadMode>,
}

/// What an input or output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortType {
    /// One file.
    UriFile,
    /// A folder.
    UriFolder,
    /// A folder with an `MLTable` file.
    Mltable,
    /// A model of any kind.
    CustomModel,
    /// An MLflow model.
    MlflowModel,
    /// A Triton model.
    TritonModel,
}

impl PortType {
    /// The YAML's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UriFile => "uri_file",
            Self::UriFolder => "uri_folder",
            Self::Mltable => "mltable",
            Self::CustomModel => "custom_model",
            Self::MlflowModel => "mlflow_model",
            Self::TritonModel => "triton_model",
        }
    }
}

/// The modes of an input, by the names of the YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadMode {
    /// The default.
    RoMount,
    /// The same here.
    Mount,
    /// A copy that the job may change.
    RwMount,
    /// A copy.
    Download,
    /// Only the address.
    Direct,
    /// As `ro_mount`.
    EvalMount,
    /// As `download`.
    EvalDownload,
}

impl ReadMode {
    /// The mode in the runner's words.
    pub const fn plan(self) -> InputMode {
        match self {
            Self::RoMount | Self::Mount | Self::EvalMount => InputMode::RoMount,
            Self::RwMount => InputMode::RwMount,
            Self::Download | Self::EvalDownload => InputMode::Download,
            Self::Direct => InputMode::Direct,
        }
    }
}

/// An output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobOutput {
    /// What it is; a folder when not said.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<PortType>,
    /// How it leaves the job; all are uploads at the end here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<OutputMode>,
    /// A place of one's own in a datastore: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The asset it is registered as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The asset's version; the next number when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The modes of an output, by the names of the YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// The default.
    RwMount,
    /// The same here.
    Mount,
    /// At the end.
    Upload,
    /// The same here.
    Direct,
}

impl Literal {
    /// The text put in place of an expression.
    pub fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

const KNOWN: &[&str] = &[
    "type",
    "path",
    "mode",
    "value",
    "default",
    "description",
    "optional",
];
const LITERAL_TYPES: &[&str] = &["string", "number", "integer", "boolean"];
const DEEPEST_GROUP: usize = 8;

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match JobInput::deserialize(deserializer)? {
            JobInput::Literal(literal) => Ok(literal),
            _ => Err(D::Error::custom(
                "expected a number, `true`, `false` or text",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for JobInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = JobInput;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or a mapping with `type` and `path`")
    }

    fn visit_bool<E>(self, value: bool) -> Result<JobInput, E> {
        Ok(JobInput::Literal(Literal::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JobInput, E> {
        Ok(JobInput::Literal(Literal::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JobInput, E> {
        let literal = i64::try_from(value)
            .map_or_else(|_| Literal::Text(value.to_string()), Literal::Integer);
        Ok(JobInput::Literal(literal))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JobInput, E> {
        Ok(JobInput::Literal(Literal::Number(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<JobInput, E> {
        Ok(JobInput::Literal(Literal::Text(value.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<JobInput, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = access.next_key::<String>()? {
            fields.take(&key, &mut access)?;
        }
        fields.finish()
    }
}

/// The fields of an input's mapping, before it is known which form it has.
#[derive(Default)]
struct Fields {
    kind: Option<String>,
    path: Option<String>,
    mode: Option<ReadMode>,
    value: Option<Literal>,
    described: bool,
    members: BTreeMap<String, JobInput>,
}

impl Fields {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, access: &mut A) -> Result<(), A::Error> {
        match key {
            "type" => self.kind = Some(access.next_value()?),
            "path" => self.path = Some(access.next_value()?),
            "mode" => self.mode = Some(access.next_value()?),
            "value" | "default" => self.value = Some(access.next_value()?),
            "description" => {
                access.next_value::<String>()?;
                self.described = true;
            }
            "optional" => {
                access.next_value::<bool>()?;
                self.described = true;
            }
            // a slip in a known field is a likelier reading than a group with an odd member
            other => match nearest(other, KNOWN.iter().copied())
                .filter(|_| self.looks_like_asset() || other.len() > 2)
            {
                Some(_) => return Err(A::Error::unknown_field(other, KNOWN)),
                None if self.looks_like_asset() => {
                    return Err(A::Error::unknown_field(other, KNOWN));
                }
                None => {
                    self.members.insert(other.to_owned(), access.next_value()?);
                }
            },
        }
        Ok(())
    }

    fn looks_like_asset(&self) -> bool {
        self.kind.is_some() || self.path.is_some() || self.mode.is_some() || self.value.is_some()
    }

    fn finish<E: serde::de::Error>(self) -> Result<JobInput, E> {
        if !self.members.is_empty() {
            if let Some(stray) = self
                .members
                .keys()
                .next()
                .filter(|_| self.looks_like_asset() || self.described)
            {
                return Err(E::unknown_field(stray, KNOWN));
            }
            if depth(&self.members) > DEEPEST_GROUP {
                return Err(E::custom("input groups are nested too deeply"));
            }
            return Ok(JobInput::Group(self.members));
        }
        match (self.kind.as_deref(), self.path, self.value) {
            (Some(kind), None, Some(value)) if LITERAL_TYPES.contains(&kind) => {
                typed_literal(kind, value).map(JobInput::Literal)
            }
            (Some(kind), None, None) if LITERAL_TYPES.contains(&kind) => Err(E::custom(format!(
                "an input of type `{kind}` needs a `value`"
            ))),
            (None, None, Some(value)) => Ok(JobInput::Literal(value)),
            (_, None, _) => Err(E::missing_field("path")),
            (kind, Some(path), None) => {
                let kind = match kind {
                    None => PortType::UriFolder,
                    Some(kind) => {
                        PortType::deserialize(serde::de::value::StrDeserializer::<E>::new(kind))?
                    }
                };
                Ok(JobInput::Asset(AssetInput {
                    kind,
                    path,
                    mode: self.mode,
                }))
            }
            (_, Some(_), Some(_)) => Err(E::custom(
                "an input has either a `path` or a `value`, not both",
            )),
        }
    }
}

fn depth(members: &BTreeMap<String, JobInput>) -> usize {
    1 + members
        .values()
        .map(|member| {
            if let JobInput::Group(inner) = member {
                depth(inner)
            } else {
                0
            }
        })
        .max()
        .unwrap_or(0)
}

fn typed_literal<E: serde::de::Error>(kind: &str, value: Literal) -> Result<Literal, E> {
    let fits = match (kind, &value) {
        ("string", value) => return Ok(Literal::Text(value.text())),
        ("integer", Literal::Integer(_))
        | ("boolean", Literal::Bool(_))
        | ("number", Literal::Integer(_) | Literal::Number(_)) => true,
        ("integer", Literal::Text(text)) => text.parse::<i64>().is_ok(),
        ("number", Literal::Text(text)) => text.parse::<f64>().is_ok(),
        ("boolean", Literal::Text(text)) => {
            matches!(text.to_ascii_lowercase().as_str(), "true" | "false")
        }
        _ => false,
    };
    if fits {
        Ok(value)
    } else {
        Err(E::custom(format!(
            "`{}` is not of type `{kind}`",
            value.text()
        )))
    }
}
