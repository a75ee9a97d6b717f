use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::otlp::StatusCode;
use lazuli_spec::traces::TraceInfo;

use super::*;
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, with};

fn trace(tx: &mut Tx<'_>, trace_id: &str) -> Result<i64, StoreError> {
    crate::experiments::insert_default(tx, WS, Timestamp(0))?;
    let experiment = crate::experiments::find(tx, WS, ExperimentId::DEFAULT)?;
    let experiment_no = experiment.ok_or(StoreError::NotFound)?.experiment_no;
    let info = TraceInfo::new(trace_id, ExperimentId::DEFAULT, 5);
    crate::traces::insert(tx, WS, experiment_no, &info)?.ok_or(StoreError::NotFound)
}

fn span(id: &str, parent: &str, start_ns: i64) -> Span {
    Span {
        span_id: id.to_owned(),
        parent_span_id: (!parent.is_empty()).then(|| parent.to_owned()),
        name: format!("name of {id}"),
        span_type: None,
        status: StatusCode::Ok,
        start_ns,
        end_ns: Some(start_ns + 1),
        content: format!("{{\"id\": \"{id}\"}}"),
        tokens: None,
        cost: None,
        model_name: None,
        model_provider: None,
    }
}

fn ids(spans: &[StoredSpan]) -> Vec<&str> {
    spans.iter().map(|span| span.span_id.as_str()).collect()
}

#[test]
fn spans_of_several_traces_come_in_one_query_roots_first() {
    each_backend(|store| async move {
        let (found, counts, traces) = with(&store, |tx| {
            let traces = [trace(tx, "tr-1")?, trace(tx, "tr-2")?, trace(tx, "tr-3")?];
            put(
                tx,
                traces[0],
                &[span("c", "a", 3), span("b", "a", 2), span("a", "", 9)],
            )?;
            put(tx, traces[1], &[span("a", "", 1)])?;
            assert_eq!((bytes(tx, &traces)?, bytes(tx, &traces[2..])?), (44, 0));
            Ok((of_traces(tx, &traces)?, counts(tx, &traces)?, traces))
        })
        .await;
        assert_eq!(ids(&found[&traces[0]]), ["a", "b", "c"]);
        assert_eq!(ids(&found[&traces[1]]), ["a"]);
        assert!(!found.contains_key(&traces[2]));
        assert_eq!((counts[&traces[0]], counts.get(&traces[2])), (3, None));
    });
}

#[test]
fn a_span_that_comes_again_replaces_itself() {
    each_backend(|store| async move {
        let found = with(&store, |tx| {
            let no = trace(tx, "tr-1")?;
            put(tx, no, &[span("a", "", 1), span("b", "a", 1)])?;
            let mut again = span("a", "b", 7);
            again.content = "{}".into();
            put(tx, no, &[span("a", "", 2), again])?;
            Ok(of_traces(tx, &[no])?.remove(&no).unwrap_or_default())
        })
        .await;
        assert_eq!(ids(&found), ["b", "a"]);
        assert_eq!((found[1].start_ns, found[1].content.as_str()), (7, "{}"));
    });
}

#[test]
fn thousands_of_spans_are_kept() {
    each_backend(|store| async move {
        let count = with(&store, |tx| {
            let no = trace(tx, "tr-1")?;
            let spans: Vec<Span> = (0..5_000)
                .map(|n| span(&format!("{n:016x}"), "", n))
                .collect();
            put(tx, no, &spans)?;
            Ok(of_traces(tx, &[no])?[&no].len())
        })
        .await;
        assert_eq!(count, 5_000);
    });
}

#[test]
fn what_spans_say_of_tokens_and_cost_is_kept_apart() {
    each_backend(|store| async move {
        let (tokens, cost) = with(&store, |tx| {
            let no = trace(tx, "tr-1")?;
            let mut call = span("b", "a", 1);
            call.tokens = Some(TokenUsage([Some(3), None, Some(3), None, None, None]));
            call.cost = Some(Cost([None, None, Some(0.5)]));
            let mut silent = span("c", "a", 1);
            silent.tokens = Some(TokenUsage::default());
            put(tx, no, &[span("a", "", 1), call, silent])?;
            Ok((tokens(tx, no)?, cost(tx, no)?))
        })
        .await;
        let said: Vec<_> = tokens.iter().map(|node| node.says).collect();
        let counted = Some(TokenUsage([Some(3), None, Some(3), None, None, None]));
        assert_eq!(said, [None, counted, Some(TokenUsage::default())]);
        let said: Vec<_> = cost.iter().map(|node| node.says).collect();
        assert_eq!(said, [None, Some(Cost([None, None, Some(0.5)])), None]);
    });
}

#[test]
fn spans_go_with_their_trace() {
    each_backend(|store| async move {
        let left = with(&store, |tx| {
            let no = trace(tx, "tr-1")?;
            put(tx, no, &[span("a", "", 1)])?;
            crate::traces::remove(tx, &[no])?;
            of_traces(tx, &[no])
        })
        .await;
        assert!(left.is_empty());
    });
}
