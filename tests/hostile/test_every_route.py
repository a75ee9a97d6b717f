"""Hostile input on every route of MLflow's dialect: the list is the generated one, so a new route is covered when it is there."""

import gzip
import json
import random
import re
import urllib.parse

import pytest
from conftest import ROOT
from hostile.test_hostile import BODIES, FIELDS, FILTERS, JSON, ORDERS, TEXTS, TOKENS, encoded, run_id, value_for, wire  # noqa: F401

ROUTES = sorted(
    (method, path)
    for method, path, dialect in re.findall(r"^\| (\w+) \| `([^`]+)` \| .* \| (\w+) \|$", (ROOT / "docs/reference/routes.md").read_text(), re.MULTILINE)
    if dialect == "MLflow" and not path.startswith("/ajax-api/")
)

# fields of traces, assessments, data sets, scorers, webhooks, uploads, users and workspaces
MORE = [
    "trace_id", "trace_ids", "request_id", "request_ids", "client_request_id", "trace", "trace_info", "trace_location", "locations", "request_time",
    "execution_duration", "state", "trace_metadata", "request_preview", "response_preview", "assessment", "assessments", "update_mask", "feedback",
    "expectation", "rationale", "metadata", "span_id", "max_timestamp_millis", "max_traces", "dataset_id", "dataset_ids", "records", "inputs",
    "expectations", "outputs", "source_type", "dataset_record_ids", "serialized_scorer", "scorer_name", "sample_rate", "url", "events", "secret",
    "upload_id", "num_parts", "parts", "expiration", "username", "password", "is_admin", "permission", "role_id", "resource_type", "resource_id",
    "base_filter", "filter1", "filter2", "metric_name", "aggregations", "dimensions", "time_interval_seconds", "prompt_versions", "filters",
]


def value(field, rng, run):
    if field in ("filters", "filter1", "filter2", "base_filter") and rng.random() < 0.6:
        return rng.choice(FILTERS)
    if field in ("trace_id", "request_id") and rng.random() < 0.5:
        return "tr-" + "ab" * 16
    if field == "locations" and rng.random() < 0.6:
        return [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": rng.choice(["0", "x", None, 5])}}]
    if field in ("trace", "trace_info", "assessment", "feedback", "expectation") and rng.random() < 0.7:
        return {name: value_for(name, rng, run, 1) for name in rng.sample(MORE, 6)}
    return value_for(field, rng, run)


def target(path, rng):
    """The path with its placeholders filled by texts that nobody would choose."""
    texts = [text for text in TEXTS if 0 < len(text) < 400 and text not in (".", "..", "/") and text != "\ud800"] + ["0", "1", "tr-" + "ab" * 16, "m"]
    return re.sub(r"\{\*?\w+\}", lambda _: urllib.parse.quote(rng.choice(texts), safe=""), path)


def test_there_are_routes():
    assert len(ROUTES) > 100


@pytest.mark.parametrize("method, path", ROUTES, ids=lambda part: part)
def test_fields_and_paths_of_any_kind(wire, run_id, method, path):  # noqa: F811
    rng = random.Random(f"9 {method} {path}")
    for _ in range(25):
        fields = rng.sample(MORE, rng.randrange(1, 8)) + rng.sample(FIELDS, rng.randrange(0, 6))
        values = {field: value(field, rng, run_id) for field in fields}
        if rng.random() < 0.5:
            values.update({"experiment_id": "0", "name": rng.choice(TEXTS)})
        place = target(path, rng)
        if method == "GET":
            place += "?" + urllib.parse.urlencode([(field, str(found)[:2_000].encode("utf-8", "replace")) for field, found in values.items()])
            wire.send(method, place)
        else:
            wire.send(method, place, encoded(values))


@pytest.mark.parametrize("method, path", [route for route in ROUTES if route[0] != "GET"], ids=lambda part: part)
def test_bodies_of_any_kind(wire, method, path):  # noqa: F811
    rng = random.Random(f"10 {method} {path}")
    for what in rng.sample(sorted(BODIES), 6):
        wire.send(method, target(path, rng), BODIES[what], JSON, about=what)


@pytest.mark.parametrize("path", ["3.0/mlflow/traces/search", "3.0/mlflow/datasets/search"])
def test_filters_reach_no_database(wire, path):  # noqa: F811
    more = [
        "trace.status = 'OK' OR 1=1", "span.name LIKE '%'", "span.attributes.`a.b` = 'x'", "feedback.`a` = '" + "x" * 60_000 + "'", "tag.a RLIKE '(a+)+$'",
        "tag.a RLIKE '" + "(" * 2_000, "metadata.a RLIKE '" + "(a{1000}){1000}" + "'", "request.text ILIKE '%" + "_" * 5_000, "text LIKE '%;%'", "name RLIKE '['",
        "execution_time_ms > 1e400", "timestamp_ms IN (1,2)", "expectation.x IS NOT NULL AND NOT x", "prompt = 'a/b'",
    ]
    locations = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}]
    for text in FILTERS + more:
        wire.send("POST", f"/api/{path}", encoded({"locations": locations, "experiment_ids": ["0"], "filter": text, "filter_string": text, "max_results": 5}))
    for text in ORDERS:
        wire.send("POST", f"/api/{path}", encoded({"locations": locations, "experiment_ids": ["0"], "order_by": [text]}))
    for text in TOKENS:
        wire.send("POST", f"/api/{path}", encoded({"locations": locations, "experiment_ids": ["0"], "page_token": text}))


def test_spans_of_any_kind(wire):  # noqa: F811
    """OTLP: random bytes, cut and bent messages, bombs of compression, JSON of any shape."""
    rng = random.Random(11)
    protobuf = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"}
    span = b"\x0a\x10" + bytes(range(16)) + b"\x12\x08" + bytes(range(8)) + b"\x2a\x04name" + b"\x39" + bytes(8)
    whole = b"\x12" + bytes([len(span)]) + span
    whole = b"\x0a" + bytes([len(whole) + 2]) + b"\x12" + bytes([len(whole)]) + whole
    bodies = [whole, whole[:-3], whole * 50, b"\x0a" * 5_000, b"\xff" * 1_000, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
    bodies += [rng.randbytes(rng.randrange(1, 400)) for _ in range(60)]
    for _ in range(60):
        bent = bytearray(whole)
        bent[rng.randrange(len(bent))] = rng.randrange(256)
        bodies.append(bytes(bent))
    for body in bodies:
        wire.send("POST", "/v1/traces", body, protobuf)
        wire.send("POST", "/v1/traces", gzip.compress(body), {**protobuf, "Content-Encoding": "gzip"})
    wire.send("POST", "/v1/traces", gzip.compress(bytes(300 << 20)), {**protobuf, "Content-Encoding": "gzip"}, about="a bomb")
    for encoding in ("gzip", "deflate", "br", "zstd", "identity", "x" * 100, "gzip, gzip"):
        wire.send("POST", "/v1/traces", b"\x1f\x8b\x08\x00 no", {**protobuf, "Content-Encoding": encoding}, about=encoding)
    for experiment in ("", "x", "-1", "99999999999999999999", "0\t"):
        wire.send("POST", "/v1/traces", whole, {**protobuf, "x-mlflow-experiment-id": experiment}, about=experiment)
    keys = ["resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "attributes", "key", "value", "stringValue", "arrayValue", "values", "kvlistValue", "startTimeUnixNano", "events", "links", "status"]

    def shape(depth):
        kind = rng.randrange(6) if depth < 9 else 5
        if kind < 3:
            return {rng.choice(keys): shape(depth + 1) for _ in range(rng.randrange(1, 4))}
        if kind < 5:
            return [shape(depth + 1) for _ in range(rng.randrange(3))]
        return rng.choice([*TEXTS[:12], 5, -1, None, True, 1e30, "00" * 16, "ab" * 8])

    for _ in range(150):
        wire.send("POST", "/v1/traces", json.dumps(shape(0)).encode(), {**protobuf, "Content-Type": "application/json"})
    nested = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":' + b'{"arrayValue":{"values":[' * 3_000
    wire.send("POST", "/v1/traces", nested, {**protobuf, "Content-Type": "application/json"}, about="deep values")
