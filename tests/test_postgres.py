"""The same server on PostgreSQL, and a move from one database to the other through a backup."""

import os
import secrets
import subprocess

import pytest
import requests

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
