"""Lazuli and `mlflow server` at the same everyday work, alternating in one run; prints each figure and the ratio.

    .venv/bin/python benches/tracking.py --bin target/release/lazuli [--seconds 3] [--rounds 3]

Both run as shipped, on SQLite, in a fresh folder, and are asked over plain HTTP on loopback by the same client code (one
process, keep-alive, N threads). CPU is the processor time of the whole server (all its processes) for each request.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import requests

from server import cpu_seconds, lazuli, resident_mib, tree


@contextmanager
def mlflow_server(folder):
    """MLflow's own server as shipped; yields its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir()
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if requests.get(f"{url}/health", timeout=5).ok:
                    break
            except requests.RequestException:
                time.sleep(0.2)
            if process.poll() is not None:
                raise SystemExit(f"mlflow server ended with {process.returncode}")
        yield url, process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


class Work:
    """One kind of request, made again and again."""

    def __init__(self, url, token):
        self.url, self.headers = f"{url}/api/2.0/mlflow", {"Authorization": f"Bearer {token}"} if token else {}
        self.local = threading.local()
        self.run = self.post("runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]

    def session(self):
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
            self.local.session.headers.update(self.headers)
        return self.local.session

    def post(self, path, body):
        answer = self.session().post(f"{self.url}/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def create_run(self, n):
        self.post("runs/create", {"experiment_id": "0", "start_time": n})

    def log_metric(self, n):
        self.post("runs/log-metric", {"run_id": self.run, "key": "loss", "value": n, "timestamp": n, "step": n})

    def log_batch(self, n):
        points = [{"key": f"m{i % 10}", "value": i, "timestamp": n, "step": n * 100 + i // 10} for i in range(1000)]
        self.post("runs/log-batch", {"run_id": self.run, "metrics": points})

    def get_run(self, _):
        self.session().get(f"{self.url}/runs/get", params={"run_id": self.run}).raise_for_status()

    def search_runs(self, _):
        self.post("runs/search", {"experiment_ids": ["0"], "filter": "metrics.loss > 0", "max_results": 100})


def measure(process, action, seconds, threads):
    """Requests a second, p99 in ms, CPU in ms for each."""
    spans, stop = [], time.perf_counter() + seconds
    numbers, lock = iter(range(1, 10**9)), threading.Lock()

    def loop():
        while time.perf_counter() < stop:
            with lock:
                n = next(numbers)
            began = time.perf_counter()
            action(n)
            spans.append(time.perf_counter() - began)

    before = sum(cpu_seconds(pid) for pid in tree(process.pid))
    began = time.perf_counter()
    workers = [threading.Thread(target=loop) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - began
    used = sum(cpu_seconds(pid) for pid in tree(process.pid)) - before
    spans.sort()
    return {"rate": len(spans) / took, "p99_ms": spans[int(len(spans) * 0.99) - 1] * 1000, "cpu_ms": used * 1000 / len(spans)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/lazuli")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="lazuli-bench-"))
    kinds = [("create_run", 8), ("log_metric", 1), ("log_metric", 8), ("log_batch", 1), ("get_run", 8), ("search_runs", 1)]
    try:
        with lazuli(options.bin, place / "lazuli") as (url, token, ours), mlflow_server(place / "mlflow") as (peer_url, theirs):
            works = {"lazuli": (Work(url, token), ours), "mlflow": (Work(peer_url, None), theirs)}
            memory = {name: round(sum(resident_mib(pid)[0] for pid in tree(process.pid)), 1) for name, (_, process) in works.items()}
            print(json.dumps({"idle_rss_mib": memory, "ratio": round(memory["mlflow"] / memory["lazuli"], 1)}))
            for kind, threads in kinds:
                rounds = {name: [] for name in works}
                for _ in range(options.rounds):
                    for name, (work, process) in works.items():
                        rounds[name].append(measure(process, getattr(work, kind), options.seconds, threads))
                median = {name: {key: statistics.median(r[key] for r in found) for key in found[0]} for name, found in rounds.items()}
                line = {"work": kind, "connections": threads}
                for name, figures in median.items():
                    line[name] = {key: round(value, 2) for key, value in figures.items()}
                line["rate_ratio"] = round(median["lazuli"]["rate"] / median["mlflow"]["rate"], 1)
                line["cpu_ratio"] = round(median["mlflow"]["cpu_ms"] / max(median["lazuli"]["cpu_ms"], 0.001), 1)
                print(json.dumps(line), flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
