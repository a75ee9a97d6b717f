"""The administration of an AI gateway with the unmodified client's store: keys are sealed and shown by their ends only, what
belongs together stays together, and what is wrong is refused in words."""

import sqlite3

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import (
    FallbackConfig,
    FallbackStrategy,
    GatewayEndpointModelConfig,
    GatewayEndpointTag,
    GatewayModelLinkageType,
    GatewayResourceType,
    RoutingStrategy,
)
from mlflow.exceptions import MlflowException

KEY = "sk-something-very-secret-1234"
PRIMARY, FALLBACK = GatewayModelLinkageType.PRIMARY, GatewayModelLinkageType.FALLBACK


@pytest.fixture
def store(client, shared_server):
    mlflow.set_tracking_uri(shared_server.url)
    return MlflowClient()._tracking_client.store


@pytest.fixture
def name(request):
    return request.node.name.replace("[", "-").replace("]", "")[:200]


def definition(store, name, provider="openai"):
    secret = store.create_gateway_secret(secret_name=name, secret_value={"api_key": KEY}, provider=provider)
    made = store.create_gateway_model_definition(name=name, secret_id=secret.secret_id, provider=provider, model_name="m")
    return secret, made


def config(made, linkage=PRIMARY, order=None):
    return GatewayEndpointModelConfig(made.model_definition_id, linkage, weight=0.5, fallback_order=order)


def send(server, method, path, body):
    url = f"{server.url}/api/3.0/mlflow/gateway/{path}"
    return requests.request(method, url, json=body, headers=server.headers, verify=server.ca, timeout=30)


def test_a_secret_is_sealed_and_shown_by_its_ends(store, name, shared_server):
    settings = {"auth_mode": "api_key", "api_base": " https://api.openai.com/v1 "}
    made = store.create_gateway_secret(name, {"api_key": KEY, "pin": "1234"}, provider="openai", auth_config=settings)
    assert made.masked_values == {"api_key": "sk-...1234", "pin": "***"}
    assert made.auth_config == {"auth_mode": "api_key", "api_base": "https://api.openai.com/v1"}
    assert store.get_secret_info(secret_id=made.secret_id) == made
    assert made.secret_id in {found.secret_id for found in store.list_secret_infos(provider="openai")}
    assert store.list_secret_infos(provider="nobody") == []
    changed = store.update_gateway_secret(made.secret_id, {"token": "another-secret-5678"}, updated_by="me")
    assert (changed.masked_values, changed.last_updated_by) == ({"token": "ano...5678"}, "me")
    assert changed.auth_config == made.auth_config
    with pytest.raises(MlflowException, match="already exists"):
        store.create_gateway_secret(name, {"api_key": KEY})
    with sqlite3.connect(f"file:{shared_server.home / 'lazuli.db'}?mode=ro", uri=True) as database:
        row = str(database.execute("SELECT * FROM gateway_secrets WHERE name = ?", (name,)).fetchone())
    assert "ano...5678" in row
    assert "another-secret" not in row
    store.delete_gateway_secret(made.secret_id)
    with pytest.raises(MlflowException, match="GatewaySecret not found") as refused:
        store.get_secret_info(secret_id=made.secret_id)
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_no_secret_is_written_anywhere_in_the_clear(store, name, shared_server):
    value = "sk-nobody-may-find-this-9999"
    secret = store.create_gateway_secret(name, {"api_key": value})
    store.update_gateway_secret(secret.secret_id, {"api_key": value + "x"})
    send(shared_server, "POST", "secrets/create", {"secret_name": name, "secret_value": {"api_key": [value]}})
    send(shared_server, "POST", "secrets/create", {"secret_name": name, "secret_value": value})
    files = [path for path in shared_server.home.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"nobody-may-find-this" in path.read_bytes()] == []


def test_an_endpoint_with_its_models_tags_and_uses(store, name, client):
    (secret, first), (_, second) = definition(store, name), definition(store, f"{name}-2", "anthropic")
    made = store.create_gateway_endpoint(
        name=name,
        model_configs=[config(first), config(second, FALLBACK, 0)],
        routing_strategy=RoutingStrategy.REQUEST_BASED_TRAFFIC_SPLIT,
        fallback_config=FallbackConfig(FallbackStrategy.SEQUENTIAL, max_attempts=2),
        created_by="somebody",
    )
    assert [m.model_definition.name for m in made.model_mappings] == [name, f"{name}-2"]
    assert [(m.linkage_type, m.weight, m.fallback_order) for m in made.model_mappings] == [(PRIMARY, 0.5, None), (FALLBACK, 0.5, 0)]
    assert (made.fallback_config.max_attempts, made.created_by, made.usage_tracking) == (2, "somebody", True)
    experiment = client.get_experiment(made.experiment_id)
    assert experiment.name == f"gateway/{name}"
    assert experiment.tags["mlflow.experiment.isGateway"] == "true"
    assert store.get_gateway_endpoint(name=name) == store.get_gateway_endpoint(endpoint_id=made.endpoint_id) == made
    assert name in {found.name for found in store.list_gateway_endpoints(provider="anthropic")}
    store.set_gateway_endpoint_tag(made.endpoint_id, GatewayEndpointTag("team", "a"))
    store.set_gateway_endpoint_tag(made.endpoint_id, GatewayEndpointTag("team", "b"))
    assert [(t.key, t.value) for t in store.get_gateway_endpoint(made.endpoint_id).tags] == [("team", "b")]
    store.delete_gateway_endpoint_tag(made.endpoint_id, "team")
    assert store.get_gateway_endpoint(made.endpoint_id).tags == []
    store.detach_model_from_endpoint(made.endpoint_id, second.model_definition_id)
    mapping = store.attach_model_to_endpoint(made.endpoint_id, config(second))
    assert mapping.model_definition.provider == "anthropic"
    with pytest.raises(MlflowException, match="already attached"):
        store.attach_model_to_endpoint(made.endpoint_id, config(second))
    with pytest.raises(MlflowException, match="in use by endpoints"):
        store.delete_gateway_model_definition(second.model_definition_id)
    bound = store.create_endpoint_binding(made.endpoint_id, GatewayResourceType.SCORER, f"{name}-scorer")
    assert store.list_endpoint_bindings(resource_id=f"{name}-scorer") == [bound]
    store.delete_gateway_secret(secret.secret_id)
    orphan = store.get_gateway_endpoint(made.endpoint_id).model_mappings[0].model_definition
    assert (orphan.secret_id, orphan.secret_name) == (None, None)
    store.delete_gateway_endpoint(made.endpoint_id)
    assert store.list_endpoint_bindings(endpoint_id=made.endpoint_id) == []
    store.delete_gateway_model_definition(second.model_definition_id)


def test_an_update_replaces_models_and_keeps_the_rest(store, name):
    (_, first), (_, second) = definition(store, name), definition(store, f"{name}-2")
    made = store.create_gateway_endpoint(name, [config(first)], usage_tracking=False)
    assert (made.experiment_id, made.usage_tracking, made.fallback_config) == (None, False, None)
    changed = store.update_gateway_endpoint(made.endpoint_id, name=f"{name}.2", updated_by="me")
    assert (changed.name, changed.last_updated_by, changed.model_mappings) == (f"{name}.2", "me", made.model_mappings)
    changed = store.update_gateway_endpoint(made.endpoint_id, model_configs=[config(second)], usage_tracking=True)
    assert [m.model_definition_id for m in changed.model_mappings] == [second.model_definition_id]
    assert changed.experiment_id
    renamed = store.update_gateway_model_definition(second.model_definition_id, model_name="other", provider="google")
    assert (renamed.model_name, renamed.provider, renamed.name) == ("other", "google", f"{name}-2")
    found = store.list_gateway_model_definitions(secret_id=renamed.secret_id)
    assert [one.model_definition_id for one in found] == [second.model_definition_id]


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "secrets/create", {"secret_value": {"k": "v"}}, "secret_name"),
        ("POST", "secrets/create", {"secret_name": "x"}, "secret_value"),
        ("POST", "secrets/create", {"secret_name": "x", "secret_value": {}}, "secret_value"),
        ("POST", "secrets/create", {"secret_name": "x", "secret_value": {"base_url": KEY}}, "'base_url'"),
        ("POST", "secrets/create", {"secret_name": "x", "secret_value": {"k": KEY * 1000}}, "secret_value"),
        ("POST", "secrets/create", {"secret_name": "x", "secret_value": {"k": [KEY]}}, "secret_value"),
        ("POST", "secrets/create", {"secret_name": "x", "secret_value": KEY}, "secret_value"),
        ("POST", "secrets/create", {"secret_name": "x" * 300, "secret_value": {"k": KEY}}, "secret_name"),
        ("POST", "secrets/create", {"secret_name": "x", "secret_value": {"k": "v"}, "auth_config": {"api_base": "http://x"}}, "https"),
        (
            "POST",
            "secrets/create",
            {"secret_name": "x", "secret_value": {"k": "v"}, "auth_config": {"api_base": "https://169.254.169.254"}},
            "non-public",
        ),
        ("POST", "secrets/update", {"secret_id": "s-0", "secret_value": {"k": "v"}}, "not found"),
        ("DELETE", "secrets/delete", {}, "secret_id"),
        ("POST", "model-definitions/create", {"name": "x", "secret_id": "s-0", "provider": "p", "model_name": "m"}, "GatewaySecret"),
        ("POST", "model-definitions/create", {"name": "x", "secret_id": "s-0", "provider": "p" * 99, "model_name": "m"}, "provider"),
        ("POST", "endpoints/create", {"name": "a b", "model_configs": [{"model_definition_id": "d", "linkage_type": 1}]}, "letters"),
        ("POST", "endpoints/create", {"name": "a", "model_configs": []}, "model_configs"),
        ("POST", "endpoints/create", {"name": "a", "model_configs": [{"model_definition_id": "d"}]}, "model_configs[0]"),
        ("POST", "endpoints/create", {"name": "a", "model_configs": [{"model_definition_id": "d", "linkage_type": "PRIMARY"}]}, "d"),
        (
            "POST",
            "endpoints/create",
            {"name": "a", "model_configs": [{"model_definition_id": "d", "linkage_type": "PRIMARY", "weight": "NaN"}]},
            "weight",
        ),
        ("POST", "endpoints/update", {"endpoint_id": "e-0", "routing_strategy": "BEST"}, "routing_strategy"),
        ("POST", "endpoints/update", {"endpoint_id": "e-0", "usage_tracking": "perhaps"}, "usage_tracking"),
        ("POST", "endpoints/models/attach", {"endpoint_id": "e-0"}, "model_config"),
        ("POST", "endpoints/models/detach", {"endpoint_id": "e-0", "model_definition_id": "d"}, "GatewayEndpoint not found"),
        ("POST", "endpoints/bindings/create", {"endpoint_id": "e-0", "resource_type": "cat", "resource_id": "x"}, "resource_type"),
        ("POST", "endpoints/set-tag", {"endpoint_id": "e-0", "key": "k", "value": "v"}, "GatewayEndpoint not found"),
        ("GET", "endpoints/get", {}, "Exactly one"),
    ],
)
def test_what_is_wrong_is_refused_in_words(shared_server, method, path, body, words):
    answer = send(shared_server, method, path, body)
    assert answer.status_code in (400, 404), answer.text
    assert words in answer.json()["message"]
    assert "very-secret" not in answer.text


def test_the_gateway_itself_is_absent_in_words(shared_server):
    answer = send(shared_server, "GET", "budgets/list", {})
    assert answer.status_code == 501
    assert "passes no calls on to model providers" in answer.json()["message"]
    assert send(shared_server, "GET", "secrets/config", {}).json() == {"secrets_available": True, "using_default_passphrase": False}
