"""Hostile input: whatever is sent, the answer is one in words with a status below 500, soon, and the server goes on.

The requests are made by a generator with a fixed seed, over plain sockets where a client library would not send them.
"""

import http.client
import json
import random
import socket
import time
import urllib.parse

import pytest
import requests

JSON = {"Content-Type": "application/json"}
SLOW = 10.0

TEXTS = [
    "", " ", "0", "-1", "\x00", "a\x00b", "a" * 300, "x" * 70_000, "é" * 5_000, "\ud800", "\u202e\ufeff", "'; DROP TABLE runs; --",
    "' OR '1'='1", "$1", "?1", "%", "_", "\\", "/", "..", "../../etc/passwd", "%2e%2e%2f", "null", "NaN", "1e999", "runs:/x", "{{x}}",
    "\n\r\t", "<script>alert(1)</script>", "models:/a/b/c@d", "99999999999999999999", "mlflow.runName", "file:///etc/passwd",
    "mlflow-artifacts:/../../x", "mlflow-artifacts:/0/\x00",
]
NUMBERS = [0, -1, 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30, 1e308, -1e308, 5e-324, 1.5]
FILTERS = [
    "1=1", "metrics.a > ", "metrics.`a` > 'x'", "params.a = 'b' OR 1=1", "tags.a = 'b'; DROP TABLE runs", "attribute.status = 'RUNNING' --",
    "name LIKE '%'' OR ''1''=''1'", "((((" * 500, "metrics.a > 1 AND " * 400 + "metrics.a > 1", "params.`" + "a" * 30_000 + "` = 'x'",
    "attributes.run_id IN (" + ",".join(["'a'"] * 5_000) + ")", "tags.\x00 = 'a'", "tags.a = '\x00'", "metrics.a > 1e999", "a" * 100_000, "run_id IN ()",
    "metrics.a = nan", "start_time > 99999999999999999999", "experiment_id = 'x'", "name ILIKE '" + "%_" * 3_000 + "'", "'", '"', "`", "\\",
]
ORDERS = ["name; DROP TABLE runs", "metrics.a DESC, (SELECT 1)", "tags.`\x00` ASC", "a" * 50_000, "", "metrics.x ASC ASC", "params.`a", "1"]
TOKENS = ["x", "eyJ", "A" * 100_000, "\x00", "%00", "-1", "AAAA====", "é", "../..", "bnVsbA==", "e30=", "W10="]

FIELDS = [
    "run_id", "run_uuid", "experiment_id", "experiment_ids", "experiment_name", "name", "new_name", "key", "value", "step", "timestamp", "metrics",
    "params", "tags", "filter", "filter_string", "order_by", "max_results", "page_token", "status", "end_time", "start_time", "run_name",
    "user_id", "artifact_location", "model_json", "datasets", "models", "path", "metric_key", "run_ids", "start_step", "end_step", "run_view_type",
    "view_type", "source", "version", "stage", "alias", "description", "model_id", "source_run_id", "model_type", "archive_existing_versions",
]

POSTS = [
    "experiments/create", "experiments/delete-experiment-tag", "experiments/search", "experiments/search-datasets", "experiments/set-experiment-tag",
    "experiments/update", "runs/create", "runs/delete-tag", "runs/log-batch", "runs/log-inputs", "runs/log-metric", "runs/log-model",
    "runs/log-parameter", "runs/outputs", "runs/search", "runs/set-tag", "runs/update", "registered-models/create", "registered-models/rename",
    "registered-models/get-latest-versions", "registered-models/set-tag", "registered-models/alias", "model-versions/create",
    "model-versions/transition-stage", "model-versions/set-tag", "logged-models", "logged-models/search",
]
GETS = [
    "experiments/get", "experiments/get-by-name", "runs/get", "metrics/get-history", "metrics/get-history-bulk",
    "metrics/get-history-bulk-interval", "artifacts/list", "registered-models/get", "registered-models/search", "registered-models/alias",
    "model-versions/get", "model-versions/search", "model-versions/get-download-uri", "experiments/search",
]


class Wire:
    """One connection that says what was sent when an answer is not as it should be."""

    def __init__(self, server):
        self.server = server
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SLOW)

    def send(self, method, target, body=None, headers=JSON, about=""):
        started = time.monotonic()
        said = f"{method} {target[:200]} {about or (body or b'')[:300]!r}"
        sent = {**headers, **self.server.headers}
        try:
            answer, text = self.exchange(method, target, body, sent)
        except (http.client.HTTPException, OSError):
            # a refusal that did not wait for the body before it ends the connection: the next one begins anew
            self.connection.close()
            try:
                answer, text = self.exchange(method, target, body, sent)
            except (http.client.HTTPException, OSError) as error:
                raise AssertionError(f"{said}: no answer but {error!r}") from error
        took = time.monotonic() - started
        assert took < SLOW / 2, f"{said}: {took:.1f} s"
        # 501 is what is absent on purpose: it says so in words
        assert answer.status < 500 or answer.status == 501, f"{said}: {answer.status} {text[:500]!r}"
        if answer.status >= 400:
            self.check_words(said, answer, text)
        return answer.status, text

    def exchange(self, method, target, body, headers):
        self.connection.request(method, target, body=body, headers=headers)
        answer = self.connection.getresponse()
        return answer, answer.read()

    def check_words(self, said, answer, text):
        kind = answer.getheader("content-type", "")
        assert "json" in kind, f"{said}: {answer.status} as {kind}: {text[:300]!r}"
        found = json.loads(text)
        assert found.get("message") or found.get("detail"), f"{said}: {found}"
        for inner in (b"sqlite", b"postgres", b"constraint failed", b"panicked", b"/blobs/", b".rs:"):
            assert inner not in text, f"{said}: {text[:300]!r}"


@pytest.fixture(scope="module")
def wire(shared_server):
    wire = Wire(shared_server)
    yield wire
    log = shared_server.logs()
    assert "panicked" not in log, log[log.index("panicked") - 500 :][:3_000]
    assert requests.get(f"{shared_server.plain}/readyz", timeout=5).status_code == 200


def encoded(value):
    """JSON with lone surrogates and special numbers as a careless client would write them."""
    return json.dumps(value).encode()


def value_for(field, rng, run_id, depth=0):
    kind = rng.randrange(12)
    if field in ("filter", "filter_string") and kind < 8:
        return rng.choice(FILTERS)
    if field == "order_by" and kind < 8:
        return [rng.choice(ORDERS)]
    if field == "page_token" and kind < 8:
        return rng.choice(TOKENS)
    if field in ("run_id", "run_uuid", "source_run_id") and kind < 6:
        return run_id
    if field in ("experiment_id",) and kind < 6:
        return "0"
    if field == "experiment_ids" and kind < 6:
        return ["0"]
    if field in ("metrics", "params", "tags", "datasets", "models") and kind < 7 and depth < 2:
        inner = ["key", "value", "step", "timestamp", "name", "model_id", "dataset", "tags", "digest", "source_type"]
        return [{name: value_for(name, rng, run_id, depth + 1) for name in rng.sample(inner, 5)} for _ in range(rng.randrange(4))]
    if kind < 4:
        return rng.choice(TEXTS)
    if kind < 8:
        return rng.choice(NUMBERS)
    return rng.choice([None, True, [], {}, [[[]]], {"a": {"b": [None]}}, ["a", 1, None], "text", float("nan"), float("-inf")])


@pytest.fixture(scope="module")
def run_id(wire):
    _, text = wire.send("POST", "/api/2.0/mlflow/runs/create", encoded({"experiment_id": "0"}))
    return json.loads(text)["run"]["info"]["run_id"]


@pytest.mark.parametrize("path", POSTS)
def test_fields_of_any_type(wire, run_id, path):
    rng = random.Random(f"7 {path}")
    for _ in range(60):
        chosen = rng.sample(FIELDS, rng.randrange(1, 9))
        body = {field: value_for(field, rng, run_id) for field in chosen}
        if rng.random() < 0.7:
            body.update({"run_id": run_id, "experiment_id": "0", "key": rng.choice(TEXTS), "name": rng.choice(TEXTS)})
        wire.send("POST", f"/api/2.0/mlflow/{path}", encoded(body))


@pytest.mark.parametrize("path", GETS)
def test_queries_of_any_kind(wire, run_id, path):
    rng = random.Random(f"8 {path}")
    for _ in range(60):
        pairs = []
        for field in rng.sample(FIELDS, rng.randrange(1, 9)):
            value = str(value_for(field, rng, run_id))[:4_000]
            pairs.append((field, value.encode("utf-8", "replace")))
        wire.send("GET", f"/api/2.0/mlflow/{path}?{urllib.parse.urlencode(pairs)}")
    for raw in ["%", "%zz", "%ff%fe", "a=%00", "=&=&", "&" * 1_000, "run_id=" + "&run_id=" * 500, "max_results=1&max_results=x"]:
        wire.send("GET", f"/api/2.0/mlflow/{path}?{raw}")


@pytest.mark.parametrize("search", ["runs/search", "experiments/search", "logged-models/search"])
def test_filters_and_orders_reach_no_database(wire, search):
    for text in FILTERS:
        wire.send("POST", f"/api/2.0/mlflow/{search}", encoded({"experiment_ids": ["0"], "filter": text, "max_results": 5}))
    for text in ORDERS:
        wire.send("POST", f"/api/2.0/mlflow/{search}", encoded({"experiment_ids": ["0"], "order_by": [text], "max_results": 5}))
    for text in TOKENS:
        wire.send("POST", f"/api/2.0/mlflow/{search}", encoded({"experiment_ids": ["0"], "page_token": text, "max_results": 5}))


BODIES = {
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "half": b'{"name": "x',
    "bad utf-8": b'{"name": "\xff\xfe\xc3\x28"}',
    "nul": b'{"name": "a\x00b"}',
    "lone surrogate": rb'{"name": "\ud800"}',
    "a number": b"1",
    "a list": b"[1, 2]",
    "a text": b'"text"',
    "twice encoded": b'"{\\"name\\": 5}"',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "the same key twice": b'{"name": "a", "name": 1}',
    "a large number": b'{"max_results": 1' + b"0" * 5_000 + b"}",
    "white space": b" " * 10_000,
    "nothing": b"",
    "not JSON": b"--boundary\r\nContent-Disposition: form-data\r\n\r\nx",
}


@pytest.mark.parametrize("what", BODIES)
def test_bodies_that_are_not_messages(wire, what):
    body = BODIES[what]
    for kind in ["application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data; boundary=x", "", "\xff", None]:
        headers = {} if kind is None else {"Content-Type": kind}
        wire.send("POST", "/api/2.0/mlflow/runs/create", body, headers, about=f"{what} as {kind}")
        wire.send("POST", "/api/2.0/mlflow/runs/search", body, headers, about=f"{what} as {kind}")
        wire.send("POST", "/api/v1/workspaces/default/data", body, headers, about=f"{what} as {kind}")
        wire.send("POST", "/api/v1/workspaces/default/jobs", body, headers, about=f"{what} as {kind}")
        wire.send("PUT", "/api/v1/workspaces/default/online-endpoints/hostile", body, headers, about=f"{what} as {kind}")


PATHS = [
    "..", "../x", "a/../../x", "%2e%2e/%2e%2e/x", "..%2f..%2fx", "%00", "a%00b", "//", "//etc/passwd", "/etc/passwd", "a//b", "a/./b", ".",
    "a%5c..%5cb", "%ff%fe", "%E2%80%AE", "a" * 300, "a/" * 600 + "b", "a" * 5_000, "C:%5cx", "con", "%0d%0aX:%20y", "a%20", "%20", "#x", "%23x",
    "a%25b", "~", "$HOME", "*", "%252e%252e/x",
]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("where", ["run", "experiment", "workspace", "models"])
def test_artifact_paths_are_confined(wire, run_id, method, where):
    root = {"run": f"0/{run_id}/artifacts/", "experiment": "0/", "workspace": "", "models": "0/models/"}[where]
    outside = wire.server.home.parent
    before = {path.name for path in outside.iterdir()}
    for path in PATHS:
        target = "/api/2.0/mlflow-artifacts/artifacts/" + root + path
        wire.send(method, target, b"bytes" if method == "PUT" else None, {})
        wire.send("GET", "/api/2.0/mlflow-artifacts/artifacts?path=" + root + path)
        wire.send("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run_id}&path={path}")
        wire.send("GET", f"/get-artifact?run_uuid={run_id}&path={path}")
    assert {path.name for path in outside.iterdir()} == before
    top = {path.name for path in (wire.server.home / "blobs").iterdir()}
    assert top <= {"cas", "trees", "runs", "workspaces"}, top
    assert json.loads(wire.send("GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}")[1])["run"]["info"]["run_id"] == run_id


def test_artifacts_of_an_experiment_as_a_whole_are_not_removed(wire, run_id):
    """`0` holds the files of many runs; a request that names no run or model in it removes nothing."""
    kept = f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/kept.txt"
    assert wire.send("PUT", kept, b"kept", {})[0] == 200
    for path in ["0", "0/", "00", "0/models", "0/models/"]:
        assert wire.send("DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{path}")[0] >= 400, path
    assert wire.send("GET", kept) == (200, b"kept")


@pytest.mark.parametrize(
    "value",
    ["bytes=0-", "bytes=-0", "bytes=-1", "bytes=5-4", "bytes=0-0,1-1", "bytes=99999999999999999999-", "bytes=18446744073709551615-18446744073709551615",
     "bytes=-18446744073709551615", "bytes=0-18446744073709551615", "lines=1-2", "bytes=a-b", "bytes", "", "bytes=10-", "bytes=4-4"],
)
def test_ranges(wire, run_id, value):
    target = f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/range.txt"
    wire.send("PUT", target, b"01234", {})
    status, text = wire.send("GET", target, None, {"Range": value})
    assert status in (200, 206, 400)
    if status != 400:
        assert text and text in b"01234"


def raw(server, data, close=False, timeout=SLOW):
    """Sends bytes as they are; returns what comes back until the other side is silent for long or closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        connection.sendall(data)
        if close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65_536)
            if not chunk:
                break
            received += chunk
    return received


def head(server, method, target, *lines):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {server.token}", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "name, lines, body",
    [
        ("short", ["Content-Length: 1000"], b"only this"),
        ("chunks", ["Transfer-Encoding: chunked"], b"400\r\nonly this"),
        ("unfinished", ["Transfer-Encoding: chunked"], b"4\r\nonly\r\n"),
        ("lie", ["Transfer-Encoding: chunked"], b"zz\r\nonly\r\n0\r\n\r\n"),
    ],
)
def test_uploads_that_break_off_leave_nothing(wire, run_id, name, lines, body):
    target = f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/{name}.bin"
    answer = raw(wire.server, head(wire.server, "PUT", target, *lines) + body, close=True)
    assert b" 200 " not in answer[:20], answer
    assert wire.send("GET", target)[0] == 404
    digest = "ab" * 32
    answer = raw(wire.server, head(wire.server, "PUT", f"/api/v1/workspaces/default/content/{digest}", *lines) + body, close=True)
    assert b" 200 " not in answer[:20], answer
    assert wire.send("GET", f"/api/v1/workspaces/default/content/{digest}")[0] == 404
    left = [path for path in (wire.server.home / "blobs").rglob(f"*{name}.bin*") if path.is_file()]
    assert not left, left


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"], ["Content-Length: 99999999999999999999"], ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: abc"],
        ["Transfer-Encoding: gzip, chunked"], ["Transfer-Encoding: chunked", "Content-Length: 5"], ["X: " + "y" * 200_000],
        [f"X-{n}: y" for n in range(2_000)], ["Expect: something"], ["Authorization: Bearer second"], ["X-MLFLOW-WORKSPACE: ../x"],
        ["X-MLFLOW-WORKSPACE: \x01"], ["Bad Header"], [": empty"],
    ],
)
def test_headers_that_lie(wire, lines):
    try:
        answer = raw(wire.server, head(wire.server, "POST", "/api/2.0/mlflow/experiments/create", "Content-Type: application/json", *lines) + b"{}", close=True)
    except OSError:
        answer = b""  # closed on us while we were still sending: refused
    status = int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 400
    assert 400 <= status < 500, answer[:300]


@pytest.mark.parametrize("data", [b"\x00" * 100, b"GET\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 50, b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 60])
def test_what_is_no_request_ends_the_connection_only(wire, data):
    try:
        answer = raw(wire.server, data, close=True)
    except OSError:
        answer = b""
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert wire.send("GET", "/api/v1/whoami")[0] == 200


def native_operations(document):
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            if verb in ("get", "put", "post", "patch", "delete") and not path.endswith(("/stream", "/disable", "/password")):
                yield verb.upper(), path, operation


def test_native_interface_with_values_of_any_kind(wire):
    """Every operation of the served description, with bodies that have its fields and values that do not fit them."""
    document = json.loads(wire.send("GET", "/api/v1/openapi.json")[1])
    schemas = document["components"]["schemas"]
    rng = random.Random(9)
    for method, path, operation in native_operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        fields = list(schemas.get(content.get("$ref", "").rsplit("/", 1)[-1], {}).get("properties", {})) or FIELDS
        names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
        for _ in range(8):
            target = path.replace("{workspace}", "default")
            while "{" in target:
                text = rng.choice(["hostile", "1", "x" * 300, "a b", "\x00", "é", "..", "%", "latest", "-", "A.b_c"])
                target = target[: target.index("{")] + urllib.parse.quote(text.encode(), safe="") + target[target.index("}") + 1 :]
            if names:
                pairs = [(name, str(value_for(name, rng, "x"))[:3_000].encode("utf-8", "replace")) for name in rng.sample(names, rng.randrange(len(names) + 1))]
                target += "?" + urllib.parse.urlencode(pairs)
            body = None
            if method in ("POST", "PUT", "PATCH"):
                body = encoded({field: value_for(field, rng, "x") for field in rng.sample(fields, rng.randrange(len(fields) + 1))})
            wire.send(method, target, body)
