//! Assessments: what a person, a program or a judging model says about a trace or one of its spans.
//!
//! One that overrides another makes that one invalid; deleting it makes the other valid again. The rules stand here, the words
//! of complaints are those that clients know.

use serde_json::Value;

use crate::invalid::Invalid;
use crate::limits;
use crate::runs::KeyValue;
use crate::traces::META_SESSION;

/// Longest name.
pub const NAME: usize = 250;
/// Longest id of an assessment or a span.
pub const ID: usize = 50;
/// Longest id of a source.
pub const SOURCE_ID: usize = 250;
/// Longest id of a run.
pub const RUN_ID: usize = 256;
/// Longest value, as JSON, and longest rationale.
pub const TEXT: usize = 1_000_000;
/// Most pairs of metadata.
pub const METADATA: usize = 1_000;
/// Longest stack trace that is kept; of longer ones the end.
pub const STACK_TRACE: usize = 10_000;
/// The metadata that names the run in which the assessment was made.
pub const META_RUN: &str = "mlflow.assessment.sourceRunId";

/// What is said, and about what.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Its id, unique in its trace.
    pub assessment_id: String,
    /// Its name: what is assessed.
    pub name: String,
    /// What is said.
    pub value: AssessmentValue,
    /// Who says it.
    pub source: Source,
    /// Why.
    pub rationale: Option<String>,
    /// More about it.
    pub metadata: Vec<KeyValue>,
    /// The run in which it was made.
    pub run_id: Option<String>,
    /// The span that it is about; the whole trace when absent.
    pub span_id: Option<String>,
    /// The assessment in whose place it stands.
    pub overrides: Option<String>,
    /// Whether no other stands in its place.
    pub valid: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it last changed.
    pub updated_ms: i64,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub enum AssessmentValue {
    /// How good it was; or why nobody could tell.
    Feedback {
        /// Any JSON.
        value: Value,
        /// What went wrong in finding out.
        error: Option<AssessmentError>,
    },
    /// What should have come out: any JSON but null.
    Expectation(Value),
    /// That a known issue shows here, by the issue's name.
    Issue(String),
}

/// What went wrong in finding out.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AssessmentError {
    /// A short word.
    pub error_code: String,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<String>,
}

/// Who says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What kind of somebody.
    pub kind: SourceKind,
    /// Which.
    pub id: Option<String>,
}

/// What kind of somebody says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceKind {
    /// Not said.
    #[default]
    Unspecified,
    /// A person.
    Human,
    /// A model that judges.
    LlmJudge,
    /// A program.
    Code,
}

impl SourceKind {
    const ALL: [Self; 4] = [Self::Unspecified, Self::Human, Self::LlmJudge, Self::Code];

    /// The protocol's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "SOURCE_TYPE_UNSPECIFIED",
            Self::Human => "HUMAN",
            Self::LlmJudge => "LLM_JUDGE",
            Self::Code => "CODE",
        }
    }

    /// Reads the word, or a former one.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let upper = text.to_uppercase();
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == upper);
        match found {
            Some(kind) => Ok(kind),
            None if upper == "AI_JUDGE" => Ok(Self::LlmJudge),
            None => Err(Invalid(format!(
                "Invalid assessment source type: {upper}. Valid source types: ['SOURCE_TYPE_UNSPECIFIED', 'LLM_JUDGE', 'HUMAN', 'CODE']"
            ))),
        }
    }

    /// Reads the protocol's number.
    pub fn from_number(number: i64) -> Result<Self, Invalid> {
        let place = usize::try_from(number).ok();
        let found = place.and_then(|place| Self::ALL.get(place).copied());
        found.map_or_else(|| Self::parse(&number.to_string()), Ok)
    }
}

impl AssessmentValue {
    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Feedback { .. } => "feedback",
            Self::Expectation(_) => "expectation",
            Self::Issue(_) => "issue",
        }
    }

    /// The value that is kept and searched.
    pub fn json(&self) -> Value {
        match self {
            Self::Feedback { value, .. } | Self::Expectation(value) => value.clone(),
            Self::Issue(name) => serde_json::json!({ "issue_name": name }),
        }
    }

    /// The number that stands for it in charts, and whether it was one: yes and true are 1, no and false are 0.
    pub fn aggregate(&self) -> (Option<f64>, bool) {
        match self.json() {
            Value::Bool(value) => (Some(f64::from(u8::from(value))), false),
            Value::Number(number) => {
                let number = number.as_f64().filter(|number| number.is_finite());
                (number, number.is_some())
            }
            Value::String(text) => match text.trim().to_lowercase().as_str() {
                "yes" => (Some(1.0), false),
                "no" => (Some(0.0), false),
                _ => (None, false),
            },
            _ => (None, false),
        }
    }

    fn validate(&self) -> Result<(), Invalid> {
        match self {
            Self::Expectation(Value::Null) => {
                return Err(Invalid::new("The `value` field must be specified."));
            }
            Self::Feedback {
                error: Some(error), ..
            } => {
                limits::length("error_code", NAME, &error.error_code)?;
                let message = error.error_message.as_deref().unwrap_or_default();
                limits::length("error_message", TEXT, message)?;
            }
            _ => {}
        }
        if self.json().to_string().len() > TEXT {
            return Err(Invalid::too_long("value", TEXT));
        }
        Ok(())
    }
}

impl Assessment {
    /// Whether it is about a whole session and not only this trace.
    pub fn is_of_session(&self) -> bool {
        self.metadata.iter().any(|pair| pair.key == META_SESSION)
    }

    /// Checks everything and takes the run from the metadata.
    pub fn checked(mut self) -> Result<Self, Invalid> {
        if self.name.is_empty() {
            return Err(Invalid::missing("assessment.assessment_name"));
        }
        limits::length("assessment_name", NAME, &self.name)?;
        limits::length("assessment_id", ID, &self.assessment_id)?;
        let optional = [
            ("source_id", SOURCE_ID, &self.source.id),
            ("span_id", ID, &self.span_id),
            ("overrides", ID, &self.overrides),
            ("rationale", TEXT, &self.rationale),
        ];
        for (what, limit, text) in optional {
            limits::length(what, limit, text.as_deref().unwrap_or_default())?;
        }
        self.value.validate()?;
        check_metadata(&self.metadata)?;
        if self.run_id.is_none() {
            let named = self.metadata.iter().find(|pair| pair.key == META_RUN);
            self.run_id = named.map(|pair| pair.value.clone());
        }
        limits::length("run_id", RUN_ID, self.run_id.as_deref().unwrap_or_default())?;
        Ok(self)
    }
}

fn check_metadata(metadata: &[KeyValue]) -> Result<(), Invalid> {
    if metadata.len() > METADATA {
        return Err(Invalid(format!(
            "An assessment can have at most {METADATA} metadata. Got {}.",
            metadata.len()
        )));
    }
    metadata.iter().try_for_each(|pair| {
        limits::length("metadata.key", limits::KEY, &pair.key)?;
        limits::length("metadata.value", TEXT, &pair.value)
    })
}

/// What is to change of an assessment. Absent values stay; source and span never change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssessmentUpdate {
    /// Its name.
    pub name: Option<String>,
    /// What is said, of the same kind as before.
    pub value: Option<AssessmentValue>,
    /// Why.
    pub rationale: Option<String>,
    /// More about it, over what there is.
    pub metadata: Vec<KeyValue>,
    /// Whether it counts.
    pub valid: Option<bool>,
}

impl AssessmentUpdate {
    /// The assessment after the change.
    pub fn apply(self, mut before: Assessment, now_ms: i64) -> Result<Assessment, Invalid> {
        if let Some(value) = self.value {
            let kinds = (&before.value, &value);
            if kinds.0.kind() != kinds.1.kind() {
                let known = |kind: &str| match kind {
                    "feedback" => "a Feedback",
                    "expectation" => "an Expectation",
                    _ => "an IssueReference",
                };
                return Err(Invalid(format!(
                    "Cannot update {} value on {} assessment.",
                    kinds.1.kind(),
                    known(kinds.0.kind())
                )));
            }
            before.value = value;
        }
        before.name = self.name.unwrap_or(before.name);
        before.rationale = self.rationale.or(before.rationale);
        before.valid = self.valid.unwrap_or(before.valid);
        for pair in self.metadata {
            match before
                .metadata
                .iter_mut()
                .find(|known| known.key == pair.key)
            {
                Some(known) => known.value = pair.value,
                None => before.metadata.push(pair),
            }
        }
        before.updated_ms = now_ms;
        before.checked()
    }
}

/// The end of a stack trace that is too long.
pub fn cut_stack_trace(text: String) -> String {
    const PREFIX: &str = "[Stack trace is truncated]\n...\n";
    let length = text.chars().count();
    if length <= STACK_TRACE {
        return text;
    }
    let kept = STACK_TRACE - PREFIX.len();
    let end: String = text.chars().skip(length - kept).collect();
    format!("{PREFIX}{end}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn feedback(value: Value) -> Assessment {
        Assessment {
            assessment_id: "a-1".into(),
            name: "correct".into(),
            value: AssessmentValue::Feedback { value, error: None },
            source: Source {
                kind: SourceKind::Human,
                id: Some("me".into()),
            },
            rationale: None,
            metadata: vec![KeyValue::new(META_RUN, "r-1")],
            run_id: None,
            span_id: None,
            overrides: None,
            valid: true,
            created_ms: 1,
            updated_ms: 1,
        }
    }

    #[test]
    fn the_run_stands_in_the_metadata() {
        let checked = feedback(json!(true)).checked().unwrap();
        assert_eq!(checked.run_id.as_deref(), Some("r-1"));
        assert!(!checked.is_of_session());
    }

    #[test]
    fn values_become_numbers_where_they_can() {
        let number = |value| AssessmentValue::Expectation(value).aggregate();
        assert_eq!(number(json!(true)), (Some(1.0), false));
        assert_eq!(number(json!(0.25)), (Some(0.25), true));
        assert_eq!(number(json!(" No ")), (Some(0.0), false));
        assert_eq!(number(json!("maybe")), (None, false));
        assert_eq!(number(json!([1])), (None, false));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |change: fn(&mut Assessment)| {
            let mut bad = feedback(json!(1));
            change(&mut bad);
            bad.checked().unwrap_err().0
        };
        assert!(refused(|a| a.name = String::new()).contains("assessment_name"));
        assert!(refused(|a| a.name = "n".repeat(251)).contains("250"));
        assert!(refused(|a| a.span_id = Some("s".repeat(51))).contains("span_id"));
        assert!(refused(|a| a.metadata = vec![KeyValue::new("k", ""); 1_001]).contains("1001"));
        assert_eq!(
            refused(|a| a.value = AssessmentValue::Expectation(Value::Null)),
            "The `value` field must be specified."
        );
        assert_eq!(
            SourceKind::parse("robot").unwrap_err().0,
            "Invalid assessment source type: ROBOT. Valid source types: ['SOURCE_TYPE_UNSPECIFIED', 'LLM_JUDGE', 'HUMAN', 'CODE']"
        );
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let update = AssessmentUpdate {
            value: Some(AssessmentValue::Feedback {
                value: json!("no"),
                error: None,
            }),
            metadata: vec![KeyValue::new("k", "v")],
            ..AssessmentUpdate::default()
        };
        let after = update.apply(feedback(json!("yes")), 9).unwrap();
        assert_eq!(
            (after.name.as_str(), after.updated_ms, after.metadata.len()),
            ("correct", 9, 2)
        );
        let wrong = AssessmentUpdate {
            value: Some(AssessmentValue::Expectation(json!(1))),
            ..AssessmentUpdate::default()
        };
        assert_eq!(
            wrong.apply(feedback(json!(1)), 9).unwrap_err().0,
            "Cannot update expectation value on a Feedback assessment."
        );
    }

    #[test]
    fn long_stack_traces_lose_their_beginning() {
        let cut = cut_stack_trace("é".repeat(20_000));
        assert!(cut.starts_with("[Stack trace") && cut.chars().count() == STACK_TRACE);
    }
}
