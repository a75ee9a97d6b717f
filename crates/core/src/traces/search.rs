//! Searching traces, and how two filters go together.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::traces::{parse_filter, parse_order_by};
use lazuli_spec::traces::TraceInfo;
use lazuli_spec::{Action, Page};
use lazuli_store::trace_search::{self, Correlation, TraceSearch};
use lazuli_store::traces;

use super::numbers;
use crate::tracking_pages::{read_place, write_place};
use crate::{Caller, Core, Result};

/// A search as a client words it.
#[derive(Clone, Debug, Default)]
pub struct TraceQuery {
    /// The experiments to look in; those that do not exist have no traces.
    pub experiments: Vec<ExperimentId>,
    /// The filter's text; empty for all.
    pub filter: String,
    /// The order's clauses.
    pub order_by: Vec<String>,
    /// How many at most.
    pub limit: u32,
    /// Where the page before ended.
    pub page_token: Option<String>,
}

impl TraceQuery {
    /// What a page token must agree with.
    fn fingerprint(&self) -> Vec<String> {
        let mut parts = vec!["traces".to_owned(), self.filter.clone()];
        parts.extend(self.order_by.iter().cloned());
        parts.extend(self.experiments.iter().map(ToString::to_string));
        parts
    }
}

/// How much two filters have to do with each other: -1 for never together, 0 for nothing, 1 for always together; none where
/// that cannot be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Npmi {
    /// The counts that it is made of.
    pub counts: Correlation,
    /// As counted.
    pub plain: Option<f64>,
    /// With half a trace added to each case, which is steadier when there are few.
    pub smoothed: Option<f64>,
}

impl Core {
    /// A page of the traces that fulfil a filter.
    pub async fn search_traces(
        &self,
        caller: &Caller,
        workspace: &str,
        query: TraceQuery,
    ) -> Result<Page<TraceInfo>> {
        let (filter, order) = (
            parse_filter(&query.filter)?,
            parse_order_by(&query.order_by)?,
        );
        let fingerprint = query.fingerprint();
        let token = query.page_token.as_deref();
        let after = token
            .map(|token| read_place(&fingerprint, token))
            .transpose()?;
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        let (items, next) = access
            .read(move |tx| {
                let search = TraceSearch {
                    experiments: numbers(tx, &workspace_id, &query.experiments)?,
                    filter,
                    order,
                    limit: query.limit,
                    after,
                };
                let mut found = trace_search::search(tx, &search)?;
                traces::complete(tx, &mut found.traces)?;
                let items = found.traces.into_iter().map(|row| row.info).collect();
                Ok((items, found.next))
            })
            .await?;
        Ok(Page {
            items,
            next_page_token: next.map(|place| write_place(&fingerprint, &place)),
        })
    }

    /// How often two filters hold for the same trace, among those that fulfil a third.
    pub async fn correlate_trace_filters(
        &self,
        caller: &Caller,
        workspace: &str,
        experiments: Vec<ExperimentId>,
        filters: (&str, &str),
        base: &str,
    ) -> Result<Npmi> {
        let (first, second) = (parse_filter(filters.0)?, parse_filter(filters.1)?);
        let base = parse_filter(base)?;
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        let counts = access
            .read(move |tx| {
                let experiments = numbers(tx, &workspace_id, &experiments)?;
                Ok(trace_search::correlation(
                    tx,
                    &experiments,
                    &base,
                    &first,
                    &second,
                )?)
            })
            .await?;
        Ok(npmi(counts))
    }
}

fn npmi(counts: Correlation) -> Npmi {
    let none = Npmi {
        counts,
        plain: None,
        smoothed: None,
    };
    if counts.total <= 0 || counts.first == 0 || counts.second == 0 {
        return none;
    }
    let plain = if counts.both == 0 {
        Some(-1.0)
    } else {
        information(counts, 0.0)
    };
    Npmi {
        plain,
        smoothed: information(counts, 0.5),
        ..none
    }
}

/// Normalized pointwise mutual information of a table of two by two, with something added to each of its cells.
fn information(counts: Correlation, added: f64) -> Option<f64> {
    let only_first = counts.first - counts.both;
    let only_second = counts.second - counts.both;
    let neither = counts.total - counts.first - counts.second + counts.both;
    if only_first == 0 && only_second == 0 && neither == 0 {
        return Some(1.0);
    }
    let both = counts.both as f64 + added;
    let first = both + only_first as f64 + added;
    let second = both + only_second as f64 + added;
    let all = first + only_second as f64 + neither as f64 + 2.0 * added;
    if first <= 0.0 || second <= 0.0 || both <= 0.0 {
        return None;
    }
    let mutual = (both.ln() + all.ln()) - (first.ln() + second.ln());
    Some((mutual / (all.ln() - both.ln())).clamp(-1.0, 1.0))
}
