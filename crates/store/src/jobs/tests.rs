use std::collections::BTreeMap;

use lazuli_spec::Timestamp;
use lazuli_spec::jobs::{JobState, Phases};
use lazuli_spec::runner::{PROTOCOL, PlanEnvironment, RunnerError, RunnerPlan, Usage};
use lazuli_spec::workspaces::Workspace;

use super::{InputRow, JobFilter, JobRow, Order, OutputRow, Progress};
use crate::computes::{self, NodeRow};
use crate::lists::ListSearch;
use crate::testing::each_backend;
use crate::{Store, StoreError, jobs, workspaces};

pub(crate) fn job(name: &str, at: i64) -> JobRow {
    JobRow {
        workspace_id: "ws".into(),
        name: name.into(),
        experiment_id: "1".into(),
        experiment_name: "credit".into(),
        display_name: format!("{name} shown"),
        description: String::new(),
        compute: "local".into(),
        archived: false,
        spec: "{}".into(),
        plan: RunnerPlan {
            protocol: PROTOCOL,
            workspace: "default".into(),
            job: name.into(),
            run_id: name.into(),
            experiment_id: "1".into(),
            experiment_name: "credit".into(),
            display_name: name.into(),
            command: "echo".into(),
            code_tree: None,
            environment: PlanEnvironment::default(),
            environment_variables: BTreeMap::new(),
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            timeout_seconds: None,
        },
        properties: BTreeMap::new(),
        tags: BTreeMap::from([("team".to_owned(), "vision".to_owned())]),
        created_at: Timestamp(at),
        created_by: "p".into(),
        modified_at: Timestamp(at),
        revision: 1,
        progress: Progress {
            state: JobState::Queued,
            phases: Phases {
                queued_at: Some(Timestamp(at)),
                ..Phases::default()
            },
            node: None,
            handle: None,
            sequence: 0,
            seen_at: None,
            cancel_at: None,
            timeout_seconds: Some(60),
            exit_code: None,
            error: None,
        },
        usage: None,
        environment: None,
        settled: false,
    }
}

async fn with_jobs(store: &Store, count: i64) {
    store
        .write(move |tx| {
            let workspace = Workspace {
                id: "ws".into(),
                name: "default".into(),
                display_name: String::new(),
                description: String::new(),
                tags: BTreeMap::new(),
                created_at: Timestamp(0),
                created_by: "p".into(),
                updated_at: Timestamp(0),
            };
            workspaces::insert(tx, &workspace)?;
            for at in 0..count {
                jobs::insert(tx, &job(&format!("job_{at}"), at / 2))?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
}

#[test]
fn a_job_is_kept_and_changed() {
    each_backend(|store| async move {
        with_jobs(&store, 1).await;
        let kept = store
            .write(|tx| {
                let mut kept = jobs::find(tx, "ws", "job_0")?.unwrap();
                assert_eq!(kept, job("job_0", 0));
                kept.progress.state = JobState::Failed;
                kept.progress.phases.ended_at = Some(Timestamp(9));
                kept.progress.exit_code = Some(137);
                kept.progress.error = Some(RunnerError {
                    code: "x".into(),
                    message: "m".into(),
                    hint: None,
                });
                jobs::update_progress(tx, "ws", "job_0", &kept.progress, Timestamp(9))?;
                kept.tags.insert("a".into(), "b".into());
                kept.archived = true;
                kept.modified_at = Timestamp(9);
                jobs::update_metadata(tx, &kept)?;
                let usage = Usage {
                    cpu_percent: 12.5,
                    memory_bytes: 9,
                    processes: 2,
                };
                jobs::update_usage(tx, "ws", "job_0", &usage)?;
                kept.usage = Some(usage);
                assert_eq!(jobs::find(tx, "ws", "job_0")?.unwrap(), kept);
                assert_eq!(
                    jobs::unsettled(tx, 5)?,
                    [("ws".to_owned(), "job_0".to_owned())]
                );
                jobs::settle(tx, "ws", "job_0")?;
                assert_eq!(jobs::unsettled(tx, 5)?, []);
                jobs::delete(tx, "ws", "job_0")?;
                jobs::find(tx, "ws", "job_0")
            })
            .await
            .unwrap();
        assert_eq!(kept, None);
    });
}

#[test]
fn lists_page_filter_and_sort() {
    each_backend(|store| async move {
        with_jobs(&store, 5).await;
        store
            .read(|tx| {
                let mut list =
                    |filter: &JobFilter, order, after: Option<&(Timestamp, String)>, limit| {
                        let rows = jobs::list(tx, "ws", filter, order, after, limit).unwrap();
                        rows.into_iter().map(|job| job.name).collect::<Vec<_>>()
                    };
                let all = JobFilter::default();
                assert_eq!(
                    list(&all, Order::NewestFirst, None, 3),
                    ["job_4", "job_3", "job_2"]
                );
                assert_eq!(
                    list(
                        &all,
                        Order::NewestFirst,
                        Some(&(Timestamp(1), "job_3".into())),
                        3
                    ),
                    ["job_2", "job_1", "job_0"]
                );
                assert_eq!(
                    list(
                        &all,
                        Order::OldestFirst,
                        Some(&(Timestamp(0), "job_0".into())),
                        2
                    ),
                    ["job_1", "job_2"]
                );
                let tagged = JobFilter {
                    tag: Some(("team".into(), Some("vision".into()))),
                    ..JobFilter::default()
                };
                assert_eq!(list(&tagged, Order::OldestFirst, None, 1), ["job_0"]);
                let none = [
                    JobFilter {
                        tag: Some(("nope".into(), None)),
                        ..JobFilter::default()
                    },
                    JobFilter {
                        states: vec![JobState::Failed, JobState::Running],
                        ..JobFilter::default()
                    },
                    JobFilter {
                        experiment: Some("other".into()),
                        ..JobFilter::default()
                    },
                    JobFilter {
                        compute: Some("other".into()),
                        ..JobFilter::default()
                    },
                    JobFilter {
                        archived: Some(true),
                        ..JobFilter::default()
                    },
                ];
                for filter in none {
                    assert!(
                        list(&filter, Order::NewestFirst, None, 9).is_empty(),
                        "{filter:?}"
                    );
                }
                assert_eq!(
                    jobs::active(tx, 2)?
                        .into_iter()
                        .map(|row| row.1)
                        .collect::<Vec<_>>(),
                    ["job_0", "job_1"]
                );
                assert_eq!(jobs::count_unended(tx, "ws", "local")?, 5);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
}

#[test]
fn logs_take_repeats_and_refuse_gaps() {
    each_backend(|store| async move {
        with_jobs(&store, 1).await;
        store
            .write(|tx| {
                let mut append = |offset, data: &[u8]| {
                    jobs::append_log(tx, "ws", "job_0", "l", offset, data).unwrap()
                };
                assert_eq!(append(0, b"hello "), 6);
                assert_eq!(append(0, b"hello "), 6);
                assert_eq!(append(3, b"lo world"), 11);
                assert_eq!(append(20, b"gap"), 11);
                assert_eq!(append(11, b""), 11);
                let mut read =
                    |offset, most| jobs::read_log(tx, "ws", "job_0", "l", offset, most).unwrap();
                assert_eq!(read(0, 99), b"hello world");
                assert_eq!(read(4, 3), b"o w");
                assert_eq!(read(11, 9), b"");
                assert_eq!(read(99, 9), b"");
                assert_eq!(jobs::log_names(tx, "ws", "job_0")?.len(), 1);
                jobs::delete_logs(tx, "ws", "job_0")?;
                assert_eq!(jobs::log(tx, "ws", "job_0", "l")?, None);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
}

#[test]
fn lineage_is_walked_both_ways() {
    each_backend(|store| async move {
        with_jobs(&store, 1).await;
        store
            .write(|tx| {
                let input = InputRow {
                    name: "data".into(),
                    kind: "data".into(),
                    reference: "azureml:iris@latest".into(),
                    asset: Some("iris".into()),
                    version: Some("3".into()),
                    tree: Some("t".into()),
                };
                jobs::insert_input(tx, "ws", "job_0", &input)?;
                let output = OutputRow {
                    name: "model".into(),
                    kind: "mlflow_model".into(),
                    tree: None,
                    asset: Some("credit".into()),
                    version: None,
                };
                jobs::insert_output(tx, "ws", "job_0", &output)?;
                assert!(jobs::set_output(
                    tx,
                    "ws",
                    "job_0",
                    "model",
                    "t2",
                    Some("1")
                )?);
                assert!(!jobs::set_output(tx, "ws", "job_0", "other", "t2", None)?);
                assert_eq!(jobs::inputs(tx, "ws", "job_0")?, [input]);
                assert_eq!(
                    jobs::outputs(tx, "ws", "job_0")?[0].tree.as_deref(),
                    Some("t2")
                );
                assert_eq!(
                    jobs::readers_of(tx, "ws", "data", "iris", "3", 9)?,
                    ["job_0"]
                );
                assert_eq!(
                    jobs::writers_of(tx, "ws", "credit", "1")?,
                    [("job_0".to_owned(), "model".to_owned())]
                );
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
}

#[test]
fn nodes_and_leases() {
    each_backend(|store| async move {
        with_jobs(&store, 0).await;
        store
            .write(|tx| {
                let spec = lazuli_spec::computes::ComputeSpec::default_cluster(4);
                let mut compute = lazuli_spec::computes::Compute {
                    spec,
                    created_at: Timestamp(1),
                    created_by: "p".into(),
                    modified_at: Timestamp(1),
                    revision: 1,
                };
                computes::insert(tx, "ws", &compute)?;
                compute.spec.max_instances = 2;
                compute.revision = 2;
                computes::update(tx, "ws", &compute)?;
                assert_eq!(computes::find(tx, "ws", "local")?.as_ref(), Some(&compute));
                assert_eq!(
                    computes::list(tx, "ws", &ListSearch::first(9))?.len()
                        + computes::all(tx)?.len(),
                    2
                );
                let mut node = NodeRow {
                    workspace_id: "ws".into(),
                    compute: "local".into(),
                    node: 0,
                    job: None,
                    idle_since: Timestamp(1),
                };
                computes::put_node(tx, &node)?;
                node.job = Some("job_0".into());
                computes::put_node(tx, &node)?;
                assert_eq!(computes::nodes(tx, "ws", "local")?, [node.clone()]);
                computes::delete_node(tx, "ws", "local", 0)?;
                assert_eq!(computes::all_nodes(tx)?, []);
                assert!(computes::delete(tx, "ws", "local")?);
                let mut hold = |who: &str, now, until| {
                    computes::hold_lease(tx, "s", who, Timestamp(now), Timestamp(until)).unwrap()
                };
                assert!(hold("a", 0, 10));
                assert!(!hold("b", 5, 15));
                assert!(hold("a", 5, 15));
                assert!(hold("b", 15, 25));
                assert!(!hold("a", 16, 30));
                computes::drop_lease(tx, "s", "b")?;
                assert!(computes::hold_lease(
                    tx,
                    "s",
                    "a",
                    Timestamp(17),
                    Timestamp(30)
                )?);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
}
