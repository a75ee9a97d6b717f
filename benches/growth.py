"""Does a month of history slow a write? The same requests on an empty home and after a month of runs, and the ratio.

    .venv/bin/python benches/growth.py --bin target/release/lazuli [--runs 6000] [--points 2000]

The month is 200 runs a day with two metrics of 1,000 points each, some parameters and tags, all through the server. Before, half
way and after, `create_run`, `log_metric` and `log_batch` are measured on 8 connections (1 for batches).
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from load import Target, closed_loop
from scale import collect
from server import lazuli, resident_mib
from tracking import Work, measure


def month(target, runs, points, first):
    """So many runs, numbered from `first`."""
    made = collect(target, lambda n: target.post("runs/create", {"experiment_id": "0", "start_time": (first + n) * 1000, "run_name": f"run {first + n}"}), runs)
    ids = [answer["run"]["info"]["run_id"] for answer in made]
    half = points // 2

    def batch(n):
        run, key = ids[n // 2], ("loss", "accuracy")[n % 2]
        body = {"run_id": run, "metrics": [{"key": key, "value": step / half, "timestamp": step, "step": step} for step in range(half)][:980]}
        if n % 2 == 0:
            body["params"] = [{"key": f"p{i}", "value": str((n * 7 + i) % 100)} for i in range(10)]
            body["tags"] = [{"key": f"t{i}", "value": str(n % 5)} for i in range(4)]
        return target.post("runs/log-batch", body)

    closed_loop(target, batch, 4, count=runs * 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/lazuli")
    parser.add_argument("--runs", type=int, default=6000)
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="lazuli-growth-"))
    kinds = [("create_run", 8), ("log_metric", 8), ("log_batch", 1)]
    try:
        with lazuli(options.bin, place / "home") as (url, token, process):
            found = []
            for stage in ("empty", "half a month", "a month"):
                if stage != "empty":
                    month(Target(url, token), options.runs // 2, options.points, len(found) * options.runs)
                work = Work(url, token)
                figures = {kind: measure(work, kind, process, options.seconds, connections) for kind, connections in kinds}
                found.append(figures)
                shown = {kind: {key: round(value, 3) for key, value in f.items()} for kind, f in figures.items()}
                size = sum(path.stat().st_size for path in (place / "home").glob("lazuli.db*")) >> 20
                print(json.dumps({"history": stage, **shown, "rss_mib": round(resident_mib(process.pid)[0], 1), "database_mib": size}), flush=True)
            ratios = {kind: {key: round(found[-1][kind][key] / found[0][kind][key], 2) for key in ("p50_ms", "p99_ms", "cpu_ms")} for kind, _ in kinds}
            print(json.dumps({"a month beside empty": ratios}))
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
