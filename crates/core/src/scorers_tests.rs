//! Scorers over a whole core, on every back end that is at hand.

use lazuli_store::testing::each_backend;

use super::*;
use crate::testing::TestCore;

const WS: &str = "default";
const HERE: ExperimentId = ExperimentId::DEFAULT;

impl TestCore {
    async fn scorer(&self, name: &str, text: &str) -> Result<ScorerVersion> {
        self.core
            .register_scorer(&self.admin, WS, HERE, name, text.to_owned())
            .await
    }
}

#[test]
fn versions_are_counted_up() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let first = t.scorer("tone", "{}").await.unwrap();
        let second = t.scorer("tone", r#"{"v": 2}"#).await.unwrap();
        assert_eq!((first.version, second.version), (1, 2));
        assert_eq!(first.scorer_id, second.scorer_id);
        assert_eq!(
            core.get_scorer(me, WS, HERE, "tone", None).await.unwrap(),
            second
        );
        assert_eq!(
            core.get_scorer(me, WS, HERE, "tone", Some(1))
                .await
                .unwrap(),
            first
        );
        assert_eq!(
            core.list_scorers(me, WS, Scope::One(HERE)).await.unwrap(),
            std::slice::from_ref(&second)
        );
        let other = Scope::Some(vec![ExperimentId(7)]);
        assert_eq!(core.list_scorers(me, WS, other).await.unwrap(), []);
        let missing = core
            .get_scorer(me, WS, HERE, "tone", Some(9))
            .await
            .unwrap_err();
        assert_eq!(
            missing.message,
            "Scorer with name 'tone' and version 9 not found for experiment 0."
        );
        core.delete_scorer(me, WS, HERE, "tone", Some(2))
            .await
            .unwrap();
        assert_eq!(
            core.list_scorer_versions(me, WS, HERE, "tone")
                .await
                .unwrap(),
            [first]
        );
        core.delete_scorer(me, WS, HERE, "tone", None)
            .await
            .unwrap();
        let missing = core
            .list_scorer_versions(me, WS, HERE, "tone")
            .await
            .unwrap_err();
        assert_eq!(missing.code, ErrorCode::NotFound);
    });
}

#[test]
fn what_cannot_be_kept_is_refused_whole() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let code = t
            .scorer("tone", r#"{"call_source": "x"}"#)
            .await
            .unwrap_err();
        assert_eq!(code.code, ErrorCode::InvalidArgument);
        let nowhere = t
            .core
            .register_scorer(&t.admin, WS, ExperimentId(7), "tone", "{}".to_owned())
            .await;
        assert_eq!(
            nowhere.unwrap_err().message,
            "No Experiment with id=7 exists"
        );
        assert_eq!(
            t.core.list_scorers(&t.admin, WS, Scope::All).await.unwrap(),
            []
        );
    });
}

#[test]
fn nothing_is_judged_without_being_asked() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let scorer = t.scorer("tone", "{}").await.unwrap();
        let set = |rate, filter: Option<&str>| {
            let filter = filter.map(str::to_owned);
            core.set_online_scoring_config(me, WS, HERE, "tone", rate, filter)
        };
        let refused = set(0.5, None).await.unwrap_err();
        assert!(refused.message.contains("does not use a gateway model"));
        assert!(set(2.0, None).await.is_err());
        let config = set(0.0, Some("status = 'OK'")).await.unwrap();
        let ids = vec![scorer.scorer_id, "none".to_owned()];
        assert_eq!(
            core.online_scoring_configs(me, WS, ids).await.unwrap(),
            [config]
        );
    });
}
