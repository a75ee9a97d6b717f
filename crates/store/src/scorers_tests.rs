use super::*;
use crate::experiments::{self, NewExperiment};
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, with};

fn experiment(tx: &mut Tx<'_>, name: &str) -> Result<(i64, ExperimentId), StoreError> {
    let new = NewExperiment {
        name: name.to_owned(),
        artifact_location: None,
        tags: Vec::new(),
    };
    let id = experiments::insert(tx, WS, &new, Timestamp(0))?;
    let number = experiments::numbers(tx, WS, &[id])?[0];
    Ok((number, id))
}

fn register(
    tx: &mut Tx<'_>,
    experiment_no: i64,
    name: &str,
    versions: i64,
) -> Result<String, StoreError> {
    let id = named(
        tx,
        WS,
        experiment_no,
        name,
        &format!("{experiment_no}-{name}"),
    )?;
    for version in 1..=versions {
        insert_version(
            tx,
            &id,
            version,
            &format!("{{\"v\": {version}}}"),
            Timestamp(version),
        )?;
    }
    Ok(id)
}

fn shown(found: &[ScorerVersion]) -> String {
    let one = |s: &ScorerVersion| format!("{}/{}v{}", s.experiment_id, s.name, s.version);
    found.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_name_has_versions() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let (number, id) = experiment(tx, "a")?;
            let scorer = register(tx, number, "tone", 3)?;
            assert_eq!(named(tx, WS, number, "tone", "another")?, scorer);
            assert_eq!(find(tx, number, "tone")?.as_deref(), Some(scorer.as_str()));
            assert_eq!(find(tx, number + 1, "tone")?, None);
            assert_eq!((count(tx, number)?, versions_of(tx, &scorer)?), (1, (3, 3)));
            assert_eq!(
                shown(&versions(tx, &scorer)?),
                format!("{id}/tonev1 {id}/tonev2 {id}/tonev3")
            );
            assert_eq!(
                version(tx, &scorer, None)?.unwrap().serialized,
                r#"{"v": 3}"#
            );
            assert!(delete(tx, &scorer, Some(3))?);
            assert!(!delete(tx, &scorer, Some(3))?);
            assert_eq!(version(tx, &scorer, None)?.unwrap().version, 2);
            assert_eq!(version(tx, &scorer, Some(3))?, None);
            assert!(delete(tx, &scorer, None)?);
            assert_eq!(versions_of(tx, &scorer)?, (0, 0));
            Ok(())
        })
        .await;
    });
}

#[test]
fn lists_show_the_latest_of_active_experiments() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let ((one, a), (two, b), (three, c)) = (
                experiment(tx, "a")?,
                experiment(tx, "b")?,
                experiment(tx, "c")?,
            );
            register(tx, two, "z", 1)?;
            register(tx, one, "y", 2)?;
            register(tx, one, "x", 1)?;
            register(tx, three, "w", 1)?;
            let deleted = lazuli_spec::experiments::Lifecycle::Deleted;
            experiments::set_lifecycle(tx, three, deleted, Timestamp(5))?;
            let all = format!("{a}/xv1 {a}/yv2 {b}/zv1");
            assert_eq!(shown(&latest(tx, WS, None, 10)?), all);
            assert_eq!(shown(&latest(tx, WS, Some(&[c, b, a]), 10)?), all);
            assert_eq!(shown(&latest(tx, WS, Some(&[b]), 10)?), format!("{b}/zv1"));
            assert_eq!(latest(tx, WS, None, 2)?.len(), 2);
            assert_eq!(latest(tx, "other", None, 10)?, []);
            Ok(())
        })
        .await;
    });
}

#[test]
fn a_scorer_has_one_rule_that_goes_with_it() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let (number, id) = experiment(tx, "a")?;
            let scorer = register(tx, number, "tone", 1)?;
            let mut config = OnlineConfig {
                config_id: "c1".to_owned(),
                scorer_id: scorer.clone(),
                experiment_id: id,
                sample_rate: 0.0,
                filter: None,
            };
            set_config(tx, &config)?;
            config.config_id = "c2".to_owned();
            config.filter = Some("status = 'OK'".to_owned());
            set_config(tx, &config)?;
            let asked = [scorer.clone(), "none".to_owned()];
            assert_eq!(configs(tx, WS, &asked)?, [config]);
            assert_eq!(configs(tx, "other", &asked)?, []);
            delete(tx, &scorer, None)?;
            assert_eq!(configs(tx, WS, &asked)?, []);
            Ok(())
        })
        .await;
    });
}
