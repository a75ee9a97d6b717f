//! What can be asked of jobs and logs: query parameters.

use lazuli_core::jobs::{JobFilter, Order};
use lazuli_core::{Error, Result};
use lazuli_spec::jobs::JobState;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which jobs to list, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct JobQuery {
    pub(super) limit: Option<u32>,
    pub(super) page_token: Option<String>,
    /// In one of these states, separated by commas.
    #[param(example = "Running,Queued")]
    pub(super) status: Option<String>,
    /// Of this experiment.
    pub(super) experiment_name: Option<String>,
    /// On this compute.
    pub(super) compute: Option<String>,
    /// With this tag: `key` or `key=value`.
    pub(super) tag: Option<String>,
    /// `ActiveOnly` (the default), `ArchivedOnly` or `All`.
    pub(super) list_view_type: Option<String>,
    /// `created_at desc` (the default) or `created_at asc`.
    pub(super) order_by: Option<String>,
    /// Children of this job. Command jobs have none, so this lists nothing.
    pub(super) parent_job_name: Option<String>,
}

impl JobQuery {
    /// The filter and the order in the core's words.
    pub(super) fn filter(&self) -> Result<(JobFilter, Order)> {
        let mut filter = JobFilter {
            experiment: self.experiment_name.clone(),
            compute: self.compute.clone(),
            ..JobFilter::default()
        };
        for word in self
            .status
            .iter()
            .flat_map(|status| status.split(','))
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let known = || {
                JobState::ALL
                    .iter()
                    .map(|state| state.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let state = JobState::parse(word).ok_or_else(|| {
                Error::invalid(
                    "status",
                    format!("`{word}` is not a state of a job; known are {}", known()),
                )
            })?;
            filter.states.push(state);
        }
        filter.tag = self.tag.as_ref().map(|tag| match tag.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (tag.clone(), None),
        });
        filter.archived = match self.list_view_type.as_deref() {
            None | Some("ActiveOnly") => Some(false),
            Some("ArchivedOnly") => Some(true),
            Some("All") => None,
            Some(other) => {
                return Err(Error::invalid(
                    "list_view_type",
                    format!("`{other}` is none of `ActiveOnly`, `ArchivedOnly`, `All`"),
                ));
            }
        };
        let order = match self.order_by.as_deref() {
            None | Some("created_at desc") => Order::NewestFirst,
            Some("created_at" | "created_at asc") => Order::OldestFirst,
            Some(other) => {
                return Err(Error::invalid(
                    "order_by",
                    format!("`{other}` is neither `created_at desc` nor `created_at asc`"),
                ));
            }
        };
        Ok((filter, order))
    }
}

/// Which log, from where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// The log's name; the job's own output when absent.
    pub(super) name: Option<String>,
    /// Where to begin, in bytes.
    pub(super) offset: Option<u64>,
}

/// Which log, and where the bytes begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogPlace {
    /// For example `user_logs/std_log.txt`.
    pub(super) name: String,
    /// Where the bytes of the body begin in it.
    pub(super) offset: u64,
}
