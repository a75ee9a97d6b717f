use lazuli_spec::Timestamp;
use lazuli_spec::evaluation_records::{EvaluationRecord, SentRecord, sent};
use lazuli_spec::filters::{parse_filter, parse_order_by, vocabularies};

use super::*;
use crate::evaluation_dataset_search::{Search, search};
use crate::evaluation_records::{by_hash, delete as delete_records, page, save};
use crate::experiments::{self, NewExperiment};
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, with};

fn named(name: &str, at: i64) -> EvaluationDataset {
    EvaluationDataset {
        dataset_id: format!("d-{name}"),
        name: name.to_owned(),
        tags: vec![KeyValue::new("team", name.get(..1).unwrap_or_default())],
        schema: None,
        records: 0,
        digest: "digest".to_owned(),
        created_at: Timestamp::from_millis(at),
        updated_at: Timestamp::from_millis(at),
        created_by: Some("ann".to_owned()),
        last_updated_by: None,
    }
}

fn experiment(tx: &mut Tx<'_>, name: &str) -> Result<ExperimentId, StoreError> {
    let new = NewExperiment {
        name: name.to_owned(),
        artifact_location: None,
        tags: Vec::new(),
    };
    experiments::insert(tx, WS, &new, Timestamp(0))
}

fn record(id: usize, sent: SentRecord) -> EvaluationRecord {
    let hash = sent.input_hash();
    EvaluationRecord::new(format!("dr-{id}"), hash, sent, Timestamp::from_millis(1))
}

fn numbered(count: usize) -> Vec<EvaluationRecord> {
    let text: Vec<String> = (0..count)
        .map(|n| format!(r#"{{"inputs": {{"n": {n}}}, "source": {{"source_type": "CODE"}}}}"#))
        .collect();
    let records = sent(&format!("[{}]", text.join(","))).unwrap();
    let numbers = records.into_iter().enumerate();
    numbers.map(|(id, sent)| record(id, sent)).collect()
}

#[test]
fn a_data_set_belongs_to_its_workspace_and_takes_all_with_it() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let dataset_no = insert(tx, WS, &named("one", 1))?;
            set_tag(tx, dataset_no, &KeyValue::new("team", "new"))?;
            assert!(find(tx, "other", "d-one", false)?.is_none());
            let mut row = find(tx, WS, "d-one", true)?.unwrap();
            assert_eq!(row.dataset.tags, [KeyValue::new("team", "new")]);
            row.dataset.schema = Some("{}".to_owned());
            row.dataset.records = 3;
            update(tx, &row)?;
            assert_eq!(find(tx, WS, "d-one", false)?.unwrap().dataset, row.dataset);
            save(tx, dataset_no, &numbered(3))?;
            assert!(delete_tag(tx, dataset_no, "team")?);
            assert!(!delete_tag(tx, dataset_no, "team")?);
            assert!(!delete(tx, "other", "d-one")?);
            assert!(delete(tx, WS, "d-one")?);
            assert!(page(tx, dataset_no, 0, 10)?.0.is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn records_are_shown_in_the_order_they_came() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let dataset_no = insert(tx, WS, &named("one", 1))?;
            let records = numbered(150);
            save(tx, dataset_no, &records)?;
            let hash = records[7].input_hash.clone();
            let mut found = by_hash(tx, dataset_no, &[hash.clone(), "none".to_owned()])?;
            assert_eq!(found.len(), 1);
            let mut changed = found.remove(&hash).unwrap();
            assert_eq!(changed, records[7]);
            let again = sent(r#"[{"inputs": {}, "outputs": 5, "expectations": {"a": 1}}]"#);
            changed.merge(again.unwrap().remove(0), Timestamp::from_millis(9));
            save(tx, dataset_no, std::slice::from_ref(&changed))?;
            let (mut all, mut after) = (Vec::new(), Some(0));
            while let Some(place) = after {
                let (records, next) = page(tx, dataset_no, place, 40)?;
                all.extend(records);
                after = next;
            }
            assert_eq!(all.len(), 150);
            assert_eq!(all[7], changed);
            assert!(
                all.iter()
                    .enumerate()
                    .all(|(n, r)| r.record_id == format!("dr-{n}"))
            );
            let ids = ["dr-3".to_owned(), "dr-4".to_owned(), "nobody".to_owned()];
            assert_eq!(delete_records(tx, dataset_no, &ids)?, 2);
            assert_eq!(delete_records(tx, dataset_no + 1, &["dr-5".to_owned()])?, 0);
            Ok(())
        })
        .await;
    });
}

#[test]
fn large_records_make_short_pages() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let dataset_no = insert(tx, WS, &named("one", 1))?;
            let large = "x".repeat(9 << 20);
            let text = format!(
                r#"[{{"inputs": {{"a": "{large}"}}}}, {{"inputs": {{"b": "{large}"}}}}, {{"inputs": {{"c": 1}}}}]"#
            );
            let records = sent(&text).unwrap().into_iter().enumerate();
            let records: Vec<_> = records.map(|(id, sent)| record(id, sent)).collect();
            save(tx, dataset_no, &records)?;
            let (first, next) = page(tx, dataset_no, 0, 10)?;
            assert_eq!(first.len(), 2);
            let (second, next) = page(tx, dataset_no, next.unwrap(), 10)?;
            assert_eq!((second.len(), next), (1, None));
            Ok(())
        })
        .await;
    });
}

#[test]
fn experiments_use_data_sets() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let dataset_no = insert(tx, WS, &named("one", 1))?;
            let (a, b) = (experiment(tx, "a")?, experiment(tx, "b")?);
            let numbers = experiments::numbers(tx, WS, &[a, b])?;
            link(tx, dataset_no, &numbers)?;
            link(tx, dataset_no, &numbers[..1])?;
            assert_eq!(experiments(tx, dataset_no)?, [a, b]);
            assert_eq!(unlink(tx, dataset_no, &numbers[..1])?, 1);
            assert_eq!(unlink(tx, dataset_no, &numbers[..1])?, 0);
            assert_eq!(experiments(tx, dataset_no)?.len(), 1);
            Ok(())
        })
        .await;
    });
}

#[test]
fn searches_filter_order_and_page() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let used = experiment(tx, "used")?;
            for (at, name) in ["a1", "a2", "b1", "b2", "b3"].into_iter().enumerate() {
                let dataset_no = insert(tx, WS, &named(name, at as i64))?;
                if name.starts_with('b') {
                    let numbers = experiments::numbers(tx, WS, &[used])?;
                    link(tx, dataset_no, &numbers)?;
                }
            }
            insert(tx, "other", &named("elsewhere", 9))?;
            let mut found = |filter: &str, order: &[&str], experiments: &[ExperimentId]| {
                let order: Vec<String> = order.iter().map(|&text| text.to_owned()).collect();
                let (mut names, mut after) = (Vec::new(), None);
                loop {
                    let search_ = Search {
                        experiments: experiments.to_vec(),
                        filter: parse_filter(&vocabularies::EVALUATION_DATASETS, filter).unwrap(),
                        order: parse_order_by(&vocabularies::EVALUATION_DATASETS, &order).unwrap(),
                        after: after.take(),
                        limit: 2,
                    };
                    let rows = search(tx, WS, &search_).unwrap();
                    let Some((_, place)) = rows.last() else { break };
                    after = Some(place.clone());
                    names.extend(rows.into_iter().map(|(row, _)| row.dataset.name));
                }
                names.join(" ")
            };
            assert_eq!(found("", &[], &[]), "b3 b2 b1 a2 a1");
            assert_eq!(found("", &["name"], &[used]), "b1 b2 b3");
            assert_eq!(found("", &["last_update_time ASC"], &[]), "a1 a2 b1 b2 b3");
            assert_eq!(
                found("tags.team = 'a' AND created_time > 0", &[], &[]),
                "a2"
            );
            assert_eq!(
                found("name LIKE 'b%' AND created_by = 'ann'", &["name DESC"], &[]),
                "b3 b2 b1"
            );
            assert_eq!(found("name IN ('a1', 'b1')", &["name"], &[]), "a1 b1");
            assert_eq!(found("last_updated_by = 'ann'", &[], &[]), "");
            Ok(())
        })
        .await;
    });
}
