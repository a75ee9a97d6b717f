"""MLflow's own command line against a running server: experiments, runs, projects, and models that predict and serve."""

import csv
import json
import os
import socket
import subprocess
import sys
import time

import mlflow
import pandas as pd
import pytest
import requests
from click.testing import CliRunner
from conftest import clean_environment
from sklearn.linear_model import LogisticRegression


@pytest.fixture
def command(client):
    """Runs `mlflow …` in this process (the import alone costs seconds) and returns what it printed."""
    from mlflow.cli import cli

    def run(*arguments, status=0):
        done = CliRunner().invoke(cli, list(map(str, arguments)))
        assert done.exit_code == status, f"mlflow {' '.join(map(str, arguments))}: {done.output}\n{done.exception!r}"
        return done.output

    return run


@pytest.fixture
def environment(shared_server):
    """The environment of an `mlflow` process: what `lazuli env` gives, and nothing of this process's own."""
    return clean_environment(**shared_server.client_environment(), MLFLOW_DISABLE_TELEMETRY="true")


@pytest.fixture
def champion(client, experiment):
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]),
            name="model", registered_model_name="served", pip_requirements=["scikit-learn"],
        )
    newest = max(int(v.version) for v in client.search_model_versions("name = 'served'"))
    client.set_registered_model_alias("served", "champion", newest)
    return "models:/served@champion"


def test_experiments(client, command, tmp_path):
    number = command("experiments", "create", "--experiment-name", "of the command line").split()[-1]
    assert client.get_experiment(number).name == "of the command line"
    assert "of the command line" in command("experiments", "search")
    found = json.loads(command("experiments", "get", "--experiment-name", "of the command line", "--output", "json"))
    assert found["experiment_id"] == number
    command("experiments", "rename", "-x", number, "--new-name", "renamed there")
    assert client.get_experiment(number).name == "renamed there"
    for value in [0.1, 0.7]:
        with mlflow.start_run(experiment_id=number):
            mlflow.log_metric("score", value)
    command("experiments", "csv", "-x", number, "-o", tmp_path / "runs.csv")
    with open(tmp_path / "runs.csv", newline="", encoding="utf-8") as file:
        assert [row["metrics.score"] for row in csv.DictReader(file)] == ["0.7", "0.1"]
    command("experiments", "delete", "-x", number)
    assert "renamed there" not in command("experiments", "search")
    assert "renamed there" in command("experiments", "search", "--view", "deleted_only")
    command("experiments", "restore", "-x", number)
    assert client.get_experiment(number).lifecycle_stage == "active"
    command("experiments", "get", "-x", "999999", status=1)


def test_runs(client, command, experiment):
    command("runs", "create", "--experiment-id", experiment, "--run-name", "by hand", "-t", "kind=trial", "--status", "killed")
    (run,) = client.search_runs([experiment])
    run_id = run.info.run_id
    assert (run.info.status, run.info.run_name, run.data.tags["kind"]) == ("KILLED", "by hand", "trial")
    assert run_id in command("runs", "list", "--experiment-id", experiment)
    described = json.loads(command("runs", "describe", "--run-id", run_id))
    assert described["info"]["run_id"] == run_id and described["data"]["tags"]["kind"] == "trial"
    command("runs", "delete", "--run-id", run_id)
    assert run_id not in command("runs", "list", "--experiment-id", experiment)
    assert run_id in command("runs", "list", "--experiment-id", experiment, "--view", "deleted_only")
    command("runs", "restore", "--run-id", run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "active"
    command("runs", "create", "--experiment-id", experiment, "--parent-run-id", run_id)
    assert len(client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run_id}'")) == 1


def test_traces_are_linked_to_a_run(client, command, experiment):
    with mlflow.start_span(name="question") as span:
        span.set_inputs({"q": "why"})
    mlflow.flush_trace_async_logging()
    run_id = client.create_run(experiment).info.run_id
    command("runs", "link-traces", "--run-id", run_id, "-t", span.trace_id)
    linked = mlflow.search_traces(locations=[experiment], run_id=run_id, return_type="list")
    assert [trace.info.trace_id for trace in linked] == [span.trace_id]


def test_traces_and_what_is_thought_of_them(client, command, experiment):
    with mlflow.start_span(name="question") as span:
        span.set_inputs({"q": "why"})
    mlflow.flush_trace_async_logging()
    trace = span.trace_id
    assert trace in command("traces", "search", "--experiment-id", experiment, "--output", "json")
    assert json.loads(command("traces", "get", "--trace-id", trace))["info"]["trace_id"] == trace
    command("traces", "set-tag", "--trace-id", trace, "--key", "colour", "--value", "blue")
    assert client.get_trace(trace).info.tags["colour"] == "blue"
    command("traces", "delete-tag", "--trace-id", trace, "--key", "colour")
    assert "colour" not in client.get_trace(trace).info.tags
    command("traces", "log-feedback", "--trace-id", trace, "--name", "good", "--value", "0.5", "--rationale", "so so")
    command("traces", "log-expectation", "--trace-id", trace, "--name", "answer", "--value", "because")
    found = {a.name: a for a in client.get_trace(trace).info.assessments}
    assert found.keys() == {"good", "answer"} and found["good"].rationale == "so so"
    number = found["good"].assessment_id
    assert number in command("traces", "get-assessment", "--trace-id", trace, "--assessment-id", number)
    command("traces", "update-assessment", "--trace-id", trace, "--assessment-id", number, "--rationale", "better")
    assert "better" in command("traces", "get-assessment", "--trace-id", trace, "--assessment-id", number)
    command("traces", "delete-assessment", "--trace-id", trace, "--assessment-id", number)
    assert [a.name for a in client.get_trace(trace).info.assessments] == ["answer"]
    command("traces", "delete", "--experiment-id", experiment, "--trace-ids", trace)
    assert trace not in command("traces", "search", "--experiment-id", experiment, "--output", "json")


def test_what_belongs_to_evaluations_is_listed(client, command, experiment):
    mlflow.genai.datasets.create_dataset(name="of the cli", experiment_id=[experiment])
    assert "of the cli" in command("datasets", "list", "--experiment-id", experiment)
    model = "openai:/nothing-is-called"
    command("scorers", "register-llm-judge", "-n", "polite", "-i", "Is {{ outputs }} polite?", "-m", model, "-x", experiment)
    assert "polite" in command("scorers", "list", "-x", experiment)


def test_requirements_of_a_model_are_changed_in_place(client, command, experiment):
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), name="model", pip_requirements=["scikit-learn"])
    (logged,) = client.get_run(run.info.run_id).outputs.model_outputs
    command("models", "update-pip-requirements", "-m", f"models:/{logged.model_id}", "add", "pandas<4")
    place = client.get_logged_model(logged.model_id).artifact_location
    assert "pandas<4" in mlflow.artifacts.load_text(f"{place}/requirements.txt")


def test_a_project_is_run(client, environment, experiment, tmp_path):
    (tmp_path / "MLproject").write_text(
        "name: tiny\nentry_points:\n  main:\n    parameters:\n      rate: {type: float, default: 0.5}\n"
        "    command: python train.py {rate}\n"
    )
    (tmp_path / "train.py").write_text(
        "import sys, mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('rate', float(sys.argv[1]))\n"
        "    mlflow.log_text('done', 'note.txt')\n"
    )
    arguments = ["run", str(tmp_path), "--env-manager", "local", "-P", "rate=0.25", "--experiment-id", experiment, "--run-name", "project"]
    subprocess.run([sys.executable, "-m", "mlflow", *arguments], env=environment, check=True, timeout=180, capture_output=True)
    (run,) = client.search_runs([experiment])
    assert (run.info.status, run.data.metrics, run.data.params) == ("FINISHED", {"rate": 0.25}, {"rate": "0.25"})
    assert (run.data.tags["mlflow.project.entryPoint"], run.data.tags["mlflow.runName"]) == ("main", "project")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt") == "done"


def test_a_model_predicts_from_a_table(champion, command, tmp_path):
    pd.DataFrame([[0.0], [3.0]]).to_csv(tmp_path / "in.csv", index=False)
    command("models", "predict", "-m", champion, "-i", tmp_path / "in.csv", "-t", "csv", "-o", tmp_path / "out.json", "--env-manager", "local")
    assert json.loads((tmp_path / "out.json").read_text()) == {"predictions": [0, 1]}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_model_is_served(champion, environment, tmp_path):
    port = free_port()
    arguments = ["serve", "-m", champion, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with open(tmp_path / "serve.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", *arguments], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "serve.log").read_text()
            try:
                if requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.2)
        body = {"dataframe_split": {"columns": ["0"], "data": [[0.0], [3.0]]}}
        answer = requests.post(f"http://127.0.0.1:{port}/invocations", json=body, timeout=30)
        assert answer.json() == {"predictions": [0, 1]}
    finally:
        os.killpg(process.pid, 15)  # the session that was started for it: the command and its worker
        process.wait(30)
