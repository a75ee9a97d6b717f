"""Traces with the real client: logging, searching, tagging, linking, charting and deleting them."""

import json
import uuid

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import TraceInfo, TraceLocation, TraceState
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds


@pytest.fixture
def client(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    return client


@pytest.fixture
def store(shared_server):
    return RestStore(lambda: MlflowHostCreds(shared_server.url, token=shared_server.token))


def ids(found):
    return [one.info.trace_id if hasattr(one, "info") else one.trace_id for one in found]


def search(client, experiment, text=None, **options):
    return client.search_traces(locations=[experiment], filter_string=text, **options)


def told(store, experiment, trace_id=None, time=1_000, **values):
    """A trace without spans."""
    trace_id = trace_id or f"tr-{uuid.uuid4().hex}"
    info = TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=time,
        **{"state": TraceState.OK, "execution_duration": 10, **values},
    )
    return store.start_trace(info)


def test_a_decorated_function_leaves_a_trace(client, experiment):
    @mlflow.trace(name="answer", attributes={"model": "tiny"})
    def answer(question):
        with mlflow.start_span("look up", span_type="RETRIEVER") as span:
            span.set_inputs({"q": question})
        return question.upper()

    answer("why?")
    [trace] = search(client, experiment)
    assert trace.info.state == TraceState.OK
    assert json.loads(trace.info.request_preview) == {"question": "why?"}
    assert trace.info.response_preview == '"WHY?"' or trace.info.response_preview == "WHY?"
    assert trace.info.tags["mlflow.traceName"] == "answer"
    assert trace.info.tags["mlflow.artifactLocation"] == f"mlflow-artifacts:/{experiment}/traces/{trace.info.trace_id}/artifacts"
    assert trace.info.execution_duration >= 0
    assert [span.name for span in trace.data.spans] == ["answer", "look up"]
    again = mlflow.get_trace(trace.info.trace_id)
    assert again.to_dict() == trace.to_dict()


def test_an_error_is_a_state(client, experiment):
    @mlflow.trace
    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    assert ids(search(client, experiment, "status = 'ERROR'")) == ids(search(client, experiment))
    assert search(client, experiment, "status = 'OK'") == []


def test_long_previews_are_cut(client, experiment):
    @mlflow.trace
    def echo(text):
        return text

    echo("x" * 5_000)
    [trace] = search(client, experiment)
    assert len(trace.info.request_preview) == 1_000
    assert len(trace.info.response_preview) == 1_000
    assert trace.data.spans[0].outputs == "x" * 5_000


def test_filters_and_orders(client, store, experiment):
    first = told(store, experiment, time=1_000, tags={"mlflow.traceName": "a", "env": "prod"}, execution_duration=5).trace_id
    second = told(store, experiment, time=2_000, tags={"mlflow.traceName": "b", "env": "dev"}, state=TraceState.ERROR).trace_id
    third = told(store, experiment, time=3_000, trace_metadata={"version": "v1.2"}, execution_duration=None).trace_id
    cases = {
        "name = 'a'": [first],
        "tag.env LIKE '%o%'": [first],
        "tag.env RLIKE '^(prod|dev)$'": [second, first],
        "timestamp_ms >= 2000": [third, second],
        "execution_time < 10": [first],
        "status IN ('ERROR')": [second],
        "metadata.version = 'v1.2'": [third],
        f"request_id = '{second}'": [second],
        "tag.env IS NULL": [third],
        "tag.env != 'prod' AND status = 'ERROR'": [second],
    }
    for text, expected in cases.items():
        assert ids(search(client, experiment, text, include_spans=False)) == expected, text
    orders = {"timestamp_ms ASC": [first, second, third], "name DESC": [second, first, third], "execution_time DESC": [second, first, third]}
    for order, expected in orders.items():
        assert ids(search(client, experiment, order_by=[order], include_spans=False)) == expected, order


def test_filters_look_at_spans(client, experiment):
    for model in ("gpt", "claude"):
        with mlflow.start_span("call", span_type="LLM", attributes={"model": model}) as span:
            span.set_inputs({"größe": f"ask {model}"})
    gpt = search(client, experiment, "span.attributes.model = 'gpt'")
    assert len(gpt) == 1
    assert ids(search(client, experiment, "span.attributes.model RLIKE '^g.t$'")) == ids(gpt)
    assert ids(search(client, experiment, "trace.text LIKE '%größe%ask gpt%'")) == ids(gpt)
    assert len(search(client, experiment, "span.type = 'LLM' AND span.name = 'call'")) == 2
    assert search(client, experiment, "span.type = 'LLM' AND span.name = 'other'") == []


def test_pages_follow_each_other(store, experiment):
    expected = [told(store, experiment, time=time // 2).trace_id for time in range(7)]
    found, token = [], None
    while True:
        page, token = store.search_traces(locations=[experiment], max_results=2, order_by=["timestamp ASC"], page_token=token)
        found += ids(page)
        if not token:
            break
    assert sorted(found) == sorted(expected)
    assert len(set(found)) == 7
    with pytest.raises(MlflowException, match="another query"):
        _, token = store.search_traces(locations=[experiment], max_results=2)
        store.search_traces(locations=[experiment], filter_string="name = 'x'", max_results=2, page_token=token)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name IN ('x')", "Invalid comparator 'IN'"),
        ("foo.bar = 'x'", "Invalid entity type 'foo'"),
        ("name = 'x' OR name = 'y'", "Invalid clause"),
        ("name RLIKE '('", "Invalid regular expression"),
        ("timestamp > 'x'", "Expected numeric"),
    ],
)
def test_wrong_filters_are_told(client, experiment, text, message):
    with pytest.raises(MlflowException, match=message) as caught:
        search(client, experiment, text)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_tags_change(client, store, experiment):
    trace_id = told(store, experiment, tags={"a": "1"}).trace_id
    client.set_trace_tag(trace_id, "b", "x" * 9_000)
    client.set_trace_tag(trace_id, "mlflow.traceName", "renamed")
    client.delete_trace_tag(trace_id, "a")
    tags = store.get_trace_info(trace_id).tags
    assert "a" not in tags and tags["mlflow.traceName"] == "renamed"
    assert tags["b"] == "x" * 4_096
    assert ids(search(client, experiment, "name = 'renamed'", include_spans=False)) == [trace_id]
    with pytest.raises(MlflowException, match="No trace tag with key 'a'"):
        client.delete_trace_tag(trace_id, "a")
    with pytest.raises(MlflowException, match="immutable"):
        store.set_trace_tag(trace_id, "mlflow.trace.spansLocation", "x")
    with pytest.raises(MlflowException, match="not found"):
        client.set_trace_tag("tr-none", "a", "1")


def test_traces_of_runs(client, store, experiment):
    with mlflow.start_run() as run:
        with mlflow.start_span("inside"):
            pass
    later = told(store, experiment).trace_id
    ahead = f"tr-{uuid.uuid4().hex}"
    store.link_traces_to_run([later, later, ahead], run.info.run_id)
    told(store, experiment, ahead)
    found = mlflow.search_traces(locations=[experiment], run_id=run.info.run_id, return_type="list", include_spans=False)
    assert len(found) == 3
    assert {later, ahead} < set(ids(found))
    inside = next(trace for trace in found if trace.info.trace_id not in (later, ahead))
    assert inside.info.trace_metadata["mlflow.sourceRun"] == run.info.run_id
    with pytest.raises(MlflowException, match="Cannot link more than 100"):
        store.link_traces_to_run([f"tr-{number}" for number in range(101)], run.info.run_id)
    with pytest.raises(MlflowException, match="not found"):
        store.link_traces_to_run([later], "norun")


def test_sessions_and_users(client, experiment):
    @mlflow.trace
    def chat(text):
        mlflow.update_current_trace(metadata={"mlflow.trace.session": "s-1", "mlflow.trace.user": "ada"}, client_request_id="req-9")
        return text

    chat("hello")
    [trace] = search(client, experiment, "metadata.`mlflow.trace.session` = 's-1' AND metadata.`mlflow.trace.user` = 'ada'")
    assert trace.info.client_request_id == "req-9"
    assert trace.info.trace_metadata["mlflow.trace.session"] == "s-1"
    assert ids(search(client, experiment, "client_request_id = 'req-9'")) == [trace.info.trace_id]


def test_linked_prompts_are_found(client, store, experiment):
    trace_id = told(store, experiment).trace_id
    prompt = mlflow.genai.register_prompt(name=f"p-{uuid.uuid4().hex}", template="Hi {{name}}")
    store.link_prompts_to_trace(trace_id, [prompt])
    assert ids(search(client, experiment, f"prompt = '{prompt.name}/{prompt.version}'", include_spans=False)) == [trace_id]
    assert search(client, experiment, f"prompt = '{prompt.name}/2'", include_spans=False) == []


def test_a_trace_told_twice_is_one(store, experiment):
    first = told(store, experiment, tags={"a": "1"}, trace_metadata={"m": "1"}, request_preview="asked")
    again = told(store, experiment, first.trace_id, tags={"b": "2"}, state=TraceState.ERROR, execution_duration=20)
    assert (again.state, again.execution_duration, again.request_preview) == (TraceState.ERROR, 20, "asked")
    assert again.tags.items() >= {"a": "1", "b": "2"}.items()
    assert again.trace_metadata["m"] == "1"


def test_tokens_and_costs_are_metadata(store, experiment):
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    metadata = {"mlflow.trace.tokenUsage": json.dumps(usage), "mlflow.trace.cost": json.dumps({"total_cost": 0.25})}
    info = store.get_trace_info(told(store, experiment, trace_metadata=metadata).trace_id)
    assert info.token_usage == usage
    assert info.cost == {"total_cost": 0.25}


def test_charts(store, experiment):
    for number in range(4):
        usage = json.dumps({"total_tokens": 10 * number})
        tags = {"mlflow.traceName": "even" if number % 2 == 0 else "odd"}
        told(store, experiment, time=number * 3_600_000, execution_duration=100 * number, tags=tags, trace_metadata={"mlflow.trace.tokenUsage": usage})
    latency = store.query_trace_metrics(
        [experiment],
        MetricViewType.TRACES,
        "latency",
        [MetricAggregation(AggregationType.AVG), MetricAggregation(AggregationType.PERCENTILE, 50.0)],
        dimensions=["trace_name"],
    )
    assert [(point.dimensions, point.values) for point in latency] == [
        ({"trace_name": "even"}, {"AVG": 100.0, "P50.0": 100.0}),
        ({"trace_name": "odd"}, {"AVG": 200.0, "P50.0": 200.0}),
    ]
    by_time = store.query_trace_metrics(
        [experiment],
        MetricViewType.TRACES,
        "total_tokens",
        [MetricAggregation(AggregationType.SUM)],
        time_interval_seconds=7_200,
        start_time_ms=0,
        end_time_ms=10**9,
    )
    assert [(point.dimensions["time_bucket"], point.values["SUM"]) for point in by_time] == [
        ("1970-01-01T00:00:00+00:00", 10.0),
        ("1970-01-01T02:00:00+00:00", 50.0),
    ]
    with pytest.raises(MlflowException, match="invalid aggregation_type"):
        store.query_trace_metrics([experiment], MetricViewType.TRACES, "latency", [MetricAggregation(AggregationType.SUM)])


def test_filters_are_correlated(store, experiment):
    for number in range(10):
        told(store, experiment, tags={"a": str(number < 5), "b": str(number < 6)})
    found = store.calculate_trace_filter_correlation([experiment], "tag.a = 'True'", "tag.b = 'True'")
    assert (found.filter1_count, found.filter2_count, found.joint_count, found.total_count) == (5, 6, 5, 10)
    assert 0 < found.npmi < 1
    nothing = store.calculate_trace_filter_correlation([experiment], "tag.a = 'x'", "tag.b = 'True'")
    assert nothing.npmi != nothing.npmi


def test_deleting(client, store, experiment, shared_server):
    with mlflow.start_span("kept"):
        pass
    with mlflow.start_span("gone"):
        pass
    gone = ids(search(client, experiment, "name = 'gone'"))
    assert client.delete_traces(experiment, trace_ids=gone) == 1
    assert [trace.data.spans[0].name for trace in search(client, experiment)] == ["kept"]
    old = [told(store, experiment, time=time).trace_id for time in (10, 20, 30)]
    assert client.delete_traces(experiment, max_timestamp_millis=30, max_traces=2) == 2
    left = ids(search(client, experiment, include_spans=False))
    assert old[2] in left and old[0] not in left
    assert client.delete_traces(experiment, max_timestamp_millis=10**15) == 2
    assert search(client, experiment) == []
    answer = requests.post(
        f"{shared_server.plain}/api/3.0/mlflow/traces/delete-traces", json={"experiment_id": experiment}, headers=shared_server.headers, timeout=30
    )
    assert answer.status_code == 400
    assert "must be specified" in answer.json()["message"]


def test_files_of_traces(store, experiment, shared_server):
    info = told(store, experiment)
    attachment = str(uuid.uuid4())
    root = f"{shared_server.plain}/api/2.0/mlflow-artifacts/artifacts/{experiment}/traces"
    put = requests.put(f"{root}/{info.trace_id}/artifacts/attachments/{attachment}", data=b"bytes", headers=shared_server.headers, timeout=30)
    assert put.status_code == 200
    stranger = requests.put(f"{root}/tr-none/artifacts/traces.json", data=b"x", headers=shared_server.headers, timeout=30)
    assert stranger.status_code == 404
    file = f"{shared_server.plain}/ajax-api/3.0/mlflow/get-trace-artifact"
    query = {"request_id": info.trace_id, "path": attachment}
    assert requests.get(file, query, headers=shared_server.headers, timeout=30).content == b"bytes"
    query["path"] = "../traces.json"
    assert requests.get(file, query, headers=shared_server.headers, timeout=30).status_code == 400
    store.delete_traces(experiment, trace_ids=[info.trace_id])
    listing = requests.get(
        f"{shared_server.plain}/api/2.0/mlflow-artifacts/artifacts", {"path": f"{experiment}/traces"}, headers=shared_server.headers, timeout=30
    )
    assert listing.json().get("files", []) == []


def test_the_spans_file_is_downloaded(client, experiment, shared_server):
    with mlflow.start_span("one"):
        pass
    [trace] = search(client, experiment)
    for version in ("2.0", "3.0"):
        file = f"{shared_server.plain}/ajax-api/{version}/mlflow/get-trace-artifact"
        answer = requests.get(file, {"request_id": trace.info.trace_id}, headers=shared_server.headers, timeout=30)
        assert [span["name"] for span in answer.json()["spans"]] == ["one"]
    missing = requests.get(file, {"request_id": "tr-none"}, headers=shared_server.headers, timeout=30)
    assert missing.status_code == 404
    assert requests.get(file, headers=shared_server.headers, timeout=30).status_code == 400


def test_the_former_protocol(shared_server, experiment):
    def call(method, path, **options):
        url = f"{shared_server.plain}/api/2.0/mlflow/traces{path}"
        answer = requests.request(method, url, headers=shared_server.headers, timeout=30, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    begun = call(
        "POST",
        "",
        json={
            "experiment_id": experiment,
            "timestamp_ms": 1234,
            "request_metadata": [{"key": "m", "value": "1"}],
            "tags": [{"key": "t", "value": "1"}],
        },
    )["trace_info"]
    assert begun["status"] == "IN_PROGRESS"
    ended = call(
        "PATCH",
        f"/{begun['request_id']}",
        json={"timestamp_ms": 2345, "status": "OK", "request_metadata": [{"key": "m", "value": "2"}], "tags": []},
    )["trace_info"]
    assert (ended["execution_time_ms"], ended["status"]) == (1111, "OK")
    assert {"key": "m", "value": "2"} in ended["request_metadata"]
    assert call("GET", f"/{begun['request_id']}/info")["trace_info"] == ended
    found = call("GET", "", params={"experiment_ids": [experiment], "filter": "status = 'OK'"})
    assert found["traces"] == [ended]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "trace"),
        ({"trace": {"trace_info": {"trace_id": "../x"}}}, "trace_location"),
        ({"trace": {"trace_info": {"trace_id": "../x", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}}}}, "trace_id"),
        ({"trace": {"trace_info": {"trace_id": "tr-1", "trace_location": {"mlflow_experiment": {"experiment_id": "99999"}}}}}, "No Experiment"),
        (
            {"trace": {"trace_info": {"trace_id": "tr-1", "request_time": "now", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}}}},
            "request_time",
        ),
        ({"trace": {"trace_info": {"trace_id": "tr-1", "tags": {"a": 1}, "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}}}}, "tags"),
    ],
)
def test_what_makes_no_trace_is_told(shared_server, sent, message):
    url = f"{shared_server.plain}/api/3.0/mlflow/traces"
    answer = requests.post(url, json=sent, headers=shared_server.headers, timeout=30)
    assert answer.status_code in (400, 404)
    assert message in answer.json()["message"]


def test_traces_of_a_deleted_experiment_stay(client, store, experiment):
    trace_id = told(store, experiment).trace_id
    client.delete_experiment(experiment)
    assert store.get_trace_info(trace_id).trace_id == trace_id
    with pytest.raises(MlflowException, match="active"):
        told(store, experiment)
    client.restore_experiment(experiment)
    assert ids(MlflowClient().search_traces(locations=[experiment], include_spans=False)) == [trace_id]
