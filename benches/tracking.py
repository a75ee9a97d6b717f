"""Lazuli and `mlflow server` at the same everyday requests, alternating in one run; prints each figure and the ratio.

    .venv/bin/python benches/tracking.py --bin target/release/lazuli [--seconds 3] [--rounds 3]

Both run as shipped in fresh folders, on SQLite unless `--database` and `--peer-database` name PostgreSQL databases, and are
asked over plain HTTP on loopback by the same load generator (`load.py`): 1, 8 and 32 keep-alive connections. CPU is the
processor time of the whole server, all its processes, for each request (PostgreSQL's own processes are not counted).
"""

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path

from load import Target, closed_loop
from peer import mlflow_server
from server import cpu_seconds, lazuli, resident_mib, tree

CONNECTIONS = (1, 8, 32)


class Work:
    """The requests of each kind to one server."""

    def __init__(self, url, token=None):
        self.target = Target(url, token)
        self.run = self.new_run()
        self.number = 0

    def new_run(self):
        body = {"experiment_id": "0", "start_time": 1}
        return self.target.ask(self.target.post("runs/create", body))["run"]["info"]["run_id"]

    def next(self):
        self.number += 1
        return self.number

    def create_run(self, _):
        return self.target.post("runs/create", {"experiment_id": "0", "start_time": self.next()})

    def update_run(self, _):
        return self.target.post("runs/update", {"run_id": self.run, "status": "RUNNING", "run_name": f"name {self.next()}"})

    def log_metric(self, _):
        n = self.next()
        return self.target.post("runs/log-metric", {"run_id": self.run, "key": "loss", "value": n, "timestamp": n, "step": n})

    def log_param(self, _):
        n = self.next()
        return self.target.post("runs/log-parameter", {"run_id": self.run, "key": f"p{n}", "value": str(n)})

    def set_tag(self, _):
        n = self.next()
        return self.target.post("runs/set-tag", {"run_id": self.run, "key": f"t{n % 50}", "value": str(n)})

    def log_batch(self, _):
        """1,000 points of ten metrics."""
        n = self.next()
        points = [{"key": f"m{i % 10}", "value": i, "timestamp": n, "step": n * 100 + i // 10} for i in range(1000)]
        return self.target.post("runs/log-batch", {"run_id": self.run, "metrics": points})

    def get_run(self, _):
        return self.target.get(f"runs/get?run_id={self.run}")

    def search_runs(self, _):
        return self.target.post("runs/search", {"experiment_ids": ["0"], "filter": "metrics.loss > 0", "max_results": 100})


def measure(work, kind, process, seconds, connections):
    """Requests a second, p50 and p99 in ms, CPU in ms for each."""
    processes = tree(process.pid)
    before = sum(cpu_seconds(pid) for pid in processes)
    spans, took = closed_loop(work.target, getattr(work, kind), connections, seconds=seconds)
    used = sum(cpu_seconds(pid) for pid in processes) - before
    spans.sort()
    return {
        "rate": len(spans) / took,
        "p50_ms": statistics.median(spans) * 1000,
        "p99_ms": spans[max(0, int(len(spans) * 0.99) - 1)] * 1000,
        "cpu_ms": used * 1000 / len(spans),
    }


def memory(process):
    return round(sum(resident_mib(pid)[0] for pid in tree(process.pid)), 1)


def compare(works, kind, connections, options):
    """One line: the medians of both, and their ratios."""
    rounds = {name: [] for name in works}
    for _ in range(options.rounds):
        for name, (work, process) in works.items():
            # a run of its own for each round, so that the one before does not weigh on it
            work.run = work.new_run() if kind not in ("get_run", "search_runs") else work.run
            rounds[name].append(measure(work, kind, process, options.seconds, connections))
    median = {name: {key: statistics.median(r[key] for r in found) for key in found[0]} for name, found in rounds.items()}
    line = {"work": kind, "connections": connections}
    for name, figures in median.items():
        line[name] = {key: round(value, 3) for key, value in figures.items()}
    if "mlflow" in median:
        mine, other = median["lazuli"], median["mlflow"]
        line["rate_ratio"] = round(mine["rate"] / other["rate"], 1)
        line["p99_ratio"] = round(other["p99_ms"] / mine["p99_ms"], 1)
        line["cpu_ratio"] = round(other["cpu_ms"] / max(mine["cpu_ms"], 0.001), 1)
    return line


def run(works, options):
    """All kinds of requests, then the memory of both."""
    idle = {name: memory(process) for name, (_, process) in works.items()}
    print(json.dumps({"idle_rss_mib": idle}), flush=True)
    for kind in options.work:
        for connections in (1,) if kind in ("log_batch", "search_runs") else CONNECTIONS:
            print(json.dumps(compare(works, kind, connections, options)), flush=True)
    loaded = {name: memory(process) for name, (_, process) in works.items()}
    print(json.dumps({"loaded_rss_mib": loaded}), flush=True)


def main():
    kinds = ["create_run", "update_run", "log_metric", "log_param", "set_tag", "get_run", "log_batch", "search_runs"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/lazuli")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--alone", action="store_true", help="without the peer")
    parser.add_argument("--database", help="a PostgreSQL database for Lazuli")
    parser.add_argument("--peer-database", help="a PostgreSQL database for the peer")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="lazuli-bench-"))
    extra = ["--database", options.database] if options.database else []
    try:
        with lazuli(options.bin, place / "lazuli", *extra) as (url, token, ours):
            works = {"lazuli": (Work(url, token), ours)}
            if options.alone:
                run(works, options)
                return
            with mlflow_server(place / "mlflow", options.peer_database) as (peer_url, theirs, _):
                works["mlflow"] = (Work(peer_url), theirs)
                run(works, options)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
