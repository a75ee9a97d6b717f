"""Workspaces with the unmodified MLflow client: made, chosen for the process or by the environment, and apart from each other."""

import threading

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

WORKSPACE = "MLFLOW_WORKSPACE"


@pytest.fixture
def client(server, monkeypatch):
    monkeypatch.delenv(WORKSPACE, raising=False)
    for name, value in server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    yield MlflowClient()
    for thread in threading.enumerate():
        if thread.name.startswith("link_prompt"):
            thread.join(30)
    mlflow.set_workspace(None)


def names(found):
    return sorted(workspace.name for workspace in found)


def test_workspaces_are_made_listed_read_and_described(client):
    assert names(mlflow.list_workspaces()) == ["default"]
    made = mlflow.create_workspace("team-a", description="of the team")
    assert (made.name, made.description) == ("team-a", "of the team")
    assert names(mlflow.list_workspaces()) == ["default", "team-a"]
    assert mlflow.update_workspace("team-a", description="of all").description == "of all"
    assert mlflow.get_workspace("team-a").description == "of all"
    for call, words, code in [
        (lambda: mlflow.create_workspace("team-a"), "already exists", "RESOURCE_ALREADY_EXISTS"),
        (lambda: mlflow.create_workspace("default"), "reserved", "INVALID_PARAMETER_VALUE"),
        (lambda: mlflow.get_workspace("nothing"), "no workspace", "RESOURCE_DOES_NOT_EXIST"),
        (lambda: mlflow.create_workspace("b2", default_artifact_root="s3://bucket/x"), "default_artifact_root", "NOT_IMPLEMENTED"),
        (lambda: mlflow.delete_workspace("team-a"), "not on this server", "NOT_IMPLEMENTED"),
    ]:
        with pytest.raises(MlflowException, match=words) as refused:
            call()
        assert refused.value.error_code == code


@pytest.mark.parametrize("way", ["set_workspace", "environment"])
def test_a_chosen_workspace_holds_what_is_made_in_it(client, monkeypatch, way, tmp_path):
    mlflow.create_workspace("team-a")
    if way == "set_workspace":
        mlflow.set_workspace("team-a")
    else:
        monkeypatch.setenv(WORKSPACE, "team-a")
    with mlflow.start_run(experiment_id=client.create_experiment("apart")) as run:
        mlflow.log_metric("loss", 0.5)
        mlflow.log_text("hello", "notes.txt")
    client.create_registered_model("iris")
    client.create_model_version("iris", "s3://bucket/model")
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes.txt") == "hello"
    assert client.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
    # and outside of it nothing of that is seen
    if way == "set_workspace":
        mlflow.set_workspace("default")
    else:
        monkeypatch.delenv(WORKSPACE)
    assert client.get_experiment_by_name("apart") is None
    assert client.search_registered_models() == []
    with pytest.raises(MlflowException, match="not found"):
        client.get_run(run.info.run_id)


def test_without_a_choice_everything_is_in_default(client, monkeypatch):
    run = client.create_run("0")
    client.log_param(run.info.run_id, "a", 1)
    monkeypatch.setenv(WORKSPACE, "default")
    assert client.get_run(run.info.run_id).data.params == {"a": "1"}


def test_a_workspace_that_is_not_there_is_told(client):
    mlflow.set_workspace("nowhere")
    with pytest.raises(MlflowException) as refused:
        client.search_experiments()
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_user_sees_the_workspaces_it_has_a_role_in(server, client, monkeypatch):
    mlflow.create_workspace("team-a")
    mlflow.create_workspace("team-b")
    server.cli("user", "create", "--name", "ada")
    server.cli("role", "assignment", "create", "--assignee", "ada", "--role", "Reader", "--workspace-name", "team-a")
    token = server.cli("token", "create", "--for", "ada", "--name", "t", parse=True)["token"]
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    assert names(mlflow.list_workspaces()) == ["team-a"]
    with pytest.raises(MlflowException) as refused:
        mlflow.create_workspace("team-c")
    assert refused.value.error_code == "PERMISSION_DENIED"
