//! Orders of traces as SQL. What may be missing becomes a rank (missing last) and a value.

use lazuli_spec::filters::traces::{TraceField, TraceOrder};
use lazuli_spec::traces::META_SOURCE_RUN;

use crate::sql::Statement;

/// The keys of an ORDER BY, none of them ever NULL.
pub(super) struct Keys {
    /// Expression, and whether the smallest comes first.
    pub(super) columns: Vec<(String, bool)>,
    /// Tables of values: alias, table, key.
    outer: Vec<(String, &'static str, String)>,
}

impl Keys {
    /// The joins that the keys need.
    pub(super) fn joins(&self, statement: &mut Statement) -> String {
        let joins: Vec<String> = self
            .outer
            .iter()
            .map(|(alias, table, key)| {
                let key = statement.bind(key.as_str());
                format!(
                    "LEFT JOIN {table} {alias} ON {alias}.trace_no = t.trace_no AND {alias}.key = {key}"
                )
            })
            .collect();
        joins.join(" ")
    }

    fn plain(&mut self, expression: &str, ascending: bool) {
        self.columns.push((expression.to_owned(), ascending));
    }

    fn nullable(&mut self, expression: &str, nothing: &str, ascending: bool) {
        let rank = format!("(CASE WHEN {expression} IS NULL THEN 1 ELSE 0 END)");
        self.columns.push((rank, true));
        let value = format!("COALESCE({expression}, {nothing})");
        self.columns.push((value, ascending));
    }

    fn of_table(&mut self, table: &'static str, key: &str, ascending: bool) {
        let alias = format!("o{}", self.outer.len());
        self.nullable(&format!("{alias}.value"), "''", ascending);
        self.outer.push((alias, table, key.to_owned()));
    }
}

/// The keys of an order; the latest first and then by id where it does not say otherwise.
pub(super) fn keys(order: &[TraceOrder]) -> Keys {
    let mut keys = Keys {
        columns: Vec::new(),
        outer: Vec::new(),
    };
    for TraceOrder { field, ascending } in order {
        let ascending = *ascending;
        match field {
            TraceField::Time => keys.plain("t.request_time_ms", ascending),
            TraceField::Duration => keys.nullable("t.execution_duration_ms", "0", ascending),
            TraceField::EndTime => keys.plain(super::filter::END_TIME, ascending),
            TraceField::Experiment => keys.plain("t.experiment_id", ascending),
            TraceField::State => keys.plain("t.state", ascending),
            TraceField::ClientRequestId => keys.nullable("t.client_request_id", "''", ascending),
            TraceField::Name => keys.nullable("t.name", "''", ascending),
            TraceField::Session => keys.nullable("t.session_id", "''", ascending),
            TraceField::Run => keys.of_table("trace_metadata", META_SOURCE_RUN, ascending),
            TraceField::Metadata(key) => keys.of_table("trace_metadata", key, ascending),
            TraceField::Tag(key) => keys.of_table("trace_tags", key, ascending),
            // the grammar lets nothing else come here
            _ => keys.plain("t.trace_id", ascending),
        }
    }
    for (expression, ascending) in [("t.request_time_ms", false), ("t.trace_id", true)] {
        if !keys.columns.iter().any(|(key, _)| key == expression) {
            keys.plain(expression, ascending);
        }
    }
    keys
}
