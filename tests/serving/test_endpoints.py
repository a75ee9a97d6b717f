"""Online endpoints against the real binary: score.py and MLflow models in real processes, keys, shares, crashes, failures."""

import json
import os
import signal
import time

import pytest
import requests

SCORE = """
import json, os, signal

def init():
    print("model directory", os.environ["AZUREML_MODEL_DIR"])

def run(raw):
    given = json.loads(raw)
    if given == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if given == "raise":
        raise ValueError("no such flower")
    return {"from": WORD, "rows": len(given["data"]), "pid": os.getpid()}
"""


def endpoint(server, name):
    server.cli("online-endpoint", "create", "--name", name, parse=True)
    return Endpoint(server, name)


class Endpoint:
    def __init__(self, server, name):
        self.server, self.name = server, name
        self.path = f"/api/v1/workspaces/default/online-endpoints/{name}"

    @property
    def keys(self):
        return self.server.cli("online-endpoint", "get-credentials", "--name", self.name, parse=True)

    def show(self, deployment):
        return requests.get(f"{self.server.plain}{self.path}/deployments/{deployment}", headers=self.server.headers, timeout=30).json()

    def metrics(self, deployment):
        return requests.get(f"{self.server.plain}{self.path}/deployments/{deployment}/metrics", headers=self.server.headers, timeout=30).json()

    def traffic(self, shares):
        self.server.cli("online-endpoint", "update", "--name", self.name, "--traffic", shares, parse=True)
        time.sleep(0.2)

    def call(self, body, key=None, deployment=None):
        headers = {"Authorization": f"Bearer {key or self.keys['primaryKey']}", "Content-Type": "application/json"}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        return requests.post(f"{self.server.plain}/endpoints/{self.name}/score", data=json.dumps(body), headers=headers, timeout=60)


def script_deployment(folder, endpoint, name, script, **more):
    """A deployment file with its code folder beside it."""
    code = folder / f"{name}-code"
    code.mkdir(parents=True, exist_ok=True)
    (code / "score.py").write_text(script.replace("WORD", repr(name)))
    document = {
        "name": name,
        "endpoint_name": endpoint.name,
        "code_configuration": {"code": f"./{code.name}", "scoring_script": "score.py"},
        "environment": {"image": "docker.io/library/python:3.11", "name": "plain"},
        "instance_count": 1,
        **more,
    }
    path = folder / f"{name}.yml"
    path.write_text(json.dumps(document))
    return path


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the awaited state did not come"
        time.sleep(0.02)


def test_score_py_answers_shares_traffic_and_survives_a_killed_worker(shared_server, tmp_path):
    flowers = endpoint(shared_server, "flowers")
    shared_server.cli("online-deployment", "create", "--file", script_deployment(tmp_path, flowers, "blue", SCORE), "--all-traffic")
    key = flowers.keys["primaryKey"]
    answer = flowers.call({"data": [1, 2]}, key)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["from"], answer.json()["rows"]) == ("blue", 2)
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert "model directory" in shared_server.cli("online-deployment", "get-logs", "-e", "flowers", "--name", "blue").stdout

    # a request that kills its worker is the only one that fails
    died = flowers.call("die", key)
    assert (died.status_code, died.headers["ms-azureml-model-error-statuscode"]) == (424, "502")
    until(lambda: flowers.metrics("blue")["instances"]["ready"] == 1)
    again = flowers.call({"data": []}, key)
    assert again.status_code == 200 and again.json()["pid"] != answer.json()["pid"]
    os.kill(again.json()["pid"], signal.SIGKILL)
    until(lambda: flowers.metrics("blue")["instances"]["restarts"] == 2)
    assert flowers.call({"data": []}, key).status_code == 200
    raised = flowers.call("raise", key)
    assert (raised.status_code, raised.headers["ms-azureml-model-error-statuscode"]) == (424, "500")
    assert "no such flower" in shared_server.cli("online-deployment", "get-logs", "-e", "flowers", "--name", "blue").stdout

    # two deployments
    shared_server.cli("online-deployment", "create", "--file", script_deployment(tmp_path, flowers, "green", SCORE))
    flowers.traffic("blue=90 green=10")
    took = [flowers.call({"data": []}, key).json()["from"] for _ in range(100)]
    assert 1 <= took.count("green") <= 30
    assert flowers.call({"data": []}, key, deployment="green").json()["from"] == "green"
    refused = shared_server.cli("online-deployment", "delete", "-e", "flowers", "--name", "green", "--yes", check=False)
    assert refused.returncode != 0 and "10 percent" in refused.stderr
    assert shared_server.cli("online-endpoint", "update", "--name", "flowers", "--traffic", "blue=60", check=False).returncode != 0
    page = requests.get(f"{shared_server.plain}/metrics", headers=shared_server.headers, timeout=30).text
    assert 'lazuli_endpoint_requests_total{endpoint="flowers",deployment="blue",status="200"}' in page

    # invoke, then keys: the old one stops working
    rows = tmp_path / "rows.json"
    rows.write_text('{"data": [1]}')
    assert json.loads(shared_server.cli("online-endpoint", "invoke", "--name", "flowers", "--request-file", rows).stdout)["rows"] == 1
    shared_server.cli("online-endpoint", "regenerate-keys", "--name", "flowers", "--key-type", "primary", "--yes")
    until(lambda: flowers.call({"data": []}, key).status_code == 401)
    assert flowers.call({"data": []}).status_code == 200

    # gone with all its processes
    pid = flowers.call({"data": []}, deployment="blue").json()["pid"]
    shared_server.cli("online-endpoint", "delete", "--name", "flowers", "--yes")
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert requests.post(f"{shared_server.plain}/endpoints/flowers/score", headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code == 401


def test_a_deployment_that_cannot_load_says_why(shared_server, tmp_path):
    broken = endpoint(shared_server, "broken")
    path = script_deployment(tmp_path, broken, "blue", "import no_such_package\ndef init(): pass\ndef run(data): pass\n")
    failed = shared_server.cli("online-deployment", "create", "--file", path, check=False)
    assert failed.returncode != 0
    assert "No module named 'no_such_package'" in failed.stderr
    shown = broken.show("blue")
    assert shown["provisioning_state"] == "Failed"
    assert "Traceback" in shown["error"]["traceback"]
    assert broken.call([], deployment="blue").status_code == 503


def test_bad_documents_are_refused_with_the_field(shared_server):
    def put(name, body):
        url = f"{shared_server.plain}/api/v1/workspaces/default/online-endpoints/{name}"
        return requests.put(url, data=body, headers=shared_server.headers, timeout=30)

    assert put("x", "{}").json()["field"] == "name"
    assert put("fine", "auth_mode: aad_token").json()["field"] == "auth_mode"
    assert put("fine", "trafic: {}").json()["field"] == "trafic"
    assert put("fine", "traffic: {blue: 50}").json()["field"] == "traffic"
    assert put("fine", "a: [").status_code == 400
    assert put("fine", b"\xff\xfe").status_code == 400
    assert put("fine/deployments/blue", "model: azureml:none:1").status_code in (400, 404)


def test_killed_server_leaves_no_worker_and_brings_deployments_back(make_server, tmp_path):
    server = make_server()
    flowers = endpoint(server, "flowers")
    server.cli("online-deployment", "create", "--file", script_deployment(tmp_path, flowers, "blue", SCORE), "--all-traffic")
    key = flowers.keys["primaryKey"]
    pid = flowers.call({"data": []}, key).json()["pid"]
    server.stop(signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{pid}"), 5)
    server.start()
    until(lambda: flowers.call({"data": []}, key).status_code == 200)
    assert flowers.call({"data": []}, key).json()["pid"] != pid


def test_a_registered_mlflow_model_needs_no_code(shared_server, monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.linear_model import LogisticRegression

    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(shared_server.url)
    mlflow.set_experiment("no-code")
    rows, labels = datasets.load_iris(return_X_y=True, as_frame=True)
    with mlflow.start_run() as run:
        model = LogisticRegression(max_iter=500).fit(rows, labels)
        mlflow.sklearn.log_model(model, name="model", registered_model_name="iris", input_example=rows.head(2))
    iris = endpoint(shared_server, "iris-api")
    path = tmp_path / "blue.json"
    path.write_text(json.dumps({"name": "blue", "endpoint_name": iris.name, "model": "azureml:iris@latest"}))
    shared_server.cli("online-deployment", "create", "--file", path, "--all-traffic", timeout=600)
    expected = model.predict(rows.head(60)).tolist()
    key = iris.keys["primaryKey"]
    split = json.loads(rows.head(60).to_json(orient="split"))
    assert iris.call({"input_data": split}, key).json() == expected
    assert iris.call({"input_data": rows.head(60).to_numpy().tolist()}, key).json() == expected
    assert iris.call({"dataframe_split": split}, key).json() == expected
    wrong = iris.call({"input_data": {"columns": ["a"], "data": [[1]]}}, key)
    assert (wrong.status_code, wrong.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    document = requests.get(
        f"{shared_server.plain}/endpoints/{iris.name}/swagger.json", headers={"Authorization": f"Bearer {key}"}, timeout=30
    ).json()
    assert "sepal length (cm)" in json.dumps(document)
    lineage = shared_server.cli("online-deployment", "lineage", "-e", iris.name, "--name", "blue", parse=True)
    assert lineage["made_from"][0]["name"] == "iris:1"
    assert lineage["made_from"][0]["made_from"][0]["name"] == run.info.run_id
