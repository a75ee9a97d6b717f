"""`lazuli gc`: what was deleted is hidden until it is removed for good."""

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import RestException


@pytest.fixture
def client(server, monkeypatch):
    for name, value in server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(server.url)
    return MlflowClient()


def artifact(server, path):
    url = f"{server.plain}/api/2.0/mlflow-artifacts/artifacts/{path}"
    return requests.get(url, headers=server.headers, timeout=30).status_code


def stored_files(server):
    return [path for path in (server.home / "blobs").rglob("*") if path.is_file()]


def full_run(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.log_metric(run_id, "loss", 0.5)
    client.log_param(run_id, "depth", 3)
    client.log_text(run_id, "content", "notes.txt")
    return run_id


def gc(server, *options):
    return {(item["kind"], item["id"]) for item in server.cli("gc", *options, parse=True)}


def test_runs_are_removed_with_their_files_once_deleted_for_long_enough(client, server):
    experiment = client.create_experiment("purged")
    gone, kept = full_run(client, experiment), full_run(client, experiment)
    client.delete_run(gone)
    assert gc(server, "--dry-run") == set()  # deleted just now, not thirty days ago
    assert gc(server, "--dry-run", "--older-than", "0s") == {("run", gone)}
    client.restore_run(gone)
    client.delete_run(gone)
    assert artifact(server, f"{experiment}/{gone}/artifacts/notes.txt") == 200

    refused = server.cli("gc", "--older-than", "0s", check=False)
    assert refused.returncode == 2 and "--yes" in refused.stderr

    assert gc(server, "--older-than", "0s", "--yes") == {("run", gone)}
    assert gc(server, "--older-than", "0s", "--yes") == set()
    with pytest.raises(RestException, match="not found"):
        client.get_run(gone)
    assert artifact(server, f"{experiment}/{gone}/artifacts/notes.txt") == 404
    assert not [path for path in stored_files(server) if gone in str(path)]
    assert client.get_run(kept).data.metrics == {"loss": 0.5}
    assert artifact(server, f"{experiment}/{kept}/artifacts/notes.txt") == 200
    targets = {record["target"] for record in server.cli("audit", "list", "--action", "purge/action", parse=True)}
    assert targets == {f"runs/{gone}"}


def test_an_experiment_goes_with_all_in_it_and_frees_its_name(client, server):
    experiment = client.create_experiment("again")
    run_id = full_run(client, experiment)
    model = client.create_logged_model(experiment, name="m", source_run_id=run_id)
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span("a trace"):
        pass
    mlflow.flush_trace_async_logging()
    client.delete_experiment(experiment)
    expected = {("run", run_id), ("logged_model", model.model_id), ("experiment", experiment)}
    assert gc(server, "--older-than", "0s", "--dry-run") == expected
    assert gc(server, "--older-than", "0s", "--yes") == expected
    with pytest.raises(RestException, match="No Experiment"):
        client.get_experiment(experiment)
    assert client.create_experiment("again") != experiment


def test_files_of_registered_versions_are_kept(client, server):
    experiment = client.create_experiment("registered")
    run_id = full_run(client, experiment)
    client.create_registered_model("m")
    client.create_model_version("m", f"runs:/{run_id}/model", run_id)
    client.delete_experiment(experiment)
    assert gc(server, "--older-than", "0s", "--yes") == set()
    client.delete_model_version("m", "1")
    assert gc(server, "--older-than", "0s", "--yes") == {("run", run_id), ("experiment", experiment)}


def test_who_may_not_purge_is_told_so(client, server):
    made = server.cli("token", "create", "--name", "no purge", "--scope", "Microsoft.MachineLearningServices/*", parse=True)
    headers = {"Authorization": f"Bearer {made['token']}"}
    url = f"{server.plain}/api/v1/workspaces/default/purge"
    refused = requests.post(url, json={"older_than_seconds": 0}, headers=headers, timeout=30)
    assert refused.status_code == 403 and "purge/action" in refused.text
