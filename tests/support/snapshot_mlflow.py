"""Prints everything that the mlflow client can read of a store as JSON: `snapshot_mlflow.py TRACKING_URI`.

Two stores that print the same hold the same. Addresses of artifacts are left out (they differ by design); the files behind them
are hashed through the client instead, and a model is loaded by its alias.
"""

import hashlib
import json
import math
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import ViewType


def number(value):
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name != "registered_model_meta"  # made by the client as it loads
    }


def downloaded(uri):
    with tempfile.TemporaryDirectory() as folder:
        mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        return hashes(folder)


def run(client, run):
    info = run.info
    history = {
        key: sorted([point.step, point.timestamp, number(point.value)] for point in client.get_metric_history(info.run_id, key))
        for key in sorted(run.data.metrics)
    }
    return {
        "info": [info.run_id, info.run_name, info.experiment_id, info.status, info.start_time, info.end_time, info.lifecycle_stage,
                 info.user_id or ""],
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": {key: number(value) for key, value in run.data.metrics.items()},
        "history": history,
        "datasets": sorted(
            json.dumps([vars(used.dataset), sorted((tag.key, tag.value) for tag in used.tags)], sort_keys=True)
            for used in run.inputs.dataset_inputs
        ),
        "models": [
            sorted(used.model_id for used in getattr(run.inputs, "model_inputs", None) or []),
            sorted([made.model_id, made.step] for made in (run.outputs.model_outputs if getattr(run, "outputs", None) else [])),
        ],
        "files": downloaded(f"runs:/{info.run_id}/") if info.lifecycle_stage == "active" and client.list_artifacts(info.run_id) else {},
    }


def logged_model(client, model):
    return {
        "model": [model.model_id, model.name, model.experiment_id, model.creation_timestamp, model.last_updated_timestamp,
                  str(model.status), model.model_type or "", model.source_run_id or ""],
        "params": model.params,
        "tags": model.tags,
        "metrics": sorted(
            json.dumps([m.key, number(m.value), m.timestamp, m.step, m.run_id, m.dataset_name, m.dataset_digest])
            for m in model.metrics or []
        ),
        "files": downloaded(f"models:/{model.model_id}") if str(model.status) == "READY" else {},
    }


def version(found):
    return {
        "version": [found.name, str(found.version), found.creation_timestamp, found.last_updated_timestamp, found.description or "",
                    found.user_id or "", found.current_stage, found.run_id or None, found.run_link or None, found.status],
        "tags": found.tags,
        "aliases": sorted(found.aliases),
    }


def registered(client, model):
    versions = client.search_model_versions(f"name = '{model.name}'")
    return {
        "model": [model.name, model.creation_timestamp, model.last_updated_timestamp, model.description or ""],
        "tags": model.tags,
        "aliases": {alias: str(target) for alias, target in model.aliases.items()},
        "versions": sorted((version(client.get_model_version(model.name, found.version)) for found in versions), key=lambda v: v["version"][1]),
    }


def pages(search, **arguments):
    token = None
    while True:
        page = search(page_token=token, **arguments)
        yield from page
        token = page.token
        if not token:
            return


def logged_models(client, ids):
    """None before MLflow 3."""
    return pages(client.search_logged_models, experiment_ids=ids) if hasattr(client, "search_logged_models") else []


def trace(found):
    info = found.info
    tags = {key: value for key, value in info.tags.items() if key != "mlflow.artifactLocation"}
    return {
        "info": [info.trace_id, info.experiment_id, info.request_time, info.execution_duration, str(info.state),
                 info.client_request_id or "", info.request_preview or "", info.response_preview or ""],
        "tags": tags,
        "metadata": info.trace_metadata,
        # of expectations MLflow's protocol does not say whether they are valid
        "assessments": sorted(
            json.dumps({k: v for k, v in a.to_dictionary().items() if k != "valid" or "feedback" in a.to_dictionary()}, sort_keys=True)
            for a in info.assessments
        ),
        "spans": sorted(json.dumps(span.to_dict(), sort_keys=True) for span in found.data.spans),
    }


def traces(client, ids):
    """Where this MLflow keeps spans in its database."""
    if not hasattr(mlflow, "log_feedback"):
        return []
    return (trace(found) for found in pages(client.search_traces, locations=ids))


def evaluation(client, ids):
    store = client._tracking_client.store
    if not hasattr(store, "search_datasets"):
        return []
    found = []
    for one in pages(store.search_datasets, experiment_ids=ids):
        records, _ = store._load_dataset_records(one.dataset_id)
        found.append({
            "set": [one.dataset_id, one.name, one.digest, one.schema, one.profile, one.created_time, one.last_update_time,
                    sorted(store.get_dataset_experiment_ids(one.dataset_id))],
            "tags": one.tags,
            "records": [json.dumps({**r.to_dict(), "dataset_id": ""}, sort_keys=True) for r in records],
        })
    return found


def scorers(client, ids):
    store = client._tracking_client.store
    if not hasattr(store, "list_scorers"):
        return []
    latest = [one for experiment in ids for one in store.list_scorers(experiment)]
    return sorted(
        [v.scorer_name, int(v.scorer_version), str(v.experiment_id), v._serialized_scorer, v.creation_time]
        for one in latest
        for v in store.list_scorer_versions(str(one.experiment_id), one.scorer_name)
    )


def issues(client):
    store = client._tracking_client.store
    if not hasattr(store, "search_issues"):
        return []
    return [issue.to_dictionary() for issue in pages(store.search_issues, include_trace_count=True)]


def main():
    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.set_registry_uri(sys.argv[1])
    client = MlflowClient()
    experiments = sorted(pages(client.search_experiments, view_type=ViewType.ALL), key=lambda e: int(e.experiment_id))
    active = [experiment.experiment_id for experiment in experiments if experiment.lifecycle_stage == "active"]
    ids = [experiment.experiment_id for experiment in experiments]
    runs = pages(client.search_runs, experiment_ids=ids, run_view_type=ViewType.ALL)
    models = pages(client.search_registered_models)
    prompts = pages(client.search_registered_models, filter_string="tags.`mlflow.prompt.is_prompt` = 'true'")
    everything = {
        "experiments": [
            [e.experiment_id, e.name, e.lifecycle_stage, e.creation_time, e.last_update_time, e.tags] for e in experiments
        ],
        "runs": sorted((run(client, client.get_run(found.info.run_id)) for found in runs), key=lambda run: run["info"][0]),
        "logged models": sorted(
            (logged_model(client, model) for model in logged_models(client, ids)),
            key=lambda model: model["model"][0],
        ),
        "traces": sorted(traces(client, active), key=lambda trace: trace["info"][0]),
        "evaluation datasets": evaluation(client, active),
        "scorers": scorers(client, active),
        "registered models": {model.name: registered(client, model) for model in [*models, *prompts]},
    }
    # the snapshots of old stores were taken before there were issues
    if found := issues(client):
        everything["issues"] = found
    if any("champion" in model["aliases"] for model in everything["registered models"].values()):
        everything["predicted"] = mlflow.pyfunc.load_model("models:/iris@champion").predict([1, 2, 3])
        everything["source files"] = downloaded("models:/iris/2")
    json.dump(everything, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)


main()
