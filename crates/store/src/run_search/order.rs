//! Orders as SQL: the phases of the first key, and the keys that break its ties.

use lazuli_spec::filters::{Kind, OrderBy};

use crate::sql::Statement;

/// One key of the ORDER BY; never NULL within its phase.
#[derive(Clone, Debug)]
pub(super) struct SortKey {
    pub(super) expression: String,
    pub(super) ascending: bool,
}

impl SortKey {
    fn new(expression: impl Into<String>, ascending: bool) -> Self {
        Self {
            expression: expression.into(),
            ascending,
        }
    }

    pub(super) fn as_sql(&self) -> String {
        format!(
            "{} {}",
            self.expression,
            if self.ascending { "ASC" } else { "DESC" }
        )
    }
}

/// The runs for which the first key is alike: present, NaN, or missing.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    /// The table whose index gives the order, as `table k0`.
    pub(super) driving_table: Option<String>,
    first: First,
    first_key: String,
    pub(super) keys: Vec<SortKey>,
    /// Tables of the further keys: alias, table, key.
    outer: Vec<(String, &'static str, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// Nothing to distinguish.
    Plain,
    /// `k0` has the key, and the metric is no NaN.
    Number,
    /// `k0` has the key, and it is NaN.
    NotANumber,
    /// `k0` has the key.
    Present,
    /// This table lacks the key.
    Missing(&'static str),
    /// The run has ended.
    Ended,
    /// The run has not.
    NotEnded,
}

impl Phase {
    pub(super) fn conditions(&self, statement: &mut Statement) -> Vec<String> {
        let joined = |statement: &mut Statement| {
            vec![
                format!("k0.key = {}", statement.bind(self.first_key.as_str())),
                "k0.run_no = r.run_no".to_owned(),
            ]
        };
        match self.first {
            First::Plain => Vec::new(),
            First::Present => joined(statement),
            First::Number | First::NotANumber => {
                let mut conditions = joined(statement);
                conditions.push(format!(
                    "k0.is_nan = {}",
                    i64::from(self.first == First::NotANumber)
                ));
                conditions
            }
            First::Missing(table) => {
                let key = statement.bind(self.first_key.as_str());
                vec![format!(
                    "NOT EXISTS (SELECT 1 FROM {table} m WHERE m.run_no = r.run_no AND m.key = {key})"
                )]
            }
            First::Ended => vec!["r.end_time IS NOT NULL".to_owned()],
            First::NotEnded => vec!["r.end_time IS NULL".to_owned()],
        }
    }

    pub(super) fn joins(&self, statement: &mut Statement) -> String {
        let joins: Vec<String> = self
            .outer
            .iter()
            .map(|(alias, table, key)| {
                let key = statement.bind(key.as_str());
                format!(
                    "LEFT JOIN {table} {alias} ON {alias}.run_no = r.run_no AND {alias}.key = {key}"
                )
            })
            .collect();
        joins.join(" ")
    }
}

/// How to walk an order.
pub(super) struct Plan {
    pub(super) phases: Vec<Phase>,
}

pub(super) fn plan(order: &[OrderBy]) -> Plan {
    let (mut rest, outer) = further_keys(order.get(1..).unwrap_or_default());
    let names = |attribute: &str| {
        order
            .iter()
            .any(|key| key.kind == Kind::Attribute && key.key == attribute)
    };
    if !names("start_time") {
        rest.push(SortKey::new("r.start_time", false));
    }
    if !names("run_id") {
        rest.push(SortKey::new("r.run_id", true));
    }
    let Some(first) = order.first() else {
        return Plan {
            phases: vec![phase(
                First::Plain,
                None,
                String::new(),
                None,
                &rest,
                &outer,
            )],
        };
    };
    let make = |kind: First, table: Option<&str>, key: Option<SortKey>| {
        phase(
            kind,
            table.map(|table| format!("{table} k0")),
            first.key.clone(),
            key,
            &rest,
            &outer,
        )
    };
    let value = || Some(SortKey::new("k0.value", first.ascending));
    let phases = match (first.kind, first.key.as_str()) {
        (Kind::Metric, _) => vec![
            make(First::Number, Some("metric_series"), value()),
            make(First::NotANumber, Some("metric_series"), None),
            make(First::Missing("metric_series"), None, None),
        ],
        (Kind::Param | Kind::Tag, _) => {
            let table = if first.kind == Kind::Param {
                "run_params"
            } else {
                "run_tags"
            };
            vec![
                make(First::Present, Some(table), value()),
                make(First::Missing(table), None, None),
            ]
        }
        (_, "end_time") => vec![
            make(
                First::Ended,
                None,
                Some(SortKey::new("r.end_time", first.ascending)),
            ),
            make(First::NotEnded, None, None),
        ],
        (_, attribute) => {
            vec![make(
                First::Plain,
                None,
                Some(SortKey::new(column(attribute), first.ascending)),
            )]
        }
    };
    Plan { phases }
}

fn phase(
    first: First,
    driving_table: Option<String>,
    first_key: String,
    key: Option<SortKey>,
    rest: &[SortKey],
    outer: &[(String, &'static str, String)],
) -> Phase {
    let keys = key.into_iter().chain(rest.iter().cloned()).collect();
    Phase {
        driving_table,
        first,
        first_key,
        keys,
        outer: outer.to_vec(),
    }
}

/// Keys after the first: each that may be missing becomes a rank (missing last) and a value.
fn further_keys(order: &[OrderBy]) -> (Vec<SortKey>, Vec<(String, &'static str, String)>) {
    let mut keys = Vec::new();
    let mut outer = Vec::new();
    for (number, key) in order.iter().enumerate() {
        let alias = format!("s{number}");
        match (key.kind, key.key.as_str()) {
            (Kind::Metric, name) => {
                let rank =
                    format!("CASE WHEN {alias}.run_no IS NULL THEN 2 ELSE {alias}.is_nan END");
                keys.push(SortKey::new(rank, true));
                keys.push(SortKey::new(
                    format!("COALESCE({alias}.value, 0.0)"),
                    key.ascending,
                ));
                outer.push((alias, "metric_series", name.to_owned()));
            }
            (Kind::Param | Kind::Tag, name) => {
                let table = if key.kind == Kind::Param {
                    "run_params"
                } else {
                    "run_tags"
                };
                let rank = format!("CASE WHEN {alias}.run_no IS NULL THEN 1 ELSE 0 END");
                keys.push(SortKey::new(rank, true));
                keys.push(SortKey::new(
                    format!("COALESCE({alias}.value, '')"),
                    key.ascending,
                ));
                outer.push((alias, table, name.to_owned()));
            }
            (_, "end_time") => {
                keys.push(SortKey::new(
                    "CASE WHEN r.end_time IS NULL THEN 1 ELSE 0 END",
                    true,
                ));
                keys.push(SortKey::new("COALESCE(r.end_time, 0)", key.ascending));
            }
            (_, attribute) => keys.push(SortKey::new(column(attribute), key.ascending)),
        }
    }
    (keys, outer)
}

fn column(attribute: &str) -> &'static str {
    match attribute {
        "run_name" => "r.name",
        "user_id" => "r.user_id",
        "status" => "r.status",
        "start_time" => "r.start_time",
        "artifact_uri" => "r.artifact_uri",
        _ => "r.run_id",
    }
}
