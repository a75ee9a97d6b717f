//! Scorers: what judges an application's answers, written down as JSON and kept in versions within an experiment.
//!
//! The server never runs one. What it refuses is what would harm those who load it: code in the text, and options that
//! choose where a loaded judge sends its requests.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::experiments::ExperimentId;
use crate::invalid::Invalid;
use crate::limits;

/// Longest name.
pub const NAME: usize = 256;
/// Longest written-down scorer.
pub const TEXT: usize = 262_144;
/// Longest filter of a scoring rule.
pub const FILTER: usize = 10_000;
/// Most scorers in one experiment.
pub const PER_EXPERIMENT: i64 = 500;
/// Most versions of one scorer.
pub const VERSIONS: i64 = 500;

/// One version of a scorer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScorerVersion {
    /// The scorer's id, the same for all its versions.
    pub scorer_id: String,
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Its name, unique in the experiment.
    pub name: String,
    /// The version, counted from 1.
    pub version: i64,
    /// The scorer as the client wrote it down.
    pub serialized: String,
    /// When this version came.
    pub created_at: Timestamp,
}

/// How much of an experiment's traffic a scorer is to judge by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineConfig {
    /// Its id.
    pub config_id: String,
    /// The scorer.
    pub scorer_id: String,
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// The fraction of traces, 0 to 1.
    pub sample_rate: f64,
    /// Which traces.
    pub filter: Option<String>,
}

/// The name of a scorer.
pub fn name(name: &str) -> Result<(), Invalid> {
    if name.trim().is_empty() {
        return Err(Invalid::new(
            "Scorer name cannot be empty or contain only whitespace.",
        ));
    }
    limits::length("name", NAME, name)
}

/// A scorer as a client writes it down.
pub fn serialized(text: &str) -> Result<(), Invalid> {
    limits::length("serialized_scorer", TEXT, text)?;
    let Ok(scorer @ Value::Object(_)) = serde_json::from_str::<Value>(text) else {
        return Err(Invalid::new(
            "serialized_scorer must be valid JSON, and an object",
        ));
    };
    if holds_code(&scorer) {
        return Err(Invalid::new(
            "Custom scorer registration (using @scorer decorator) is not supported: whoever loads such a scorer would run the code in it. \
             Keep the function in your own repository and hand it to `mlflow.genai.evaluate(scorers=[...])`, or register a judge (make_judge) or a built-in scorer",
        ));
    }
    if let Some(option) = destination(&scorer, false) {
        return Err(Invalid(format!(
            "third_party_scorer_data.kwargs must not contain '{option}': it would choose where those who load the scorer send their requests"
        )));
    }
    model_of(&scorer).map_or(Ok(()), check_model)
}

fn check_model(model: &Value) -> Result<(), Invalid> {
    let Value::String(model) = model else {
        return Err(Invalid::new("Scorer model must be a string."));
    };
    if model.trim().is_empty() {
        return Err(Invalid::new(
            "Scorer model cannot be empty or contain only whitespace.",
        ));
    }
    if let Some(endpoint) = model.strip_prefix("gateway:/") {
        return Err(Invalid(format!(
            "the scorer uses the gateway endpoint '{endpoint}', and this server has no gateway: name the model itself, for example `openai:/gpt-4.1-mini`"
        )));
    }
    Ok(())
}

/// The sample rate of a scoring rule.
pub fn sample_rate(rate: f64) -> Result<(), Invalid> {
    if (0.0..=1.0).contains(&rate) {
        return Ok(());
    }
    Err(Invalid(format!(
        "sample_rate must be between 0.0 and 1.0, got {rate}"
    )))
}

/// A scorer made of code carries it below this key, at any depth.
fn holds_code(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields
                .get("call_source")
                .is_some_and(|code| !code.is_null())
                || fields.values().any(holds_code)
        }
        Value::Array(items) => items.iter().any(holds_code),
        _ => false,
    }
}

const DESTINATIONS: [&str; 5] = [
    "api_base",
    "base_url",
    "model_list",
    "fallbacks",
    "custom_llm_provider",
];

/// An option, below the settings of a foreign scorer, that says where requests go. Options may be pairs in a list, too.
fn destination(value: &Value, within: bool) -> Option<&'static str> {
    let named = |name: &str| DESTINATIONS.into_iter().find(|known| *known == name);
    match value {
        Value::Object(fields) => fields.iter().find_map(|(key, inner)| {
            let option = if within { named(key) } else { None };
            option.or_else(|| destination(inner, within || key == "third_party_scorer_data"))
        }),
        Value::Array(items) => {
            let pair = match items.as_slice() {
                [Value::String(key), _] if within => named(key),
                _ => None,
            };
            pair.or_else(|| items.iter().find_map(|inner| destination(inner, within)))
        }
        _ => None,
    }
}

/// The model that a judge asks, wherever its kind keeps it; none for null.
fn model_of(scorer: &Value) -> Option<&Value> {
    let filled = |key: &str| {
        let data = scorer.get(key)?.as_object()?;
        (!data.is_empty()).then_some(data)
    };
    for key in [
        "instructions_judge_pydantic_data",
        "builtin_scorer_pydantic_data",
    ] {
        if let Some(data) = filled(key) {
            return data.get("model").filter(|model| !model.is_null());
        }
    }
    if let Some(data) = filled("memory_augmented_judge_data") {
        return model_of(data.get("base_judge")?);
    }
    let data = filled("third_party_scorer_data")?;
    data.get("model").filter(|model| !model.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        serialized(text).unwrap_err().0
    }

    #[test]
    fn judges_and_built_in_scorers_are_taken() {
        for good in [
            r#"{"data": "x"}"#,
            r#"{"call_source": null, "instructions_judge_pydantic_data": {"model": "openai:/gpt-4", "base_url": "x"}}"#,
            r#"{"third_party_scorer_data": {"model": null, "kwargs": {"threshold": 0.5}}}"#,
        ] {
            assert_eq!(serialized(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_would_harm_those_who_load_it_is_refused() {
        assert!(refusal("[]").contains("valid JSON"));
        assert!(
            refusal(r#"{"ensemble_scorer_data": {"scorers": [{"call_source": "import os"}]}}"#)
                .contains("@scorer")
        );
        for kwargs in [
            r#"{"api_base": "http://x"}"#,
            r#"{"completion_kwargs": [["base_url", "http://x"]]}"#,
        ] {
            let text = format!(r#"{{"third_party_scorer_data": {{"kwargs": {kwargs}}}}}"#);
            assert!(refusal(&text).contains("must not contain"), "{text}");
        }
    }

    #[test]
    fn models_are_named_and_not_behind_a_gateway() {
        let judge = |model: &str| {
            refusal(&format!(
                r#"{{"memory_augmented_judge_data": {{"base_judge": {{"instructions_judge_pydantic_data": {{"model": "{model}"}}}}}}}}"#
            ))
        };
        assert!(judge("  ").contains("cannot be empty"));
        assert!(judge("gateway:/fast").contains("no gateway"));
        assert!(
            sample_rate(1.0).is_ok()
                && sample_rate(-0.1).is_err()
                && sample_rate(f64::NAN).is_err()
        );
        assert!(name("  ").is_err());
    }
}
