//! Issues: made, read, changed and searched. Part of the MLflow dialect.

use lazuli_spec::experiments::{ExperimentId, View};
use lazuli_spec::filters::issues::parse_issues_filter;
use lazuli_spec::issues::{self as rules, FoundIssue, Issue, IssueUpdate, NewIssue};
use lazuli_spec::{Action, ErrorCode, Page, limits};
use lazuli_store::issues as rows;
use lazuli_store::{Tx, experiments};

use crate::experiments::find as find_experiment;
use crate::tracking_pages::{read_place, write_place};
use crate::writer::Writer;
use crate::{Caller, Core, Error, Result};

/// What a search for issues asks for.
#[derive(Clone, Debug)]
pub struct IssueSearch {
    /// Only those of this experiment.
    pub experiment: Option<ExperimentId>,
    /// The filter's text; empty for all.
    pub filter: String,
    /// Whether to count the traces in which each shows.
    pub count_traces: bool,
    /// How many at most.
    pub limit: u32,
    /// Where the page before ended.
    pub page_token: Option<String>,
}

impl Core {
    /// Makes an issue in an experiment in use.
    pub async fn create_issue(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewIssue,
    ) -> Result<Issue> {
        new.check()?;
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let writer = Writer::of(&access);
        let issue_id = format!("iss-{}", self.ids().uuid_hex());
        access
            .write(target(&issue_id), move |tx, change| {
                let id = writer.workspace_id.as_str();
                let experiment = find_experiment(tx, id, new.experiment_id, View::Active)?;
                if let Some(run_id) = &new.source_run_id {
                    writer.unlocked(tx, run_id)?;
                }
                if rows::count(tx, experiment.experiment_no)? >= rules::PER_EXPERIMENT {
                    return Err(full());
                }
                let issue = Issue {
                    issue_id,
                    created_at: change.now(),
                    updated_at: change.now(),
                    text: new,
                };
                rows::insert(tx, id, experiment.experiment_no, &issue)?;
                Ok(issue)
            })
            .await
    }

    /// One issue.
    pub async fn get_issue(
        &self,
        caller: &Caller,
        workspace: &str,
        issue_id: &str,
    ) -> Result<Issue> {
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let (id, issue_id) = (access.workspace_id().to_owned(), issue_id.to_owned());
        access
            .read(move |tx| existing(tx, &id, &issue_id, false))
            .await
    }

    /// Changes an issue. A job may change those that its own runs found.
    pub async fn update_issue(
        &self,
        caller: &Caller,
        workspace: &str,
        issue_id: &str,
        update: IssueUpdate,
    ) -> Result<Issue> {
        update.check()?;
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let (writer, issue_id) = (Writer::of(&access), issue_id.to_owned());
        access
            .write(target(&issue_id), move |tx, change| {
                let mut issue = existing(tx, &writer.workspace_id, &issue_id, true)?;
                writer.issue(tx, &issue)?;
                update.apply(&mut issue, change.now());
                rows::update(tx, &writer.workspace_id, &issue)?;
                Ok(issue)
            })
            .await
    }

    /// Issues that fulfil a filter: the worst first, then those that show in most traces if these are counted, then the newest.
    pub async fn search_issues(
        &self,
        caller: &Caller,
        workspace: &str,
        search: IssueSearch,
    ) -> Result<Page<FoundIssue>> {
        let limit = limits::page_size(search.limit.into())?.min(rules::PAGE);
        limits::length("filter_string", rules::FILTER, &search.filter)?;
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let experiment = search.experiment;
        let query = [
            "issues".to_owned(),
            experiment.map_or_else(String::new, |id| id.to_string()),
            search.filter.clone(),
            search.count_traces.to_string(),
        ];
        let token = search.page_token.as_deref();
        let mut wanted = rows::Search {
            experiment_no: None,
            filter: parse_issues_filter(&search.filter)?,
            count_traces: search.count_traces,
            after: token.map(|token| read_place(&query, token)).transpose()?,
            limit: limit + 1,
        };
        let id = access.workspace_id().to_owned();
        let found = access
            .read(move |tx| {
                if let Some(experiment) = experiment {
                    let numbers = experiments::numbers(tx, &id, &[experiment])?;
                    let Some(number) = numbers.first() else {
                        return Ok(Vec::new());
                    };
                    wanted.experiment_no = Some(*number);
                }
                Ok(rows::search(tx, &id, &wanted)?)
            })
            .await?;
        let page = Page::from_rows(found, limit, |(_, place)| write_place(&query, place));
        Ok(page.map(|(found, _)| found))
    }
}

fn existing(tx: &mut Tx<'_>, workspace_id: &str, issue_id: &str, lock: bool) -> Result<Issue> {
    let found = rows::find(tx, workspace_id, issue_id, lock)?;
    found.ok_or_else(|| {
        let message = format!("Issue with ID '{issue_id}' not found");
        Error::new(ErrorCode::NotFound, message)
    })
}

/// How the audit names an issue.
fn target(issue_id: &str) -> String {
    format!("issues/{issue_id}")
}

fn full() -> Error {
    let message = format!("an experiment has at most {} issues", rules::PER_EXPERIMENT);
    Error::new(ErrorCode::InvalidArgument, message).hint("make the next ones in another experiment")
}

#[cfg(test)]
#[path = "issues_tests.rs"]
mod tests;
