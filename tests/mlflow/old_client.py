"""What one does on a day with the mlflow client, in words that the clients since 2.22 all know.

test_old_clients.py runs this with the interpreter of an environment that holds an older client, and reads what it prints:
a JSON object from part to "passed", "absent" (this client has no such thing) or a traceback.
"""

import json
import logging
import sys
import tempfile
import time
import traceback
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

X, Y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
VERSION = mlflow.__version__
NUMBERS = tuple(int(part) for part in VERSION.split(".")[:2])
THREE = NUMBERS >= (3, 0)
client = MlflowClient()
logging.getLogger("mlflow").setLevel(logging.ERROR)


class Absent(Exception):
    """The client does not have this yet."""


def refused(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except MlflowException as error:
        assert error.error_code == code, (error.error_code, code, str(error))
    else:
        raise AssertionError(f"{call} was not refused")


def logging_and_batches(experiment):
    with mlflow.start_run(run_name="day", tags={"team": "a"}, description="what for") as run:
        mlflow.log_params({"lr": 0.1, "long": "x" * 5_000})
        for step in range(10):
            mlflow.log_metrics({"loss": 1.0 / (step + 1), "odd": float("nan") if step == 9 else step}, step=step)
        mlflow.set_tags({"done": True})
        with mlflow.start_run(nested=True) as child:
            mlflow.log_metric("inner", 1)
        client.log_batch(
            run.info.run_id, [Metric("batch", i, i, i) for i in range(500)], [Param(f"p{i}", str(i)) for i in range(50)], [RunTag("t", "v")]
        )
        mlflow.log_metric("late", 1.0, synchronous=False)
        mlflow.flush_async_logging()
    found = client.get_run(run.info.run_id)
    assert (found.info.status, found.info.run_name, found.data.tags["done"]) == ("FINISHED", "day", "True")
    assert (found.data.params["lr"], len(found.data.params["long"]), found.data.params["p49"]) == ("0.1", 5_000, "49")
    assert (found.data.metrics["loss"], found.data.metrics["batch"], found.data.metrics["late"]) == (0.1, 499, 1)
    assert np.isnan(found.data.metrics["odd"])
    assert [m.step for m in client.get_metric_history(run.info.run_id, "batch")] == list(range(500))
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id
    refused("INVALID_PARAMETER_VALUE", client.log_param, run.info.run_id, "lr", 0.2)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)


def experiments_and_searches(experiment):
    name = mlflow.get_experiment(experiment).name
    other = mlflow.create_experiment(f"{name}-other", tags={"of": name})
    assert [e.experiment_id for e in mlflow.search_experiments(filter_string=f"tags.of = '{name}'")] == [other]
    for n in range(5):
        with mlflow.start_run(experiment_id=other, tags={"n": str(n)}):
            mlflow.log_metric("score", n / 10)
            mlflow.log_param("kind", "even" if n % 2 == 0 else "odd")
    table = mlflow.search_runs([other], "params.kind = 'even' AND metrics.score > 0.1", order_by=["metrics.score DESC"])
    assert table["tags.n"].tolist() == ["4", "2"] and table["metrics.score"].tolist() == [0.4, 0.2]
    first = client.search_runs([other], max_results=3, order_by=["start_time ASC"])
    rest = client.search_runs([other], max_results=3, order_by=["start_time ASC"], page_token=first.token)
    assert [r.data.tags["n"] for r in [*first, *rest]] == list("01234") and not rest.token
    client.delete_run(first[0].info.run_id)
    assert len(client.search_runs([other])) == 4 and len(client.search_runs([other], run_view_type=ViewType.ALL)) == 5
    client.restore_run(first[0].info.run_id)
    client.rename_experiment(other, f"{name}-renamed")
    client.delete_experiment(other)
    assert client.get_experiment(other).lifecycle_stage == "deleted"
    client.restore_experiment(other)
    refused("RESOURCE_ALREADY_EXISTS", mlflow.create_experiment, f"{name}-renamed")
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [other], "colour = 'red'")


def artifacts(experiment):
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
        tree = Path(folder, "tree", "deeper")
        tree.mkdir(parents=True)
        (tree / "ü b.bin").write_bytes(bytes(range(256)) * 1_000)
        mlflow.log_artifacts(str(tree.parent), "data")
        mlflow.log_text("hello", "notes/t.txt")
        mlflow.log_dict({"x": [1]}, "conf.json")
        mlflow.log_table({"a": [1, 2]}, "table.json")
        run_id = run.info.run_id
        assert sorted(f.path for f in client.list_artifacts(run_id)) == ["conf.json", "data", "notes", "table.json"]
        assert [(f.path, f.file_size) for f in client.list_artifacts(run_id, "data/deeper")] == [("data/deeper/ü b.bin", 256_000)]
        back = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/data", dst_path=f"{folder}/back")
        assert Path(back, "deeper", "ü b.bin").read_bytes() == bytes(range(256)) * 1_000
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/t.txt") == "hello"
    assert mlflow.load_table("table.json", run_ids=[run_id])["a"].tolist() == [1, 2]


def data_sets(experiment):
    data = mlflow.data.from_pandas(pd.DataFrame({"a": [1.0]}), name="frame", source="https://example.com/frame.csv")
    with mlflow.start_run() as run:
        mlflow.log_input(data, context="training")
    (found,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest, found.tags[0].value) == ("frame", data.digest, "training")
    assert len(client.search_runs([experiment], "dataset.name = 'frame'")) == 1


def models_and_registry(experiment):
    name = f"model-{VERSION}"
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            LogisticRegression().fit(X, Y), "model", registered_model_name=name,
            input_example=np.array(X[:1]), pip_requirements=["scikit-learn"],
        )
    mlflow.register_model(info.model_uri, name, tags={"again": "yes"})
    client.set_registered_model_alias(name, "champion", "1")
    client.transition_model_version_stage(name, "2", "Production")
    assert client.get_model_version_by_alias(name, "champion").run_id == run.info.run_id
    registered = [f"models:/{name}@champion", f"models:/{name}/2", f"models:/{name}/Production"]
    for address in [*registered, info.model_uri, f"runs:/{run.info.run_id}/model"]:
        assert list(mlflow.pyfunc.load_model(address).predict(np.array(X))) == Y, address
    assert list(mlflow.sklearn.load_model(f"models:/{name}/latest").predict(X)) == Y
    copied = client.copy_model_version(f"models:/{name}@champion", f"{name}-copy")
    assert list(mlflow.sklearn.load_model(f"models:/{name}-copy/{copied.version}").predict(X)) == Y
    client.update_model_version(name, "1", "the first")
    client.set_model_version_tag(name, "1", "k", "v")
    versions = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])
    told = [(str(v.version), v.description or "", v.current_stage) for v in versions]
    assert told == [("1", "the first", "None"), ("2", "", "Production")]
    assert name in [m.name for m in client.search_registered_models(f"name LIKE '{name}%'")]
    assert str(client.get_registered_model(name).aliases["champion"]) == "1"
    client.rename_registered_model(f"{name}-copy", f"{name}-renamed")
    client.delete_registered_model_alias(name, "champion")
    client.delete_model_version(name, "2")
    client.delete_registered_model(f"{name}-renamed")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, f"{name}-renamed")


def autologging(experiment):
    mlflow.sklearn.autolog(silent=True, log_models=False)
    try:
        with mlflow.start_run() as run:
            LogisticRegression(C=0.5).fit(X, Y)
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    found = client.get_run(run.info.run_id)
    assert found.data.params["C"] == "0.5" and found.data.metrics["training_accuracy_score"] == 1


def logged_models(experiment):
    if not THREE:
        raise Absent
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(LogisticRegression().fit(X, Y), name="named", params={"depth": 3}, pip_requirements=["scikit-learn"])
        mlflow.log_metric("accuracy", 0.9, model_id=info.model_id)
    found = mlflow.get_logged_model(info.model_id)
    assert (found.source_run_id, found.params["depth"], found.status.value) == (run.info.run_id, "3", "READY")
    assert [(m.key, m.value) for m in found.metrics] == [("accuracy", 0.9)]
    listed = mlflow.search_logged_models([experiment], "metrics.accuracy > 0.5", output_format="list")
    assert [m.model_id for m in listed] == [info.model_id]
    assert list(mlflow.sklearn.load_model(f"models:/{info.model_id}").predict(X)) == Y
    mlflow.set_logged_model_tags(info.model_id, {"k": "v"})
    client.delete_logged_model(info.model_id)
    refused("RESOURCE_DOES_NOT_EXIST", mlflow.get_logged_model, info.model_id)


def prompts(experiment):
    name = f"greeting-{VERSION.replace('.', '-')}"
    mlflow.register_prompt(name=name, template="Hello {{who}}")
    mlflow.register_prompt(name=name, template="Good day {{who}}", commit_message="politer")
    assert mlflow.load_prompt(f"prompts:/{name}/2").format(who="you") == "Good day you"
    mlflow.set_prompt_alias(name, "live", 1)
    assert mlflow.load_prompt(f"prompts:/{name}@live").template == "Hello {{who}}"
    assert name not in [m.name for m in client.search_registered_models()]


def eventually(look, seconds=15):
    """Traces go out behind the caller's back: looks until there is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def traces(experiment):
    @mlflow.trace(span_type="TOOL")
    def double(x):
        return 2 * x

    with mlflow.start_span(name="root", attributes={"user": "me"}) as span:
        span.set_inputs({"x": 4})
        span.set_outputs({"y": double(4)})
    trace_id = mlflow.get_last_active_trace_id() if THREE else mlflow.get_last_active_trace().info.request_id
    assert eventually(lambda: client.search_traces([experiment]))
    trace = client.get_trace(trace_id)
    assert [(s.name, s.outputs) for s in trace.data.spans] == [("root", {"y": 8}), ("double", 8)]
    assert trace.info.status == "OK"
    client.set_trace_tag(trace_id, "colour", "blue")
    assert client.get_trace(trace_id).info.tags["colour"] == "blue"
    assert len(client.search_traces([experiment], "tags.colour = 'blue'")) == 1
    assert len(client.search_traces([experiment], "tags.colour = 'red'")) == 0
    client.delete_trace_tag(trace_id, "colour")
    try:
        with mlflow.start_span(name="fails"):
            raise ValueError("stop")
    except ValueError:
        pass
    assert eventually(lambda: client.search_traces([experiment], "status = 'ERROR'"))
    client.delete_traces(experiment, trace_ids=[trace_id]) if THREE else client.delete_traces(experiment, request_ids=[trace_id])
    assert len(client.search_traces([experiment])) == 1


def assessments(experiment):
    if NUMBERS < (3, 2):
        raise Absent  # 3.0 has the functions, for Databricks alone
    with mlflow.start_span(name="judged") as span:
        pass
    assert eventually(lambda: client.search_traces([experiment], "name = 'judged'"))
    mlflow.log_feedback(trace_id=span.trace_id, name="good", value=True, rationale="it is")
    mlflow.log_expectation(trace_id=span.trace_id, name="answer", value="42")
    found = {a.name: a for a in client.get_trace(span.trace_id).info.assessments}
    assert (found["good"].value, found["good"].rationale, found["answer"].value) == (True, "it is", "42")


def evaluation_data_sets(experiment):
    if NUMBERS < (3, 4):
        raise Absent
    made = mlflow.genai.datasets.create_dataset(name=f"questions-{VERSION}", experiment_id=[experiment], tags={"k": "v"})
    made.merge_records([{"inputs": {"q": n}, "expectations": {"a": n}} for n in range(3)])
    again = mlflow.genai.datasets.get_dataset(dataset_id=made.dataset_id)
    assert sorted(row["q"] for row in again.to_df()["inputs"]) == [0, 1, 2]
    mlflow.genai.datasets.delete_dataset(dataset_id=made.dataset_id)


PARTS = [
    logging_and_batches, experiments_and_searches, artifacts, data_sets, models_and_registry, autologging, logged_models,
    prompts, traces, assessments, evaluation_data_sets,
]


def main():
    results = {}
    for part in PARTS:
        experiment = mlflow.set_experiment(f"{VERSION}-{part.__name__}").experiment_id
        try:
            part(experiment)
            results[part.__name__] = "passed"
        except Absent:
            results[part.__name__] = "absent"
        except Exception:
            results[part.__name__] = traceback.format_exc()
        while mlflow.active_run():
            mlflow.end_run()
    json.dump({"version": VERSION, "parts": results}, sys.__stdout__)


if __name__ == "__main__":
    main()
