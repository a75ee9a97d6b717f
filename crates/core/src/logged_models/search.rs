//! Searches of logged models.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::{parse_filter, vocabularies};
use lazuli_spec::invalid::Invalid;
use lazuli_spec::logged_models::LoggedModel;
use lazuli_spec::page_tokens::fingerprint;
use lazuli_spec::{Action, ErrorCode, Page, limits};
use lazuli_store::Value;
use lazuli_store::logged_model_search::{self, Attribute, Dataset, Order, OrderKey, Search};

use crate::models::{key_from_token, refused, token_of};
use crate::{Caller, Core, Error, Result};

/// One key of an order, as clients send it.
#[derive(Clone, Debug)]
pub struct OrderField {
    /// An attribute, or `metrics.<key>`.
    pub field_name: String,
    /// Smallest first.
    pub ascending: bool,
    /// Only values measured on this data set.
    pub dataset: Option<Dataset>,
}

/// What a client asks of a search.
#[derive(Clone, Debug, Default)]
pub struct LoggedModelSearch {
    /// Which experiments.
    pub experiment_ids: Vec<ExperimentId>,
    /// The filter; empty finds all.
    pub filter: String,
    /// Only models with metrics on these.
    pub datasets: Vec<Dataset>,
    /// The order; newest first when empty.
    pub order_by: Vec<OrderField>,
    /// How many at most.
    pub max_results: u32,
    /// The token of the page before.
    pub page_token: Option<String>,
}

impl Core {
    /// Logged models of some experiments that fulfil a filter.
    pub async fn search_logged_models(
        &self,
        caller: &Caller,
        workspace: &str,
        request: LoggedModelSearch,
    ) -> Result<Page<LoggedModel>> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let limit = limits::page_size(request.max_results.into()).map_err(refused)?;
        let query = request.fingerprints();
        let search = Search {
            experiments: request.experiment_ids.clone(),
            filter: parse_filter(&vocabularies::LOGGED_MODELS, &request.filter)
                .map_err(in_other_words)?,
            datasets: request.datasets.clone(),
            order: request.order_by.iter().map(order).collect::<Result<_>>()?,
            after: request
                .page_token
                .as_deref()
                .map(|token| place_in(&query, token))
                .transpose()?,
            limit: limit + 1,
        };
        let id = access.workspace_id().to_owned();
        let rows = access
            .read(move |tx| Ok(logged_model_search::search(tx, &id, &search)?))
            .await?;
        let token = |(_, place): &(LoggedModel, Vec<Value>)| {
            let query = query.iter().cloned().map(Value::Text);
            token_of(
                TOKENS,
                &query.chain(place.iter().cloned()).collect::<Vec<_>>(),
            )
        };
        Ok(Page::from_rows(rows, limit, token).map(|(model, _)| model))
    }
}

impl LoggedModelSearch {
    /// What a page token must agree with, part by part: clients are told which part differs.
    fn fingerprints(&self) -> [String; 3] {
        [
            fingerprint(&[&format!("{:?}", self.experiment_ids)]),
            fingerprint(&[&self.filter, &format!("{:?}", self.datasets)]),
            fingerprint(&[&format!("{:?}", self.order_by)]),
        ]
    }
}

/// Clients know this search's complaints by other words than those of the other searches.
fn in_other_words(Invalid(why): Invalid) -> Error {
    let why = why.replace("Invalid comparator", "Invalid comparison operator");
    refused(Invalid(format!("Invalid filter string: {why}")))
}

/// What tokens of this search are marked with.
const TOKENS: &[&str] = &["logged-models"];

/// The sort key in a token, if that was made for the same query.
fn place_in(query: &[String; 3], token: &str) -> Result<Vec<Value>> {
    const DIFFERS: [&str; 3] = [
        "Experiment IDs in the page token do not match the requested experiment IDs.",
        "Filter string in the page token does not match the requested filter string.",
        "Order by in the page token does not match the requested order by.",
    ];
    let mut place = key_from_token(TOKENS, token)?;
    let rest = place.split_off(query.len().min(place.len()));
    let made_for = place
        .into_iter()
        .chain(std::iter::repeat(Value::Integer(0)));
    for ((wanted, found), message) in query.iter().zip(made_for).zip(DIFFERS) {
        if found != Value::Text(wanted.clone()) {
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
    }
    Ok(rest)
}

fn order(field: &OrderField) -> Result<Order> {
    let name = field.field_name.as_str();
    let by = match name.split_once('.') {
        Some(("metrics", key)) => OrderKey::Metric(key.to_owned(), field.dataset.clone()),
        Some(_) => {
            let message =
                format!("Invalid order by field name: {name}. Only metrics are supported.");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        None => OrderKey::Attribute(match name {
            "creation_time" | "creation_timestamp" | "creation_timestamp_ms" => {
                Attribute::CreatedAt
            }
            "last_updated_time" | "last_updated_timestamp" | "last_updated_timestamp_ms" => {
                Attribute::UpdatedAt
            }
            "model_id" => Attribute::ModelId,
            "name" => Attribute::Name,
            "model_type" => Attribute::ModelType,
            "status" => Attribute::Status,
            "source_run_id" => Attribute::SourceRunId,
            _ => {
                let message = format!("Invalid order by field name: {name}");
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            }
        }),
    };
    Ok(Order {
        by,
        ascending: field.ascending,
    })
}
