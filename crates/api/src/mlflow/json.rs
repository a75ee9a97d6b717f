//! Requests of MLflow's dialect, read as its server reads them: one message from a query or a JSON body, values by name,
//! and a complaint in its words about what is missing or has the wrong type.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use lazuli_core::Error;
use lazuli_spec::ErrorCode;
use lazuli_spec::runs::KeyValue;
use serde_json::{Map, Value};

use super::errors::{MlflowError, MlflowResult};
use crate::AppState;

/// The fields of a request.
#[derive(Clone, Debug, Default)]
pub struct Message(Map<String, Value>);

impl FromRequest<AppState> for Message {
    type Rejection = MlflowError;

    async fn from_request(request: Request, state: &AppState) -> MlflowResult<Self> {
        if request.method() == Method::GET
            && let Some(query) = request.uri().query()
        {
            return Ok(Self::from_query(query));
        }
        let bytes = body(request, state).await?;
        Self::from_json(&bytes)
    }
}

/// A whole JSON body, after a look at its type.
pub async fn body(request: Request, state: &AppState) -> MlflowResult<Bytes> {
    body_within(request, state.limits.json_body).await
}

/// The same with a limit of the caller's own.
pub async fn body_within(request: Request, limit: usize) -> MlflowResult<Bytes> {
    if matches!(*request.method(), Method::POST | Method::PUT) {
        check_content_type(request.headers())?;
    }
    axum::body::to_bytes(request.into_body(), limit)
        .await
        .map_err(|cause| {
            let message =
                format!("the body could not be read whole, or is larger than {limit} bytes");
            Error::new(ErrorCode::MalformedBody, message)
                .caused_by(cause)
                .into()
        })
}

fn check_content_type(headers: &HeaderMap) -> MlflowResult<()> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Err(invalid("Bad Request. Content-Type header is missing."));
    };
    let kind = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(invalid(
        "Bad Request. Content-Type must be one of ['application/json'].",
    ))
}

/// A value that is refused, in the protocol's words.
pub fn invalid(message: impl Into<String>) -> MlflowError {
    Error::new(ErrorCode::InvalidArgument, message.into()).into()
}

/// What the protocol's server adds to complaints about fields.
const SEE_DOCS: &str = " See the API docs for more information about request parameters.";

/// The complaint about a field that must be there.
pub fn missing(field: &str) -> MlflowError {
    invalid(format!(
        "Missing value for required parameter '{field}'.{SEE_DOCS}"
    ))
}

fn wrong_type(field: &str, value: &Value) -> MlflowError {
    let kind = match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    invalid(format!(
        "Invalid value {value} for parameter '{field}' supplied:  Hint: Value was of type '{kind}'.{SEE_DOCS}"
    ))
}

impl Message {
    /// A message of these fields.
    pub const fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// From a JSON text; an empty one has no fields.
    pub fn from_json(bytes: &[u8]) -> MlflowResult<Self> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let parsed: Value = serde_json::from_slice(bytes).map_err(|cause| {
            Error::new(
                ErrorCode::MalformedBody,
                format!("the body is not valid JSON: {cause}"),
            )
        })?;
        match parsed {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self::default()),
            // older clients encode twice
            Value::String(text) if text.trim_start().starts_with('{') => {
                Self::from_json(text.as_bytes())
            }
            _ => Err(Error::new(ErrorCode::MalformedBody, "the body is not a JSON object").into()),
        }
    }

    /// From a query: a name that comes several times holds a list.
    pub fn from_query(query: &str) -> Self {
        let mut fields: Map<String, Value> = Map::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), Value::String(decoded(value)));
            match fields.get_mut(&name) {
                None => {
                    fields.insert(name, value);
                }
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        Self(fields)
    }

    /// A field, by its name or its other spelling (`run_id`, `runId`); null counts as absent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.get(name).or_else(|| {
            name.contains('_')
                .then(|| self.0.get(&camel_case(name)))
                .flatten()
        });
        found.filter(|value| !value.is_null())
    }

    /// A text, if it is there.
    pub fn text(&self, name: &str) -> MlflowResult<Option<&str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(name, other)),
        }
    }

    /// A text that is there and not empty.
    pub fn required(&self, name: &str) -> MlflowResult<&str> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| missing(name))
    }

    /// A text, empty when absent.
    pub fn text_or_empty(&self, name: &str) -> MlflowResult<&str> {
        Ok(self.text(name)?.unwrap_or_default())
    }

    /// The run's id, by its present or its former name.
    pub fn run_id(&self) -> MlflowResult<&str> {
        match self.get("run_id") {
            None if self.get("run_uuid").is_some() => {
                self.required("run_uuid").map_err(|_| missing("run_id"))
            }
            _ => self.required("run_id"),
        }
    }

    /// A whole number, written as a number or as text.
    pub fn int(&self, name: &str) -> MlflowResult<Option<i64>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = match value {
            Value::Number(number) => number.as_i64().or_else(|| {
                number
                    .as_f64()
                    .filter(|f| f.fract() == 0.0 && f.abs() < 9e15)
                    .map(|f| f as i64)
            }),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| wrong_type(name, value))
    }

    /// A number, written as a number or as text; `NaN` and `Infinity` are text.
    pub fn float(&self, name: &str) -> MlflowResult<Option<f64>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        number(value)
            .map(Some)
            .ok_or_else(|| wrong_type(name, value))
    }

    /// The elements of a list; one atom counts as a list of one.
    pub fn list(&self, name: &str) -> MlflowResult<Vec<&Value>> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values.iter().collect()),
            Some(other) => Err(wrong_type(name, other)),
        }
    }

    /// A list of texts. In a query a single value is a list of one.
    pub fn texts(&self, name: &str) -> MlflowResult<Vec<String>> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(whole @ Value::Array(values)) => {
                let texts: Option<Vec<String>> = values
                    .iter()
                    .map(|v| v.as_str().map(str::to_owned))
                    .collect();
                texts.ok_or_else(|| wrong_type(name, whole))
            }
            Some(other) => Err(wrong_type(name, other)),
        }
    }

    /// The same for a message that came in a query, where one value does not look like a list.
    pub fn query_texts(&self, name: &str) -> MlflowResult<Vec<String>> {
        match self.get(name) {
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            _ => self.texts(name),
        }
    }

    /// A list of messages.
    pub fn messages(&self, name: &str) -> MlflowResult<Vec<Self>> {
        let elements = self.list(name)?;
        elements
            .into_iter()
            .map(|element| match element {
                Value::Object(fields) => Ok(Self(fields.clone())),
                other => Err(wrong_type(name, other)),
            })
            .collect()
    }

    /// A message within this one.
    pub fn message(&self, name: &str) -> MlflowResult<Option<Self>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self(fields.clone()))),
            Some(other) => Err(wrong_type(name, other)),
        }
    }

    /// A list of keys and values; a key must be there.
    pub fn pairs(&self, name: &str) -> MlflowResult<Vec<KeyValue>> {
        let messages = self.messages(name)?;
        let pair = |(index, message): (usize, Self)| {
            let key = message.text("key")?.filter(|key| !key.is_empty());
            let key = key.ok_or_else(|| missing(&format!("{name}[{index}].key")))?;
            Ok(KeyValue::new(key, message.text_or_empty("value")?))
        };
        messages.into_iter().enumerate().map(pair).collect()
    }

    /// Whether this has no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A number from JSON as protobuf writes it: special values are text.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" | "nan" => Some(f64::NAN),
            "Infinity" | "inf" => Some(f64::INFINITY),
            "-Infinity" | "-inf" => Some(f64::NEG_INFINITY),
            text => text.trim().parse().ok(),
        },
        _ => None,
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}

fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal<T: std::fmt::Debug>(result: MlflowResult<T>) -> String {
        result.unwrap_err().message().to_owned()
    }

    #[test]
    fn complaints_are_those_clients_know() {
        let message =
            Message::from_json(br#"{"run_id": 5, "step": "x", "key": "", "tags": {}}"#).unwrap();
        assert_eq!(
            refusal(message.run_id()),
            "Invalid value 5 for parameter 'run_id' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters."
        );
        assert!(
            refusal(message.required("key"))
                .starts_with("Missing value for required parameter 'key'.")
        );
        assert!(refusal(message.int("step")).contains("type 'str'"));
        assert!(refusal(message.list("tags")).contains("type 'dict'"));
    }

    #[test]
    fn numbers_come_in_many_forms() {
        let message = Message::from_json(
            br#"{"a": "12", "b": 3.0, "c": "NaN", "d": "1e3", "e": -7, "runUuid": "r"}"#,
        )
        .unwrap();
        assert_eq!(
            (
                message.int("a").unwrap(),
                message.int("b").unwrap(),
                message.int("e").unwrap()
            ),
            (Some(12), Some(3), Some(-7))
        );
        assert!(message.float("c").unwrap().unwrap().is_nan());
        assert_eq!(message.float("d").unwrap(), Some(1_000.0));
        assert_eq!(message.run_id().unwrap(), "r");
    }

    #[test]
    fn a_name_several_times_in_a_query_is_a_list() {
        let message = Message::from_query("run_ids=a&run_ids=b+c&key=x%2Fy&flag");
        assert_eq!(message.texts("run_ids").unwrap(), ["a", "b c"]);
        assert_eq!(message.query_texts("key").unwrap(), ["x/y"]);
        assert_eq!(message.text("flag").unwrap(), Some(""));
    }

    proptest! {
        #[test]
        fn no_body_or_query_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), query in ".*") {
            let _ = Message::from_json(&bytes);
            let _ = Message::from_query(&query);
        }
    }
}
