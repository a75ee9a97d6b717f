"""MLflow's own server as shipped, and ways to fill its database with many rows without its interface."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import contextmanager
from itertools import islice


@contextmanager
def mlflow_server(folder, database=None, fill=None, analyze=False):
    """Yields its address, its process, and what `fill` left behind."""
    import sqlalchemy

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True)
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    database = database or f"sqlite:///{folder}/mlflow.db"
    place = {}
    if fill:
        subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", database], check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with sqlalchemy.create_engine(database).begin() as connection:
            for part in fill(connection):
                place.update(part)
            if analyze:
                connection.exec_driver_sql("ANALYZE")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", database]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).read()
                break
            except OSError:
                time.sleep(0.2)
            if process.poll() is not None:
                raise SystemExit(f"mlflow server ended with {process.returncode}")
        yield url, process, place
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def experiment(connection, name):
    """A new experiment's id."""
    from sqlalchemy import text

    connection.execute(text(
        "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time, artifact_location) VALUES (:n, 'active', 1, 1, 'mlflow-artifacts:/1')"), {"n": name})
    return connection.execute(text("SELECT experiment_id FROM experiments WHERE name = :n"), {"n": name}).scalar_one()


def add_rows(connection, table, columns, rows):
    """Rows in portions."""
    from sqlalchemy import text

    marks = ", ".join(f":{column}" for column in columns)
    statement = text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})")
    while portion := list(islice(rows, 20_000)):
        connection.execute(statement, [dict(zip(columns, row)) for row in portion])


def run_rows(connection, ids, experiment_id):
    columns = ["run_uuid", "name", "source_type", "user_id", "status", "start_time", "lifecycle_stage", "artifact_uri", "experiment_id"]
    add_rows(connection, "runs", columns, (
        (run_id, f"run {n}", "UNKNOWN", "bench", "RUNNING", n, "active", f"mlflow-artifacts:/1/{run_id}/artifacts", experiment_id) for n, run_id in enumerate(ids)))


def fill_runs(connection, count, content):
    """`count` runs with metrics, params and tags."""
    ids = [uuid.uuid4().hex for _ in range(count)]
    number = experiment(connection, "scale")
    run_rows(connection, ids, number)
    everything = [content(n) for n in range(count)]
    metric_columns = ["key", "value", "timestamp", "step", "is_nan", "run_uuid"]

    def metrics():
        return ((k, v, 1, 0, False, run_id) for run_id, (found, _, _) in zip(ids, everything) for k, v in found.items())

    add_rows(connection, "metrics", metric_columns, metrics())
    add_rows(connection, "latest_metrics", metric_columns, metrics())
    add_rows(connection, "params", ["key", "value", "run_uuid"], ((k, v, i) for i, (_, found, _) in zip(ids, everything) for k, v in found.items()))
    add_rows(connection, "tags", ["key", "value", "run_uuid"], ((k, v, i) for i, (_, _, found) in zip(ids, everything) for k, v in found.items()))
    return {"experiment": str(number)}


def fill_series(connection, count, value):
    """One run with one metric of `count` points."""
    run_id = uuid.uuid4().hex
    number = experiment(connection, "series")
    run_rows(connection, [run_id], number)
    columns = ["key", "value", "timestamp", "step", "is_nan", "run_uuid"]
    add_rows(connection, "metrics", columns, (("loss", value(step), step, step, False, run_id) for step in range(count)))
    add_rows(connection, "latest_metrics", columns, iter([("loss", value(count - 1), count - 1, count - 1, False, run_id)]))
    return {"run": run_id}
