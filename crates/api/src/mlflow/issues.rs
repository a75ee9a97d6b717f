//! `/mlflow/issues…`: problems found in the traces of an experiment.

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use lazuli_core::issues::IssueSearch;
use lazuli_spec::Action;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::issues::{Issue, IssueStatus, IssueUpdate, NewIssue, Severity};
use serde_json::{Value, json};

use super::errors::{MlflowResult, Path};
use super::json::Message;
use super::registered_models::{flag, given, max_results, paged};
use super::{Call, MlflowCaller, Paths};
use crate::AppState;
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::TracesRead);
const WRITE: Permission = Permission::Workspace(Action::TracesWrite);
/// The size of a page when nothing is said.
const USUAL_PAGE: u32 = 100;

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "3.0/mlflow/issues");
    paths.add(Method::POST, "", WRITE, create);
    paths.add(Method::POST, "/search", READ, search);
    paths.add(Method::GET, "/{issue_id}", READ, get);
    paths.add(Method::PATCH, "/{issue_id}", WRITE, update);
}

async fn create(call: Call) -> Answer {
    let fields = &call.fields;
    let new = NewIssue {
        name: fields.required("name")?.to_owned(),
        description: fields.required("description")?.to_owned(),
        experiment_id: ExperimentId::parse(fields.required("experiment_id")?)?,
        status: status(fields)?.unwrap_or_default(),
        severity: severity(fields)?,
        root_causes: fields.texts("root_causes")?,
        source_run_id: given(fields, "source_run_id")?,
        categories: fields.texts("categories")?,
        created_by: given(fields, "created_by")?,
    };
    let issue = call
        .core
        .create_issue(&call.caller, &call.workspace, new)
        .await?;
    Ok(one(issue))
}

async fn get(
    State(app): State<AppState>,
    Path(issue_id): Path<String>,
    who: MlflowCaller,
) -> Answer {
    let issue = app
        .core
        .get_issue(&who.caller, &who.workspace, &issue_id)
        .await?;
    Ok(one(issue))
}

async fn update(Path(issue_id): Path<String>, call: Call) -> Answer {
    let fields = &call.fields;
    let update = IssueUpdate {
        name: given(fields, "name")?,
        description: given(fields, "description")?,
        status: status(fields)?,
        severity: severity(fields)?,
    };
    let issue = call
        .core
        .update_issue(&call.caller, &call.workspace, &issue_id, update)
        .await?;
    Ok(one(issue))
}

async fn search(call: Call) -> Answer {
    let fields = &call.fields;
    let experiment = given(fields, "experiment_id")?;
    let wanted = IssueSearch {
        experiment: experiment.map(|id| ExperimentId::parse(&id)).transpose()?,
        filter: given(fields, "filter_string")?.unwrap_or_default(),
        count_traces: flag(fields, "include_trace_count")?,
        limit: max_results(fields, USUAL_PAGE)?,
        page_token: given(fields, "page_token")?,
    };
    let page = call
        .core
        .search_issues(&call.caller, &call.workspace, wanted)
        .await?;
    let found = page.items.into_iter();
    let issues = found.map(|one| shown(one.issue, one.traces)).collect();
    // here the last page has a token too: an empty one
    let token = page.next_page_token.unwrap_or_default();
    Ok(Json(paged("issues", issues, Some(token))))
}

fn status(fields: &Message) -> MlflowResult<Option<IssueStatus>> {
    let word = fields.text("status")?;
    Ok(word.map(IssueStatus::parse).transpose()?)
}

fn severity(fields: &Message) -> MlflowResult<Option<Severity>> {
    let word = fields.text("severity")?;
    Ok(word.map(Severity::parse).transpose()?)
}

fn one(issue: Issue) -> Json<Value> {
    Json(json!({ "issue": shown(issue, None) }))
}

/// An issue as clients read it; what nobody said is left out, as protobuf does.
fn shown(issue: Issue, traces: Option<i64>) -> Value {
    let text = issue.text;
    let mut answer = json!({
        "issue_id": issue.issue_id,
        "experiment_id": text.experiment_id,
        "name": text.name,
        "description": text.description,
        "status": text.status.as_str(),
        "created_timestamp": issue.created_at.as_millis(),
        "last_updated_timestamp": issue.updated_at.as_millis(),
    });
    let list = |texts: Vec<String>| (!texts.is_empty()).then(|| texts.into());
    let optional: [(&str, Option<Value>); 6] = [
        ("severity", text.severity.map(|one| one.as_str().into())),
        ("root_causes", list(text.root_causes)),
        ("source_run_id", text.source_run_id.map(Value::from)),
        ("categories", list(text.categories)),
        ("created_by", text.created_by.map(Value::from)),
        ("trace_count", traces.map(Value::from)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            answer[name] = value;
        }
    }
    answer
}
