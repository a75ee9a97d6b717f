"""GraphQL as the pages of MLflow's own UI send it: what is answered equals what the REST endpoints answer."""

import math

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag

RUN = """fragment Whole on MlflowRunExtension {
    __typename
    info { runId runUuid runName experimentId userId status startTime endTime artifactUri lifecycleStage }
    data { metrics { key value timestamp step } params { key value } tags { key value } }
    inputs { datasetInputs { tags { key value } dataset { name digest sourceType source schema profile } } modelInputs { modelId } }
    outputs { modelOutputs { modelId step } }
}"""


class Server:
    def __init__(self, server):
        self.base, self.headers = server.plain, server.headers

    def graphql(self, query, name=None, **variables):
        body = {"query": query, "variables": variables, "operationName": name}
        answer = requests.post(f"{self.base}/graphql", json=body, headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def data(self, query, **variables):
        answer = self.graphql(query, **variables)
        assert answer["errors"] is None
        return answer["data"]

    def errors(self, query, **variables):
        return self.graphql(query, **variables)["errors"]

    def rest(self, path, body=None, **query):
        method = "GET" if body is None else "POST"
        url = f"{self.base}/api/2.0/mlflow/{path}"
        answer = requests.request(method, url, json=body, params=query, headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def server(shared_server):
    return Server(shared_server)


@pytest.fixture
def client(shared_server, monkeypatch):
    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(shared_server.url)
    return MlflowClient()


@pytest.fixture
def run(client, request):
    """A finished run with something of everything, a deleted one beside it."""
    experiment = client.create_experiment(request.node.name, tags={"team": "ä"})
    made = client.create_run(experiment, run_name="whole", tags={"t": "1"}).info.run_id
    client.delete_run(client.create_run(experiment).info.run_id)
    for step in range(5):
        client.log_metric(made, "loss", 1 / (step + 1), timestamp=1_000 + step, step=step)
    client.log_metric(made, "nan", math.nan, timestamp=1, step=2**40)
    client.log_param(made, "p", 'quoted "é"')
    dataset = Dataset(name="d", digest="x", source_type="local", source="{}", schema="s")
    client.log_inputs(made, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    client.log_text(made, "hello", "texts/a.txt")
    client.log_text(made, "top", "b.txt")
    client.set_terminated(made)
    return client.get_run(made)


def snake(value):
    """An answer of GraphQL in the names of REST, without what only tells that there is nothing."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): snake(item) for key, item in value.items()}
    return {key: item for key, item in named.items() if item not in ("", [], {}, None) and key != "__typename"}


def texts(value):
    """An answer of REST with 64-bit numbers as text, and no special numbers."""
    if isinstance(value, list):
        return [texts(item) for item in value]
    if isinstance(value, dict):
        kept = {key: texts(item) for key, item in value.items() if item not in ("NaN", "", [], {})}
        return {key: item for key, item in kept.items() if item not in ([], {})}
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_a_run_is_what_rest_answers(server, run):
    query = f"query q($id: String) {{ mlflowGetRun(input: {{ runId: $id }}) {{ apiError {{ code }} run {{ ...Whole }} }} }} {RUN}"
    found = server.data(query, id=run.info.run_id)["mlflowGetRun"]
    assert found["apiError"] is None
    assert found["run"]["__typename"] == "MlflowRunExtension"
    assert found["run"]["outputs"] == {"modelOutputs": []}
    metrics = {metric["key"]: metric for metric in found["run"]["data"]["metrics"]}
    assert metrics["nan"] == {"key": "nan", "value": None, "timestamp": "1", "step": str(2**40)}
    expected = server.rest("runs/get", run_id=run.info.run_id)["run"]
    assert snake(found["run"]) == texts(expected)


def test_runs_come_with_their_experiments_and_model_versions(server, client, run):
    name = f"graphql-{run.info.run_id}"
    client.create_registered_model(name)
    version = client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id, tags={"k": "v"})
    other = client.create_run(run.info.experiment_id).info.run_id
    query = f"""query q($input: MlflowSearchRunsInput!) {{
        mlflowSearchRuns(input: $input) {{
            nextPageToken
            runs {{ ...Whole home: experiment {{ experimentId name creationTime tags {{ key value }} }}
                   modelVersions {{ name version status runId tags {{ key value }} aliases creationTimestamp }} }}
        }}
    }} {RUN}"""
    ids = [run.info.experiment_id]
    found = server.data(query, input={"experimentIds": ids, "runViewType": "ACTIVE_ONLY"})["mlflowSearchRuns"]
    assert [one["info"]["runId"] for one in found["runs"]] == [other, run.info.run_id]
    expected = server.rest("runs/search", {"experiment_ids": ids})["runs"]
    experiment = texts(server.rest("experiments/get", experiment_id=ids[0])["experiment"])
    for one, other in zip(found["runs"], expected, strict=True):
        home, versions = one.pop("home"), one.pop("modelVersions")
        if "end_time" not in other["info"]:
            assert one["info"].pop("endTime") == "0"
        assert snake(one) == texts(other)
        assert snake(home) == {key: experiment[key] for key in ["experiment_id", "name", "creation_time", "tags"]}
        assert [v["version"] for v in versions] == ([str(version.version)] if one["info"]["runName"] == "whole" else [])
    assert ["endTime" in one["info"] for one in found["runs"]] == [False, True]


def test_searches_page_filter_and_order_as_rest(server, client, run):
    query = "mutation m($input: MlflowSearchRunsInput) { mlflowSearchRuns(input: $input) { nextPageToken runs { info { runId } } } }"
    ids = [run.info.experiment_id]
    everything = {"experimentIds": ids, "runViewType": "ALL", "maxResults": 1, "orderBy": ["attributes.start_time ASC"]}
    first = server.data(query, input=everything)["mlflowSearchRuns"]
    second = server.data(query, input={**everything, "pageToken": first["nextPageToken"]})["mlflowSearchRuns"]
    assert first["nextPageToken"] and not second["nextPageToken"]
    assert first["runs"][0]["info"]["runId"] == run.info.run_id != second["runs"][0]["info"]["runId"]
    filtered = {"experimentIds": ids, "filter": "metrics.loss < 0.5"}
    assert len(server.data(query, input=filtered)["mlflowSearchRuns"]["runs"]) == 1
    answer = server.graphql(query, input={"experimentIds": ids, "filter": "evil ="})
    assert answer["data"] == {"mlflowSearchRuns": None}
    assert "Invalid clause(s) in filter string" in answer["errors"][0]


def test_experiments_artifacts_metrics_data_sets_and_versions_are_what_rest_answers(server, client, run):
    experiment, run_id = run.info.experiment_id, run.info.run_id
    client.create_registered_model(f"m-{run_id}")
    client.create_model_version(f"m-{run_id}", f"runs:/{run_id}/model", run_id)
    found = server.data(
        """query q($experiment: String, $run: String!, $path: String = "texts") {
            mlflowGetExperiment(input: { experimentId: $experiment }) {
                experiment { experimentId name artifactLocation lifecycleStage lastUpdateTime creationTime tags { key value } }
            }
            top: mlflowListArtifacts(input: { runId: $run }) { rootUri files { path isDir fileSize } }
            below: mlflowListArtifacts(input: { runUuid: $run, path: $path }) { files { path isDir fileSize } }
            mlflowGetMetricHistoryBulkInterval(input: { runIds: [$run], metricKey: "loss", startStep: 1, endStep: 3 }) {
                metrics { key value timestamp step runId }
            }
            mlflowSearchModelVersions(input: { filter: "name LIKE 'm-%'", maxResults: 100 }) {
                modelVersions { name version creationTimestamp lastUpdatedTimestamp userId currentStage source runId status }
                nextPageToken
            }
        }""",
        experiment=experiment,
        run=run_id,
    )
    rest = server.rest("experiments/get", experiment_id=experiment)["experiment"]
    assert snake(found["mlflowGetExperiment"]["experiment"]) == texts(rest)
    top = server.rest("artifacts/list", run_id=run_id)
    assert found["top"]["rootUri"] == top["root_uri"]
    assert found["top"]["files"] == [
        {"path": "b.txt", "isDir": False, "fileSize": "3"},
        {"path": "texts", "isDir": True, "fileSize": "0"},
    ]
    assert found["below"]["files"] == [{"path": "texts/a.txt", "isDir": False, "fileSize": "5"}]
    query = {"run_ids": run_id, "metric_key": "loss", "start_step": 1, "end_step": 3}
    metrics = server.rest("metrics/get-history-bulk-interval", **query)["metrics"]
    assert snake(found["mlflowGetMetricHistoryBulkInterval"]["metrics"]) == texts(metrics)
    assert len(metrics) == 3
    versions = server.rest("model-versions/search", filter="name LIKE 'm-%'", max_results=100)["model_versions"]
    assert snake(found["mlflowSearchModelVersions"]["modelVersions"]) == texts(versions)
    summaries = server.data(
        "mutation m($ids: [String]) { mlflowSearchDatasets(input: { experimentIds: $ids }) {"
        " datasetSummaries { experimentId name digest context } } }",
        ids=[experiment],
    )["mlflowSearchDatasets"]["datasetSummaries"]
    assert snake(summaries) == server.rest("experiments/search-datasets", {"experiment_ids": [experiment]})["dataset_summaries"]


def test_a_field_that_fails_is_null_and_the_others_are_answered(server, run):
    answer = server.graphql(
        '{ a: mlflowGetRun(input: { runId: "nope" }) { run { info { runId } } } b: test(inputString: "x") { output }'
        ' c: mlflowGetExperiment(input: {}) { experiment { name } } d: mlflowListArtifacts(input: { runId: "%s", path: "../x" })'
        " { files { path } } __typename }" % run.info.run_id
    )
    assert answer["data"] == {"a": None, "b": {"output": "x"}, "c": None, "d": None, "__typename": "Query"}
    assert "Run with id=nope not found" in answer["errors"][0]
    assert "Missing value for required parameter 'experiment_id'" in answer["errors"][1]
    assert len(answer["errors"]) == 3


def test_mistakes_are_told(server, shared_server):
    assert server.errors("{ nope }") == ["Cannot query field 'nope' on type 'Query'."]
    assert "root fields" in server.errors("{ %s }" % " ".join(f"a{i}: test {{ output }}" for i in range(11)))[0]
    assert server.data('mutation m { testMutation(inputString: "é😀") { output __typename } }') == {
        "testMutation": {"output": "é😀", "__typename": "TestMutation"}
    }
    assert server.graphql("query a { __typename } query b { __typename }", "b")["data"] == {"__typename": "Query"}
    assert server.errors("query a { __typename } query b { __typename }") == [
        "Must provide operation name if query contains multiple operations."
    ]

    def refused(**request):
        answer = requests.post(f"{server.base}/graphql", headers=server.headers, timeout=30, **request)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error_code"] in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")
        return answer.json()["message"]

    assert refused(json={"query": "{ a("}) == "Syntax Error: Expected Name, found <EOF>."
    assert "query" in refused(json={})
    assert "longer than" in refused(json={"query": "{ a }" + " " * 100_000})
    assert "must be an object" in refused(json={"query": "{ a }", "variables": [1]})
    assert refused(json=[{"query": "{ a }"}])
    query = {"query": "query q($s: String) { test(inputString: $s) { output } }", "variables": '{"s": "v"}'}
    answer = requests.get(f"{server.base}/graphql", params=query, headers=server.headers, timeout=30)
    assert answer.json() == {"data": {"test": {"output": "v"}}, "errors": None}
    assert requests.post(f"{server.base}/graphql", json={"query": "{ __typename }"}, timeout=30).status_code == 401


def test_each_field_needs_its_own_permission(server, shared_server, run):
    """Who reads runs and nothing else gets the runs; what belongs to others is null, with the reason."""
    shared_server.cli("user", "create", "--name", "only-runs")
    action = "Microsoft.MachineLearningServices/workspaces/experiments/runs/read"
    shared_server.cli("role", "create", "--name", "Runs only", "--action", action)
    shared_server.cli("role", "assignment", "create", "--assignee", "only-runs", "--role", "Runs only")
    token = shared_server.cli("token", "create", "--for", "only-runs", "--name", "t", parse=True)["token"]
    server.headers = {"Authorization": f"Bearer {token}"}
    ids = '{ experimentIds: ["%s"] }' % run.info.experiment_id
    answer = server.graphql(
        "{ mlflowSearchRuns(input: %s) { runs { info { runId } experiment { name } modelVersions { name } } }"
        ' mlflowGetExperiment(input: { experimentId: "%s" }) { experiment { name } }'
        " mlflowSearchModelVersions(input: {}) { modelVersions { name } } }" % (ids, run.info.experiment_id)
    )
    assert answer["data"] == {
        "mlflowSearchRuns": {"runs": [{"info": {"runId": run.info.run_id}, "experiment": None, "modelVersions": None}]},
        "mlflowGetExperiment": None,
        "mlflowSearchModelVersions": None,
    }
    assert len(answer["errors"]) == 4 and all("may not do" in error for error in answer["errors"])
    server.headers = {"Authorization": f"Bearer {token}x"}
    refused = requests.post(f"{server.base}/graphql", json={"query": "{ __typename }"}, headers=server.headers, timeout=30)
    assert refused.status_code == 401
