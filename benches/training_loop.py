"""A training loop as users write it, with the real mlflow client: Lazuli beside `mlflow server`, in one run.

    .venv/bin/python benches/training_loop.py --bin target/release/lazuli [--calls 10000]

Each loop is a Python process of its own that calls `mlflow.log_metric` so many times in one run: once waiting for each
answer, once with `synchronous=False` and a flush at the end. The client's own work is part of what is measured, so the
ratio of times is what a user's script gains; the processor time is that of the server alone.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from peer import mlflow_server
from server import cpu_seconds, lazuli, tree

LOOP = """
import sys, time, mlflow
calls, synchronous = int(sys.argv[1]), sys.argv[2] == "synchronous"
with mlflow.start_run():
    began = time.perf_counter()
    for step in range(calls):
        mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=synchronous)
    if not synchronous:
        mlflow.flush_async_logging()
    print(time.perf_counter() - began)
    run_id = mlflow.active_run().info.run_id
client = mlflow.MlflowClient()
assert len(client.get_metric_history(run_id, "loss")) == calls, "points were lost"
"""


def loop(url, token, process, calls, way):
    """Seconds of the loop, calls a second, and CPU of the server for each call."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LAZULI_", "MLFLOW_"))}
    environment |= {"MLFLOW_TRACKING_URI": url, "MLFLOW_DISABLE_TELEMETRY": "true"} | ({"MLFLOW_TRACKING_TOKEN": token} if token else {})
    processes = tree(process.pid)
    before = sum(cpu_seconds(pid) for pid in processes)
    done = subprocess.run([sys.executable, "-c", LOOP, str(calls), way], env=environment, check=True, capture_output=True, text=True)
    used = sum(cpu_seconds(pid) for pid in processes) - before
    took = float(done.stdout.splitlines()[0])
    return {"s": round(took, 2), "calls_per_s": round(calls / took), "server_cpu_ms": round(used * 1000 / calls, 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/lazuli")
    parser.add_argument("--calls", type=int, default=10_000)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="lazuli-bench-"))
    try:
        with lazuli(options.bin, place / "lazuli") as (url, token, ours), mlflow_server(place / "mlflow") as (peer_url, theirs, _):
            for way in ("synchronous", "asynchronous"):
                mine = loop(url, token, ours, options.calls, way)
                other = loop(peer_url, None, theirs, options.calls, way)
                ratios = {"time_ratio": round(other["s"] / mine["s"], 1), "cpu_ratio": round(other["server_cpu_ms"] / max(mine["server_cpu_ms"], 0.001), 1)}
                print(json.dumps({"log_metric": way, "calls": options.calls, "lazuli": mine, "mlflow": other, **ratios}), flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
