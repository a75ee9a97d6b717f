"""The unmodified mlflow client against a running server: runs, metrics, searches, artifacts, autologging."""

import math
import threading

import mlflow
import numpy as np
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException, RestException


@pytest.fixture
def client(shared_server, monkeypatch):
    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(shared_server.url)
    yield MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def experiment(client, request):
    """An experiment of the test's own, which runs go to by default."""
    return mlflow.set_experiment(request.node.name).experiment_id


def test_default_experiment(client):
    default = client.get_experiment("0")
    assert (default.name, default.lifecycle_stage) == ("Default", "active")
    assert default.artifact_location == "mlflow-artifacts:/0"


def test_basic_authentication(client, monkeypatch, shared_server):
    """A name and a password, or any name and a token, in place of a bearer token; neither passes without the right ones."""
    token = shared_server.token
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    shared_server.cli("user", "create", "--name", "basic-user")
    shared_server.cli("role", "assignment", "create", "--assignee", "basic-user", "--role", "Reader")
    password = "a password that is long enough"
    headers = {"Authorization": f"Bearer {token}"}
    set_to = requests.put(
        f"{shared_server.plain}/api/v1/principals/basic-user/password", json={"password": password}, headers=headers, timeout=30
    )
    assert set_to.status_code == 204
    for name, secret in [("basic-user", password), ("anyone", token)]:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", secret)
        assert client.get_experiment("0").name == "Default"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "basic-user")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    with pytest.raises(RestException, match="may not do"):
        client.create_experiment("not for readers")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "not the password")
    with pytest.raises(MlflowException, match="UNAUTHENTICATED"):
        client.get_experiment("0")


def test_fluent_logging(client, experiment):
    with mlflow.start_run(run_name="first", tags={"team": "a"}, description="what it is") as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"depth": 3, "kind": "tree"})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"a/b": 1.5, "c d": -2}, step=3)
        mlflow.set_tags({"stage": "dev", "mlflow.note.content": "longer"})
    found = client.get_run(run.info.run_id)
    assert found.info.status == "FINISHED" and found.info.end_time >= found.info.start_time
    assert found.info.run_name == "first" and found.data.tags["mlflow.runName"] == "first"
    assert found.data.params == {"lr": "0.1", "depth": "3", "kind": "tree"}
    assert found.data.metrics == {"loss": 0.2, "a/b": 1.5, "c d": -2.0}
    assert found.data.tags["team"] == "a" and found.data.tags["mlflow.note.content"] == "longer"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(s, 1 / (s + 1)) for s in range(5)]


def test_a_made_up_name_and_renaming(client, experiment):
    run = client.create_run(experiment)
    adjective, animal, number = run.info.run_name.split("-")
    assert adjective and animal and number.isdigit()
    client.update_run(run.info.run_id, name="renamed", status="KILLED")
    found = client.get_run(run.info.run_id)
    assert (found.info.run_name, found.info.status) == ("renamed", "KILLED")
    assert found.data.tags["mlflow.runName"] == "renamed"
    client.set_tag(run.info.run_id, "mlflow.runName", "again")
    assert client.get_run(run.info.run_id).info.run_name == "again"


def test_special_numbers(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    for key, value in [("nan", math.nan), ("inf", math.inf), ("neg", -math.inf), ("tiny", 5e-324), ("pi", math.pi)]:
        client.log_metric(run_id, key, value)
    metrics = client.get_run(run_id).data.metrics
    assert math.isnan(metrics["nan"]) and metrics["inf"] > 1e308 and metrics["neg"] < -1e308
    assert (metrics["tiny"], metrics["pi"]) == (5e-324, math.pi)
    assert math.isnan(client.get_metric_history(run_id, "nan")[0].value)


def test_the_latest_metric_is_by_step_time_and_value(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    for value, timestamp, step in [(1, 100, 5), (2, 900, 4), (3, 100, 5), (2.5, 100, 5)]:
        client.log_metric(run_id, "m", value, timestamp=timestamp, step=step)
    assert client.get_run(run_id).data.metrics["m"] == 3
    assert len(client.get_metric_history(run_id, "m")) == 4


def test_log_batch_and_its_limits(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    metrics = [Metric(f"m{i % 10}", i, 1_000 + i, i) for i in range(900)]
    client.log_batch(run_id, metrics, [Param("p", "1")], [RunTag("t", "x")])
    client.log_batch(run_id, metrics, [Param("p", "1")], [RunTag("t", "y")])
    found = client.get_run(run_id)
    assert len(found.data.metrics) == 10 and found.data.metrics["m9"] == 899
    assert len(client.get_metric_history(run_id, "m0")) == 90
    assert found.data.tags["t"] == "y"
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_batch(run_id, params=[Param("q", "1"), Param("p", "2")])
    assert "q" not in client.get_run(run_id).data.params, "a refused batch leaves nothing"


def test_long_values_are_cut(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "p", "x" * 7_000)
    client.set_tag(run_id, "t", "y" * 9_000)
    found = client.get_run(run_id)
    assert (len(found.data.params["p"]), len(found.data.tags["t"])) == (6_000, 8_000)


def test_errors(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "p", 1)
    with pytest.raises(MlflowException, match="Param with key='p' was already logged with value='1'"):
        client.log_param(run_id, "p", 2)
    client.log_param(run_id, "p", 1)
    with pytest.raises(RestException, match="Run with id=nope not found") as caught:
        client.get_run("nope")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST" and caught.value.get_http_status_code() == 404
    with pytest.raises(RestException) as caught:
        client.create_experiment("Default")
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"
    with pytest.raises(MlflowException, match="No Experiment with id=987654 exists"):
        client.create_run("987654")
    with pytest.raises(MlflowException, match="Invalid clause"):
        client.search_runs([experiment], "metrics.a > 1 OR metrics.b > 1")
    with pytest.raises(MlflowException, match="No tag with name: gone"):
        client.delete_tag(run_id, "gone")


def test_search_filters_order_and_pages(client, experiment):
    ids = []
    for number in range(12):
        run = client.create_run(experiment, start_time=1_000 + number, run_name=f"run {number:02}")
        ids.append(run.info.run_id)
        if number != 5:
            client.log_metric(run.info.run_id, "acc", math.nan if number == 3 else number % 4)
        client.log_param(run.info.run_id, "kind", "even" if number % 2 == 0 else "odd")
        client.set_tag(run.info.run_id, "x.y", f"tag {number}")

    def found(filter_string="", **more):
        return [ids.index(r.info.run_id) for r in client.search_runs([experiment], filter_string, **more)]

    assert found() == list(range(11, -1, -1))
    assert found("metrics.acc >= 3 AND params.kind = 'odd'") == [11, 7]
    assert found("tags.`x.y` LIKE 'tag 1%'", order_by=["attributes.start_time ASC"]) == [1, 10, 11]
    assert found("attributes.run_name ILIKE 'RUN 0_'", order_by=["start_time"]) == list(range(10))
    assert found(f"attributes.run_id IN ('{ids[2]}', '{ids[4]}')") == [4, 2]
    assert found("attributes.start_time < 1002") == [1, 0]
    assert found("params.missing IS NULL AND tags.`x.y` IS NOT NULL AND metrics.acc = 1") == [9, 1]
    by_metric = found(order_by=["metrics.acc DESC"])
    assert by_metric == [11, 7, 10, 6, 2, 9, 1, 8, 4, 0, 3, 5], "NaN and missing come last"
    paged, token = [], None
    while True:
        page = client.search_runs([experiment], order_by=["metrics.acc DESC"], max_results=5, page_token=token)
        paged += [ids.index(r.info.run_id) for r in page]
        token = page.token
        if not token:
            break
    assert paged == by_metric
    frame = mlflow.search_runs([experiment], filter_string="params.kind = 'even'", order_by=["start_time ASC"])
    assert list(frame["params.kind"]) == ["even"] * 6 and "metrics.acc" in frame.columns


def test_delete_and_restore(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert client.search_runs([experiment]) == []
    assert len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 1
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.log_metric(run_id, "m", 1)
    client.restore_run(run_id)
    client.log_metric(run_id, "m", 1)
    client.delete_experiment(experiment)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    client.restore_experiment(experiment)
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_experiments(client):
    made = [client.create_experiment(f"exp {n}", tags={"n": str(n)}) for n in range(5)]
    found = client.search_experiments(filter_string="name LIKE 'exp %' AND tags.n != '3'", order_by=["name ASC"])
    assert [e.name for e in found] == ["exp 0", "exp 1", "exp 2", "exp 4"]
    client.rename_experiment(made[0], "renamed")
    client.set_experiment_tag(made[0], "k", "v")
    renamed = client.get_experiment_by_name("renamed")
    assert renamed.tags == {"n": "0", "k": "v"} and renamed.experiment_id == made[0]
    assert client.get_experiment_by_name("no such") is None
    names, token = [], None
    while True:
        page = client.search_experiments(max_results=2, page_token=token, view_type=ViewType.ALL)
        names += [e.name for e in page]
        token = page.token
        if not token:
            break
    assert len(names) == len(set(names)) and {"exp 1", "exp 4", "Default"} <= set(names)


def test_nested_runs(client, experiment):
    with mlflow.start_run(run_name="parent") as parent:
        for number in range(3):
            with mlflow.start_run(run_name=f"child {number}", nested=True):
                mlflow.log_metric("n", number)
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert sorted(c.info.run_name for c in children) == ["child 0", "child 1", "child 2"]
    assert mlflow.get_parent_run(children[0].info.run_id).info.run_id == parent.info.run_id


def test_artifacts(client, experiment, tmp_path):
    folder = tmp_path / "out"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.txt").write_text("alpha")
    (folder / "deep" / "er" / "ü b.bin").write_bytes(bytes(range(256)) * 4_000)
    (folder / "empty").write_bytes(b"")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "data")
        mlflow.log_artifact(str(folder / "a.txt"))
        mlflow.log_dict({"x": [1, 2]}, "conf/d.json")
        mlflow.log_text("hello", "notes/t.txt")
        mlflow.log_table({"a": [1, 2], "b": ["x", "y"]}, "t.json")
    run_id = run.info.run_id
    assert [(f.path, f.is_dir) for f in client.list_artifacts(run_id)] == [
        ("a.txt", False),
        ("conf", True),
        ("data", True),
        ("notes", True),
        ("t.json", False),
    ]
    assert [(f.path, f.file_size) for f in client.list_artifacts(run_id, "data")] == [
        ("data/a.txt", 5),
        ("data/deep", None),
        ("data/empty", 0),
    ]
    local = client.download_artifacts(run_id, "data", str(tmp_path))
    with open(f"{local}/deep/er/ü b.bin", "rb") as file:
        assert file.read() == bytes(range(256)) * 4_000
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/conf/d.json") == {"x": [1, 2]}
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/t.txt") == "hello"
    assert list(mlflow.load_table("t.json", run_ids=[run_id])["b"]) == ["x", "y"]
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(run.info.artifact_uri).delete_artifacts("data")
    assert [f.path for f in client.list_artifacts(run_id) if f.is_dir] == ["conf", "notes"]
    with pytest.raises(Exception, match="404|No such|not found|Failed to download"):
        client.download_artifacts(run_id, "gone.txt", str(tmp_path))


def test_datasets(client, experiment):
    frame = mlflow.data.from_numpy(np.arange(12).reshape(4, 3), name="numbers")
    with mlflow.start_run() as run:
        mlflow.log_input(frame, context="training", tags={"split": "a"})
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (inputs[0].dataset.name, inputs[0].dataset.digest) == ("numbers", frame.digest)
    assert {t.key: t.value for t in inputs[0].tags} == {"mlflow.data.context": "training", "split": "a"}
    found = client.search_runs([experiment], "dataset.name = 'numbers' AND dataset.context = 'training'")
    assert [r.info.run_id for r in found] == [run.info.run_id]


def test_metric_history_in_pages(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    for start in range(0, 3_000, 1_000):
        client.log_batch(run_id, [Metric("m", i / 7, i, i) for i in range(start, start + 1_000)])
    history = client.get_metric_history(run_id, "m")
    assert [(m.step, m.value) for m in history] == [(i, i / 7) for i in range(3_000)]


def test_many_writers_at_once(client, experiment):
    run_id = client.create_run(experiment).info.run_id

    def write(worker):
        for step in range(20):
            client.log_batch(run_id, [Metric(f"w{worker}", step, step, step), Metric("shared", worker, step, step)])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics = client.get_run(run_id).data.metrics
    assert metrics["shared"] == 7 and all(metrics[f"w{n}"] == 19 for n in range(8))
    assert len(client.get_metric_history(run_id, "shared")) == 160


def test_async_logging(client, experiment):
    with mlflow.start_run() as run:
        for step in range(50):
            mlflow.log_metric("m", step, step=step, synchronous=False)
        mlflow.flush_async_logging()
    assert len(client.get_metric_history(run.info.run_id, "m")) == 50


def test_sklearn_autolog(client, experiment):
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False)
    try:
        x, y = load_breast_cancer(return_X_y=True)
        with mlflow.start_run() as run:
            LogisticRegression(max_iter=50, C=0.5).fit(x, y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    found = client.get_run(run.info.run_id)
    assert found.data.params["C"] == "0.5" and found.data.metrics["training_accuracy_score"] > 0.9
    assert found.data.tags["estimator_name"] == "LogisticRegression"
    assert RunStatus.to_string(RunStatus.from_string(found.info.status)) == "FINISHED"
    assert "training_confusion_matrix.png" in [f.path for f in client.list_artifacts(run.info.run_id)]


def test_lightgbm_autolog_logs_every_iteration(client, experiment):
    lightgbm = pytest.importorskip("lightgbm")
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    mlflow.lightgbm.autolog(log_models=False)
    try:
        x, y = load_breast_cancer(return_X_y=True)
        x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
        train = lightgbm.Dataset(x_train, y_train)
        with mlflow.start_run() as run:
            lightgbm.train(
                {"objective": "binary", "metric": "auc", "verbose": -1, "num_threads": 1},
                train,
                num_boost_round=25,
                valid_sets=[lightgbm.Dataset(x_test, y_test, reference=train)],
                valid_names=["valid"],
            )
    finally:
        mlflow.lightgbm.autolog(disable=True)
    history = client.get_metric_history(run.info.run_id, "valid-auc")
    assert [m.step for m in history] == list(range(25))
    assert client.get_run(run.info.run_id).data.params["num_boost_round"] == "25"
