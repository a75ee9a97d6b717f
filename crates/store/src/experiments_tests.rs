use lazuli_spec::Timestamp;
use lazuli_spec::experiments::{ExperimentId, Lifecycle, View};
use lazuli_spec::filters::vocabularies::EXPERIMENTS;
use lazuli_spec::filters::{parse_filter, parse_order_by};
use lazuli_spec::runs::KeyValue;

use super::*;
use crate::Store;
use crate::testing::each_backend;

const WS: &str = "w";

fn new(name: &str, tags: &[(&str, &str)]) -> NewExperiment {
    NewExperiment {
        name: name.to_owned(),
        artifact_location: None,
        tags: tags
            .iter()
            .map(|(key, value)| KeyValue::new(*key, *value))
            .collect(),
    }
}

async fn with<T: Send + 'static>(
    store: &Store,
    body: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(body).await.unwrap()
}

#[test]
fn ids_count_up_in_each_workspace_and_names_stay_taken() {
    each_backend(|store| async move {
        let ids = with(&store, |tx| {
            insert_default(tx, WS, Timestamp(1))?;
            insert_default(tx, WS, Timestamp(2))?;
            let first = insert(tx, WS, &new("a", &[("k", "v")]), Timestamp(3))?;
            let second = insert(tx, WS, &new("b", &[]), Timestamp(4))?;
            let elsewhere = insert(tx, "other", &new("a", &[]), Timestamp(5))?;
            Ok([first.0, second.0, elsewhere.0])
        })
        .await;
        assert_eq!(ids, [1, 2, 1]);
        let taken: Result<_, StoreError> = store
            .write(|tx| insert(tx, WS, &new("Default", &[]), Timestamp(6)))
            .await;
        assert!(taken.unwrap_err().is_unique_violation());
        let found = with(&store, |tx| find_by_name(tx, WS, "a"))
            .await
            .unwrap()
            .experiment;
        assert_eq!(found.artifact_location, "mlflow-artifacts:/1");
        assert_eq!(found.tags, [KeyValue::new("k", "v")]);
        let default = with(&store, |tx| find(tx, WS, ExperimentId::DEFAULT))
            .await
            .unwrap()
            .experiment;
        assert_eq!(
            (default.name.as_str(), default.created_at),
            ("Default", Timestamp(1))
        );
    });
}

#[test]
fn searches_page_by_key_in_the_order_asked_for() {
    each_backend(|store| async move {
        with(&store, |tx| {
            for number in 0..25_i64 {
                let parity = if number % 2 == 0 { "even" } else { "odd" };
                insert(
                    tx,
                    WS,
                    &new(&format!("e{number:02}"), &[("parity", parity)]),
                    Timestamp(number * 1_000),
                )?;
            }
            let deleted = find_by_name(tx, WS, "e03")?.unwrap();
            set_lifecycle(
                tx,
                deleted.experiment_no,
                Lifecycle::Deleted,
                Timestamp(99_000),
            )
        })
        .await;
        let names = |filter: &'static str, order: &'static [&'static str], view: View| {
            let store = store.clone();
            async move {
                let order: Vec<String> = order.iter().map(|o| (*o).to_owned()).collect();
                let mut request = ExperimentSearch {
                    view,
                    filter: parse_filter(&EXPERIMENTS, filter).unwrap(),
                    order: parse_order_by(&EXPERIMENTS, &order).unwrap(),
                    limit: 4,
                    after: None,
                };
                let mut names = Vec::new();
                loop {
                    let asked = request.clone();
                    let (page, next) = with(&store, move |tx| search(tx, WS, &asked)).await;
                    assert!(page.len() <= 4);
                    names.extend(page.into_iter().map(|experiment| experiment.name));
                    let Some(next) = next else { break names };
                    request.after = Some(next);
                }
            }
        };
        let newest_first = names("", &[], View::Active).await;
        assert_eq!(newest_first.len(), 24);
        assert_eq!(
            (newest_first[0].as_str(), newest_first[23].as_str()),
            ("e24", "e00")
        );
        assert_eq!(names("", &[], View::Deleted).await, ["e03"]);
        let odd = names(
            "tags.parity = 'odd' AND name LIKE 'e0%'",
            &["name ASC"],
            View::All,
        )
        .await;
        assert_eq!(odd, ["e01", "e03", "e05", "e07", "e09"]);
        assert_eq!(
            names("creation_time <= 2", &["experiment_id"], View::All).await,
            ["e00", "e01", "e02"]
        );
        assert_eq!(
            names("last_update_time > 24", &[], View::All).await,
            ["e03"]
        );
        assert_eq!(
            names("experiment_id IN ('2', '3')", &["name DESC"], View::All).await,
            ["e02", "e01"]
        );
        assert_eq!(
            names("tags.missing IS NOT NULL", &[], View::All).await,
            [""; 0]
        );
    });
}

#[test]
fn tags_are_set_again_and_removed() {
    each_backend(|store| async move {
        let outcome = with(&store, |tx| {
            let id = insert(tx, WS, &new("a", &[]), Timestamp(1))?;
            let number = find(tx, WS, id)?.unwrap().experiment_no;
            set_tag(tx, number, &KeyValue::new("k", "1"))?;
            set_tag(tx, number, &KeyValue::new("k", "2"))?;
            rename(tx, number, "renamed", Timestamp(7))?;
            let tags = find(tx, WS, id)?.unwrap().experiment.tags;
            Ok((
                tags,
                delete_tag(tx, number, "k")?,
                delete_tag(tx, number, "k")?,
            ))
        })
        .await;
        assert_eq!(outcome, (vec![KeyValue::new("k", "2")], true, false));
        let found = with(&store, |tx| find_by_name(tx, WS, "renamed"))
            .await
            .unwrap();
        assert_eq!(found.experiment.updated_at, Timestamp(7));
    });
}
