"""Data sets of `mlflow.data` and `mlflow.models.evaluate`, which writes metrics, tables, plots and the data set it judged."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import MetricThreshold, make_metric
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import scale


def inputs(client, run_id):
    """The data sets of a run by name: their digest and tags."""
    found = client.get_run(run_id).inputs.dataset_inputs
    return {i.dataset.name: (i.dataset.digest, {t.key: t.value for t in i.tags}) for i in found}


def test_data_sets_are_logged_found_and_read_back(client, experiment, tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"], "when": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    frame.to_csv(tmp_path / "frame.csv", index=False)
    table = mlflow.data.from_pandas(frame, source=str(tmp_path / "frame.csv"), name="frame", targets="a")
    numbers = mlflow.data.from_numpy(np.arange(6.0).reshape(2, 3), targets=np.array([0, 1]), name="numbers")
    predicted = mlflow.data.from_pandas(frame.assign(guess=[1.5, 1.5]), name="guesses", targets="a", predictions="guess")
    with mlflow.start_run() as run:
        mlflow.log_input(table, context="training", tags={"year": "2024"})
        mlflow.log_inputs([numbers, predicted], ["validation", "test"], [{}, None])
        mlflow.log_input(table, context="training")  # again: nothing new
    logged = inputs(client, run.info.run_id)
    assert logged["frame"] == (table.digest, {"mlflow.data.context": "training", "year": "2024"})
    assert logged["numbers"][1] == {"mlflow.data.context": "validation"} and set(logged) == {"frame", "numbers", "guesses"}
    first = next(i.dataset for i in client.get_run(run.info.run_id).inputs.dataset_inputs if i.dataset.name == "frame")
    assert pd.read_csv(mlflow.data.get_source(first).load())["b"].tolist() == ["x", "y"]
    columns = json.loads(first.schema)["mlflow_colspec"]
    assert [(c["name"], c["type"]) for c in columns] == [("a", "double"), ("b", "string"), ("when", "datetime")]
    found = client.search_runs([experiment], f"datasets.digest = '{table.digest}' AND datasets.context = 'training'")
    assert [r.info.run_id for r in found] == [run.info.run_id]


def test_a_classifier_is_judged(client, experiment):
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    x = x.iloc[:, :4]
    x.columns = ["radius", "texture", "perimeter", "area"]
    model = LogisticRegression(max_iter=500).fit(x, y)
    mistakes = make_metric(
        eval_fn=lambda predictions, targets, metrics: float(np.sum(predictions != targets)), greater_is_better=False, name="mistakes"
    )
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="model", input_example=x[:2], pip_requirements=["scikit-learn"])
        data = mlflow.data.from_pandas(x.assign(target=y), targets="target", name="tumours")
        result = mlflow.models.evaluate(
            info.model_uri, data, model_type="classifier", evaluators="default", extra_metrics=[mistakes],
            evaluator_config={"log_explainer": False},
        )
    metrics = client.get_run(run.info.run_id).data.metrics
    assert metrics["accuracy_score"] == model.score(x, y) == result.metrics["accuracy_score"]
    assert metrics["mistakes"] == int((model.predict(x) != y).sum())
    assert {"roc_auc", "log_loss", "true_positives"} <= metrics.keys()
    assert {"confusion_matrix.png", "roc_curve_plot.png"} <= {f.path for f in client.list_artifacts(run.info.run_id)}
    assert inputs(client, run.info.run_id)["tumours"][0] == data.digest
    # each metric of the evaluation is the model's too, on this data set
    judged = {m.key: (m.value, m.dataset_name) for m in client.get_logged_model(info.model_id).metrics}
    assert judged["accuracy_score"] == (model.score(x, y), "tumours")
    where = {"dataset_name": "tumours", "dataset_digest": data.digest}
    best = mlflow.search_logged_models([experiment], "metrics.accuracy_score > 0.5", datasets=[where], output_format="list")
    assert [m.model_id for m in best] == [info.model_id]


def test_a_regression_of_numbers_alone_and_its_threshold(client, experiment):
    x, y = load_diabetes(return_X_y=True)
    model = Ridge().fit(scale(x), y)
    data = pd.DataFrame({"target": y, "prediction": model.predict(scale(x))})
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(data=data, targets="target", predictions="prediction", model_type="regressor")
    metrics = client.get_run(run.info.run_id).data.metrics
    assert metrics["r2_score"] == pytest.approx(model.score(scale(x), y))
    assert metrics["mean_absolute_error"] == result.metrics["mean_absolute_error"]
    with pytest.raises(mlflow.exceptions.MlflowException, match="r2_score"):
        mlflow.validate_evaluation_results({"r2_score": MetricThreshold(threshold=0.99, greater_is_better=True)}, result)
