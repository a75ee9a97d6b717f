"""Models saved, loaded and moved about in the registry: flavours, every kind of address, copies, renames, stages, deletion."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

X, Y = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]}), [0, 0, 1, 1]
NEEDS = {"pip_requirements": ["scikit-learn"]}  # said, so that the client does not load the model once more to find out


@pytest.fixture
def model():
    return LogisticRegression().fit(X, Y)


class Dictionary(mlflow.pyfunc.PythonModel):
    """A model of the user's own with a file beside it."""

    def load_context(self, context):
        with open(context.artifacts["words"], encoding="utf-8") as file:
            self.words = json.load(file)

    def predict(self, context, model_input, params=None):
        return [self.words.get(word, (params or {}).get("unknown", "?")) for word in model_input["word"]]


def test_a_model_of_the_users_own_with_files(client, experiment, tmp_path):
    (tmp_path / "words.json").write_text(json.dumps({"Haus": "house", "Tür": "door"}), encoding="utf-8")
    signature = infer_signature(pd.DataFrame({"word": ["Haus"]}), ["house"], params={"unknown": "?"})
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="dictionary", python_model=Dictionary(), artifacts={"words": str(tmp_path / "words.json")},
            signature=signature, pip_requirements=[], registered_model_name="dictionary", metadata={"language": "de"},
        )
    loaded = mlflow.pyfunc.load_model("models:/dictionary/1")
    assert loaded.predict(pd.DataFrame({"word": ["Tür", "Maus"]}), params={"unknown": "-"}) == ["door", "-"]
    assert loaded.metadata.metadata == {"language": "de"}
    assert loaded.metadata.model_id == info.model_id
    unwrapped = loaded.unwrap_python_model()
    assert unwrapped.words["Haus"] == "house"
    # the file went up from a folder that is gone for the reader
    assert mlflow.artifacts.load_dict("models:/dictionary/1/artifacts/words.json") == {"Haus": "house", "Tür": "door"}


def test_a_model_from_code(client, experiment, tmp_path):
    (tmp_path / "code.py").write_text(
        "import mlflow\n\nclass Twice(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input):\n        return model_input * 2\n\nmlflow.models.set_model(Twice())\n"
    )
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(name="twice", python_model=str(tmp_path / "code.py"), pip_requirements=[])
    assert list(mlflow.pyfunc.load_model(info.model_uri).predict(np.array([1, 2]))) == [2, 4]


def test_every_address_loads_the_same_model(client, experiment, model, tmp_path):
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="model", registered_model_name="addressed", **NEEDS)
    run_id = run.info.run_id
    client.set_registered_model_alias("addressed", "champion", 1)
    client.transition_model_version_stage("addressed", "1", "Staging")
    addresses = [
        "models:/addressed/1", "models:/addressed@champion", "models:/addressed/Staging", "models:/addressed/latest",
        f"models:/{info.model_id}", f"runs:/{run_id}/model", client.get_model_version_download_uri("addressed", "1"),
        client.get_logged_model(info.model_id).artifact_location,
    ]
    for address in addresses:
        assert list(mlflow.pyfunc.load_model(address).predict(X)) == Y, address
        assert mlflow.models.get_model_info(address).model_uuid == info.model_uuid, address
    for number, address in enumerate([addresses[1], addresses[4], addresses[5]]):
        local = mlflow.artifacts.download_artifacts(address, dst_path=str(tmp_path / str(number)))
        assert list(mlflow.sklearn.load_model(local).predict(X)) == Y
    listed = {file.path for file in mlflow.artifacts.list_artifacts("models:/addressed@champion")}
    assert {"MLmodel", "requirements.txt", "python_env.yaml"} <= listed
    nowhere = ["addressed/2", "addressed@nobody", "addressed/Production", f"m-{'0' * 32}", "nothing/1"]
    for address in [f"models:/{path}" for path in nowhere]:
        with pytest.raises(MlflowException):
            mlflow.pyfunc.load_model(address)


def test_a_saved_folder_becomes_a_version(client, experiment, model, tmp_path):
    """A model saved to disk, logged as plain files, registered by the run's address: as people did before log_model."""
    mlflow.sklearn.save_model(model, str(tmp_path / "saved"), signature=infer_signature(X, Y), **NEEDS)
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path / "saved"), artifact_path="by-hand")
    version = mlflow.register_model(f"runs:/{run.info.run_id}/by-hand", "from-files", tags={"kind": "files"})
    assert (str(version.version), version.run_id, version.status) == ("1", run.info.run_id, "READY")
    loaded = mlflow.pyfunc.load_model("models:/from-files/1")
    assert list(loaded.predict(X)) == Y
    with pytest.raises(MlflowException, match="schema|column"):
        loaded.predict(pd.DataFrame({"b": [1.0]}))
    mlflow.models.set_signature(f"runs:/{run.info.run_id}/by-hand", infer_signature(X))
    assert mlflow.models.get_model_info("models:/from-files/1").signature.outputs is None


def test_versions_are_copied_and_models_renamed(client, experiment, model):
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(model, name="model", registered_model_name="trial-model", **NEEDS)
    client.set_registered_model_alias("trial-model", "best", "1")
    client.set_model_version_tag("trial-model", "1", "checked", "yes")
    for expected in ["1", "2"]:
        copy = client.copy_model_version("models:/trial-model@best", "released-model")
        assert str(copy.version) == expected
        assert (copy.run_id, copy.tags, copy.aliases) == (run.info.run_id, {"checked": "yes"}, [])
        assert copy.source.startswith("models:/")
    again = client.copy_model_version("models:/released-model/2", "copy-of-copy")
    assert list(mlflow.sklearn.load_model(f"models:/copy-of-copy/{again.version}").predict(X)) == Y
    client.rename_registered_model("released-model", "shipped-model")
    assert list(mlflow.sklearn.load_model("models:/shipped-model/2").predict(X)) == Y
    # the copy of the copy says where it comes from by the old name, and still has its files
    client.delete_registered_model("shipped-model")
    with pytest.raises(MlflowException) as gone:
        client.get_registered_model("shipped-model")
    assert gone.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert list(mlflow.sklearn.load_model("models:/trial-model@best").predict(X)) == Y
    with pytest.raises(MlflowException, match="version=9"):
        client.copy_model_version("models:/trial-model/9", "nowhere")


def test_stages_move_and_a_version_is_deleted(client, experiment, model):
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(model, name="model", registered_model_name="staged", **NEEDS)
    mlflow.register_model(info.model_uri, "staged")
    client.transition_model_version_stage("staged", "1", "Production")
    moved = client.transition_model_version_stage("staged", "2", "Production", archive_existing_versions=True)
    assert moved.current_stage == "Production"
    stages = {str(v.version): v.current_stage for v in client.search_model_versions("name = 'staged'")}
    assert stages == {"1": "Archived", "2": "Production"}
    assert mlflow.pyfunc.load_model("models:/staged/production").metadata.model_id == info.model_id
    with pytest.raises(MlflowException) as wrong:
        client.transition_model_version_stage("staged", "2", "Attic")
    assert wrong.value.error_code == "INVALID_PARAMETER_VALUE"
    client.delete_model_version("staged", "2")
    with pytest.raises(MlflowException):
        mlflow.pyfunc.load_model("models:/staged/2")
    assert list(mlflow.pyfunc.load_model("models:/staged/latest").predict(X)) == Y
    found = MlflowClient().search_model_versions(f"run_id = '{client.get_model_version('staged', '1').run_id}'")
    assert [(v.name, str(v.version)) for v in found] == [("staged", "1")]
