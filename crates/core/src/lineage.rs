//! Lineage: what something was made from, as a walk over ids down to data and code.

use std::collections::BTreeMap;

use lazuli_spec::runs::Run;
use lazuli_store::lineage::{self, InputEdge};
use lazuli_store::{Tx, runs};
use serde::Serialize;

use crate::Result;

/// One thing and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineageNode {
    /// `deployment`, `model`, `job`, `run`, `data`, `code`, …
    pub kind: String,
    /// Its name, with its version where it has one.
    pub name: String,
    /// What identifies it beyond its name: content hashes, types, states.
    #[serde(flatten)]
    pub facts: BTreeMap<String, String>,
    /// What it was made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made_from: Vec<LineageNode>,
}

impl LineageNode {
    /// A thing without facts and sources.
    pub fn new(kind: &str, name: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            name: name.into(),
            facts: BTreeMap::new(),
            made_from: Vec::new(),
        }
    }

    /// Adds a fact, where there is one.
    #[must_use]
    pub fn fact(mut self, key: &str, value: Option<impl Into<String>>) -> Self {
        if let Some(value) = value {
            self.facts.insert(key.to_owned(), value.into());
        }
        self
    }

    /// Adds what it was made from.
    #[must_use]
    pub fn from(mut self, sources: impl IntoIterator<Item = Self>) -> Self {
        self.made_from.extend(sources);
        self
    }
}

/// A run or job and what it read; a bare name when it is gone.
pub(crate) fn of_run(tx: &mut Tx<'_>, workspace_id: &str, run_id: &str) -> Result<LineageNode> {
    let edges = lineage::inputs(tx, workspace_id, run_id)?;
    let kind = if edges.is_empty() { "run" } else { "job" };
    let Some(run) = runs::load(tx, workspace_id, run_id)? else {
        return Ok(LineageNode::new(kind, run_id));
    };
    let node = LineageNode::new(kind, run_id)
        .fact("run_name", Some(run.info.run_name.clone()))
        .fact("status", Some(run.info.status.as_str()));
    Ok(node.from(edges.iter().map(of_edge)).from(data_sets(&run)))
}

fn of_edge(edge: &InputEdge) -> LineageNode {
    let kind = match (edge.kind.as_str(), &edge.asset) {
        ("uri_file" | "uri_folder" | "mltable", _) => "data",
        (kind, _) => kind,
    };
    let name = match (&edge.asset, &edge.version) {
        (Some(asset), Some(version)) => format!("{asset}:{version}"),
        _ => edge.reference.clone(),
    };
    LineageNode::new(kind, name)
        .fact("input", Some(edge.input.clone()))
        .fact("content", edge.tree.clone())
}

/// Data sets that the run's own code logged (`mlflow.log_input`, autologging).
fn data_sets(run: &Run) -> Vec<LineageNode> {
    let node = |input: &lazuli_spec::runs::DatasetInput| {
        let set = &input.dataset;
        LineageNode::new("dataset", set.name.clone())
            .fact("digest", Some(set.digest.clone()))
            .fact("source_type", Some(set.source_type.clone()))
    };
    run.datasets.iter().map(node).collect()
}
