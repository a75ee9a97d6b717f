"""What Lazuli adds to a command: from submission to the first byte of output, beside the same command in a plain shell.

    .venv/bin/python benches/job_overhead.py --bin target/release/lazuli [--runs 30]

Both are measured alternately in one run. `overhead` is the median of the differences.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import requests

from server import lazuli

COMMAND = "echo now"


def in_a_shell():
    began = time.perf_counter()
    with subprocess.Popen(["bash", "-c", COMMAND], stdout=subprocess.PIPE) as process:
        process.stdout.read(1)
        took = time.perf_counter() - began
    return took * 1000


def as_a_job(session, root, environment):
    began = time.perf_counter()
    made = session.post(f"{root}/jobs", json={"command": COMMAND, "environment": environment})
    made.raise_for_status()
    name = made.json()["name"]
    with session.get(f"{root}/jobs/{name}/logs/stream", stream=True) as stream:
        stream.raise_for_status()
        for line in stream.iter_lines():
            if line == b"event: log":
                took = time.perf_counter() - began
                break
    while session.get(f"{root}/jobs/{name}").json()["status"] not in ("Completed", "Failed", "Canceled"):
        time.sleep(0.01)
    return took * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/lazuli")
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="lazuli-bench-"))
    environment = {"image": "python:3.11"}
    try:
        with lazuli(options.bin, place / "home") as (url, token, _):
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {token}"
            root = f"{url}/api/v1/workspaces/default"
            as_a_job(session, root, environment)  # makes the environment
            pairs = [(in_a_shell(), as_a_job(session, root, environment)) for _ in range(options.runs)]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    shell, job = zip(*pairs)
    overhead = [b - a for a, b in pairs]
    ordered = sorted(overhead)
    result = {
        "shell_median_ms": round(statistics.median(shell), 1),
        "job_median_ms": round(statistics.median(job), 1),
        "overhead_p50_ms": round(statistics.median(overhead), 1),
        "overhead_p90_ms": round(ordered[int(len(ordered) * 0.9) - 1], 1),
    }
    print(json.dumps(result, indent=2))
    if result["overhead_p50_ms"] >= 100:
        raise SystemExit("the overhead of a warm job is 100 ms or more")


if __name__ == "__main__":
    main()
