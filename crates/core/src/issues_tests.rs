//! Issues over a whole core, on every back end that is at hand.

use std::sync::Arc;

use lazuli_spec::issues::{IssueStatus, Severity};
use lazuli_store::testing::each_backend;

use super::*;
use crate::caller::JobIdentity;
use crate::runs::CreateRun;
use crate::testing::TestCore;

const WS: &str = "default";

fn new(name: &str) -> NewIssue {
    NewIssue {
        experiment_id: ExperimentId::DEFAULT,
        name: name.to_owned(),
        description: "answers take a minute".to_owned(),
        status: IssueStatus::Pending,
        severity: None,
        root_causes: Vec::new(),
        source_run_id: None,
        categories: Vec::new(),
        created_by: None,
    }
}

fn wanted(limit: u32, page_token: Option<String>) -> IssueSearch {
    IssueSearch {
        experiment: Some(ExperimentId::DEFAULT),
        filter: "status = 'pending'".to_owned(),
        count_traces: true,
        limit,
        page_token,
    }
}

#[test]
fn issues_are_made_changed_and_paged() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        for name in ["a", "b", "c"] {
            core.create_issue(me, WS, new(name)).await.unwrap();
            t.clock.advance(std::time::Duration::from_secs(1));
        }
        let page = core.search_issues(me, WS, wanted(2, None)).await.unwrap();
        let names = |page: &Page<FoundIssue>| -> Vec<String> {
            let items = page.items.iter();
            items.map(|found| found.issue.text.name.clone()).collect()
        };
        assert_eq!(names(&page), ["c", "b"]);
        assert_eq!(page.items[0].traces, Some(0));
        let token = page.next_page_token.clone();
        let rest = core.search_issues(me, WS, wanted(2, token)).await.unwrap();
        assert_eq!(
            (names(&rest), &rest.next_page_token),
            (vec!["a".to_owned()], &None)
        );
        let id = rest.items[0].issue.issue_id.clone();
        let update = IssueUpdate {
            status: Some(IssueStatus::Resolved),
            severity: Some(Severity::High),
            ..IssueUpdate::default()
        };
        let changed = core.update_issue(me, WS, &id, update).await.unwrap();
        assert!(changed.updated_at > changed.created_at);
        assert_eq!(core.get_issue(me, WS, &id).await.unwrap(), changed);
        let left = core.search_issues(me, WS, wanted(9, None)).await.unwrap();
        assert_eq!(names(&left), ["c", "b"]);
        let other = Some("made-up".to_owned());
        let wrong = core.search_issues(me, WS, wanted(2, other)).await;
        assert_eq!(wrong.unwrap_err().code, ErrorCode::InvalidArgument);
        let mut nowhere = wanted(2, None);
        nowhere.experiment = Some(ExperimentId(99));
        let found = core.search_issues(me, WS, nowhere).await.unwrap();
        assert!(found.items.is_empty());
    });
}

#[test]
fn what_it_refers_to_must_be_there() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let mut issue = new("a");
        issue.experiment_id = ExperimentId(99);
        let refused = core.create_issue(me, WS, issue).await.unwrap_err();
        assert_eq!(
            (refused.code, &*refused.message),
            (ErrorCode::NotFound, "No Experiment with id=99 exists")
        );
        let mut issue = new("a");
        issue.source_run_id = Some("none".to_owned());
        let refused = core.create_issue(me, WS, issue).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotFound);
        let gone = core.get_issue(me, WS, "none").await.unwrap_err();
        assert_eq!(gone.message, "Issue with ID 'none' not found");
        let gone = core.update_issue(me, WS, "none", IssueUpdate::default());
        assert_eq!(gone.await.unwrap_err().code, ErrorCode::NotFound);
        let all = core.search_issues(me, WS, wanted(9, None)).await.unwrap();
        assert!(all.items.is_empty());
    });
}

#[test]
fn a_reader_changes_nothing() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let made = t.core.create_issue(&t.admin, WS, new("a")).await.unwrap();
        let (reader, _) = t.user("reader", Some((WS, "Reader"))).await;
        let id = &made.issue_id;
        assert_eq!(t.core.get_issue(&reader, WS, id).await.unwrap(), made);
        let refused = t.core.create_issue(&reader, WS, new("b")).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::PermissionDenied);
        let update = IssueUpdate::default();
        let refused = t.core.update_issue(&reader, WS, id, update).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::PermissionDenied);
        let (stranger, _) = t.user("stranger", None).await;
        let hidden = t.core.get_issue(&stranger, WS, id).await;
        assert_eq!(hidden.unwrap_err().code, ErrorCode::NotFound);
    });
}

#[test]
fn a_job_speaks_for_its_own_runs() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me) = (&t.core, &t.admin);
        let make = || core.create_run(me, WS, CreateRun::default());
        let own = make().await.unwrap().info.run_id;
        let other = make().await.unwrap().info.run_id;
        let access = core.access(me, WS, Action::TracesWrite).await.unwrap();
        let mut job = me.clone();
        job.job = Some(Arc::new(JobIdentity {
            workspace_id: access.workspace_id().to_owned(),
            job: own.clone(),
        }));
        for (run, may_make, may_change) in [
            (Some(own), true, true),
            (Some(other), false, false),
            (None, true, false),
        ] {
            let mut issue = new("a");
            issue.source_run_id = run;
            let made = core.create_issue(&job, WS, issue.clone()).await;
            assert_eq!(made.is_ok(), may_make, "{made:?}");
            let found = core.create_issue(me, WS, issue).await.unwrap().issue_id;
            let update = IssueUpdate::default();
            let changed = core.update_issue(&job, WS, &found, update).await;
            assert_eq!(changed.is_ok(), may_change, "{changed:?}");
        }
    });
}
