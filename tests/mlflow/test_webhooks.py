"""Webhooks with the unmodified MLflow client and a real receiver on this machine: what is sent, how it is signed, what happens
when the receiver fails or the server is killed, and who may not be reached."""

import base64
import hashlib
import hmac
import json
import signal
import sqlite3
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

SECRET = "a secret of the receiver"
OPEN = ("--webhooks-allow-private", "true", "--webhooks-schemes", "http", "https")
MODEL_CREATED = WebhookEvent(WebhookEntity.REGISTERED_MODEL, WebhookAction.CREATED)


class Receiver:
    """Keeps what comes; answers 200, or what it was told to answer next."""

    def __init__(self):
        self.requests, self.answers, self.arrived = [], [], threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.arrived:
                    status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                    receiver.requests.append((dict(self.headers), body, time.monotonic()))
                    receiver.arrived.notify_all()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "8")
                self.end_headers()
                self.wfile.write(b"received")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, count, timeout=20):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, timeout), f"{len(self.requests)} came, not {count}"
        return self.requests

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@contextmanager
def environment(monkeypatch, server):
    with monkeypatch.context() as patch:
        for name, value in server.client_environment().items():
            patch.setenv(name, value)
        mlflow.set_tracking_uri(server.url)
        mlflow.set_registry_uri(server.url)
        yield MlflowClient()


@pytest.fixture
def server(make_server):
    return make_server(*OPEN)


@pytest.fixture
def client(server, monkeypatch):
    with environment(monkeypatch, server) as client:
        yield client


def payload(request):
    return json.loads(request[1])


def header(request, name):
    return {key.lower(): value for key, value in request[0].items()}.get(name.lower())


def test_webhooks_are_made_read_listed_changed_and_deleted(client):
    events = [WebhookEvent(WebhookEntity.PROMPT, WebhookAction.CREATED), MODEL_CREATED]
    made = client.create_webhook("hook", "https://example.com/hook", events, description="of the team", secret=SECRET)
    assert (made.name, made.url, made.description, made.status) == ("hook", "https://example.com/hook", "of the team", WebhookStatus.ACTIVE)
    assert set(made.events) == set(events)
    assert made.secret is None
    found = client.get_webhook(made.webhook_id)
    assert (found.name, found.creation_timestamp) == (made.name, made.creation_timestamp)
    changed = client.update_webhook(made.webhook_id, name="renamed", status=WebhookStatus.DISABLED)
    assert (changed.name, changed.url, changed.status) == ("renamed", made.url, WebhookStatus.DISABLED)
    others = [client.create_webhook(f"hook{n}", "https://example.com/hook", [MODEL_CREATED]).webhook_id for n in range(4)]
    first = client.list_webhooks(max_results=3)
    rest = client.list_webhooks(max_results=3, page_token=first.token)
    assert [hook.webhook_id for hook in [*first, *rest]] == [*reversed(others), made.webhook_id]
    assert not rest.token
    client.delete_webhook(made.webhook_id)
    with pytest.raises(MlflowException, match="Webhook with ID .* not found"):
        client.get_webhook(made.webhook_id)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a b"}, "Webhook name 'a b' is invalid"),
        ({"name": "x" * 64}, "is invalid"),
        ({"url": "ftp://example.com"}, "Invalid webhook URL scheme: 'ftp'"),
        ({"url": "example.com"}, "Invalid webhook URL scheme: ''"),
        ({"url": "https://example.com/" + "x" * 500}, "maximum length"),
        ({"events": []}, "events"),
        ({"description": "x" * 1001}, "maximum length"),
        ({"secret": "x" * 1001}, "maximum length"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_kept(client, change, words):
    good = {"name": "hook", "url": "https://example.com/hook", "events": [MODEL_CREATED]}
    with pytest.raises(MlflowException, match=words) as refused:
        client.create_webhook(**(good | change))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert len(client.list_webhooks()) == 0


def test_every_change_of_the_registry_is_told(client, receiver):
    subscribed = [
        WebhookEvent(WebhookEntity.REGISTERED_MODEL, WebhookAction.CREATED),
        WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED),
        WebhookEvent(WebhookEntity.MODEL_VERSION_TAG, WebhookAction.SET),
        WebhookEvent(WebhookEntity.MODEL_VERSION_TAG, WebhookAction.DELETED),
        WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED),
        WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.DELETED),
        WebhookEvent(WebhookEntity.PROMPT, WebhookAction.CREATED),
        WebhookEvent(WebhookEntity.PROMPT_VERSION, WebhookAction.CREATED),
        WebhookEvent(WebhookEntity.PROMPT_TAG, WebhookAction.SET),
        WebhookEvent(WebhookEntity.PROMPT_ALIAS, WebhookAction.CREATED),
    ]
    client.create_webhook("all", receiver.url, subscribed)
    client.create_registered_model("iris", tags={"team": "botany"}, description="flowers")
    client.create_model_version("iris", "s3://bucket/model", description="first")
    client.set_model_version_tag("iris", "1", "stage", "trial")
    client.delete_model_version_tag("iris", "1", "stage")
    client.set_registered_model_alias("iris", "champion", "1")
    client.delete_registered_model_alias("iris", "champion")
    client.create_prompt("greeting", tags={"tone": "kind"})
    client.create_prompt_version("greeting", template="Hello {{name}}!", description="plain", tags={"lang": "en"})
    client.set_prompt_tag("greeting", "tone", "formal")
    client.set_prompt_alias("greeting", "live", 1)
    told = {(p["entity"], p["action"]): p["data"] for p in map(payload, receiver.wait_for(10))}
    assert told == {
        ("registered_model", "created"): {"name": "iris", "tags": {"team": "botany"}, "description": "flowers"},
        ("model_version", "created"): {
            "name": "iris", "version": "1", "source": "s3://bucket/model", "run_id": None, "tags": {}, "description": "first",
        },
        ("model_version_tag", "set"): {"name": "iris", "version": "1", "key": "stage", "value": "trial"},
        ("model_version_tag", "deleted"): {"name": "iris", "version": "1", "key": "stage"},
        ("model_version_alias", "created"): {"name": "iris", "alias": "champion", "version": "1"},
        ("model_version_alias", "deleted"): {"name": "iris", "alias": "champion"},
        ("prompt", "created"): {"name": "greeting", "tags": {"tone": "kind"}, "description": ""},
        ("prompt_version", "created"): {
            "name": "greeting", "version": "1", "template": "Hello {{name}}!", "tags": {"lang": "en"}, "description": "plain",
        },
        ("prompt_tag", "set"): {"name": "greeting", "key": "tone", "value": "formal"},
        ("prompt_alias", "created"): {"name": "greeting", "alias": "live", "version": "1"},
    }


def test_deliveries_are_signed_and_the_secret_is_nowhere_to_be_read(server, client, receiver):
    client.create_webhook("signed", receiver.url, [MODEL_CREATED], secret=SECRET)
    client.create_registered_model("iris")
    request = receiver.wait_for(1)[0]
    signed = f"{header(request, 'X-MLflow-Delivery-Id')}.{header(request, 'X-MLflow-Timestamp')}.{request[1].decode()}"
    digest = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    assert header(request, "X-MLflow-Signature") == f"v1,{base64.b64encode(digest).decode()}"
    assert header(request, "Content-Type") == "application/json"
    assert abs(int(header(request, "X-MLflow-Timestamp")) - time.time()) < 60
    server.stop()
    assert SECRET not in server.logs()
    kept = sqlite3.connect(server.home / "lazuli.db").execute("SELECT secret FROM webhooks").fetchone()[0]
    assert kept and SECRET.encode() not in kept


def test_a_failed_delivery_is_tried_again_under_the_same_id(client, receiver):
    receiver.answers = [(500, {}), (429, {"Retry-After": "2"})]
    client.create_webhook("flaky", receiver.url, [MODEL_CREATED])
    client.create_registered_model("iris")
    requests = receiver.wait_for(3)
    assert len({header(request, "X-MLflow-Delivery-Id") for request in requests}) == 1
    assert requests[1][2] - requests[0][2] >= 0.9
    assert requests[2][2] - requests[1][2] >= 1.9
    receiver.answers = [(400, {})]
    client.create_registered_model("tumours")
    receiver.wait_for(4)
    time.sleep(3)
    assert len(receiver.requests) == 4, "what the receiver refuses is not sent again"


def test_a_delivery_survives_a_killed_server(server, client, receiver):
    receiver.answers = [(503, {"Retry-After": "3"})]
    client.create_webhook("patient", receiver.url, [MODEL_CREATED], secret=SECRET)
    client.create_registered_model("iris")
    first = receiver.wait_for(1)[0]
    time.sleep(0.5)  # the outcome of the first attempt is noted
    server.stop(signal.SIGKILL)
    server.start()
    again = receiver.wait_for(2, timeout=40)[1]
    assert payload(again) == payload(first)
    assert header(again, "X-MLflow-Delivery-Id") == header(first, "X-MLflow-Delivery-Id")


def test_a_webhook_is_tried_out(client, receiver):
    hook = client.create_webhook("hook", receiver.url, [MODEL_CREATED], secret=SECRET)
    result = client.test_webhook(hook.webhook_id)
    assert (result.success, result.response_status, result.response_body) == (True, 200, "received")
    assert payload(receiver.requests[0])["data"]["name"] == "example_model"
    receiver.answers = [(404, {}), (302, {"Location": "http://127.0.0.1:1/"})]
    event = WebhookEvent(WebhookEntity.PROMPT_ALIAS, WebhookAction.DELETED)
    result = client.test_webhook(hook.webhook_id, event)
    assert (result.success, result.response_status) == (False, 404)
    result = client.test_webhook(hook.webhook_id)
    assert (result.success, result.response_status) == (False, 302), "redirects are not followed"
    lost = client.create_webhook("lost", "http://127.0.0.1:1/", [MODEL_CREATED])
    result = client.test_webhook(lost.webhook_id)
    assert not result.success and "cannot be reached" in result.error_message


def test_a_disabled_webhook_is_told_nothing(client, receiver):
    hook = client.create_webhook("hook", receiver.url, [MODEL_CREATED], status=WebhookStatus.DISABLED)
    client.create_registered_model("iris")
    client.update_webhook(hook.webhook_id, status=WebhookStatus.ACTIVE)
    client.create_registered_model("tumours")
    assert payload(receiver.wait_for(1)[0])["data"]["name"] == "tumours"
    time.sleep(1)
    assert len(receiver.requests) == 1


def test_private_addresses_are_refused_unless_a_setting_allows_them(make_server, receiver, monkeypatch):
    strict = make_server("--webhooks-schemes", "http", "https")
    with environment(monkeypatch, strict) as client:
        for url in [receiver.url, "http://localhost/", "http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/", "http://127.1/"]:
            with pytest.raises(MlflowException, match="non-public IP address") as refused:
                client.create_webhook("hook", url, [MODEL_CREATED])
            assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
        with pytest.raises(MlflowException, match="Cannot resolve Webhook URL hostname|Timed out resolving"):
            client.create_webhook("hook", "http://no-such-host.invalid/", [MODEL_CREATED])
    default = make_server("--port", "0", name="default")
    with environment(monkeypatch, default) as client, pytest.raises(MlflowException, match="Allowed schemes are: https"):
        client.create_webhook("hook", "http://8.8.8.8/", [MODEL_CREATED])


def test_an_address_is_judged_again_at_each_delivery(server, client, receiver, monkeypatch):
    hook = client.create_webhook("hook", receiver.url, [MODEL_CREATED])
    server.stop()
    server.options = ["--port", "0", "--webhooks-schemes", "http"]
    server.start()
    client.create_registered_model("iris")
    result = client.test_webhook(hook.webhook_id)
    assert not result.success and "non-public" in result.error_message
    time.sleep(2)
    assert receiver.requests == []


def test_roles_decide_who_sets_up_webhooks(server, client, monkeypatch):
    server.cli("user", "create", "--name", "reader")
    server.cli("role", "assignment", "create", "--assignee", "reader", "--role", "Reader")
    made = server.cli("token", "create", "--for", "reader", "--name", "t", parse=True)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", made["token"])
    assert len(client.list_webhooks()) == 0
    with pytest.raises(MlflowException) as refused:
        client.create_webhook("hook", "https://example.com/hook", [MODEL_CREATED])
    assert refused.value.error_code == "PERMISSION_DENIED"
