//! Searches of logged models.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::{parse_filter, vocabularies};
use lazuli_spec::logged_models::LoggedModel;
use lazuli_spec::{Action, ErrorCode, Page, limits};
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
        let fingerprint = format!(
            "{:?}{:?}{:?}",
            request.experiment_ids, request.datasets, request.order_by
        );
        let parts = [
            "logged-models",
            request.filter.as_str(),
            fingerprint.as_str(),
        ];
        let search = Search {
            experiments: request.experiment_ids.clone(),
            filter: parse_filter(&vocabularies::LOGGED_MODELS, &request.filter).map_err(refused)?,
            datasets: request.datasets.clone(),
            order: request.order_by.iter().map(order).collect::<Result<_>>()?,
            after: request
                .page_token
                .as_deref()
                .map(|token| key_from_token(&parts, token))
                .transpose()?,
            limit: limit + 1,
        };
        let id = access.workspace_id().to_owned();
        let rows = access
            .read(move |tx| Ok(logged_model_search::search(tx, &id, &search)?))
            .await?;
        Ok(Page::from_rows(rows, limit, |(_, key)| token_of(&parts, key)).map(|(model, _)| model))
    }
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
