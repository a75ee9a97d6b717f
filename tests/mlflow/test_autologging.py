"""Autologging of real libraries with the unmodified mlflow client: what each of them writes is read back from the server."""

import math
import pickle
import subprocess
import sys
from contextlib import contextmanager

import mlflow
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from conftest import clean_environment
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@contextmanager
def autolog(library, **options):
    """Autologging of one library, taken back for the tests that follow."""
    module = getattr(mlflow, library)
    module.autolog(silent=True, **options)
    try:
        yield
    finally:
        module.autolog(disable=True, silent=True)


@pytest.fixture(scope="module")
def tumours():
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return train_test_split(x.iloc[:, :6], y, random_state=0)


def files(client, run_id, path=None):
    return {file.path for file in client.list_artifacts(run_id, path)}


def test_a_pipeline_and_what_is_measured_after_it(client, experiment, tumours):
    x, x_test, y, y_test = tumours
    with autolog("sklearn", registered_model_name="autolog-pipeline"), mlflow.start_run() as run:
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(x, y)
        predicted = pipeline.predict(x_test)
        measured = sklearn.metrics.f1_score(y_test, predicted)
        score = pipeline.score(x_test, y_test)
    found = client.get_run(run.info.run_id)
    assert found.data.params["logisticregression__C"] == "0.5"
    assert found.data.params["steps"].startswith("[('standardscaler'")
    assert found.data.metrics["f1_score_x_test"] == measured
    assert found.data.metrics["Pipeline_score_x_test"] == score
    assert {"training_confusion_matrix.png", "estimator.html", "metric_info.json"} <= files(client, run.info.run_id)
    assert {(d.dataset.name, t.value) for d in found.inputs.dataset_inputs for t in d.tags} == {("dataset", "train"), ("dataset", "eval")}
    version = client.get_model_version("autolog-pipeline", "1")
    assert version.run_id == run.info.run_id
    loaded = mlflow.pyfunc.load_model("models:/autolog-pipeline/1")
    assert list(loaded.predict(x_test)) == list(pipeline.predict(x_test))
    assert loaded.metadata.get_input_schema().input_names() == list(x.columns)
    logged = client.get_logged_model(found.outputs.model_outputs[0].model_id)
    assert {m.key for m in logged.metrics} >= {"training_f1_score", "training_accuracy_score"}


def test_a_grid_search_leaves_a_child_for_each_trial(client, experiment, tumours):
    x, _, y, _ = tumours
    grid = {"logisticregression__C": [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0]}
    with autolog("sklearn", max_tuning_runs=3, log_models=False), mlflow.start_run() as run:
        search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), grid, cv=2).fit(x, y)
    parent = client.get_run(run.info.run_id)
    assert parent.data.metrics["best_cv_score"] == search.best_score_
    assert parent.data.params["best_logisticregression__C"] == str(search.best_params_["logisticregression__C"])
    assert "cv_results.csv" in files(client, run.info.run_id)
    children = mlflow.search_runs(
        [experiment], f"tags.mlflow.parentRunId = '{run.info.run_id}'", order_by=["metrics.mean_test_score DESC"]
    )
    assert len(children) == 3
    assert children["metrics.mean_test_score"][0] == search.best_score_
    assert set(children["status"]) == {"FINISHED"}
    best = search.cv_results_["mean_test_score"]
    assert children["metrics.mean_test_score"].tolist() == sorted(best, reverse=True)[:3]


def test_xgboost_logs_every_round_and_stops_early(client, experiment, tumours):
    xgboost = pytest.importorskip("xgboost")
    x, x_test, y, y_test = tumours
    with autolog("xgboost", log_models=False), mlflow.start_run() as run:
        booster = xgboost.train(
            {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "nthread": 1, "eta": 0.9},
            xgboost.DMatrix(x, y),
            num_boost_round=60,
            evals=[(xgboost.DMatrix(x_test, y_test), "valid")],
            early_stopping_rounds=3,
            verbose_eval=False,
        )
    found = client.get_run(run.info.run_id)
    assert found.data.params["num_boost_round"] == "60" and found.data.params["eta"] == "0.9"
    assert found.data.metrics["stopped_iteration"] == booster.num_boosted_rounds() - 1
    # a point for each round, and one more for the best, which the client repeats at the end
    steps = {m.step for m in client.get_metric_history(run.info.run_id, "valid-auc")}
    assert steps == set(range(booster.num_boosted_rounds() + 1))
    assert any(path.startswith("feature_importance_weight") for path in files(client, run.info.run_id))
    logged = mlflow.xgboost.log_model(booster, name="booster", model_format="ubj", pip_requirements=["xgboost"])
    loaded = mlflow.xgboost.load_model(logged.model_uri)
    assert np.array_equal(loaded.predict(xgboost.DMatrix(x_test)), booster.predict(xgboost.DMatrix(x_test)))


def test_scikit_learn_style_boosters(client, experiment, tumours):
    """The estimators of LightGBM and XGBoost are logged by their own libraries."""
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    x, x_test, y, y_test = tumours
    with autolog("lightgbm", log_models=False), mlflow.start_run() as run:
        model = lightgbm.LGBMClassifier(n_estimators=7, n_jobs=1, verbose=-1)
        model.fit(x, y, eval_X=x_test, eval_y=y_test, eval_metric="auc")
    found = client.get_run(run.info.run_id)
    assert found.data.params["num_boost_round"] == "7"
    assert len(client.get_metric_history(run.info.run_id, "valid_0-auc")) == 7
    feature = "feature_importance_split.json"
    assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/{feature}").keys() == {name.replace(" ", "_") for name in x.columns}
    with autolog("xgboost", log_models=False), mlflow.start_run() as run:
        xgboost.XGBRegressor(n_estimators=5, n_jobs=1, eval_metric="rmse").fit(x, y, eval_set=[(x_test, y_test)], verbose=False)
    found = client.get_run(run.info.run_id)
    assert found.data.params["num_boost_round"] == "5"
    assert len(client.get_metric_history(run.info.run_id, "validation_0-rmse")) == 5


SCRIPT = """
import mlflow
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

mlflow.autolog(log_models=False, silent=True, extra_tags={"team": "insulin"})
Ridge(alpha=0.25).fit(*load_diabetes(return_X_y=True))
"""


def test_a_script_that_knows_nothing_but_its_environment(client, experiment, shared_server):
    """`mlflow.autolog()` and nothing else: a run is made, named and ended by the client."""
    environment = clean_environment(**shared_server.client_environment(), MLFLOW_EXPERIMENT_ID=experiment)
    subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, timeout=120)
    (run,) = client.search_runs([experiment])
    assert (run.info.status, run.data.params["alpha"], run.data.tags["team"]) == ("FINISHED", "0.25", "insulin")
    assert (run.data.tags["mlflow.autologging"], run.data.tags["mlflow.source.name"]) == ("sklearn", "-c")
    assert run.data.metrics["training_r2_score"] > 0.3


def test_a_failed_training_is_a_failed_run(client, experiment):
    with autolog("sklearn"), pytest.raises(ValueError, match="NaN"):
        LogisticRegression().fit([[math.nan], [1.0]], [0, 1])
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FAILED"


def test_a_training_loop_with_checkpoints_and_system_metrics(client, experiment, tmp_path):
    """A loop as one writes it around PyTorch: step metrics in batches, checkpoints, a table of results, the machine's load."""
    pytest.importorskip("psutil")
    mlflow.set_system_metrics_sampling_interval(0.2)
    mlflow.set_system_metrics_samples_before_logging(1)
    mlflow.enable_system_metrics_logging()
    weights, rng = np.zeros(3), np.random.default_rng(0)
    try:
        with mlflow.start_run() as run:
            mlflow.log_params({"lr": 0.1, "epochs": 5, "layers": [8, 8]})
            for step in range(200):
                weights += 0.1 * rng.normal(size=3)
                mlflow.log_metrics({"train/loss": float(np.exp(-step / 50)), "train/norm": float(np.linalg.norm(weights))}, step=step)
                if step % 40 == 39:
                    checkpoint = tmp_path / f"epoch-{step // 40}.pkl"
                    checkpoint.write_bytes(pickle.dumps({"weights": weights, "step": step}))
                    mlflow.log_artifact(str(checkpoint), artifact_path="checkpoints")
                    mlflow.log_metric("valid/loss", 1 / (step + 1), step=step, timestamp=1_700_000_000_000 + step)
    finally:
        mlflow.disable_system_metrics_logging()
        mlflow.set_system_metrics_sampling_interval(None)
        mlflow.set_system_metrics_samples_before_logging(None)
    found = client.get_run(run.info.run_id)
    assert found.data.params["layers"] == "[8, 8]"
    assert [m.step for m in client.get_metric_history(run.info.run_id, "train/loss")] == list(range(200))
    assert [m.timestamp for m in client.get_metric_history(run.info.run_id, "valid/loss")][:1] == [1_700_000_000_039]
    assert files(client, run.info.run_id, "checkpoints") == {f"checkpoints/epoch-{n}.pkl" for n in range(5)}
    last = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/checkpoints/epoch-4.pkl", dst_path=str(tmp_path / "back"))
    with open(last, "rb") as file:
        assert np.array_equal(pickle.load(file)["weights"], weights)
    system = {name for name in found.data.metrics if name.startswith("system/")}
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= system
    assert pd.Series(found.data.metrics).filter(like="system/").notna().all()
