"""Searches in many runs, and one metric of a million points: Lazuli beside `mlflow server`, in one run, alternating.

    .venv/bin/python benches/scale.py --bin target/release/lazuli [--runs 100000] [--metrics 5] [--params 5] [--points 1000000]

Lazuli is filled through its own interface. MLflow's database is filled with rows directly, because its own interface would
take half an hour; then it is asked as shipped, and once more after ANALYZE (SQLite) when `--analyze` is given.
Each figure is the median of `--repeats` requests on one connection, with the processor time of the whole server for each.
`--database` and `--peer-database` take PostgreSQL addresses instead of SQLite.
"""

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from load import Connection, Target, closed_loop
from peer import fill_runs, fill_series, mlflow_server
from server import cpu_seconds, lazuli, resident_mib, tree


def run_content(options, number):
    """What run `number` has; the same in both stores."""
    chance = random.Random(number)
    metrics = {f"metric_{i}": chance.random() for i in range(options.metrics)}
    params = {f"param_{i}": str(chance.randrange(1000)) for i in range(options.params)}
    tags = {f"tag_{i}": f"value {chance.randrange(50)}" for i in range(4)}
    return metrics, params, tags


def fill_lazuli(target, options):
    """Runs with their content through create and log-batch, then the long series."""
    began = time.perf_counter()
    experiment = target.ask(target.post("experiments/create", {"name": "scale"}))["experiment_id"]
    answers = collect(target, lambda n: target.post("runs/create", {"experiment_id": experiment, "start_time": n, "run_name": f"run {n}"}), options.runs)
    run_ids = [answer["run"]["info"]["run_id"] for answer in answers]

    def content(n):
        metrics, params, tags = run_content(options, n)
        return target.post("runs/log-batch", {
            "run_id": run_ids[n],
            "metrics": [{"key": k, "value": v, "timestamp": 1, "step": 0} for k, v in metrics.items()],
            "params": [{"key": k, "value": v} for k, v in params.items()],
            "tags": [{"key": k, "value": v} for k, v in tags.items()],
        })

    closed_loop(target, content, 8, count=options.runs)
    filled = time.perf_counter() - began
    long_run = target.ask(target.post("runs/create", {"experiment_id": "0", "start_time": 1}))["run"]["info"]["run_id"]
    began = time.perf_counter()

    def points(n):
        first = n * 1000
        return target.post("runs/log-batch", {"run_id": long_run, "metrics": [
            {"key": "loss", "value": value(step), "timestamp": step, "step": step} for step in range(first, first + 1000)]})

    closed_loop(target, points, 1, count=options.points // 1000)
    return {"experiment": experiment, "run": long_run, "runs_s": round(filled, 1), "points_s": round(time.perf_counter() - began, 1)}


def value(step):
    return (step * 7919 % 10007) / 10007


def collect(target, make, count):
    """Like a closed loop of one connection, but the answers are kept."""
    connection, answers = Connection(target.address), []
    for number in range(count):
        connection.send(make(number))
        while (body := connection.receive()) is None:
            pass
        answers.append(json.loads(body))
    return answers


def works(target, place, options):
    """The requests that are measured, by name."""
    experiment, run = place["experiment"], place["run"]

    def search(**fields):
        return target.post("runs/search", {"experiment_ids": [experiment], "max_results": 100, **fields})

    def page(number, **fields):
        token = None
        for _ in range(number - 1):
            answer = target.ask(search(page_token=token, **fields) if token else search(**fields))
            token = answer["next_page_token"]
        return search(page_token=token, **fields) if token else search(**fields)

    ordered = {"order_by": ["metrics.metric_1 DESC"]}
    found = {
        "search: newest": search(),
        "search: metric > 0.5": search(filter="metrics.metric_0 > 0.5"),
        "search: metric > 0.9999": search(filter="metrics.metric_0 > 0.9999"),
        "search: param =": search(filter="params.param_0 = '7'"),
        "search: tag LIKE": search(filter="tags.tag_0 LIKE '%7'"),
        "search: metric AND param": search(filter="metrics.metric_0 > 0.2 AND params.param_1 = '11'"),
        "search: ordered by metric": search(**ordered),
        "search: ordered by metric, page 10": page(10, **ordered),
        "search: filter and order": search(filter="metrics.metric_0 > 0.5", **ordered),
    }
    history = f"metrics/get-history?run_id={run}&metric_key=loss"
    interval = f"metrics/get-history-bulk-interval?run_ids={run}&metric_key=loss&max_results="
    found["chart of 320 points"] = target.get(f"{interval}320")
    found["chart of 2500 points"] = target.get(f"{interval}2500")
    found["history: a page of 25000"] = target.get(f"{history}&max_results=25000")
    found["history: all"] = target.get(history)
    return found


def measure(target, process, request, repeats):
    """Median ms and CPU ms of one request, asked so often that the kernel's clock of processor time is fine enough."""
    processes = tree(process.pid)
    first, _ = closed_loop(target, lambda _: request, 1, count=1)
    count = max(repeats, min(200, int(1 / first[0])))
    before = sum(cpu_seconds(pid) for pid in processes)
    spans, _ = closed_loop(target, lambda _: request, 1, count=count)
    used = sum(cpu_seconds(pid) for pid in processes) - before
    return {"ms": round(statistics.median(spans) * 1000, 2), "cpu_ms": round(used * 1000 / count, 2)}


def memory(process):
    return round(sum(resident_mib(pid)[0] for pid in tree(process.pid)), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/lazuli")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--metrics", type=int, default=5)
    parser.add_argument("--params", type=int, default=5)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="without the peer")
    parser.add_argument("--analyze", action="store_true", help="ANALYZE the peer's SQLite first")
    parser.add_argument("--database", help="PostgreSQL for Lazuli")
    parser.add_argument("--peer-database", help="PostgreSQL for the peer")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="lazuli-scale-"))
    try:
        extra = ["--database", options.database] if options.database else []
        with lazuli(options.bin, place / "lazuli", *extra) as (url, token, ours):
            target = Target(url, token)
            filled = fill_lazuli(target, options)
            print(json.dumps({"filled": "lazuli", **filled, "rss_mib": memory(ours)}), flush=True)
            if options.alone:
                for name, request in works(target, filled, options).items():
                    print(json.dumps({"work": name, "lazuli": measure(target, ours, request, options.repeats)}), flush=True)
                print(json.dumps({"rss_mib": memory(ours)}))
                return
            with mlflow_server(place / "mlflow", options.peer_database, fill=lambda connection: (
                fill_runs(connection, options.runs, lambda n: run_content(options, n)),
                fill_series(connection, options.points, value)), analyze=options.analyze) as (peer_url, theirs, peer_place):
                peer = Target(peer_url)
                pairs = zip(works(target, filled, options).items(), works(peer, peer_place, options).values())
                for (name, request), peer_request in pairs:
                    mine = measure(target, ours, request, options.repeats)
                    other = measure(peer, theirs, peer_request, 1 if name == "history: all" else options.repeats)
                    ratios = {"time_ratio": round(other["ms"] / mine["ms"], 1), "cpu_ratio": round(other["cpu_ms"] / max(mine["cpu_ms"], 0.05), 1)}
                    print(json.dumps({"work": name, "lazuli": mine, "mlflow": other, **ratios}), flush=True)
                print(json.dumps({"rss_mib": {"lazuli": memory(ours), "mlflow": memory(theirs)}}))
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
