//! Rows of `spans`. A span may come several times, before or after its trace and in any order: its last form is kept.

use std::collections::{BTreeMap, HashMap};

use lazuli_spec::spans::{Node, Span};
use lazuli_spec::traces::{Cost, TokenUsage};

use crate::sql::{padded_chunks, placeholders, rows};
use crate::{Kind, Param, Row, StoreError, ToParam, Tx};

/// A span as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSpan {
    /// Its id.
    pub span_id: String,
    /// The span above; none for a root.
    pub parent_span_id: Option<String>,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: i64,
    /// The whole span, as MLflow's clients write it into JSON.
    pub content: String,
}

const COLUMNS: usize = 15;
const WHOLE: usize = 64;

/// Keeps spans of one trace.
pub fn put(tx: &mut Tx<'_>, trace_no: i64, spans: &[Span]) -> Result<(), StoreError> {
    // an INSERT may not update one row twice, and two writers must take rows in one order
    let last: BTreeMap<&str, &Span> = spans
        .iter()
        .map(|span| (span.span_id.as_str(), span))
        .collect();
    let spans: Vec<&Span> = last.into_values().collect();
    // few lengths of lists, so that statements stay prepared
    for chunk in spans.chunks(WHOLE) {
        if chunk.len() == WHOLE {
            insert(tx, trace_no, chunk)?;
            continue;
        }
        for few in chunk.chunks(8) {
            if few.len() == 8 {
                insert(tx, trace_no, few)?;
            } else {
                few.iter()
                    .try_for_each(|one| insert(tx, trace_no, &[one]))?;
            }
        }
    }
    Ok(())
}

fn insert(tx: &mut Tx<'_>, trace_no: i64, spans: &[&Span]) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO spans (trace_no, span_id, parent_span_id, name, type, status, start_ns, end_ns, content, tokens,
             input_cost, output_cost, total_cost, model_name, model_provider)
         VALUES {}
         ON CONFLICT (trace_no, span_id) DO UPDATE SET parent_span_id = excluded.parent_span_id, name = excluded.name,
             type = excluded.type, status = excluded.status, start_ns = excluded.start_ns, end_ns = excluded.end_ns,
             content = excluded.content, tokens = excluded.tokens, input_cost = excluded.input_cost,
             output_cost = excluded.output_cost, total_cost = excluded.total_cost, model_name = excluded.model_name,
             model_provider = excluded.model_provider",
        rows(spans.len(), COLUMNS)
    );
    let tokens: Vec<Option<String>> = spans.iter().map(|span| span.tokens.map(said)).collect();
    let mut values: Vec<Param<'_>> = Vec::with_capacity(spans.len() * COLUMNS);
    for (span, tokens) in spans.iter().zip(&tokens) {
        let cost = span.cost.unwrap_or_default().0;
        values.extend([
            Param::Integer(trace_no),
            Param::Text(&span.span_id),
            text(span.parent_span_id.as_deref()),
            Param::Text(&span.name),
            text(span.span_type.as_deref()),
            Param::Text(span.status.as_str()),
            Param::Integer(span.start_ns),
            span.end_ns
                .map_or(Param::Null(Kind::Integer), Param::Integer),
            Param::Text(&span.content),
            text(tokens.as_deref()),
        ]);
        values.extend(cost.map(|part| part.map_or(Param::Null(Kind::Real), Param::Real)));
        values.extend([
            text(span.model_name.as_deref()),
            text(span.model_provider.as_deref()),
        ]);
    }
    tx.execute(&sql, &values).map(drop)
}

fn text(value: Option<&str>) -> Param<'_> {
    value.map_or(Param::Null(Kind::Text), Param::Text)
}

/// A span that says its tokens says so even when it counted none.
fn said(tokens: TokenUsage) -> String {
    tokens.to_json().unwrap_or_else(|| "{}".to_owned())
}

/// The spans of traces: roots first, then by their beginning. One query, however many traces there are.
pub fn of_traces(
    tx: &mut Tx<'_>,
    traces: &[i64],
) -> Result<HashMap<i64, Vec<StoredSpan>>, StoreError> {
    let mut found: HashMap<i64, Vec<StoredSpan>> = HashMap::new();
    let columns = "trace_no, span_id, parent_span_id, start_ns, content";
    each(tx, columns, traces, |trace_no, row| {
        found.entry(trace_no).or_default().push(StoredSpan {
            span_id: row.get(1)?,
            parent_span_id: row.get(2)?,
            start_ns: row.get(3)?,
            content: row.get(4)?,
        });
        Ok(())
    })?;
    for spans in found.values_mut() {
        spans.sort_by(|a, b| place(a).cmp(&place(b)));
    }
    Ok(found)
}

fn place(span: &StoredSpan) -> (bool, i64, &str) {
    (span.parent_span_id.is_some(), span.start_ns, &span.span_id)
}

/// How many bytes [`of_traces`] would read.
pub fn bytes(tx: &mut Tx<'_>, traces: &[i64]) -> Result<u64, StoreError> {
    let mut total = 0;
    for chunk in padded_chunks(traces) {
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(octet_length(content)), 0) AS BIGINT) FROM spans WHERE trace_no IN ({})",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(ToParam::to_param).collect();
        total += tx.query_one(&sql, &values, |row| row.get::<i64>(0))?;
    }
    Ok(total.unsigned_abs())
}

/// How many spans each of the traces has.
pub fn counts(tx: &mut Tx<'_>, traces: &[i64]) -> Result<HashMap<i64, i64>, StoreError> {
    let mut found = HashMap::new();
    for chunk in padded_chunks(traces) {
        let sql = format!(
            "SELECT trace_no, COUNT(*) FROM spans WHERE trace_no IN ({}) GROUP BY trace_no",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(ToParam::to_param).collect();
        tx.for_each(&sql, &values, |row| {
            found.insert(row.get(0)?, row.get(1)?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// The tree of a trace with what each span says of its tokens.
pub fn tokens(tx: &mut Tx<'_>, trace_no: i64) -> Result<Vec<Node<TokenUsage>>, StoreError> {
    nodes(tx, trace_no, "tokens", |row| {
        let said: Option<String> = row.get(3)?;
        Ok(said.map(|text| TokenUsage::from_json(&text)))
    })
}

/// The tree of a trace with what each span says of its cost.
pub fn cost(tx: &mut Tx<'_>, trace_no: i64) -> Result<Vec<Node<Cost>>, StoreError> {
    nodes(tx, trace_no, "input_cost, output_cost, total_cost", |row| {
        let cost = Cost([row.get(3)?, row.get(4)?, row.get(5)?]);
        Ok((!cost.is_empty()).then_some(cost))
    })
}

fn nodes<T>(
    tx: &mut Tx<'_>,
    trace_no: i64,
    columns: &str,
    says: impl Fn(&Row<'_>) -> Result<Option<T>, StoreError>,
) -> Result<Vec<Node<T>>, StoreError> {
    let mut found = Vec::new();
    let columns = format!("trace_no, span_id, parent_span_id, {columns}");
    each(tx, &columns, &[trace_no], |_, row| {
        found.push(Node {
            span_id: row.get(1)?,
            parent_span_id: row.get(2)?,
            says: says(row)?,
        });
        Ok(())
    })?;
    Ok(found)
}

fn each(
    tx: &mut Tx<'_>,
    columns: &str,
    traces: &[i64],
    mut read: impl FnMut(i64, &Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for chunk in padded_chunks(traces) {
        let sql = format!(
            "SELECT {columns} FROM spans WHERE trace_no IN ({})",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(ToParam::to_param).collect();
        tx.for_each(&sql, &values, |row| read(row.get(0)?, row))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
