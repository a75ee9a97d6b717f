//! Endpoints: names under which calls are spread over models. And what uses them.

use super::model_definitions::ModelDefinition;
use super::{NAME, Stamps};
use crate::clock::Timestamp;
use crate::experiments::ExperimentId;
use crate::invalid::Invalid;
use crate::limits;
use crate::runs::KeyValue;

/// Most endpoints of one workspace.
pub const PER_WORKSPACE: i64 = 500;
/// Most models of one endpoint.
pub const MODELS: usize = 20;
/// Most tags of one endpoint.
pub const TAGS: i64 = 20;
/// Longest value of a tag.
pub const TAG_VALUE: usize = 5_000;
/// Most uses of a workspace's endpoints.
pub const BINDINGS: i64 = 10_000;
/// Longest id of what uses an endpoint.
pub const RESOURCE_ID: usize = 255;
/// What can use an endpoint.
pub const RESOURCE_TYPES: [&str; 1] = ["scorer"];

macro_rules! words {
    ($(#[$about:meta])* $name:ident: $($variant:ident = $text:literal, $number:literal, $doc:literal;)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $doc] $variant,)*
        }

        impl $name {
            /// The words there are.
            pub const WORDS: &'static [&'static str] = &[$($text),*];

            /// The word stored and shown.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }

            /// By its number in the protocol.
            pub const fn numbered(number: i64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// How calls are spread.
    RoutingStrategy:
    RequestBasedTrafficSplit = "REQUEST_BASED_TRAFFIC_SPLIT", 1, "Call by call, by weight.";
}

words! {
    /// In what order models are tried when one fails.
    FallbackStrategy:
    Sequential = "SEQUENTIAL", 1, "One after the other.";
}

words! {
    /// What a model is to an endpoint.
    Linkage:
    Primary = "PRIMARY", 1, "It takes its share of the calls.";
    Fallback = "FALLBACK", 2, "It is tried when others fail.";
}

/// What happens when a model fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// The order.
    pub strategy: Option<FallbackStrategy>,
    /// How many are tried at most; all when absent.
    pub max_attempts: Option<i64>,
}

impl Fallback {
    /// Whether it can be kept.
    pub fn check(&self) -> Result<(), Invalid> {
        count("max_attempts", self.max_attempts)
    }
}

/// A model to be put behind an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Which one.
    pub definition_id: String,
    /// What it is to the endpoint.
    pub linkage: Linkage,
    /// Its share.
    pub weight: f64,
    /// Its place among those that are tried when others fail.
    pub fallback_order: Option<i64>,
}

impl ModelConfig {
    /// Whether it can be kept.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.definition_id.is_empty() {
            return Err(Invalid::missing("model_definition_id"));
        }
        if !self.weight.is_finite() || self.weight < 0.0 {
            return Err(Invalid(format!(
                "Invalid weight {}: it must be a number that is not negative",
                self.weight
            )));
        }
        count("fallback_order", self.fallback_order)
    }
}

/// The models of an endpoint: at least one, none twice in the same part.
pub fn models(configs: &[ModelConfig]) -> Result<(), Invalid> {
    if configs.is_empty() {
        return Err(Invalid::new(
            "Endpoint must have at least one model configuration",
        ));
    }
    if configs.len() > MODELS {
        return Err(too_many_models());
    }
    for (index, config) in configs.iter().enumerate() {
        config.check()?;
        let same = |other: &ModelConfig| {
            other.definition_id == config.definition_id && other.linkage == config.linkage
        };
        if configs[..index].iter().any(same) {
            return Err(Invalid(format!(
                "Model definition '{}' is listed twice as {}",
                config.definition_id,
                config.linkage.as_str()
            )));
        }
    }
    Ok(())
}

/// An endpoint has no place for another model.
pub fn too_many_models() -> Invalid {
    Invalid(format!("an endpoint has at most {MODELS} models"))
}

fn count(field: &str, value: Option<i64>) -> Result<(), Invalid> {
    match value {
        Some(number) if !(0..=i64::from(i32::MAX)).contains(&number) => Err(Invalid(format!(
            "Invalid {field} {number}: it must be between 0 and {}",
            i32::MAX
        ))),
        _ => Ok(()),
    }
}

/// The name of an endpoint.
pub fn name(text: &str) -> Result<(), Invalid> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() {
        return Err(Invalid::missing("name"));
    }
    limits::length("name", NAME, text)?;
    if text.chars().all(good) {
        return Ok(());
    }
    Err(Invalid(format!(
        "Invalid endpoint name '{text}'. Name can only contain letters, numbers, underscores, hyphens, and dots."
    )))
}

/// A tag of an endpoint.
pub fn tag(tag: &KeyValue) -> Result<(), Invalid> {
    limits::length("key", limits::KEY, &tag.key)?;
    limits::length("value", TAG_VALUE, &tag.value)
}

/// What is to use an endpoint.
pub fn resource(kind: &str, id: &str) -> Result<(), Invalid> {
    if !RESOURCE_TYPES.contains(&kind) {
        let kind: String = kind.chars().take(80).collect();
        return Err(Invalid(format!(
            "Invalid resource_type '{kind}': it must be one of {}",
            RESOURCE_TYPES.join(", ")
        )));
    }
    limits::length("resource_id", RESOURCE_ID, id)
}

/// A model behind an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// Its id.
    pub id: String,
    /// The endpoint.
    pub endpoint_id: String,
    /// The model.
    pub definition: ModelDefinition,
    /// Its share.
    pub weight: f64,
    /// What it is to the endpoint.
    pub linkage: Linkage,
    /// Its place among those that are tried when others fail.
    pub fallback_order: Option<i64>,
    /// When it was put there.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its id.
    pub id: String,
    /// Its name, unique in the workspace.
    pub name: String,
    /// How calls are spread.
    pub routing: Option<RoutingStrategy>,
    /// What happens when a model fails.
    pub fallback: Option<Fallback>,
    /// Where traces of its calls belong.
    pub experiment_id: Option<ExperimentId>,
    /// Whether there are to be such traces.
    pub usage_tracking: bool,
    /// Its models, in order.
    pub mappings: Vec<Mapping>,
    /// Its tags, by key.
    pub tags: Vec<KeyValue>,
    /// When and by whom.
    pub stamps: Stamps,
}

/// Something that uses an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The endpoint.
    pub endpoint_id: String,
    /// What kind of thing uses it.
    pub resource_type: String,
    /// Which one.
    pub resource_id: String,
    /// When and by whom.
    pub stamps: Stamps,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(id: &str, linkage: Linkage) -> ModelConfig {
        ModelConfig {
            definition_id: id.to_owned(),
            linkage,
            weight: 1.0,
            fallback_order: None,
        }
    }

    #[test]
    fn an_endpoint_has_models_none_twice() {
        let (first, second) = (
            config("a", Linkage::Primary),
            config("a", Linkage::Fallback),
        );
        assert_eq!(models(&[first.clone(), second]), Ok(()));
        assert!(models(&[]).is_err());
        assert!(models(&[first.clone(), first.clone()]).is_err());
        for weight in [-1.0, f64::NAN, f64::INFINITY] {
            let odd = ModelConfig {
                weight,
                ..first.clone()
            };
            assert!(models(&[odd]).is_err());
        }
        let odd = ModelConfig {
            fallback_order: Some(-1),
            ..first
        };
        assert!(models(&[odd]).is_err());
        let many: Vec<ModelConfig> = (0..=MODELS)
            .map(|n| config(&n.to_string(), Linkage::Primary))
            .collect();
        assert!(models(&many).is_err());
    }

    #[test]
    fn names_and_words_are_the_protocols() {
        for good in ["a", "A-b_c.9"] {
            assert_eq!(name(good), Ok(()));
        }
        for bad in ["", "a b", "a/b", "é", &"x".repeat(256)] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(Linkage::parse("FALLBACK"), Linkage::numbered(2));
        assert_eq!(RoutingStrategy::numbered(0), None);
        assert!(resource("scorer", "x").is_ok());
        assert!(resource("SCORER", "x").is_err());
    }
}
