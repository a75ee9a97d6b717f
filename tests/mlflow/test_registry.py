"""The registry with the unmodified MLflow client: names, versions, aliases, stages, tags, searches, logged models, and
models loaded back by every kind of address."""

import threading

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from sklearn.linear_model import LogisticRegression

X, Y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
SOURCE = "s3://somewhere/model"


@pytest.fixture
def client(server, monkeypatch):
    for name, value in server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    yield MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()
    # the client links prompts in threads of its own, which would try a server that is gone again and again
    for thread in threading.enumerate():
        if thread.name.startswith("link_prompt"):
            thread.join(30)


def log_model(**arguments):
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(LogisticRegression().fit(X, Y), name="model", **arguments)
    return run.info.run_id, info


def test_a_model_is_logged_registered_and_loaded_by_every_address(client):
    run_id, info = log_model(registered_model_name="tumours", input_example=X[:1])
    version = client.get_model_version("tumours", "1")
    assert version.run_id == run_id
    assert version.status == "READY"
    client.set_registered_model_alias("tumours", "champion", "1")
    addresses = ["models:/tumours/1", "models:/tumours@champion", "models:/tumours/latest", info.model_uri, f"models:/{info.model_id}"]
    for address in addresses:
        loaded = mlflow.pyfunc.load_model(address)
        assert list(loaded.predict(X)) == Y, address
    by_run = mlflow.register_model(f"runs:/{run_id}/model", "tumours")
    assert by_run.version == "2" or by_run.version == 2
    assert list(mlflow.sklearn.load_model("models:/tumours/2").predict(X)) == Y


def test_registered_models_are_made_renamed_described_and_deleted(client):
    made = client.create_registered_model("flowers", tags={"team": "botany"}, description="of the garden")
    assert (made.name, made.tags, made.description) == ("flowers", {"team": "botany"}, "of the garden")
    with pytest.raises(RestException) as again:
        client.create_registered_model("flowers")
    assert again.value.error_code == "RESOURCE_ALREADY_EXISTS"
    assert "Registered Model (name=flowers) already exists." in str(again.value)
    client.set_registered_model_tag("flowers", "stage", "trial")
    client.delete_registered_model_tag("flowers", "team")
    client.rename_registered_model("flowers", "blossoms")
    client.update_registered_model("blossoms", "of the meadow")
    found = client.get_registered_model("blossoms")
    assert (found.tags, found.description) == ({"stage": "trial"}, "of the meadow")
    client.delete_registered_model("blossoms")
    with pytest.raises(RestException) as gone:
        client.get_registered_model("blossoms")
    assert gone.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    for bad in ["", "a/b", "a:b"]:
        with pytest.raises(MlflowException):
            client.create_registered_model(bad)


def test_versions_have_stages_tags_and_numbers_that_do_not_return(client):
    client.create_registered_model("m")
    for number in ["1", "2", "3"]:
        assert str(client.create_model_version("m", SOURCE, tags={"n": number}).version) == number
    client.transition_model_version_stage("m", "1", "Production")
    client.transition_model_version_stage("m", "2", "production", archive_existing_versions=True)
    assert client.get_model_version("m", "1").current_stage == "Archived"
    latest = {v.current_stage: str(v.version) for v in client.get_latest_versions("m")}
    assert latest == {"Archived": "1", "Production": "2", "None": "3"}
    assert [str(v.version) for v in client.get_latest_versions("m", ["Production"])] == ["2"]
    client.update_model_version("m", "3", "the third")
    client.set_model_version_tag("m", "3", "k", "v")
    client.delete_model_version_tag("m", "3", "n")
    third = client.get_model_version("m", "3")
    assert (third.description, third.tags) == ("the third", {"k": "v"})
    assert client.get_model_version_download_uri("m", "3") == SOURCE
    client.delete_model_version("m", "3")
    with pytest.raises(RestException):
        client.get_model_version("m", "3")
    assert str(client.create_model_version("m", SOURCE).version) == "4"


def test_aliases_move_and_vanish_with_their_version(client):
    client.create_registered_model("m")
    for _ in range(2):
        client.create_model_version("m", SOURCE)
    client.set_registered_model_alias("m", "champion", "1")
    client.set_registered_model_alias("m", "champion", "2")
    found = client.get_model_version_by_alias("m", "champion")
    assert (str(found.version), found.aliases) == ("2", ["champion"])
    assert client.get_registered_model("m").aliases == {"champion": "2"}
    client.delete_registered_model_alias("m", "champion")
    with pytest.raises(RestException):
        client.get_model_version_by_alias("m", "champion")
    for reserved in ["latest", "v1"]:
        with pytest.raises(MlflowException):
            client.set_registered_model_alias("m", reserved, "1")


def test_searches_filter_sort_and_page(client):
    for name in ["apple", "Banana", "cherry"]:
        client.create_registered_model(name, tags={"fruit": name})
    names = lambda *args, **kwargs: [m.name for m in client.search_registered_models(*args, **kwargs)]  # noqa: E731
    assert names() == ["Banana", "apple", "cherry"]
    assert names("name ILIKE '%AN%'") == ["Banana"]
    assert names("tags.fruit = 'cherry'") == ["cherry"]
    assert names(order_by=["name DESC"]) == ["cherry", "apple", "Banana"]
    first = client.search_registered_models(max_results=2)
    rest = client.search_registered_models(max_results=2, page_token=first.token)
    assert [m.name for m in first] + [m.name for m in rest] == ["Banana", "apple", "cherry"]
    assert not rest.token
    for _ in range(3):
        client.create_model_version("apple", SOURCE)
    versions = client.search_model_versions("name = 'apple'", order_by=["version_number ASC"])
    assert [str(v.version) for v in versions] == ["1", "2", "3"]
    with pytest.raises(RestException) as wrong:
        client.search_registered_models("colour = 'red'")
    assert wrong.value.error_code == "INVALID_PARAMETER_VALUE"


def test_logged_models_carry_params_tags_and_metrics(client):
    _, info = log_model(params={"depth": 3}, tags={"kind": "trial"})
    experiment = client.get_experiment_by_name("Default").experiment_id
    with mlflow.start_run():
        mlflow.log_metric("accuracy", 0.9, model_id=info.model_id)
    found = client.get_logged_model(info.model_id)
    assert (found.status.value, found.params["depth"], found.tags["kind"]) == ("READY", "3", "trial")
    assert [(m.key, m.value) for m in found.metrics] == [("accuracy", 0.9)]
    search = lambda text: [m.model_id for m in client.search_logged_models([experiment], filter_string=text)]  # noqa: E731
    assert search("metrics.accuracy > 0.8") == [info.model_id]
    assert search("metrics.accuracy > 0.95") == []
    assert search("params.depth = '3' AND tags.kind = 'trial'") == [info.model_id]
    ordered = client.search_logged_models([experiment], order_by=[{"field_name": "metrics.accuracy", "ascending": False}])
    assert ordered[0].model_id == info.model_id
    client.set_logged_model_tags(info.model_id, {"extra": "1"})
    client.delete_logged_model_tag(info.model_id, "kind")
    assert {"extra": "1"}.items() <= client.get_logged_model(info.model_id).tags.items()
    assert "MLmodel" in [file.path for file in client.list_logged_model_artifacts(info.model_id)]
    client.delete_logged_model(info.model_id)
    with pytest.raises(MlflowException):
        client.get_logged_model(info.model_id)


def test_a_source_that_is_not_the_runs_own_is_refused(client):
    run_id, _ = log_model()
    client.create_registered_model("m")
    for source, run in [
        (f"mlflow-artifacts:/0/{run_id}/artifacts/model", None),
        ("mlflow-artifacts:/0/someone/artifacts/model", run_id),
        ("/etc", None),
        ("file:///etc", run_id),
    ]:
        with pytest.raises(RestException) as refused:
            client.create_model_version("m", source, run_id=run)
        assert refused.value.error_code == "INVALID_PARAMETER_VALUE", source


def test_prompts_share_the_registry_and_stay_out_of_model_searches(client):
    mlflow.genai.register_prompt(name="greeting", template="Hello {{name}}")
    assert mlflow.genai.load_prompt("prompts:/greeting/1").template == "Hello {{name}}"
    assert [m.name for m in client.search_registered_models()] == []
