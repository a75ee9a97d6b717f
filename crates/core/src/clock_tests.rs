//! The machine's clock is set back by a day in the middle of work: nothing is refused, lost or out of place.

use std::time::Duration;

use lazuli_spec::experiments::{ExperimentId, Lifecycle, View};
use lazuli_spec::metrics::Metric;
use lazuli_spec::runs::{KeyValue, RunStatus};
use lazuli_store::testing::each_backend;

use crate::authentication::Credentials;
use crate::experiments::SearchRequest;
use crate::runs::{CreateRun, RunUpdate};
use crate::testing::TestCore;
use crate::{Caller, RequestContext};

const WS: &str = "default";
const DAY: Duration = Duration::from_hours(24);

impl TestCore {
    async fn clocked_run(&self) -> String {
        let made = self.core.create_run(&self.admin, WS, CreateRun::default());
        made.await.unwrap().info.run_id
    }

    async fn clocked_point(&self, run_id: &str, step: i64) {
        let metric = Metric {
            key: "loss".to_owned(),
            value: 1.0,
            timestamp_ms: self.core.now().as_millis(),
            step,
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        };
        let logged = self.core.log_metric(&self.admin, WS, run_id, metric);
        logged.await.unwrap();
    }

    async fn page_of_one(&self, page_token: Option<String>) -> (String, Option<String>) {
        let request = SearchRequest {
            view: View::Active,
            filter: String::new(),
            order_by: Vec::new(),
            limit: 1,
            page_token,
        };
        let experiments = vec![ExperimentId::DEFAULT];
        let page = self
            .core
            .search_runs(&self.admin, WS, experiments, request)
            .await
            .unwrap();
        (page.items[0].info.run_id.clone(), page.next_page_token)
    }
}

async fn still_known(t: &TestCore) -> Caller {
    let credentials = Credentials::Bearer(t.admin_token.clone());
    let known = t.core.authenticate(credentials, RequestContext::default());
    known.await.unwrap()
}

#[test]
fn work_goes_on_when_the_clock_is_set_back() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let before = t.clocked_run().await;
        t.clocked_point(&before, 1).await;
        t.clock.rewind(DAY);
        still_known(&t).await;

        // the newest point is the one with the greatest step, whatever the clock said
        t.clocked_point(&before, 2).await;
        let seen = t.core.get_run(&t.admin, WS, &before).await.unwrap();
        assert_eq!(seen.metrics[0].point.step, 2);
        let series = (before.as_str(), "loss");
        let history = t.core.metric_history(&t.admin, WS, series, 10, None).await;
        assert_eq!(history.unwrap().points.len(), 2);

        // runs of both times are listed once, over pages
        let after = t.clocked_run().await;
        let (first, token) = t.page_of_one(None).await;
        let (second, end) = t.page_of_one(token).await;
        assert_eq!([&first, &second], [&before, &after]);
        assert_eq!(end, None);

        // a run may end before it began; deleting, restoring and registering go on
        let ended = RunUpdate {
            status: Some(RunStatus::Finished),
            end_time: Some(t.core.now()),
            name: None,
        };
        let updated = t.core.update_run(&t.admin, WS, &before, ended).await;
        assert_eq!(updated.unwrap().status, RunStatus::Finished);
        for stage in [Lifecycle::Deleted, Lifecycle::Active] {
            let moved = t.core.set_run_lifecycle(&t.admin, WS, &before, stage);
            moved.await.unwrap();
        }
        let (core, admin) = (&t.core, &t.admin);
        let tag = KeyValue::new("k", "v");
        let made = core.create_registered_model(admin, WS, "m", vec![tag.clone()], None);
        let made = made.await.unwrap();
        t.clock.rewind(DAY);
        let tagged = core.set_registered_model_tag(admin, WS, "m", tag).await;
        tagged.unwrap();
        let found = core.get_registered_model(admin, WS, "m").await.unwrap();
        assert_eq!(found.created_at, made.created_at);

        // the audit trail is chained by number, not by time
        assert!(core.verify_audit(admin).await.unwrap().sound);
    });
}
