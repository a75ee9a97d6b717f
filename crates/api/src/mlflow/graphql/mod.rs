//! `/graphql`: the queries that the pages of MLflow's own UI send, answered by what the REST endpoints answer.
//!
//! A request goes through `parser` (text to document), `safety` (limits), `validate` (does it fit the schema), `plan` (what
//! is chosen), `resolve` (asks the core) and `write`. It changes nothing: MLflow's two "mutations" are searches.
//! The permission of the route is the least that is needed; each field checks its own in the core.

mod document;
mod lexer;
mod parser;
mod plan;
mod resolve;
mod safety;
mod schema;
#[cfg(test)]
mod tests;
mod validate;
mod values;
mod write;

use std::time::{Duration, Instant};

use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use lazuli_core::Error;
use lazuli_spec::{Action, ErrorCode};
use serde_json::{Map, Value};

use self::document::{Document, Operation};
use self::plan::Picked;
use self::schema::ObjectType;
use self::write::{write_answer, write_text};
use super::Call;
use super::errors::MlflowResult;
use super::json::{Message, invalid};
use crate::routing::{Dialect, Permission, Routes};

/// The longest document, in bytes.
const DOCUMENT: usize = 100_000;

/// How long all of a request may take.
const TIME: Duration = Duration::from_mins(1);

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::RunsRead);
    for method in [Method::GET, Method::POST] {
        routes.raw(Dialect::Mlflow, method, "/graphql", read, graphql);
    }
}

async fn graphql(call: Call) -> MlflowResult<Response> {
    let text = call.fields.required("query")?;
    if text.len() > DOCUMENT {
        return Err(invalid(format!(
            "Invalid value for parameter 'query' supplied: it is longer than {DOCUMENT} bytes."
        )));
    }
    let variables = variables(&call.fields)?;
    let name = call.fields.text("operation_name")?;
    let document = parser::parse(text).map_err(invalid)?;
    let body = match prepared(&document, name, &variables) {
        Err(errors) => answered("null", &errors),
        Ok((root, plan)) => {
            let late = Error::new(ErrorCode::Timeout, "the query took too long: ask for less");
            let done = tokio::time::timeout(TIME, execute(&call, root, &plan)).await;
            let (data, errors) = done.map_err(|_| late)?;
            answered(&data, &errors)
        }
    };
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// The values beside the document; in a query they are a text of JSON.
fn variables(fields: &Message) -> MlflowResult<Map<String, Value>> {
    let wrong =
        || invalid("Invalid value for parameter 'variables' supplied: it must be an object.");
    match fields.get("variables") {
        None => Ok(Map::new()),
        Some(Value::Object(values)) => Ok(values.clone()),
        Some(Value::String(text)) if text.is_empty() => Ok(Map::new()),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| wrong()),
        Some(_) => Err(wrong()),
    }
}

/// All that is decided before anything is looked up.
fn prepared(
    document: &Document,
    name: Option<&str>,
    given: &Map<String, Value>,
) -> Result<(&'static ObjectType, Vec<Picked>), Vec<String>> {
    safety::check(document).map_err(|error| vec![error])?;
    validate::check(document)?;
    let operation = chosen(document, name).map_err(|error| vec![error])?;
    let root = schema::root(operation.kind);
    let root = root.ok_or_else(|| vec![format!("There is no {}.", operation.kind.as_str())])?;
    let variables = values::variables(operation, given)?;
    let plan = plan::plan(document, operation, root, &variables);
    plan.map(|plan| (root, plan)).map_err(|error| vec![error])
}

/// The operation that is meant.
fn chosen<'d>(document: &'d Document, name: Option<&str>) -> Result<&'d Operation, String> {
    let operations = &document.operations;
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return match operations.as_slice() {
            [only] => Ok(only),
            [] => Err("Must provide an operation.".to_owned()),
            _ => {
                Err("Must provide operation name if query contains multiple operations.".to_owned())
            }
        };
    };
    let found = operations
        .iter()
        .find(|one| one.name.as_deref() == Some(name));
    found.ok_or_else(|| format!("Unknown operation named '{name}'."))
}

/// Answers field after field, so that no more than one is held as values. One that fails is null, and why is told beside.
async fn execute(call: &Call, root: &ObjectType, plan: &[Picked]) -> (String, Vec<String>) {
    let (mut out, mut errors) = (String::from("{"), Vec::new());
    let until = Instant::now() + TIME;
    for picked in plan {
        if out.len() > 1 {
            out.push(',');
        }
        write_text(&mut out, &picked.key);
        out.push(':');
        if picked.field.name == schema::TYPE_NAME.name {
            write_text(&mut out, root.name);
            continue;
        }
        let before = out.len();
        let failed = match resolve::resolve(call, picked).await {
            Ok(mut answer) => {
                errors.append(&mut answer.beside.errors);
                write_answer(&mut out, picked, &answer, until).err()
            }
            Err(error) => Some(error.told()),
        };
        if let Some(error) = failed {
            out.truncate(before);
            out.push_str("null");
            errors.push(error);
        }
    }
    out.push('}');
    (out, errors)
}

/// The body of an answer.
fn answered(data: &str, errors: &[String]) -> String {
    let mut body = String::with_capacity(data.len() + 32);
    body.push_str("{\"data\":");
    body.push_str(data);
    body.push_str(",\"errors\":");
    if errors.is_empty() {
        body.push_str("null");
    } else {
        body.push_str(&Value::from(errors).to_string());
    }
    body.push('}');
    body
}
