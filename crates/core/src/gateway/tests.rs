//! The gateway's administration over a whole core, on every back end that is at hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::gateway::endpoints::{Endpoint, Fallback, Linkage, ModelConfig};
use lazuli_spec::gateway::secrets::{Secret, SecretValue};
use lazuli_spec::runs::KeyValue;
use lazuli_store::testing::each_backend;

use super::bindings::{self, Use};
use super::endpoints::{EndpointChange, Key};
use super::model_definitions::{DefinitionChange, NewDefinition};
use super::secrets::{NewSecret, SecretChange};
use super::*;
use crate::caller::JobIdentity;
use crate::testing::TestCore;

const WS: &str = "default";

fn value(text: &str) -> SecretValue {
    SecretValue::new(BTreeMap::from([("api_key".to_owned(), text.to_owned())])).unwrap()
}

fn config(id: &str, linkage: Linkage) -> ModelConfig {
    ModelConfig {
        definition_id: id.to_owned(),
        linkage,
        weight: 1.0,
        fallback_order: None,
    }
}

fn told<T: std::fmt::Debug>(result: Result<T>) -> (ErrorCode, String) {
    let error = result.unwrap_err();
    (error.code, error.message.into_owned())
}

impl TestCore {
    async fn secret_by(&self, caller: &Caller, name: &str) -> Result<Secret> {
        let new = NewSecret {
            name: name.to_owned(),
            value: value("sk-geheim-1234"),
            provider: Some("openai".to_owned()),
            settings: BTreeMap::new(),
            by: None,
        };
        self.core.create_gateway_secret(caller, WS, new).await
    }

    async fn definition(&self, name: &str, secret_id: &str) -> String {
        let new = NewDefinition {
            name: name.to_owned(),
            secret_id: secret_id.to_owned(),
            provider: "openai".to_owned(),
            model_name: "gpt".to_owned(),
            by: Some("somebody".to_owned()),
        };
        let made = self
            .core
            .create_gateway_model_definition(&self.admin, WS, new);
        made.await.unwrap().id
    }

    async fn endpoint(&self, name: &str, models: Vec<ModelConfig>) -> Result<Endpoint> {
        let change = EndpointChange {
            name: Some(name.to_owned()),
            models: Some(models),
            ..EndpointChange::default()
        };
        self.core
            .create_gateway_endpoint(&self.admin, WS, change)
            .await
    }
}

#[test]
fn secrets_are_sealed_and_shown_by_their_ends() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let made = t.secret_by(me, "key").await.unwrap();
        assert_eq!(made.masked["api_key"], "sk-...1234");
        assert_eq!(made.stamps.created_by, me.name());
        let sealed = |id: String| async move {
            let access = core.access(me, WS, Action::GatewayRead).await.unwrap();
            let workspace_id = access.workspace_id().to_owned();
            let read = access.read(move |tx| {
                Ok(lazuli_store::gateway::secrets::sealed(
                    tx,
                    &workspace_id,
                    &id,
                )?)
            });
            read.await.unwrap().unwrap()
        };
        let first = sealed(made.id.clone()).await;
        assert!(!first.windows(6).any(|part| part == b"geheim"));
        let opened = core.sealer().open(&secrets::target(&made.id), &first);
        assert_eq!(opened.as_deref(), Some(r#"{"api_key":"sk-geheim-1234"}"#));
        let change = SecretChange {
            value: Some(value("other-5678")),
            ..SecretChange::default()
        };
        let updated = core.update_gateway_secret(me, WS, &made.id, change).await;
        assert_eq!(updated.unwrap().masked["api_key"], "oth...5678");
        assert_ne!(sealed(made.id.clone()).await, first);
        assert_eq!(
            told(t.secret_by(me, "key").await),
            (
                ErrorCode::AlreadyExists,
                "Secret with name 'key' already exists".to_owned()
            )
        );
        let absent = core.get_gateway_secret(me, WS, "s-0").await;
        assert_eq!(told(absent).1, "GatewaySecret not found (secret_id='s-0')");
        core.delete_gateway_secret(me, WS, &made.id).await.unwrap();
        let listed = core.list_gateway_secrets(me, WS, None).await.unwrap();
        assert_eq!(listed, []);
    });
}

#[test]
fn only_those_who_may_give_keys_away_keep_them_and_jobs_see_nothing() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (contributor, _) = t.user("con", Some((WS, "Contributor"))).await;
        let (scientist, _) = t.user("sci", Some((WS, "AzureML Data Scientist"))).await;
        let (reader, _) = t.user("rea", Some((WS, "Reader"))).await;
        let secret = t.secret_by(&contributor, "key").await.unwrap();
        for caller in [&scientist, &reader] {
            let refused = t.secret_by(caller, "other").await;
            assert_eq!(told(refused).0, ErrorCode::PermissionDenied);
            let refused = t.core.delete_gateway_secret(caller, WS, &secret.id).await;
            assert_eq!(told(refused).0, ErrorCode::PermissionDenied);
            let shown = t.core.get_gateway_secret(caller, WS, &secret.id).await;
            assert_eq!(shown.unwrap(), secret);
        }
        let place = t
            .core
            .access(&t.admin, WS, Action::GatewayRead)
            .await
            .unwrap();
        let mut job = t.admin.clone();
        job.job = Some(Arc::new(JobIdentity {
            workspace_id: place.workspace_id().to_owned(),
            job: "j".to_owned(),
        }));
        let refused = t.core.list_gateway_secrets(&job, WS, None).await;
        assert_eq!(told(refused).0, ErrorCode::PermissionDenied);
    });
}

#[test]
fn definitions_name_a_secret_and_are_kept_while_used() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let secret = t.secret_by(me, "key").await.unwrap();
        let id = t.definition("d", &secret.id).await;
        let found = core
            .get_gateway_model_definition(me, WS, &id)
            .await
            .unwrap();
        assert_eq!(found.secret_name.as_deref(), Some("key"));
        assert_eq!(found.stamps.created_by, "somebody");
        let other = t.definition("e", &secret.id).await;
        let renamed = |name: &str| DefinitionChange {
            name: Some(name.to_owned()),
            ..DefinitionChange::default()
        };
        let taken = core.update_gateway_model_definition(me, WS, &other, renamed("d"));
        assert_eq!(
            told(taken.await),
            (
                ErrorCode::AlreadyExists,
                "Model definition with name 'd' already exists".to_owned()
            )
        );
        let change = DefinitionChange {
            secret_id: Some("s-0".to_owned()),
            ..renamed("f")
        };
        let refused = core.update_gateway_model_definition(me, WS, &other, change);
        assert_eq!(told(refused.await).0, ErrorCode::NotFound);
        t.endpoint("p", vec![config(&id, Linkage::Primary)])
            .await
            .unwrap();
        let used = core.delete_gateway_model_definition(me, WS, &id).await;
        assert!(told(used).1.contains("in use by endpoints"));
        core.delete_gateway_secret(me, WS, &secret.id)
            .await
            .unwrap();
        let orphan = core
            .get_gateway_model_definition(me, WS, &id)
            .await
            .unwrap();
        assert_eq!((orphan.secret_id, orphan.secret_name), (None, None));
        core.delete_gateway_model_definition(me, WS, &other)
            .await
            .unwrap();
    });
}

#[test]
fn endpoints_are_made_changed_and_deleted_whole() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let secret = t.secret_by(me, "key").await.unwrap();
        let (a, b) = (
            t.definition("a", &secret.id).await,
            t.definition("b", &secret.id).await,
        );
        let absent = t.endpoint("p", vec![config("d-0", Linkage::Primary)]).await;
        assert_eq!(told(absent).1, "Model definitions not found: d-0");
        assert!(
            core.list_gateway_endpoints(me, WS, None)
                .await
                .unwrap()
                .is_empty()
        );
        let made = t
            .endpoint("p", vec![config(&a, Linkage::Primary)])
            .await
            .unwrap();
        assert_eq!((made.fallback, made.usage_tracking), (None, true));
        let experiment = core
            .get_experiment(me, WS, made.experiment_id.unwrap())
            .await
            .unwrap();
        assert_eq!(experiment.name, "gateway/p");
        assert!(
            experiment
                .tags
                .contains(&KeyValue::new("mlflow.experiment.sourceId", &made.id))
        );
        let twin = t.endpoint("p", vec![config(&a, Linkage::Primary)]).await;
        assert_eq!(told(twin).0, ErrorCode::AlreadyExists);
        let change = EndpointChange {
            name: Some("q".to_owned()),
            models: Some(vec![
                config(&b, Linkage::Primary),
                config(&a, Linkage::Fallback),
            ]),
            experiment_id: Some(ExperimentId::DEFAULT),
            ..EndpointChange::default()
        };
        let changed = core
            .update_gateway_endpoint(me, WS, &made.id, change)
            .await
            .unwrap();
        let models: Vec<&str> = changed
            .mappings
            .iter()
            .map(|m| m.definition.id.as_str())
            .collect();
        assert_eq!(models, [&b, &a]);
        assert_eq!(changed.fallback, Some(Fallback::default()));
        assert_eq!(changed.experiment_id, Some(ExperimentId::DEFAULT));
        let again = core
            .attach_gateway_model(me, WS, &made.id, config(&b, Linkage::Primary), None)
            .await;
        assert_eq!(told(again).0, ErrorCode::AlreadyExists);
        core.detach_gateway_model(me, WS, &made.id, &b)
            .await
            .unwrap();
        let gone = core.detach_gateway_model(me, WS, &made.id, &b).await;
        assert!(told(gone).1.contains("is not attached to endpoint"));
        let mapping = core
            .attach_gateway_model(me, WS, &made.id, config(&b, Linkage::Primary), None)
            .await
            .unwrap();
        assert_eq!(mapping.definition.name, "b");
        for n in 0..=lazuli_spec::gateway::endpoints::TAGS {
            let tag = KeyValue::new(format!("k{n}"), "v");
            let set = core.set_gateway_endpoint_tag(me, WS, &made.id, tag).await;
            assert_eq!(set.is_ok(), n < lazuli_spec::gateway::endpoints::TAGS);
        }
        core.delete_gateway_endpoint_tag(me, WS, &made.id, "k0")
            .await
            .unwrap();
        let key = Key::Name("q".to_owned());
        let found = core
            .get_gateway_endpoint(me, WS, key.clone())
            .await
            .unwrap();
        assert_eq!((found.tags.len(), found.mappings.len()), (19, 2));
        core.delete_gateway_endpoint(me, WS, &made.id)
            .await
            .unwrap();
        let gone = core.get_gateway_endpoint(me, WS, key).await;
        assert_eq!(told(gone).1, "GatewayEndpoint not found (name='q')");
    });
}

#[test]
fn uses_of_an_endpoint_are_noted() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let secret = t.secret_by(me, "key").await.unwrap();
        let model = t.definition("a", &secret.id).await;
        let endpoint = t.endpoint("p", vec![config(&model, Linkage::Primary)]);
        let endpoint = endpoint.await.unwrap().id;
        let wanted = |kind: &str| Use {
            endpoint_id: endpoint.clone(),
            resource_type: kind.to_owned(),
            resource_id: "job".to_owned(),
        };
        let odd = core
            .create_gateway_binding(me, WS, wanted("cat"), None)
            .await;
        assert_eq!(told(odd).0, ErrorCode::InvalidArgument);
        let made = core
            .create_gateway_binding(me, WS, wanted("scorer"), None)
            .await
            .unwrap();
        let twice = core.create_gateway_binding(me, WS, wanted("scorer"), None);
        assert_eq!(told(twice.await).0, ErrorCode::AlreadyExists);
        let search = bindings::Search::default();
        let listed = core.list_gateway_bindings(me, WS, search.clone()).await;
        assert_eq!(listed.unwrap(), [made]);
        core.delete_gateway_binding(me, WS, wanted("scorer"))
            .await
            .unwrap();
        let gone = core.delete_gateway_binding(me, WS, wanted("scorer")).await;
        assert_eq!(told(gone).0, ErrorCode::NotFound);
        assert!(
            core.list_gateway_bindings(me, WS, search)
                .await
                .unwrap()
                .is_empty()
        );
    });
}
