use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::traces::{META_COST, META_SESSION, META_TOKENS, TAG_NAME, TraceInfo, TraceState};

use super::*;
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, with};

/// A trace in the default experiment.
fn trace(tx: &mut Tx<'_>, trace_id: &str, time: i64) -> Result<TraceRow, StoreError> {
    crate::experiments::insert_default(tx, WS, Timestamp(0))?;
    let experiment = crate::experiments::find(tx, WS, ExperimentId::DEFAULT)?;
    let experiment_no = experiment.ok_or(StoreError::NotFound)?.experiment_no;
    let mut info = TraceInfo::new(trace_id, ExperimentId::DEFAULT, time);
    info.put_tags([KeyValue::new(TAG_NAME, "n"), KeyValue::new("a", "1")]);
    info.put_metadata([KeyValue::new(META_SESSION, "s"), KeyValue::new("m", "2")]);
    insert(tx, WS, experiment_no, &info)?;
    load(tx, WS, trace_id)?.ok_or(StoreError::NotFound)
}

#[test]
fn a_trace_comes_back_as_it_was_written() {
    each_backend(|store| async move {
        let (written, read) = with(&store, |tx| {
            let mut row = trace(tx, "tr-1", 5)?;
            row.info.state = TraceState::Error;
            row.info.execution_duration_ms = Some(7);
            row.info.response_preview = Some("answer".into());
            row.info.put_metadata([
                KeyValue::new(META_TOKENS, r#"{"input_tokens": 1, "total_tokens": 3}"#),
                KeyValue::new(META_COST, r#"{"total_cost": 0.1}"#),
                KeyValue::new("m", "3"),
            ]);
            save(tx, &row)?;
            set_metadata(tx, &row, &row.info.metadata)?;
            Ok((row, load(tx, WS, "tr-1")?))
        })
        .await;
        assert_eq!(Some(written), read);
    });
}

#[test]
fn an_id_is_taken_once_in_a_workspace() {
    each_backend(|store| async move {
        let (first, again, elsewhere) = with(&store, |tx| {
            let first = trace(tx, "tr-1", 5)?;
            let mut other = first.info.clone();
            other.request_time_ms = 9;
            let again = insert(tx, WS, first.experiment_no, &other)?;
            let elsewhere = find(tx, "another", "tr-1", true)?;
            Ok((first, again, elsewhere))
        })
        .await;
        assert_eq!((again, elsewhere), (None, None));
        let kept = with(&store, |tx| load(tx, WS, "tr-1")).await;
        assert_eq!(kept, Some(first));
    });
}

#[test]
fn several_come_in_the_order_asked_for() {
    each_backend(|store| async move {
        let found = with(&store, |tx| {
            for id in ["tr-1", "tr-2", "tr-3"] {
                trace(tx, id, 5)?;
            }
            let ids = ["tr-3", "none", "tr-1", "tr-3"].map(str::to_owned);
            let all = find_all(tx, WS, &ids, None)?;
            let none = find_all(tx, WS, &ids, Some(&[ExperimentId(9)]))?;
            Ok((all, none))
        })
        .await;
        let ids: Vec<&str> = found
            .0
            .iter()
            .map(|row| row.info.trace_id.as_str())
            .collect();
        assert_eq!(ids, ["tr-3", "tr-1"]);
        assert!(found.1.is_empty());
    });
}

#[test]
fn tags_are_set_again_and_removed() {
    each_backend(|store| async move {
        let (set, gone, twice) = with(&store, |tx| {
            let row = trace(tx, "tr-1", 5)?;
            set_tags(
                tx,
                &row,
                &[
                    KeyValue::new("a", "x"),
                    KeyValue::new("b", ""),
                    KeyValue::new("a", "y"),
                ],
            )?;
            let set = (tag(tx, row.trace_no, "a")?, tag(tx, row.trace_no, "b")?);
            Ok((
                set,
                delete_tag(tx, row.trace_no, "a")?,
                delete_tag(tx, row.trace_no, "a")?,
            ))
        })
        .await;
        assert_eq!(set, (Some("y".into()), Some(String::new())));
        assert_eq!((gone, twice), (true, false));
    });
}

#[test]
fn the_oldest_are_deleted_with_all_that_is_theirs() {
    each_backend(|store| async move {
        let (chosen, removed, left, links) = with(&store, |tx| {
            let mut rows = Vec::new();
            for (id, time) in [("tr-3", 3), ("tr-1", 1), ("tr-2", 2)] {
                rows.push(trace(tx, id, time)?);
            }
            let ids = ["tr-1", "tr-2", "tr-3", "tr-later"].map(str::to_owned);
            link_to_run(tx, WS, &ids, "r")?;
            link_to_run(tx, WS, &ids, "r")?;
            link_prompts(tx, rows[1].trace_no, &["p/1".to_owned()])?;
            let selection = Selection {
                experiment_no: rows[0].experiment_no,
                until_ms: Some(3),
                most: Some(2),
                trace_ids: None,
            };
            let chosen = select(tx, &selection, 100)?;
            let numbers: Vec<i64> = chosen.iter().map(|one| one.trace_no).collect();
            let removed = remove(tx, &numbers)?;
            let links = (linked_runs(tx, WS, "tr-1")?, prompts(tx, rows[1].trace_no)?);
            let left = linked_runs(tx, WS, "tr-3")?;
            Ok((chosen, removed, left, links))
        })
        .await;
        let ids: Vec<&str> = chosen.iter().map(|one| one.trace_id.as_str()).collect();
        assert_eq!(ids, ["tr-1", "tr-2"]);
        assert_eq!(removed, 2);
        assert_eq!(left, ["r"]);
        assert_eq!(links, (Vec::new(), Vec::new()));
    });
}
