"""Experiments chosen by name, id and tags; runs in runs; and what `mlflow.search_runs` makes of them in a table."""

import os

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException


def test_an_experiment_is_chosen_by_name_id_and_environment(client, monkeypatch):
    made = mlflow.set_experiment("chosen by name")
    mlflow.set_experiment_tags({"team": "a", "mlflow.note.content": "what for"})
    with mlflow.start_run() as run:
        assert run.info.experiment_id == made.experiment_id
    assert mlflow.set_experiment("chosen by name").experiment_id == made.experiment_id
    assert mlflow.set_experiment(experiment_id=made.experiment_id).name == "chosen by name"
    assert mlflow.get_experiment_by_name("chosen by name").tags == {"team": "a", "mlflow.note.content": "what for"}
    other = mlflow.create_experiment("another", tags={"team": "b"})
    with mlflow.start_run(experiment_id=other) as run:
        assert run.info.experiment_id == other
    assert [e.name for e in mlflow.search_experiments(filter_string="tags.team = 'b'")] == ["another"]
    mlflow.delete_experiment(other)
    with pytest.raises(MlflowException, match="deleted"):
        mlflow.set_experiment("another")
    with pytest.raises(MlflowException):
        mlflow.set_experiment(experiment_id="999999")
    with pytest.raises(MlflowException):
        mlflow.start_run(experiment_id=other)
    client.restore_experiment(other)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    with mlflow.start_run() as run:
        assert run.info.experiment_id == other
    client.rename_experiment(other, f"{other}-renamed")
    assert client.get_experiment(other).name == f"{other}-renamed"
    assert mlflow.get_experiment_by_name("another") is None


def test_runs_in_runs_are_found_by_their_parent(client, experiment):
    with mlflow.start_run(run_name="parent", tags={"level": "0"}) as parent:
        for trial in range(3):
            with mlflow.start_run(run_name=f"trial-{trial}", nested=True, description="one of three") as child:
                mlflow.log_metric("loss", 1.0 / (trial + 1))
                with mlflow.start_run(run_name="fold", nested=True):
                    mlflow.log_param("fold", trial)
        with pytest.raises(Exception, match="nested"):
            mlflow.start_run()
    assert mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id
    mine = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    children = client.search_runs([experiment], mine, order_by=["metrics.loss ASC"])
    assert [r.info.run_name for r in children] == ["trial-2", "trial-1", "trial-0"]
    assert {r.data.tags["mlflow.note.content"] for r in children} == {"one of three"}
    ids = ", ".join(f"'{r.info.run_id}'" for r in children)
    some = client.search_runs([experiment], f"attributes.run_id IN ({ids}) AND metrics.loss < 0.9")
    assert len(some) == 2
    folds = client.search_runs([experiment], "attributes.run_name = 'fold' AND params.fold = '1'")
    assert [r.data.tags["mlflow.parentRunId"] for r in folds] == [children[1].info.run_id]
    assert len(client.search_runs([experiment], "tags.`mlflow.parentRunId` IS NULL")) == 1
    # a parent that was deleted takes nobody along
    client.delete_run(parent.info.run_id)
    assert len(client.search_runs([experiment], mine)) == 3


def test_a_run_is_taken_up_again(client, experiment):
    with mlflow.start_run(run_name="long") as run:
        mlflow.log_metric("m", 1, step=1)
    with mlflow.start_run(run_id=run.info.run_id, log_system_metrics=False):
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("m", 2, step=2)
        mlflow.set_tags({"again": True})
    with pytest.raises(ValueError, match="stop"):
        with mlflow.start_run(run_id=run.info.run_id):
            raise ValueError("stop")
    found = client.get_run(run.info.run_id)
    assert (found.info.status, found.data.metrics["m"], found.data.tags["again"]) == ("FAILED", 2, "True")
    assert mlflow.last_active_run().info.run_id == run.info.run_id
    client.set_terminated(run.info.run_id, "KILLED")
    assert client.get_run(run.info.run_id).info.status == "KILLED"


def test_a_table_of_runs(client, experiment):
    for number in range(4):
        with mlflow.start_run(run_name=f"r{number}", tags={"odd": str(number % 2)}):
            mlflow.log_param("n", number)
            if number != 3:
                mlflow.log_metric("score", float("nan") if number == 2 else number / 10)
    table = mlflow.search_runs([experiment], order_by=["metrics.score DESC", "start_time ASC"])
    assert isinstance(table, pd.DataFrame)
    assert table["tags.mlflow.runName"].tolist() == ["r1", "r0", "r2", "r3"]
    assert table["params.n"].tolist() == ["1", "0", "2", "3"]
    assert np.isnan(table["metrics.score"][3]) and table["metrics.score"][0] == 0.1
    assert (table["end_time"] >= table["start_time"]).all() and str(table["start_time"].dtype).endswith("UTC]")
    assert table["artifact_uri"].str.startswith("mlflow-artifacts:/").all()
    by_name = mlflow.search_runs(experiment_names=["test_a_table_of_runs"], filter_string="tags.odd = '1' and params.n != '1'")
    assert by_name["tags.mlflow.runName"].tolist() == ["r3"]
    assert len(mlflow.search_runs([experiment], max_results=3)) == 3
    mine = f"attributes.run_name = 'r0' AND attributes.user_id = '{table['tags.mlflow.user'][0]}'"
    everywhere = mlflow.search_runs(search_all_experiments=True, filter_string=mine)
    assert set(table.run_id) & set(everywhere.run_id) == {table.run_id[1]}
    as_list = mlflow.search_runs([experiment], "metrics.score >= 0.1", output_format="list")
    assert [r.info.run_name for r in as_list] == ["r1"]
    mlflow.delete_run(table.run_id[0])
    assert len(mlflow.search_runs([experiment])) == 3
    gone = mlflow.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)
    assert gone.run_id.tolist() == [table.run_id[0]]
    assert mlflow.search_runs([experiment], "params.n = 'none'").empty
    with pytest.raises(MlflowException):
        mlflow.search_runs([experiment], "colour = 'red'")


def test_the_source_and_the_user_are_told(client, experiment):
    with mlflow.start_run() as run:
        pass
    tags = client.get_run(run.info.run_id).data.tags
    assert tags["mlflow.user"] == run.info.user_id == client.get_run(run.info.run_id).info.user_id
    assert tags["mlflow.source.type"] == "LOCAL"
    assert os.path.basename(tags["mlflow.source.name"]) in {"pytest", "__main__.py"}
