"""What both training scripts share: arguments, data, and the score that they are compared by."""

import argparse

import mlflow
import pandas as pd
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split


def arguments(**extra):
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    for name, (kind, default) in extra.items():
        parser.add_argument(f"--{name}", type=kind, default=default)
    return parser.parse_args()


def fit_and_score(model, data):
    """Fits on most rows, scores on the others, and logs the scores to the run that the job already has."""
    frame = pd.read_csv(data)
    features, target = frame.drop(columns="target"), frame["target"]
    fit_x, test_x, fit_y, test_y = train_test_split(features, target, test_size=0.25, stratify=target, random_state=7)
    mlflow.sklearn.autolog(log_input_examples=False)
    with mlflow.start_run():
        model.fit(fit_x, fit_y)
        probability = model.predict_proba(test_x)[:, 1]
        scores = {
            "validation_accuracy": accuracy_score(test_y, probability > 0.5),
            "validation_auc": roc_auc_score(test_y, probability),
        }
        mlflow.log_metrics(scores)
    for name, value in scores.items():
        print(f"{name}: {value:.4f}")
