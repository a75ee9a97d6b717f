//! What a trace used in all: the sum over its spans, where a span that says it speaks for all below it.
//!
//! Some libraries write the total on the span of the agent and the parts on the spans of the calls: adding all up would count
//! twice.

use std::collections::{HashMap, HashSet};

use crate::traces::{Cost, TokenUsage};

/// A span in the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<T> {
    /// The span.
    pub span_id: String,
    /// The span above.
    pub parent_span_id: Option<String>,
    /// What it says.
    pub says: Option<T>,
}

/// The tokens of a trace; the first three are counted wherever anything is.
pub fn total_tokens(nodes: &[Node<TokenUsage>]) -> Option<TokenUsage> {
    let heard = topmost(nodes);
    let first = TokenUsage([Some(0), Some(0), Some(0), None, None, None]);
    (!heard.is_empty()).then(|| {
        heard.into_iter().fold(first, |total, said| {
            let mut counts = total.0;
            for (count, more) in counts.iter_mut().zip(said.0) {
                if let Some(more) = more {
                    *count = Some(count.unwrap_or(0).saturating_add(more));
                }
            }
            TokenUsage(counts)
        })
    })
}

/// The cost of a trace.
pub fn total_cost(nodes: &[Node<Cost>]) -> Option<Cost> {
    let heard = topmost(nodes);
    (!heard.is_empty()).then(|| {
        heard.into_iter().fold(Cost([Some(0.0); 3]), |total, said| {
            let mut costs = total.0;
            for (cost, more) in costs.iter_mut().zip(said.0) {
                *cost =
                    Some(cost.unwrap_or(0.0) + more.unwrap_or(0.0)).filter(|sum| sum.is_finite());
            }
            Cost(costs)
        })
    })
}

/// What the spans say that have nobody above them who says anything. A span whose parent is not there is a root; spans that
/// are above each other in a circle are nowhere.
fn topmost<T>(nodes: &[Node<T>]) -> Vec<&T> {
    let known: HashSet<&str> = nodes.iter().map(|node| node.span_id.as_str()).collect();
    let mut below: HashMap<&str, Vec<&Node<T>>> = HashMap::new();
    let mut open: Vec<&Node<T>> = Vec::new();
    for node in nodes {
        let parent = node.parent_span_id.as_deref();
        match parent.filter(|parent| known.contains(parent)) {
            Some(parent) => below.entry(parent).or_default().push(node),
            None => open.push(node),
        }
    }
    let mut heard = Vec::new();
    while let Some(node) = open.pop() {
        match &node.says {
            Some(said) => heard.push(said),
            None => open.extend(below.get(node.span_id.as_str()).into_iter().flatten()),
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parent: &str, input: Option<i64>) -> Node<TokenUsage> {
        Node {
            span_id: id.to_owned(),
            parent_span_id: (!parent.is_empty()).then(|| parent.to_owned()),
            says: input.map(|input| TokenUsage([Some(input), None, None, None, None, None])),
        }
    }

    #[test]
    fn a_span_speaks_for_those_below_it() {
        let nodes = [
            node("call", "agent", Some(5)),
            node("agent", "root", Some(7)),
            node("root", "", None),
            node("other", "root", Some(2)),
            node("orphan", "elsewhere", Some(1)),
        ];
        let total = total_tokens(&nodes).unwrap();
        assert_eq!(total.0, [Some(10), Some(0), Some(0), None, None, None]);
        assert_eq!(total_tokens(&[node("a", "", None)]), None);
        assert_eq!(
            total_tokens(&[node("a", "b", Some(1)), node("b", "a", Some(1))]),
            None
        );
    }

    #[test]
    fn deep_traces_are_added_up() {
        let nodes: Vec<Node<TokenUsage>> = (0..100_000)
            .map(|n| node(&n.to_string(), &(n + 1).to_string(), (n == 0).then_some(3)))
            .collect();
        assert_eq!(total_tokens(&nodes).unwrap().0[0], Some(3));
    }
}
