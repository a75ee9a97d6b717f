//! The gateway's rows, on every back end that is at hand.

use std::collections::BTreeMap;

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::gateway::Stamps;
use lazuli_spec::gateway::endpoints::{
    Binding, Endpoint, Fallback, FallbackStrategy, Linkage, ModelConfig, RoutingStrategy,
};
use lazuli_spec::gateway::model_definitions::ModelDefinition;
use lazuli_spec::gateway::secrets::Secret;
use lazuli_spec::runs::KeyValue;

use super::endpoints::Key;
use super::{bindings, endpoints, model_definitions, secrets};
use crate::testing::each_backend;
use crate::tracking_fixture::with;
use crate::{StoreError, Tx, params};

fn workspace(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO workspaces (id, name, display_name, description, tags, created_at, created_by, updated_at)
         VALUES ($1, $1, '', '', '{}', 0, '', 0)",
        params![id],
    )
    .map(drop)
}

fn stamps() -> Stamps {
    Stamps::new(Timestamp(5), "me")
}

fn secret(name: &str, provider: Option<&str>) -> Secret {
    Secret {
        id: format!("s-{name}"),
        name: name.to_owned(),
        masked: BTreeMap::from([("api_key".to_owned(), "***".to_owned())]),
        provider: provider.map(str::to_owned),
        settings: BTreeMap::new(),
        stamps: stamps(),
    }
}

fn definition(name: &str, secret: &str, provider: &str) -> ModelDefinition {
    ModelDefinition {
        id: format!("d-{name}"),
        name: name.to_owned(),
        secret_id: Some(format!("s-{secret}")),
        secret_name: Some(secret.to_owned()),
        provider: provider.to_owned(),
        model_name: "m".to_owned(),
        stamps: stamps(),
    }
}

fn endpoint(name: &str) -> Endpoint {
    Endpoint {
        id: format!("e-{name}"),
        name: name.to_owned(),
        routing: Some(RoutingStrategy::RequestBasedTrafficSplit),
        fallback: Some(Fallback {
            strategy: Some(FallbackStrategy::Sequential),
            max_attempts: Some(2),
        }),
        experiment_id: None,
        usage_tracking: true,
        mappings: Vec::new(),
        tags: Vec::new(),
        stamps: stamps(),
    }
}

fn config(name: &str, linkage: Linkage) -> ModelConfig {
    ModelConfig {
        definition_id: format!("d-{name}"),
        linkage,
        weight: 0.5,
        fallback_order: Some(1),
    }
}

fn id(name: &str) -> Key {
    Key::Id(format!("e-{name}"))
}

#[test]
fn secrets_are_kept_changed_and_removed() {
    each_backend(|store| async move {
        with(&store, |tx| {
            workspace(tx, "w")?;
            workspace(tx, "other")?;
            secrets::insert(tx, "w", &secret("b", Some("openai")), b"sealed")?;
            secrets::insert(tx, "w", &secret("a", None), b"x")?;
            let named = |found: Vec<Secret>| found.into_iter().map(|s| s.name).collect::<Vec<_>>();
            assert_eq!(named(secrets::list(tx, "w", None)?), ["a", "b"]);
            assert_eq!(named(secrets::list(tx, "w", Some("openai"))?), ["b"]);
            assert_eq!(secrets::find(tx, "other", "s-a")?, None);
            assert_eq!(secrets::sealed(tx, "other", "s-a")?, None);
            let mut changed = secret("b", Some("openai"));
            changed.settings.insert("region".into(), "eu".into());
            secrets::update(tx, &changed, None)?;
            assert_eq!(secrets::find(tx, "w", "s-b")?, Some(changed.clone()));
            assert_eq!(secrets::sealed(tx, "w", "s-b")?, Some(b"sealed".to_vec()));
            secrets::update(tx, &changed, Some(b"anew"))?;
            assert_eq!(secrets::sealed(tx, "w", "s-b")?, Some(b"anew".to_vec()));
            secrets::delete(tx, "s-b")?;
            assert_eq!(
                (secrets::count(tx, "w")?, secrets::count(tx, "other")?),
                (1, 0)
            );
            Ok(())
        })
        .await;
        let taken = store
            .write(|tx| {
                let twin = Secret {
                    id: "s-2".to_owned(),
                    ..secret("a", None)
                };
                secrets::insert(tx, "w", &twin, b"x")
            })
            .await;
        assert!(taken.unwrap_err().is_unique_violation());
    });
}

#[test]
fn definitions_outlive_their_secret_but_not_their_endpoints() {
    each_backend(|store| async move {
        with(&store, |tx| {
            workspace(tx, "w")?;
            secrets::insert(tx, "w", &secret("k", None), b"x")?;
            for (name, provider) in [("b", "openai"), ("a", "anthropic")] {
                model_definitions::insert(tx, "w", &definition(name, "k", provider))?;
            }
            let search = model_definitions::Search {
                provider: Some("openai".to_owned()),
                secret_id: Some("s-k".to_owned()),
            };
            let found = model_definitions::list(tx, "w", &search)?;
            assert_eq!(found, [definition("b", "k", "openai")]);
            assert_eq!(model_definitions::count(tx, "w")?, 2);
            let ids = ["d-a".to_owned(), "d-z".to_owned()];
            assert_eq!(model_definitions::existing(tx, "w", &ids)?, ["d-a"]);
            assert!(model_definitions::existing(tx, "other", &ids)?.is_empty());
            let mut changed = definition("a", "k", "google");
            changed.name = "c".to_owned();
            model_definitions::update(tx, &changed)?;
            assert_eq!(model_definitions::find(tx, "w", "d-a")?, Some(changed));
            endpoints::insert(tx, "w", &endpoint("e"))?;
            let models = [("m-1".to_owned(), config("a", Linkage::Primary))];
            endpoints::add_models(tx, "e-e", &models, Timestamp(6), "me")?;
            secrets::delete(tx, "s-k")?;
            let orphan = model_definitions::find(tx, "w", "d-a")?.unwrap();
            assert_eq!((orphan.secret_id, orphan.secret_name), (None, None));
            assert!(model_definitions::in_use(tx, "d-a")?);
            assert!(!model_definitions::in_use(tx, "d-b")?);
            Ok(())
        })
        .await;
        let used = store.write(|tx| model_definitions::delete(tx, "d-a")).await;
        assert!(used.unwrap_err().is_foreign_key_violation());
        with(&store, |tx| {
            endpoints::delete(tx, "e-e")?;
            model_definitions::delete(tx, "d-a")
        })
        .await;
    });
}

#[test]
fn endpoints_have_models_in_order_tags_and_uses() {
    each_backend(|store| async move {
        with(&store, |tx| {
            workspace(tx, "w")?;
            crate::experiments::insert_default(tx, "w", Timestamp(0))?;
            secrets::insert(tx, "w", &secret("k", None), b"x")?;
            for (name, provider) in [("a", "openai"), ("b", "anthropic")] {
                model_definitions::insert(tx, "w", &definition(name, "k", provider))?;
            }
            for name in ["one", "two"] {
                endpoints::insert(tx, "w", &endpoint(name))?;
            }
            let models = [
                ("m-2".to_owned(), config("b", Linkage::Primary)),
                ("m-1".to_owned(), config("a", Linkage::Fallback)),
            ];
            endpoints::add_models(tx, "e-one", &models, Timestamp(6), "me")?;
            endpoints::set_tag(tx, "e-one", &KeyValue::new("k", "v"))?;
            endpoints::set_tag(tx, "e-one", &KeyValue::new("k", "w"))?;
            let found = endpoints::find(tx, "w", &Key::Name("one".to_owned()))?.unwrap();
            let ids: Vec<&str> = found.mappings.iter().map(|m| m.id.as_str()).collect();
            assert_eq!(ids, ["m-2", "m-1"]);
            assert_eq!(
                found.mappings[0].definition,
                definition("b", "k", "anthropic")
            );
            assert_eq!(found.tags, [KeyValue::new("k", "w")]);
            assert_eq!(endpoints::count_tags(tx, "e-one")?, 1);
            let bare = Endpoint {
                mappings: Vec::new(),
                tags: Vec::new(),
                ..found
            };
            assert_eq!(bare, endpoint("one"));
            let named =
                |found: Vec<Endpoint>| found.into_iter().map(|e| e.name).collect::<Vec<_>>();
            assert_eq!(named(endpoints::list(tx, "w", None)?), ["one", "two"]);
            assert_eq!(named(endpoints::list(tx, "w", Some("openai"))?), ["one"]);
            assert!(endpoints::find(tx, "other", &id("one"))?.is_none());
            let mut changed = endpoint("one");
            changed.experiment_id = Some(ExperimentId::DEFAULT);
            changed.fallback = None;
            changed.routing = None;
            endpoints::update(tx, "w", &changed)?;
            endpoints::remove_model(tx, "m-2")?;
            endpoints::delete_tag(tx, "e-one", "k")?;
            let found = endpoints::find(tx, "w", &id("one"))?.unwrap();
            assert_eq!(found.mappings.len(), 1);
            endpoints::clear_models(tx, "e-one")?;
            assert_eq!(endpoints::find(tx, "w", &id("one"))?, Some(changed));
            Ok(())
        })
        .await;
        with(&store, |tx| {
            let binding = Binding {
                endpoint_id: "e-one".to_owned(),
                resource_type: "scorer".to_owned(),
                resource_id: "job".to_owned(),
                stamps: stamps(),
            };
            bindings::insert(tx, &binding)?;
            let search = bindings::Search {
                endpoint_id: Some("e-one".to_owned()),
                resource_type: Some("scorer".to_owned()),
                resource_id: None,
            };
            assert_eq!(bindings::list(tx, "w", &search)?, [binding]);
            assert!(bindings::list(tx, "other", &search)?.is_empty());
            let key = ("e-one", "scorer", "job");
            assert!(!bindings::delete(tx, "other", key)?);
            assert_eq!(bindings::count(tx, "w")?, 1);
            assert!(bindings::delete(tx, "w", key)?);
            endpoints::delete(tx, "e-one")?;
            assert_eq!(
                (endpoints::count(tx, "w")?, bindings::count(tx, "w")?),
                (1, 0)
            );
            Ok(())
        })
        .await;
    });
}
