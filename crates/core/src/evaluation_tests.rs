//! Evaluation data sets over a whole core, on every back end that is at hand.

use lazuli_spec::ErrorCode;
use lazuli_spec::evaluation_records::sent;
use lazuli_spec::experiments::{ExperimentId, View};
use lazuli_spec::runs::KeyValue;
use lazuli_store::testing::each_backend;

use super::*;
use crate::experiments::SearchRequest;
use crate::testing::TestCore;

const WS: &str = "default";

impl TestCore {
    async fn dataset(&self, name: &str) -> String {
        let tags = vec![KeyValue::new("mlflow.user", "ann")];
        let made = self
            .core
            .create_evaluation_dataset(&self.admin, WS, name, tags, vec![ExperimentId::DEFAULT])
            .await;
        made.unwrap().dataset_id
    }

    async fn send(&self, dataset_id: &str, text: &str) -> Upserted {
        let records = sent(text).unwrap();
        let done = self
            .core
            .upsert_evaluation_records(&self.admin, WS, dataset_id, records)
            .await;
        done.unwrap()
    }
}

#[test]
fn records_are_known_by_their_inputs() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let id = t.dataset("qa").await;
        let before = t
            .core
            .get_evaluation_dataset(&t.admin, WS, &id)
            .await
            .unwrap();
        assert_eq!(
            (before.schema, before.created_by.as_deref()),
            (None, Some("ann"))
        );
        t.clock.advance(std::time::Duration::from_secs(1));
        let text = r#"[{"inputs": {"q": 1}, "expectations": {"a": 1}}, {"inputs": {"q": 2}}, {"inputs": {"q": 1}, "expectations": {"b": 2}}]"#;
        assert_eq!(
            t.send(&id, text).await,
            Upserted {
                inserted: 2,
                updated: 1
            }
        );
        assert_eq!(
            t.send(&id, text).await,
            Upserted {
                inserted: 0,
                updated: 3
            }
        );
        let after = t
            .core
            .get_evaluation_dataset(&t.admin, WS, &id)
            .await
            .unwrap();
        assert_ne!(after.digest, before.digest);
        assert_eq!(after.profile().as_deref(), Some(r#"{"num_records": 2}"#));
        assert!(after.schema.unwrap().contains(r#""q": "integer""#));
        let core = &t.core;
        let page = core
            .list_evaluation_records(&t.admin, WS, &id, 1, None)
            .await
            .unwrap();
        assert_eq!(page.items[0].expectations.as_ref().unwrap().len(), 2);
        let token = page.next_page_token.unwrap();
        let rest = core
            .list_evaluation_records(&t.admin, WS, &id, 5, Some(&token))
            .await
            .unwrap();
        assert_eq!((rest.items.len(), rest.next_page_token), (1, None));
        let ids = vec![rest.items[0].record_id.clone(), "dr-none".to_owned()];
        assert_eq!(
            core.delete_evaluation_records(&t.admin, WS, &id, ids)
                .await
                .unwrap(),
            1
        );
        let left = core
            .get_evaluation_dataset(&t.admin, WS, &id)
            .await
            .unwrap();
        assert_eq!(left.records, 1);
        let wrong = core
            .list_evaluation_records(&t.admin, WS, &id, 5, Some("made-up"))
            .await;
        assert_eq!(wrong.unwrap_err().code, ErrorCode::InvalidArgument);
    });
}

#[test]
fn experiments_come_and_go() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let id = t.dataset("qa").await;
        let none = vec![ExperimentId(99)];
        let refused = core
            .add_evaluation_dataset_to_experiments(me, WS, &id, none.clone())
            .await;
        assert_eq!(refused.unwrap_err().message, "No Experiment with id=99");
        let made = core
            .create_evaluation_dataset(me, WS, "x", vec![], none.clone())
            .await;
        assert_eq!(made.unwrap_err().code, ErrorCode::NotFound);
        core.remove_evaluation_dataset_from_experiments(me, WS, &id, none)
            .await
            .unwrap();
        let used = core
            .evaluation_dataset_experiments(me, WS, &id)
            .await
            .unwrap();
        assert_eq!(used, [ExperimentId::DEFAULT]);
        core.remove_evaluation_dataset_from_experiments(me, WS, &id, used)
            .await
            .unwrap();
        assert!(
            core.evaluation_dataset_experiments(me, WS, &id)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            core.evaluation_dataset_experiments(me, WS, "d-none")
                .await
                .unwrap()
                .is_empty()
        );
    });
}

#[test]
fn what_is_not_there_is_deleted_without_complaint_and_read_with_one() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let id = t.dataset("qa").await;
        for _ in 0..2 {
            core.delete_evaluation_dataset_tag(me, WS, &id, "mlflow.user")
                .await
                .unwrap();
        }
        for _ in 0..2 {
            core.delete_evaluation_dataset(me, WS, &id).await.unwrap();
        }
        core.delete_evaluation_dataset_tag(me, WS, &id, "mlflow.user")
            .await
            .unwrap();
        let gone = core.get_evaluation_dataset(me, WS, &id).await.unwrap_err();
        assert_eq!(
            gone.message,
            format!("Evaluation dataset with id '{id}' not found")
        );
        let request = SearchRequest {
            view: View::All,
            filter: String::new(),
            order_by: vec![],
            limit: 10,
            page_token: None,
        };
        let found = core
            .search_evaluation_datasets(me, WS, vec![], request)
            .await
            .unwrap();
        assert!(found.items.is_empty());
    });
}

#[test]
fn a_reader_changes_nothing() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let id = t.dataset("qa").await;
        let (reader, _) = t.user("reader", Some((WS, "Reader"))).await;
        assert!(
            t.core
                .get_evaluation_dataset(&reader, WS, &id)
                .await
                .is_ok()
        );
        let refused = t
            .core
            .upsert_evaluation_records(&reader, WS, &id, vec![])
            .await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::PermissionDenied);
        let refused = t
            .core
            .delete_evaluation_records(&reader, WS, &id, vec![])
            .await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::PermissionDenied);
    });
}
