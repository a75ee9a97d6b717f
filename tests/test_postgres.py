"""The same server on PostgreSQL, and a move from one database to the other through a backup."""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from conftest import ROOT, clean_environment
from jobs.test_jobs import Jobs
from serving.test_endpoints import SCORE, endpoint, script_deployment

SERVER = os.environ.get("LAZULI_TEST_POSTGRES")

pytestmark = pytest.mark.skipif(not SERVER, reason="LAZULI_TEST_POSTGRES is not set; tests/support/postgres run … sets it")


@pytest.fixture
def database():
    name = f"lazuli_{secrets.token_hex(6)}"
    ask = lambda sql: subprocess.run(["psql", "-q", "-d", SERVER, "-c", sql], check=True, capture_output=True)
    ask(f"CREATE DATABASE {name}")
    yield SERVER.rsplit("/", 1)[0] + f"/{name}"
    ask(f"DROP DATABASE {name} WITH (FORCE)")


def log_run(server):
    call = lambda path, body: requests.post(f"{server.plain}/api/2.0/mlflow/{path}", json=body, headers=server.headers, timeout=30).json()
    run = call("runs/create", {"experiment_id": "0", "run_name": "on postgres"})["run"]["info"]["run_id"]
    call("runs/log-metric", {"run_id": run, "key": "loss", "value": 0.25, "timestamp": 1, "step": 1})
    return run


def metric(server, run):
    answer = requests.get(f"{server.plain}/api/2.0/mlflow/runs/get", params={"run_id": run}, headers=server.headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["run"]["data"]["metrics"][0]["value"]


def test_server_on_postgres_and_back_to_sqlite(make_server, database, lazuli, tmp_path):
    server = make_server("--database", database)
    assert requests.get(f"{server.plain}/readyz", timeout=10).json()["parts"]["store"] == "ok"
    run = log_run(server)
    server.stop()
    assert not (server.home / "lazuli.db").exists()
    server.start()
    assert metric(server, run) == 0.25

    file = tmp_path / "backup"
    done = lazuli("backup", file, "--home", server.home, "--database", database)
    assert done.returncode == 0, done.stderr
    moved = make_server(name="moved", start=False)
    done = lazuli("restore", file, "--home", moved.home)
    assert done.returncode == 0, done.stderr
    moved.start()
    assert (moved.home / "lazuli.db").exists()
    assert metric(moved, run) == 0.25


def test_database_that_goes_away_is_said_and_comes_back(make_server, database):
    server = make_server("--database", database)
    name = database.rsplit("/", 1)[1]
    kick = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    subprocess.run(["psql", "-q", "-d", SERVER, "-c", kick], check=True, capture_output=True)
    answers = [requests.get(f"{server.plain}/readyz", timeout=10).status_code for _ in range(20)]
    assert answers[-1] == 200, "lost connections are made again"


CLIENT = """
import mlflow
with mlflow.start_run(run_name="real client") as run:
    mlflow.log_param("depth", 3)
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_text("kept", "notes.txt")
client = mlflow.MlflowClient()
found = client.search_runs(["0"], "params.depth = '3' and metrics.loss < 0.1")
assert [one.info.run_id for one in found] == [run.info.run_id], found
client.create_registered_model("flowers", description="of iris")
made = client.create_model_version("flowers", f"runs:/{run.info.run_id}/model", run_id=run.info.run_id)
client.set_registered_model_alias("flowers", "best", made.version)
assert client.get_model_version_by_alias("flowers", "best").run_id == run.info.run_id
print(run.info.run_id)
"""


def real_client(server):
    environment = clean_environment(**server.client_environment())
    done = subprocess.run([sys.executable, "-c", CLIENT], capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def history(server, run):
    query = {"run_id": run, "metric_key": "loss"}
    answer = requests.get(f"{server.plain}/api/2.0/mlflow/metrics/get-history", params=query, headers=server.headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return [(one["step"], one["value"]) for one in answer.json()["metrics"]]


def test_clients_jobs_and_endpoints_on_postgres_and_a_kill(make_server, database, tmp_path):
    server = make_server("--database", database)
    run = real_client(server)
    jobs = Jobs(server)
    done = jobs.wait(jobs.submit("echo on postgres"))
    assert done["status"] == "Completed", done
    scored = endpoint(server, "flowers")
    server.cli("online-deployment", "create", "--file", script_deployment(tmp_path, scored, "blue", SCORE), "--all-traffic", timeout=120)
    assert scored.call({"data": [1, 2]}).json()["rows"] == 2

    server.stop(signal.SIGKILL)
    server.start()
    assert len(history(server, run)) == 20
    assert jobs.get(done["name"])["status"] == "Completed"
    assert "on postgres" in jobs.log(done["name"])
    deadline = time.monotonic() + 60
    while (answer := scored.call({"data": [1]})).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def test_a_backup_moves_from_sqlite_to_postgres_and_back(make_server, database, lazuli, tmp_path):
    start = make_server(name="start")
    run = real_client(start)
    counted = lambda home, *more: lazuli("db", "status", "--home", home, "--output", "json", *more)
    seen = [(history(start, run), start.cli("model", "list", parse=True))]
    server, options = start, []
    for name, following in [("second", ["--database", database]), ("third", [])]:
        file = tmp_path / f"to-{name}"
        done = lazuli("backup", file, "--home", server.home, *options)
        assert done.returncode == 0, done.stderr
        server.stop()
        moved = make_server(*following, name=name, start=False)
        done = lazuli("restore", file, "--home", moved.home, *following)
        assert done.returncode == 0, done.stderr
        moved.start()
        seen.append((history(moved, run), moved.cli("model", "list", parse=True)))
        assert counted(moved.home, *following).returncode == 0
        server, options = moved, following
    assert len(seen[0][0]) == 20
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize(
    "url", ["postgres://lazuli:hush@127.0.0.1:1/none", "mysql://lazuli:hush@127.0.0.1/x", "postgres://lazuli:hush@127.0.0.1:notaport/x"]
)
def test_a_database_that_cannot_be_used_is_said_in_words(lazuli, tmp_path, url):
    done = lazuli("up", "--home", tmp_path / "home", "--port", "0", "--database", url)
    assert done.returncode not in (0, 101), done.stderr
    assert "database" in done.stderr and "hush" not in done.stderr and "panicked" not in done.stderr


@pytest.fixture
def own_database(tmp_path):
    """A PostgreSQL of this test's own, to be stopped and started: `stop()`, `start()`."""
    support, folder = ROOT / "tests" / "support" / "postgres", Path(f"/tmp/lazuli-own-{secrets.token_hex(4)}")
    url = subprocess.run([support, "start", folder], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    pid = int((folder / "pid").read_text())
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    owner = os.stat(f"/proc/{pid}")

    class Own:
        address, started = url, None

        def stop(self):
            if self.started:
                self.started.send_signal(signal.SIGINT)
                self.started.wait(30)
                return
            os.kill(pid, signal.SIGINT)
            while Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
                time.sleep(0.05)

        def start(self):
            self.started = subprocess.Popen(
                command, user=owner.st_uid, group=owner.st_gid, extra_groups=[], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

    own = Own()
    yield own
    own.stop()
    subprocess.run(["rm", "-rf", folder], check=True)


def test_a_database_that_stops_is_a_503_and_comes_back(make_server, own_database):
    server = make_server("--database", own_database.address)
    run = log_run(server)
    ask = lambda: requests.get(f"{server.plain}/api/2.0/mlflow/runs/get", params={"run_id": run}, headers=server.headers, timeout=60)
    own_database.stop()
    time.sleep(1)
    answer = ask()
    assert answer.status_code == 503, answer.text
    assert requests.get(f"{server.plain}/readyz", timeout=30).status_code == 503
    assert requests.get(f"{server.plain}/healthz", timeout=30).status_code == 200
    own_database.start()
    deadline = time.monotonic() + 30
    while ask().status_code != 200:
        assert time.monotonic() < deadline, server.logs()
        time.sleep(0.2)
    assert metric(server, run) == 0.25
