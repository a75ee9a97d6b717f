//! Searches of the registry, with page tokens that hold a place in the order.

use lazuli_spec::filters::{Vocabulary, parse_filter, parse_order_by, vocabularies};
use lazuli_spec::models::{ModelVersion, RegisteredModel};
use lazuli_spec::{Action, ErrorCode, Page, page_tokens};
use lazuli_store::Value;
use lazuli_store::model_search::{self, Search};
use serde_json::json;

use super::refused;
use crate::{Caller, Core, Error, Result};

/// What a client asks of a search.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// The filter; empty finds all.
    pub filter: String,
    /// The order; empty is the natural one.
    pub order_by: Vec<String>,
    /// How many at most.
    pub max_results: u32,
    /// The token of the page before.
    pub page_token: Option<String>,
}

impl SearchRequest {
    fn parse(&self, what: &str, vocabulary: &Vocabulary) -> Result<Search> {
        Ok(Search {
            filter: parse_filter(vocabulary, &self.filter).map_err(refused)?,
            order: parse_order_by(vocabulary, &self.order_by).map_err(refused)?,
            after: self
                .page_token
                .as_deref()
                .map(|token| key_from_token(&self.parts(what), token))
                .transpose()?,
            limit: self.max_results.saturating_add(1),
        })
    }

    fn parts<'a>(&'a self, what: &'a str) -> Vec<&'a str> {
        let order = self.order_by.iter().map(String::as_str);
        [what, self.filter.as_str()]
            .into_iter()
            .chain(order)
            .collect()
    }

    /// The page, from up to one row more than was asked for.
    fn page<T>(&self, what: &str, mut rows: Vec<(T, Vec<Value>)>) -> Page<T> {
        let more = rows.len() > self.max_results as usize;
        rows.truncate(self.max_results as usize);
        let last = rows.last().filter(|_| more);
        let next_page_token = last.map(|(_, key)| token_of(&self.parts(what), key));
        Page {
            items: rows.into_iter().map(|(row, _)| row).collect(),
            next_page_token,
        }
    }
}

impl Core {
    /// Registered models that fulfil a filter; by name unless ordered otherwise.
    pub async fn search_registered_models(
        &self,
        caller: &Caller,
        workspace: &str,
        request: SearchRequest,
    ) -> Result<Page<RegisteredModel>> {
        check_size(request.max_results, 1_000)?;
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let search = request.parse("registered-models", &vocabularies::REGISTERED_MODELS)?;
        let id = access.workspace_id().to_owned();
        let rows = access
            .read(move |tx| Ok(model_search::registered_models(tx, &id, &search)?))
            .await?;
        Ok(request.page("registered-models", rows).map(|row| row.model))
    }

    /// Versions of all models that fulfil a filter; last changed first unless ordered otherwise.
    pub async fn search_model_versions(
        &self,
        caller: &Caller,
        workspace: &str,
        request: SearchRequest,
    ) -> Result<Page<ModelVersion>> {
        check_size(request.max_results, 200_000)?;
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let search = request.parse("model-versions", &vocabularies::MODEL_VERSIONS)?;
        let id = access.workspace_id().to_owned();
        let rows = access
            .read(move |tx| Ok(model_search::model_versions(tx, &id, &search)?))
            .await?;
        Ok(request.page("model-versions", rows).map(|row| row.version))
    }
}

fn check_size(size: u32, most: u32) -> Result<()> {
    let message = if size < 1 {
        format!("Invalid value for max_results. It must be a positive integer, but got {size}")
    } else if size > most {
        format!(
            "Invalid value for request parameter max_results. It must be at most {most}, but got value {size}"
        )
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorCode::InvalidArgument, message))
}

/// A token for the place after the row with this sort key. Numbers travel as text, so that none loses a bit.
pub(crate) fn token_of(query: &[&str], key: &[Value]) -> String {
    let key: Vec<_> = key
        .iter()
        .map(|value| match value {
            Value::Integer(number) => json!({ "i": number.to_string() }),
            Value::Real(number) => json!({ "r": number.to_bits().to_string() }),
            Value::Text(text) => json!(text),
            Value::Null(_) | Value::Blob(_) => json!(null),
        })
        .collect();
    page_tokens::encode(query, &key)
}

/// The sort key that a token holds.
pub(crate) fn key_from_token(query: &[&str], token: &str) -> Result<Vec<Value>> {
    let wrong = || {
        Error::new(
            ErrorCode::InvalidArgument,
            "Invalid page token: use the next_page_token of the previous page as it came",
        )
    };
    let number = |value: &serde_json::Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
    let read = |value: &serde_json::Value| {
        if let Some(text) = value.as_str() {
            return Some(Value::Text(text.to_owned()));
        }
        if let Some(text) = number(value, "i") {
            return text.parse().ok().map(Value::Integer);
        }
        let bits: u64 = number(value, "r")?.parse().ok()?;
        Some(Value::Real(f64::from_bits(bits)))
    };
    let key = page_tokens::decode(query, token).map_err(refused)?;
    key.iter()
        .map(|value| read(value).ok_or_else(wrong))
        .collect()
}
