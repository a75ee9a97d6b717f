"""Many clients at once, and a kill in the middle: what was acknowledged is there, once, on both databases."""

import http.client
import json
import os
import secrets
import signal
import subprocess
import threading
import time

import pytest
import requests

MLFLOW = "/api/2.0/mlflow"
POSTGRES = os.environ.get("LAZULI_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    """Options that name the database; PostgreSQL's is made for the test and dropped after it."""
    if request.param == "sqlite":
        yield []
        return
    if not POSTGRES:
        pytest.skip("LAZULI_TEST_POSTGRES is not set; tests/support/postgres run … sets it")
    name = f"lazuli_{secrets.token_hex(6)}"
    ask = lambda sql: subprocess.run(["psql", "-q", "-d", POSTGRES, "-c", sql], check=True, capture_output=True)
    ask(f"CREATE DATABASE {name}")
    yield ["--database", POSTGRES.rsplit("/", 1)[0] + f"/{name}"]
    ask(f"DROP DATABASE {name} WITH (FORCE)")


class Client:
    """One connection that sends a message and waits for its answer."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}

    def post(self, path, body):
        self.connection.request("POST", f"{MLFLOW}/{path}", json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, text[:300])
        return json.loads(text)

    def new_run(self):
        return self.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]


def history(server, run, key):
    path = f"{MLFLOW}/metrics/get-history?run_id={run}&metric_key={key}"
    answer = requests.get(server.plain + path, headers=server.headers, timeout=60)
    assert answer.status_code == 200, answer.text[:300]
    return [(int(point["step"]), point["value"]) for point in answer.json().get("metrics", [])]


def latest(server, run):
    answer = requests.get(f"{server.plain}{MLFLOW}/runs/get", params={"run_id": run}, headers=server.headers, timeout=60).json()
    return {metric["key"]: (int(metric["step"]), metric["value"]) for metric in answer["run"]["data"]["metrics"]}


def together(count, work):
    """Runs `work(number)` in so many threads; what one of them raises is raised here."""
    failures = []

    def guarded(number):
        try:
            work(number)
        except (OSError, http.client.HTTPException):
            pass  # the server was killed
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads, failures


def test_64_clients_log_to_one_run_until_the_server_is_killed(make_server, database):
    server = make_server("--port", "0", *database)
    run = Client(server).new_run()
    noted = [[] for _ in range(64)]

    def log(number):
        client = Client(server)
        for step in range(1_000_000):
            # all clients write to one metric of the run, each to steps of its own; every tenth is a batch
            if step % 10:
                client.post("runs/log-metric", {"run_id": run, "key": "loss", "value": step, "timestamp": step, "step": step * 64 + number})
                noted[number].append(step)
            else:
                points = [{"key": "loss", "value": step, "timestamp": step, "step": step * 64 + number}, {"key": f"own{number}", "value": step, "timestamp": step, "step": step}]
                client.post("runs/log-batch", {"run_id": run, "metrics": points})
                noted[number].append(step)

    threads, failures = together(64, log)
    time.sleep(3)
    server.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    acknowledged = {(step * 64 + number, float(step)) for number, steps in enumerate(noted) for step in steps}
    assert len(acknowledged) > 64, "hardly anything was logged"

    server.start()
    found = history(server, run, "loss")
    assert len(found) == len(set(found)), "points are there twice"
    missing = acknowledged - set(found)
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged points are lost"
    # what a run shows as its newest value is the newest point of its history, also after a kill
    newest = latest(server, run)
    assert newest["loss"] == max(found)
    for number in range(0, 64, 9):
        assert newest[f"own{number}"] == max(history(server, run, f"own{number}"))


def test_one_client_logs_to_1000_runs_until_the_server_is_killed(make_server, database):
    server = make_server("--port", "0", *database)
    client = Client(server)
    runs = [client.new_run() for _ in range(1000)]
    noted = []

    def log(_):
        for step in range(1_000_000):
            run = runs[step % 1000]
            client.post("runs/log-batch", {
                "run_id": run,
                "metrics": [{"key": "loss", "value": step, "timestamp": step, "step": step}],
                "params": [{"key": f"p{step // 1000}", "value": str(step)}],
            })
            noted.append((run, step))

    threads, failures = together(1, log)
    time.sleep(3)
    server.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    assert len(noted) > 100, "hardly anything was logged"

    server.start()
    newest = {}
    for run, step in noted:
        newest[run] = step
    client = Client(server)
    found, token = {}, None
    while token != "":
        page = client.post("runs/search", {"experiment_ids": ["0"], "max_results": 500} | ({"page_token": token} if token else {}))
        found |= {run["info"]["run_id"]: run["data"] for run in page.get("runs", [])}
        token = page.get("next_page_token", "")
    assert set(runs) <= set(found)
    for run, step in newest.items():
        data = found[run]
        [loss] = data["metrics"]
        # one more may have been written without its answer having come
        assert int(loss["step"]) in (step, step + 1000), (run, step, loss)
        params = {param["key"]: param["value"] for param in data["params"]}
        assert params.get(f"p{step // 1000}") == str(step)
