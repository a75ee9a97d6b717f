"""Searches, orders and limits as MLflow's server has them, where its own tests do not look."""

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType
from mlflow.exceptions import RestException


@pytest.fixture
def client(shared_server, monkeypatch):
    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(shared_server.url)
    return MlflowClient()


@pytest.fixture
def post(shared_server):
    def send(path, **body):
        return requests.post(f"{shared_server.plain}/{path}", json=body, headers=shared_server.headers, timeout=30)

    return send


def refusal(call, *arguments, **named):
    with pytest.raises(RestException) as raised:
        call(*arguments, **named)
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
    return raised.value.message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("run_id IN (", "Invalid clause(s) in filter string"),
        ("run_id IN (,)", "ill-formed list"),
        ("run_id IN ()", "got empty list"),
        ("status IN ('FINISHED')", "Only ['run_id'] attributes support comparison with a list"),
        ("evil = true", "Invalid clause(s) in filter string"),
        ("metrics.a > 1 OR metrics.b > 1", "Invalid clause(s) in filter string"),
        ("metrics.a IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
    ],
)
def test_filters_that_are_refused(client, text, part):
    assert part in refusal(client.search_runs, ["0"], text)


def test_tags_order_runs_and_nothing_else(client):
    assert "Invalid order_by entity: tag" in refusal(client.search_experiments, order_by=["tags.t"])
    assert "Invalid order_by entity: tag" in refusal(client.search_registered_models, order_by=["tags.t"])
    client.search_runs(["0"], order_by=["tags.t", "params.p DESC"])


def test_nan_and_missing_values_come_last_in_both_directions(client):
    experiment = client.create_experiment("order with NaN")
    made = {}
    for name, value in [("low", 1.0), ("nan", float("nan")), ("high", 2.0), ("none", None), ("inf", float("inf"))]:
        run = client.create_run(experiment, run_name=name)
        made[run.info.run_id] = name
        if value is not None:
            client.log_metric(run.info.run_id, "m", value)

    def order(clause):
        return [made[run.info.run_id] for run in client.search_runs([experiment], order_by=[clause])]

    assert order("metrics.m ASC") == ["low", "high", "inf", "nan", "none"]
    assert order("metrics.m DESC") == ["inf", "high", "low", "nan", "none"]


def test_pages_stay_right_while_runs_are_added_and_deleted(client):
    experiment = client.create_experiment("moving pages")
    runs = [client.create_run(experiment, start_time=1_000 + number).info.run_id for number in range(6)]
    first = client.search_runs([experiment], max_results=2)
    client.create_run(experiment, start_time=9_000)
    client.delete_run(runs[4])  # on the page already shown
    rest = client.search_runs([experiment], max_results=10, page_token=first.token)
    assert [run.info.run_id for run in [*first, *rest]] == list(reversed(runs))


def test_a_run_may_be_made_with_tags_that_could_not_be_set_later(client):
    run = client.create_run("0", tags={"a*b#c": "kept"})
    assert client.get_run(run.info.run_id).data.tags["a*b#c"] == "kept"
    assert "Names may only contain" in refusal(client.set_tag, run.info.run_id, "a*b", "x")


def test_data_sets_are_found_under_both_addresses(client, post):
    experiment = client.create_experiment("data sets")
    run_id = client.create_run(experiment).info.run_id
    dataset = {"name": "iris", "digest": "d1", "source_type": "local", "source": "{}", "profile": "x" * 16_777_215}
    tags = [{"key": "mlflow.data.context", "value": "train"}]
    logged = post("api/2.0/mlflow/runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": tags}])
    assert logged.status_code == 200, logged.text
    dataset |= {"digest": "d2", "profile": "x" * 16_777_216}
    refused = post("api/2.0/mlflow/runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": []}])
    assert refused.status_code == 400 and "exceeds the maximum length" in refused.json()["message"]
    expected = [{"experiment_id": experiment, "name": "iris", "digest": "d1", "context": "train"}]
    for address in ("ajax-api/2.0/mlflow", "api/2.0mlflow", "ajax-api/2.0mlflow"):
        found = post(f"{address}/experiments/search-datasets", experiment_ids=[experiment])
        assert found.json() == {"dataset_summaries": expected}


def test_whole_numbers_may_be_text_and_repeated_requests_change_nothing(client, post):
    run_id = client.create_run("0").info.run_id
    for _ in range(2):
        sent = post("api/2.0/mlflow/runs/log-metric", run_id=run_id, key="m", value="-Infinity", timestamp="12", step="-5")
        assert sent.status_code == 200
    client.log_batch(run_id, metrics=[Metric("m", 1.0, 12, -7), Metric("m", 1.0, 12, -7)])
    history = client.get_metric_history(run_id, "m")
    assert [(point.timestamp, point.step) for point in history] == [(12, -7), (12, -5)]
    assert client.get_run(run_id).data.metrics["m"] == -1.7976931348623157e308  # JSON has no infinity: the largest number stands for it


def test_charts_of_several_runs_leave_out_what_is_not_there(client, shared_server):
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0, timestamp=1, step=1)
    url = f"{shared_server.plain}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    query = {"run_ids": ["gone", run_id], "metric_key": "m"}
    answer = requests.get(url, params=query, headers=shared_server.headers, timeout=30)
    assert [point["run_id"] for point in answer.json()["metrics"]] == [run_id]


def test_logged_models_ordered_by_a_metric_on_one_data_set(client, post):
    experiment = client.create_experiment("logged model order")
    run_id = client.create_run(experiment).info.run_id
    models = [client.create_logged_model(experiment, name=name).model_id for name in ("a", "b")]
    values = {"d1": (0.9, 0.1), "d2": (0.2, 0.8)}
    for number, model_id in enumerate(models):
        for digest, pair in values.items():
            point = {"key": "acc", "value": pair[number], "timestamp": 1 + len(digest), "step": 0, "model_id": model_id}
            point |= {"dataset_name": "data", "dataset_digest": digest, "timestamp": 1 if digest == "d1" else 2}
            assert post("api/2.0/mlflow/runs/log-batch", run_id=run_id, metrics=[point]).status_code == 200

    def order(**on):
        field = {"field_name": "metrics.acc", "ascending": True, **on}
        found = post("api/2.0/mlflow/logged-models/search", experiment_ids=[experiment], order_by=[field])
        return [model["info"]["name"] for model in found.json()["models"]]

    assert order(dataset_digest="d1") == ["b", "a"]
    assert order(dataset_name="data", dataset_digest="d2") == ["a", "b"]
    assert post("api/2.0/mlflow/logged-models/search", experiment_ids=[]).json() == {}


def test_a_page_token_of_another_search_is_refused_with_what_differs(client):
    experiment, other = client.create_experiment("tokens 1"), client.create_experiment("tokens 2")
    for name in ("a", "b"):
        client.create_logged_model(experiment, name=name)
    token = client.search_logged_models([experiment], max_results=1).token
    search = client.search_logged_models
    assert "Experiment IDs in the page token do not match" in refusal(search, [other], page_token=token)
    assert "Filter string in the page token does not match" in refusal(search, [experiment], "name = 'a'", page_token=token)
    by_name = [{"field_name": "name"}]
    assert "Order by in the page token does not match" in refusal(search, [experiment], order_by=by_name, page_token=token)
    assert "Invalid page token" in refusal(client.search_runs, [experiment], "", ViewType.ALL, 5, page_token=token)
