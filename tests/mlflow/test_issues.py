"""Issues with the unmodified MLflow client: made, changed, searched, and tied to the traces in which they show."""

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource
from mlflow.entities.issue import IssueSeverity, IssueStatus
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracing.client import TracingClient


@pytest.fixture
def client(shared_server, monkeypatch):
    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    mlflow.set_tracking_uri(shared_server.url)
    return MlflowClient()


@pytest.fixture
def experiment(client, request):
    return mlflow.set_experiment(request.node.name).experiment_id


@pytest.fixture
def store(client) -> RestStore:
    return TracingClient().store


@pytest.fixture
def send(shared_server):
    """A raw request; answers the status and the body."""

    def send(method, path="", **body):
        url = f"{shared_server.plain}/api/3.0/mlflow/issues{path}"
        answer = requests.request(method, url, json=body or None, headers=shared_server.headers, timeout=30)
        return answer.status_code, answer.json()

    return send


def test_an_issue_is_made_read_and_changed(experiment, store):
    with mlflow.start_run() as run:
        pass
    made = store.create_issue(
        experiment_id=experiment,
        name="answers in the wrong language",
        description="French questions get English answers",
        severity=IssueSeverity.MEDIUM,
        root_causes=["the prompt is English", "no language is named"],
        source_run_id=run.info.run_id,
        categories=["language"],
        created_by="ann",
    )
    assert made.issue_id.startswith("iss-") and made.status == IssueStatus.PENDING
    assert store.get_issue(made.issue_id) == made
    changed = store.update_issue(made.issue_id, status=IssueStatus.RESOLVED, severity=IssueSeverity.HIGH)
    assert (changed.status, changed.severity, changed.name) == (IssueStatus.RESOLVED, IssueSeverity.HIGH, made.name)
    assert changed.root_causes == made.root_causes and changed.last_updated_timestamp >= made.created_timestamp
    plain = store.create_issue(experiment_id=experiment, name="slow", description="a minute and more")
    assert (plain.severity, plain.root_causes, plain.source_run_id, plain.created_by) == (None, None, None, None)


def test_searches_filter_order_and_page(experiment, store):
    severities = [None, IssueSeverity.LOW, IssueSeverity.HIGH, IssueSeverity.NOT_AN_ISSUE, IssueSeverity.HIGH]
    for number, severity in enumerate(severities):
        status = IssueStatus.REJECTED if number == 3 else IssueStatus.PENDING
        store.create_issue(experiment, f"issue {number}", "d", severity=severity, status=status)
    names = lambda found: [issue.name[-1] for issue in found]
    assert names(store.search_issues(experiment)) == ["4", "2", "1", "3", "0"]
    assert names(store.search_issues(experiment, "status != 'pending'")) == ["3"]
    assert names(store.search_issues(experiment, "status = 'pending' AND source_run_id = 'none'")) == []
    for counted in (False, True):
        token, pages = None, []
        while True:
            page = store.search_issues(experiment, max_results=2, page_token=token, include_trace_count=counted)
            pages.append(names(page))
            token = page.token
            if not token:
                break
        assert pages == [["4", "2"], ["1", "3"], ["0"]]
    first = store.search_issues(experiment, max_results=2)
    with pytest.raises(MlflowException, match="belongs to another query"):
        store.search_issues(experiment, "status = 'pending'", max_results=2, page_token=first.token)


def test_traces_in_which_an_issue_shows_are_counted_and_found(experiment, store):
    seen, unseen = (store.create_issue(experiment, name, "d") for name in ("seen", "unseen"))
    traces = []
    for _ in range(2):
        with mlflow.start_span("question") as span:
            pass
        traces.append(span.trace_id)
    source = AssessmentSource(source_type="HUMAN", source_id="ann")
    for trace in traces:
        logged = mlflow.log_issue(trace_id=trace, issue_id=seen.issue_id, source=source)
        assert logged.issue_name == "seen"
    found = store.search_issues(experiment, include_trace_count=True)
    assert [(issue.name, issue.trace_count) for issue in found] == [("seen", 2), ("unseen", 0)]
    assert store.search_issues(experiment)[0].trace_count is None
    with_it = mlflow.search_traces(filter_string=f"issue.id = '{seen.issue_id}'", return_type="list")
    assert {trace.info.trace_id for trace in with_it} == set(traces)
    with pytest.raises(MlflowException, match="Issue with ID 'iss-none' not found"):
        mlflow.log_issue(trace_id=traces[0], issue_id="iss-none", source=source)
    assert mlflow.search_traces(filter_string=f"issue.id = '{unseen.issue_id}'", return_type="list") == []


def test_what_is_wrong_is_told_and_nothing_is_kept(experiment, store, send):
    good = {"experiment_id": experiment, "name": "n", "description": "d"}
    for change, words in [
        ({"name": ""}, "Missing value for required parameter 'name'"),
        ({"name": "n" * 251}, "'name' exceeds the maximum length of 250"),
        ({"description": "d" * 10_001}, "'description' exceeds"),
        ({"status": "open"}, "must be one of: pending, rejected, resolved"),
        ({"severity": "grave"}, "must be one of: not_an_issue, low, medium, high"),
        ({"severity": 3}, "type 'int'"),
        ({"root_causes": "one"}, "type 'str'"),
        ({"root_causes": ["c"] * 51}, "the limit is 50"),
        ({"categories": [1]}, "categories"),
        ({"created_by": "b" * 256}, "'created_by' exceeds"),
    ]:
        status, answer = send("POST", **(good | change))
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), (change, answer)
        assert words in answer["message"], answer
    for change in ({"experiment_id": "987654"}, {"source_run_id": "none"}):
        status, answer = send("POST", **(good | change))
        assert (status, answer["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), answer
    assert store.search_issues(experiment) == []
    for search, words in [
        ({"filter_string": "severity = 'high'"}, "Invalid filter field 'severity'"),
        ({"filter_string": "status LIKE 'p%'"}, "Invalid clause(s)"),
        ({"filter_string": "status = '" + "x" * 10_000 + "'"}, "'filter_string' exceeds"),
        ({"max_results": 0}, "Invalid value 0 for parameter 'max_results'"),
        ({"max_results": -1}, "Invalid value -1 for parameter 'max_results'"),
        ({"page_token": "nonsense"}, "page token"),
        ({"include_trace_count": "maybe"}, "must be true or false"),
    ]:
        status, answer = send("POST", "/search", **search)
        assert status == 400 and words in answer["message"], answer
    assert send("GET", "/iss-none")[0] == send("PATCH", "/iss-none", name="x")[0] == 404
    status, answer = send("POST", "/invoke", experiment_id=experiment)
    assert status == 501 and "in a job of your own" in answer["message"]


def test_issues_stay_in_their_workspace_and_are_audited(experiment, store, shared_server, send):
    made = store.create_issue(experiment, "n", "d")
    shared_server.cli("workspace", "create", "--name", "issues-elsewhere")
    url = f"{shared_server.plain}/api/3.0/mlflow/issues/{made.issue_id}"
    elsewhere = shared_server.headers | {"X-MLFLOW-WORKSPACE": "issues-elsewhere"}
    assert requests.get(url, headers=elsewhere, timeout=30).status_code == 404
    assert requests.patch(url, json={"name": "x"}, headers=elsewhere, timeout=30).status_code == 404
    assert requests.get(url, timeout=30).status_code == 401
    assert send("PATCH", f"/{made.issue_id}", name="new")[1]["issue"]["name"] == "new"
    records = shared_server.cli("audit", "list", "--action", "traces/write", parse=True)
    assert [record["target"] for record in records].count(f"issues/{made.issue_id}") == 2
