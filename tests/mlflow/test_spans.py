"""Spans and assessments: the mlflow client's own tracing, OpenTelemetry's exporter, and raw requests to /v1/traces."""

import gzip
import json
import time
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback, SpanEvent, SpanStatusCode, SpanType
from mlflow.exceptions import MlflowException
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor


@pytest.fixture
def client(shared_server, monkeypatch):
    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    mlflow.set_tracking_uri(shared_server.url)
    yield MlflowClient()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def experiment(client, request):
    """An experiment of the test's own."""
    return mlflow.set_experiment(request.node.name).experiment_id


@pytest.fixture
def send(shared_server, experiment):
    """Posts to /v1/traces: a message, or bytes as they are."""

    def post(body, **headers):
        body = body if isinstance(body, bytes) else body.SerializeToString()
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        sent = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": experiment, **shared_server.headers, **headers}
        sent = {key: value for key, value in sent.items() if value is not None}
        return requests.post(f"{shared_server.plain}/v1/traces", data=body, headers=sent, timeout=60)

    return post


def export(*spans, resource=None):
    """A request with spans, each a dictionary."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in (resource or {}).items():
        group.resource.attributes.add(key=key).value.string_value = value
    scope = group.scope_spans.add()
    for span in spans:
        attributes = span.pop("attributes", {})
        made = scope.spans.add(**span)
        for key, value in attributes.items():
            made.attributes.add(key=key).value.string_value = value
    return request


def ids():
    return uuid.uuid4().bytes


def span_id(number):
    return number.to_bytes(8, "big")


def test_nested_spans_come_back(experiment):
    @mlflow.trace(span_type=SpanType.TOOL, attributes={"unit": "°C", "nested": {"list": [1, 2.5, None, True]}})
    def look_up(city):
        return {"temperature": 21.5, "city": city}

    @mlflow.trace(name="answer", span_type=SpanType.AGENT)
    def answer(question):
        with mlflow.start_span("think", span_type="CHAIN") as span:
            span.set_inputs({"question": question})
            span.add_event(SpanEvent("idea", attributes={"n": 3}))
            span.set_outputs("ask the tool")
        return look_up("Köln")

    answer("How warm is it?")
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    root, think, tool = trace.data.spans
    assert [span.name for span in trace.data.spans] == ["answer", "think", "look_up"]
    assert (root.parent_id, think.parent_id, tool.parent_id) == (None, root.span_id, root.span_id)
    assert (root.span_type, tool.span_type) == ("AGENT", "TOOL")
    assert root.inputs == {"question": "How warm is it?"} and root.outputs == {"temperature": 21.5, "city": "Köln"}
    assert tool.attributes["nested"] == {"list": [1, 2.5, None, True]} and tool.attributes["unit"] == "°C"
    assert think.events[0].name == "idea" and think.events[0].attributes == {"n": 3}
    assert root.status.status_code == SpanStatusCode.OK
    assert root.start_time_ns <= think.start_time_ns <= think.end_time_ns <= root.end_time_ns
    assert trace.info.request_preview == '{"question": "How warm is it?"}'
    assert "temperature" in trace.info.response_preview
    assert trace.info.state == "OK" and trace.info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE"
    (found,) = mlflow.search_traces(locations=[experiment], return_type="list")
    assert [span.to_dict() for span in found.data.spans] == [span.to_dict() for span in trace.data.spans]


def test_errors_and_tokens(experiment):
    @mlflow.trace
    def fail():
        with mlflow.start_span("call", span_type=SpanType.LLM) as span:
            span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15})
        raise ValueError("no answer")

    with pytest.raises(ValueError):
        fail()
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    assert trace.info.state == "ERROR"
    assert trace.info.token_usage == {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    root = trace.data.spans[0]
    assert root.status.status_code == SpanStatusCode.ERROR and "no answer" in root.status.description
    assert root.events[0].name == "exception" and "no answer" in root.events[0].attributes["exception.message"]


def test_asynchronous_export(client, experiment, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true")
    mlflow.tracing.reset()
    try:
        with mlflow.start_span("root"):
            for n in range(20):
                with mlflow.start_span(f"child {n}"):
                    pass
        trace_id = mlflow.get_last_active_trace_id()
        mlflow.flush_trace_async_logging()
        assert len(mlflow.get_trace(trace_id).data.spans) == 21
    finally:
        monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        mlflow.tracing.reset()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_opentelemetrys_own_exporter(shared_server, experiment, compression):
    headers = {"x-mlflow-experiment-id": experiment, **shared_server.headers}
    exporter = OTLPSpanExporter(endpoint=f"{shared_server.plain}/v1/traces", headers=headers, compression=compression)
    provider = TracerProvider(resource=Resource.create({"service.name": "shop", "replica": 3}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("order") as root:
        root.set_attribute("openinference.span.kind", "CHAIN")
        root.set_attribute("input.value", "two apples")
        root.set_attribute("session.id", "s-1")
        root.set_attribute("list", ["a", "b"])
        with tracer.start_as_current_span("model", links=[otel.Link(root.get_span_context(), {"why": "because"})]) as model:
            model.set_attribute("gen_ai.operation.name", "chat")
            model.set_attribute("gen_ai.request.model", "m-1")
            model.set_attribute("gen_ai.usage.input_tokens", 7)
            model.set_attribute("gen_ai.usage.output_tokens", 3)
            model.add_event("token", {"n": 1})
    provider.shutdown()
    trace_id = f"tr-{root.get_span_context().trace_id:032x}"
    trace = mlflow.get_trace(trace_id)
    order, model = trace.data.spans
    assert (order.span_type, model.span_type) == ("CHAIN", "CHAT_MODEL")
    assert order.inputs == "two apples" and order.attributes["list"] == ["a", "b"]
    assert model.model_name == "m-1" and model.events[0].name == "token"
    assert model.links[0].span_id == order.span_id and model.links[0].attributes == {"why": "because"}
    assert trace.info.token_usage == {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    assert trace.info.tags["service.name"] == "shop" and trace.info.tags["replica"] == "3"
    assert trace.info.trace_metadata["mlflow.trace.session"] == "s-1"
    assert trace.info.request_preview == '"two apples"' and trace.info.state == "OK"


def test_spans_come_in_any_order_and_again(send, experiment):
    trace, second = ids(), 1_000_000_000
    child = dict(trace_id=trace, span_id=span_id(2), parent_span_id=span_id(1), name="child", start_time_unix_nano=2 * second, end_time_unix_nano=3 * second)
    root = dict(trace_id=trace, span_id=span_id(1), name="root", start_time_unix_nano=second, end_time_unix_nano=4 * second)
    trace_id = f"tr-{trace.hex()}"
    assert send(export(dict(child))).status_code == 200
    early = mlflow.get_trace(trace_id).info
    assert (early.state, early.request_time, early.execution_duration) == ("IN_PROGRESS", 2_000, 1_000)
    for _ in range(2):
        assert send(export(dict(root), dict(child, name="child again"))).status_code == 200
    whole = mlflow.get_trace(trace_id)
    assert [span.name for span in whole.data.spans] == ["root", "child again"]
    assert (whole.info.state, whole.info.request_time, whole.info.execution_duration) == ("OK", 1_000, 3_000)
    late = dict(trace_id=trace, span_id=span_id(3), parent_span_id=span_id(1), name="late", start_time_unix_nano=5 * second)
    assert send(export(late)).status_code == 200
    whole = mlflow.get_trace(trace_id)
    assert whole.data.spans[2].end_time_ns in (None, 0) and whole.info.execution_duration == 3_000


def test_both_encodings_and_every_compression(send, experiment):
    def request(trace):
        return export(dict(trace_id=trace, span_id=span_id(1), name="é", start_time_unix_nano=1, attributes={"k": "v"}))

    traces = [ids() for _ in range(5)]
    plain = request(traces[0])
    answer = send(plain)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/x-protobuf" and answer.content == b""
    assert send(gzip.compress(request(traces[1]).SerializeToString()), Content_Encoding="gzip").status_code == 200
    assert send(zlib.compress(request(traces[2]).SerializeToString()), Content_Encoding="deflate").status_code == 200
    raw = zlib.compressobj(wbits=-15)
    bare = raw.compress(request(traces[3]).SerializeToString()) + raw.flush()
    assert send(bare, Content_Encoding="deflate").status_code == 200
    spans = [{
        "traceId": traces[4].hex(), "spanId": span_id(1).hex(), "name": "é", "kind": "SPAN_KIND_SERVER", "startTimeUnixNano": "1",
        "attributes": [{"key": "k", "value": {"stringValue": "v"}}],
    }]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    answer = send(body, Content_Type="application/json; charset=utf-8")
    assert answer.status_code == 200 and answer.json() == {}
    for trace in traces:
        (span,) = mlflow.get_trace(f"tr-{trace.hex()}").data.spans
        assert span.name == "é" and span.attributes["k"] == "v"


def test_a_run_is_linked(send, client, experiment):
    run = client.create_run(experiment)
    trace = ids()
    message = export(dict(trace_id=trace, span_id=span_id(1), name="root", start_time_unix_nano=1))
    assert send(message, x_mlflow_run_id=run.info.run_id).status_code == 200
    found = mlflow.search_traces(locations=[experiment], run_id=run.info.run_id, return_type="list")
    assert [trace.info.trace_id for trace in found] == [f"tr-{trace.hex()}"]
    assert send(export(dict(trace_id=ids(), span_id=span_id(1), name="r", start_time_unix_nano=1)), x_mlflow_run_id="nope").status_code == 200


def test_bad_requests(send, client, experiment):
    good = dict(trace_id=ids(), span_id=span_id(1), name="x", start_time_unix_nano=1)
    cases = [
        (b"This is not valid protobuf data", {}, 400, "Invalid OpenTelemetry format"),
        (b"", {}, 400, "no spans found"),
        (b"{", {"Content_Type": "application/json"}, 400, "Invalid OpenTelemetry format"),
        (export(dict(good)), {"Content_Type": "text/plain"}, 400, "Invalid Content-Type: text/plain"),
        (export(dict(good)), {"Content_Type": None}, 400, "Invalid Content-Type"),
        (export(dict(good)), {"Content_Encoding": "br"}, 400, "Unsupported Content-Encoding: br"),
        (b"x", {"Content_Encoding": "gzip"}, 400, "Failed to decompress gzip payload"),
        (gzip.compress(bytes(80 << 20)), {"Content_Encoding": "gzip"}, 413, "after decompression"),
        (export(dict(good)), {"x_mlflow_experiment_id": None}, 422, "x-mlflow-experiment-id"),
        (export(dict(good)), {"x_mlflow_experiment_id": "abc"}, 400, "abc"),
        (export(dict(good)), {"x_mlflow_experiment_id": "987654"}, 404, "No Experiment with id=987654 exists"),
        (export(dict(good, trace_id=b"")), {}, 422, "Cannot convert OpenTelemetry span"),
        (export(dict(good, trace_id=b"x" * 17)), {}, 422, "Cannot convert OpenTelemetry span"),
        (export(dict(good, span_id=b"")), {}, 422, "Cannot convert OpenTelemetry span"),
        (export(dict(good, start_time_unix_nano=2**64 - 1)), {}, 422, "Cannot convert OpenTelemetry span"),
        (export(dict(good, attributes={"session.id": "s" * 300})), {}, 400, "Session ID"),
        (export(dict(good)), {"Authorization": "Bearer nope"}, 401, ""),
    ]
    for body, headers, status, message in cases:
        answer = send(body, **headers)
        assert answer.status_code == status, (message, answer.text)
        assert message in answer.json()["message"], answer.text
    # one bad span: none of the request is kept
    both = export(dict(good), dict(good, trace_id=b"", span_id=span_id(2)))
    assert send(both).status_code == 422
    with pytest.raises(MlflowException, match="not found"):
        client.get_trace(f"tr-{good['trace_id'].hex()}", display=False)


def test_odd_values_are_kept(send, experiment):
    trace = ids()
    message = export(dict(trace_id=trace, span_id=span_id(1), name="a\0b", start_time_unix_nano=1, attributes={"nul": "a\0b", "é\0": "1"}))
    span = message.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="nan").value.double_value = float("nan")
    span.attributes.add(key="big").value.int_value = 2**63 - 1
    span.attributes.add(key="bytes").value.bytes_value = b"\xff'"
    span.attributes.add(key="none")
    span.attributes.add(key="map").value.kvlist_value.values.add(key="x").value.bool_value = True
    assert send(message).status_code == 200
    (span,) = mlflow.get_trace(f"tr-{trace.hex()}").data.spans
    assert span.name == "a\0b" and span.attributes["nul"] == "a\0b"
    assert span.attributes["nan"] != span.attributes["nan"] and span.attributes["big"] == 2**63 - 1
    assert span.attributes["none"] is None and span.attributes["map"] == {"x": True}


def test_writers_at_the_same_time(send, experiment):
    trace = ids()
    calls = [
        dict(trace_id=trace, span_id=span_id(n), parent_span_id=span_id(1) if n > 1 else b"", name=f"s{n}", start_time_unix_nano=n,
             end_time_unix_nano=n * 1_000_000, attributes={"mlflow.chat.tokenUsage": '{"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}'} if n > 1 else {})
        for n in range(1, 41)
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda span: send(export(span)).status_code, calls))
    assert answers == [200] * 40
    whole = mlflow.get_trace(f"tr-{trace.hex()}")
    assert len(whole.data.spans) == 40
    assert whole.info.token_usage == {"input_tokens": 39, "output_tokens": 39, "total_tokens": 78}
    assert whole.info.execution_duration == 40


def test_five_thousand_spans(send, experiment):
    trace = ids()
    spans = [
        dict(trace_id=trace, span_id=span_id(n), parent_span_id=span_id(n // 2) if n > 1 else b"", name=f"step {n}",
             start_time_unix_nano=n, end_time_unix_nano=n + 1, attributes={"text": "some text " * 20, "n": str(n)})
        for n in range(1, 5_001)
    ]
    began = time.monotonic()
    for start in range(0, 5_000, 500):
        assert send(export(*spans[start : start + 500])).status_code == 200
    written = time.monotonic()
    whole = mlflow.get_trace(f"tr-{trace.hex()}")
    read = time.monotonic()
    assert len(whole.data.spans) == 5_000 and whole.data.spans[0].name == "step 1"
    assert {span.attributes["n"] for span in whole.data.spans} == {str(n) for n in range(1, 5_001)}
    # a debug build on a busy machine
    assert written - began < 30 and read - written < 30


@pytest.fixture
def trace_id(experiment):
    with mlflow.start_span("root") as span:
        pass
    return span.trace_id


def test_feedback_and_expectations(client, experiment, trace_id):
    human, judge = AssessmentSource("HUMAN", "me@example.com"), AssessmentSource("LLM_JUDGE", "judge-1")
    span = mlflow.get_trace(trace_id).data.spans[0]
    good = mlflow.log_feedback(trace_id=trace_id, name="good", value=True, source=human, rationale="wäre gut", metadata={"k": "v"}, span_id=span.span_id)
    mlflow.log_feedback(trace_id=trace_id, name="score", value=0.25, source=judge)
    mlflow.log_feedback(trace_id=trace_id, name="parts", value={"a": [1, "x"], "b": False}, source=judge)
    mlflow.log_feedback(trace_id=trace_id, name="broken", error=AssessmentError("TIMEOUT", "too slow", "trace"), source=judge)
    mlflow.log_expectation(trace_id=trace_id, name="answer", value=["Köln", {"n": 1}], source=human)
    mlflow.log_expectation(trace_id=trace_id, name="number", value=42, source=human)
    found = {one.name: one for one in mlflow.get_trace(trace_id).info.assessments}
    assert list(found) == ["good", "score", "parts", "broken", "answer", "number"]
    assert found["good"].value is True and found["good"].rationale == "wäre gut" and found["good"].metadata == {"k": "v"}
    assert found["good"].span_id == span.span_id and found["good"].source == human and found["good"].valid
    assert found["score"].value == 0.25 and found["parts"].value == {"a": [1, "x"], "b": False}
    assert (found["broken"].value, found["broken"].error.error_code, found["broken"].error.error_message) == (None, "TIMEOUT", "too slow")
    assert found["answer"].value == ["Köln", {"n": 1}] and found["number"].value == 42
    assert good.assessment_id.startswith("a-") and good.create_time_ms > 0
    one = mlflow.get_assessment(trace_id, good.assessment_id)
    assert (one.name, one.value) == ("good", True)
    (searched,) = mlflow.search_traces(locations=[experiment], return_type="list")
    assert len(searched.info.assessments) == 6


def test_updating_overriding_and_deleting(client, trace_id):
    first = mlflow.log_feedback(trace_id=trace_id, name="good", value="no", metadata={"a": "1", "b": "2"})
    changed = mlflow.update_assessment(trace_id, first.assessment_id, Feedback(name="better", value="maybe", rationale="why", metadata={"b": "3"}))
    assert (changed.name, changed.value, changed.rationale) == ("better", "maybe", "why")
    assert changed.metadata == {"a": "1", "b": "3"} and changed.create_time_ms == first.create_time_ms
    with pytest.raises(MlflowException, match="Cannot update expectation value on a Feedback assessment"):
        mlflow.update_assessment(trace_id, first.assessment_id, Expectation(name="better", value=1))
    over = mlflow.override_feedback(trace_id=trace_id, assessment_id=first.assessment_id, value="yes", rationale="looked again")
    assert over.overrides == first.assessment_id and over.valid
    assert mlflow.get_assessment(trace_id, first.assessment_id).valid is False
    info = mlflow.get_trace(trace_id)
    assert [one.value for one in info.search_assessments("better")] == ["yes"]
    mlflow.delete_assessment(trace_id, over.assessment_id)
    assert mlflow.get_assessment(trace_id, first.assessment_id).valid is True
    mlflow.delete_assessment(trace_id, over.assessment_id)
    with pytest.raises(MlflowException, match=f"Assessment with ID '{over.assessment_id}' not found for trace '{trace_id}'"):
        mlflow.get_assessment(trace_id, over.assessment_id)


def test_assessments_of_a_run(client, experiment, trace_id):
    run = client.create_run(experiment).info.run_id
    mlflow.log_feedback(trace_id=trace_id, name="good", value=1.0, metadata={"mlflow.assessment.sourceRunId": run})
    (one,) = mlflow.get_trace(trace_id).info.assessments
    assert one.run_id == run


def test_bad_assessments(shared_server, trace_id):
    base = f"{shared_server.plain}/api/3.0/mlflow/traces"

    def post(assessment, trace=trace_id):
        return requests.post(f"{base}/{trace}/assessments", json={"assessment": assessment}, headers=shared_server.headers, timeout=30)

    feedback = {"assessment_name": "good", "feedback": {"value": True}}
    made = post(feedback)
    assert made.status_code == 200
    made = made.json()["assessment"]["assessment_id"]
    cases = [
        (post(feedback, "tr-none"), 404, "Trace with ID 'tr-none' not found."),
        (post({"assessment_name": "x"}), 400, "Unknown assessment type"),
        (post({"feedback": {"value": 1}}), 400, "assessment_name"),
        (post({**feedback, "overrides": "a-none"}), 404, f"Assessment with ID 'a-none' not found for trace '{trace_id}'"),
        (post({**feedback, "assessment_id": made}), 400, "already exists"),
        (post({**feedback, "assessment_name": "n" * 251}), 400, "250"),
        (post({**feedback, "rationale": "r" * 1_000_001}), 400, "rationale"),
        (post({**feedback, "source": {"source_type": "ROBOT"}}), 400, "Invalid assessment source type: ROBOT"),
        (post({"assessment_name": "x", "expectation": {"value": None}}), 400, "must be specified"),
        (post({**feedback, "rationale": "a\0b"}), 400, ""),
        (requests.post(f"{base}/{trace_id}/assessments", json={}, headers=shared_server.headers, timeout=30), 400, "assessment"),
        (requests.get(f"{base}/tr-none/assessments/a", headers=shared_server.headers, timeout=30), 404, "Trace with request_id 'tr-none' not found"),
        (requests.patch(f"{base}/{trace_id}/assessments/{made}", json={"assessment": {}}, headers=shared_server.headers, timeout=30), 400, "update_mask"),
        (requests.get(f"{base}/get", params={"trace_id": "tr-none"}, headers=shared_server.headers, timeout=30), 404, "Trace with ID tr-none is not found."),
        (requests.get(f"{base}/get", headers=shared_server.headers, timeout=30), 400, "trace_id"),
        (requests.get(f"{base}/batchGet", headers=shared_server.headers, timeout=30), 400, "trace_ids"),
    ]
    for answer, status, message in cases:
        assert answer.status_code == status, (message, answer.text)
        assert message in answer.json()["message"], answer.text
    many = requests.get(f"{base}/batchGet", params={"trace_ids": [trace_id, "tr-none", trace_id]}, headers=shared_server.headers, timeout=30)
    assert [trace["trace_info"]["trace_id"] for trace in many.json()["traces"]] == [trace_id]
    none = requests.get(f"{base}/batchGet", params={"trace_ids": "tr-none"}, headers=shared_server.headers, timeout=30)
    assert none.json() == {}


def test_spans_that_were_announced_are_waited_for(shared_server, client, experiment, send):
    trace = ids()
    trace_id = f"tr-{trace.hex()}"
    root = dict(trace_id=trace, span_id=span_id(1), name="root", start_time_unix_nano=1_000_000)
    info = {
        "trace_id": trace_id, "state": "OK", "request_time": "1970-01-01T00:00:01Z", "execution_duration": "1s",
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "trace_metadata": {"mlflow.trace.sizeStats": json.dumps({"num_spans": 2})},
    }
    assert send(export(dict(root))).status_code == 200
    url = f"{shared_server.plain}/api/3.0/mlflow/traces"
    made = requests.post(url, json={"trace": {"trace_info": info}}, headers=shared_server.headers, timeout=30)
    assert made.status_code == 200, made.text

    def get(**extra):
        return requests.get(f"{url}/get", params={"trace_id": trace_id, **extra}, headers=shared_server.headers, timeout=30)

    assert len(get(allow_partial="true").json()["trace"]["spans"]) == 1
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get)
        time.sleep(0.3)
        assert send(export(dict(root, span_id=span_id(2), parent_span_id=span_id(1), name="child"))).status_code == 200
        assert len(waiting.result().json()["trace"]["spans"]) == 2
    # the client has said when the trace was; spans do not change it
    kept = get().json()["trace"]["trace_info"]
    assert kept["request_time"] == "1970-01-01T00:00:01Z"
