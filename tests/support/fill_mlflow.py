"""Fills an MLflow store with one of everything that this MLflow version knows: `fill_mlflow.py TRACKING_URI FOLDER`.

Runs under whatever mlflow the interpreter has (2.22, 3.0 and later), talks to the database directly (no server), and puts
artifacts below FOLDER/mlruns. The tests of `lazuli import mlflow` run it, and it made the databases in tests/data/mlflow_stores.
"""

import math
import os
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

TRACKING_URI, FOLDER = sys.argv[1], Path(sys.argv[2])
POINTS = int(os.environ.get("FILL_POINTS", "40"))
BIG = int(os.environ.get("FILL_BIG", "2000"))
RUNS = int(os.environ.get("FILL_RUNS", "3"))


def files(client, run_id):
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "notes é.txt")
        small.write_text(f"notes of {run_id}")
        client.log_artifact(run_id, str(small))
        Path(folder, "big.bin").write_bytes(bytes(range(256)) * BIG)
        Path(folder, "empty").write_bytes(b"")
        client.log_artifacts(run_id, folder, "deep/er")


def values(client, run_id, offset):
    metrics = [Metric("loss", 1 / (step + 1) + offset, 1_700_000_000_000 + step, step) for step in range(POINTS)]
    metrics += [
        Metric("odd", math.nan, 1_700_000_000_000, 0),
        Metric("odd", math.inf, 1_700_000_000_001, 1),
        Metric("odd", -math.inf, 1_700_000_000_002, 2),
        Metric("ends in nan", 0.0, 1, 1),
        Metric("ends in nan", math.nan, 2, 2),
        # time does not go with the steps
        Metric("back/and forth", 1.5, 2000, 1),
        Metric("back/and forth", 2.5, 1000, 2),
        Metric("back/and forth", 3.5, 3000, -5),
        Metric("back/and forth", 4.5, 1000, 2),
    ]
    for start in range(0, len(metrics), 900):
        client.log_batch(run_id, metrics=metrics[start : start + 900])
    client.log_batch(
        run_id,
        params=[Param("lr", "0.1"), Param("long", "x" * 5900), Param("emptyish", " ")],
        tags=[RunTag("team", "b\u00e4r"), RunTag("mlflow.note.content", "# note\n\ntext"), RunTag("n", "y" * 4000)],
    )


def datasets(client, run_id):
    for number in range(2):
        dataset = Dataset(
            name=f"iris {number}",
            digest=f"d{number}",
            source_type="local",
            source='{"uri": "/data/iris.csv"}',
            schema='{"mlflow_colspec": []}',
            profile='{"num_rows": 3}' if number else None,
        )
        client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train"), InputTag("k", "v")])])


def model(run_id):
    """A pyfunc model logged in the run; gives what to register."""
    import mlflow.pyfunc

    here = Path(__file__).with_name("echo_model.py")
    with mlflow.start_run(run_id=run_id):
        keyword = "name" if int(mlflow.__version__.split(".")[0]) >= 3 else "artifact_path"
        return mlflow.pyfunc.log_model(
            **{keyword: "model"}, python_model=str(here), pip_requirements=["mlflow-skinny"], infer_code_paths=False
        )


def registry(client, info, run_id):
    client.create_registered_model("iris", tags={"owner": "ann"}, description="what it is")
    first = client.create_model_version("iris", info.model_uri, run_id=run_id, tags={"a": "1"}, description="one")
    second = client.create_model_version("iris", f"runs:/{run_id}/deep", run_id=run_id)
    third = client.create_model_version("iris", f"runs:/{run_id}/deep/er", run_id=run_id)
    client.delete_model_version("iris", third.version)
    client.transition_model_version_stage("iris", first.version, "Production")
    client.transition_model_version_stage("iris", second.version, "Archived")
    client.set_registered_model_alias("iris", "champion", first.version)
    client.set_registered_model_alias("iris", "old", second.version)
    client.create_registered_model("empty one")


def main():
    os.chdir(FOLDER)
    mlflow.set_tracking_uri(TRACKING_URI)
    mlflow.set_registry_uri(TRACKING_URI)
    client = MlflowClient()
    client.search_experiments()
    first = client.create_experiment("first", tags={"mlflow.note.content": "hello", "t": "1"})
    gone = client.create_experiment("gone")
    parent = None
    for number in range(RUNS):
        tags = {"mlflow.parentRunId": parent} if parent else {}
        run = client.create_run(first, run_name=f"run {number}", tags={"mlflow.user": "ann", **tags}, start_time=1_700_000_000_000 + number)
        parent = parent or run.info.run_id
        values(client, run.info.run_id, number)
        if number < 2:
            files(client, run.info.run_id)
            datasets(client, run.info.run_id)
        if number != 1:
            client.set_terminated(run.info.run_id, "FAILED" if number == 2 else "FINISHED", end_time=1_700_000_100_000)
    zero = client.create_run("0", run_name="in the default experiment")
    client.log_metric(zero.info.run_id, "m", 1.0)
    client.set_terminated(zero.info.run_id)
    dead = client.create_run(gone)
    client.log_param(dead.info.run_id, "p", "q")
    client.delete_run(zero.info.run_id)
    client.delete_experiment(gone)
    # a run of its own: MLflow 3.0 cannot log a model in a run that has NaN among its metrics
    parent = client.create_run(first, run_name="with a model", tags={"mlflow.user": "ann"}).info.run_id
    files(client, parent)
    client.log_metric(parent, "score", 0.25, timestamp=1_700_000_000_000)
    info = model(parent)
    registry(client, info, parent)
    if hasattr(client, "search_logged_models"):
        for found in client.search_logged_models([first]):
            client.set_logged_model_tags(found.model_id, {"best": "yes"})
            client.log_metric(parent, "accuracy", 0.5, step=3, timestamp=1_700_000_000_500, model_id=found.model_id)
            second = client.create_logged_model(first, name="unready", params={"depth": "3"}, tags={"x": "y"}, model_type="agent")
            client.log_model_params(second.model_id, {"width": "4"})
            if hasattr(client, "log_outputs"):
                from mlflow.entities import LoggedModelInput, LoggedModelOutput

                client.log_outputs(parent, [LoggedModelOutput(second.model_id, step=7)])
                client.log_inputs(parent, models=[LoggedModelInput(second.model_id)])
    try:
        mlflow.register_prompt(name="greeting", template="Hello {{name}}", commit_message="first", tags={"lang": "en"})
        mlflow.register_prompt(name="greeting", template="Hi {{name}}", commit_message="second")
        (mlflow.genai if hasattr(mlflow, "genai") and hasattr(mlflow.genai, "set_prompt_alias") else mlflow).set_prompt_alias("greeting", "live", 1)
    except AttributeError as error:
        print("no prompts:", error, file=sys.stderr)
    if hasattr(mlflow, "genai"):
        traces(client, first, parent)
        evaluation(client, first)
    print(parent)


def traces(client, experiment, run_id):
    """Traces as applications make them, where this MLflow keeps spans in its database."""
    if not hasattr(mlflow, "log_feedback"):
        return
    from mlflow.entities import AssessmentSource

    mlflow.set_experiment(experiment_id=experiment)

    @mlflow.trace(name="answer", span_type="CHAIN")
    def answer(question):
        with mlflow.start_span("model", span_type="LLM") as span:
            span.set_inputs({"question": question})
            span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8})
            span.set_outputs("B\u00e4r")
        mlflow.update_current_trace(tags={"t": "1"}, metadata={"mlflow.trace.session": "s1", "mlflow.trace.user": "ann"})
        if question == "bad":
            raise ValueError("no answer")
        return "yes"

    answer("good")
    first = mlflow.get_last_active_trace_id()
    with mlflow.start_run(run_id=run_id):
        answer("second")
    try:
        answer("bad")
    except ValueError:
        pass
    if hasattr(mlflow, "flush_trace_async_logging"):
        mlflow.flush_trace_async_logging()
    source = AssessmentSource(source_type="HUMAN", source_id="ann")
    mlflow.log_feedback(trace_id=first, name="good", value=True, source=source, rationale="it is", metadata={"k": "v"})
    mlflow.log_feedback(trace_id=first, name="score", value=0.25, source=source)
    mlflow.log_expectation(trace_id=first, name="expected", value={"answer": ["yes"]}, source=source)
    if hasattr(client, "link_traces_to_run"):
        client.link_traces_to_run([first], run_id)


def evaluation(client, experiment):
    try:
        from mlflow.genai.datasets import create_dataset
    except ImportError:
        return
    made = create_dataset(name="questions", experiment_id=experiment, tags={"of": "all"})
    made.merge_records([
        {"inputs": {"q": "one", "b": {"z": 1, "a": 2}}, "expectations": {"answer": "1"}, "tags": {"x": "y"}},
        {"inputs": {"q": "z\u00f6\u00f6"}, "outputs": "free text"},
    ])
    if hasattr(mlflow.genai, "make_judge"):
        store = client._tracking_client.store
        store.register_scorer(experiment, "polite", '{"name": "polite", "is_session_level_scorer": false}')
        store.register_scorer(experiment, "polite", '{"name": "polite", "is_session_level_scorer": false, "v": 2}')
    if hasattr(client._tracking_client.store, "create_issue"):
        issues(client, experiment)


def issues(client, experiment):
    from mlflow.entities.issue import IssueSeverity

    store = client._tracking_client.store
    store.create_issue(experiment, "slow", "answers take a minute", severity=IssueSeverity.HIGH, root_causes=["no cache", "z\u00f6\u00f6"])
    store.create_issue(experiment, "odd", "an answer in French", categories=["language"], created_by="ann")


main()
