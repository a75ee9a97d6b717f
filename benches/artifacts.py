"""Artifacts through the server, up and down: one large file and many small ones, Lazuli beside `mlflow server`, in one run.

    .venv/bin/python benches/artifacts.py --bin target/release/lazuli [--mib 1024] [--files 10000]

Small files are asked for by the load generator on 8 connections; the large one goes in one stream in each direction.
Memory is the growth of the server's peak while the large file passes.
"""

import argparse
import json
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

from load import Target, closed_loop
from peer import mlflow_server
from server import cpu_seconds, lazuli, resident_mib, tree

CHUNK = os.urandom(1 << 20)
SMALL = os.urandom(4096)


def artifact(target, run, name):
    return f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/{name}"


def stream(target, method, path, mib):
    """One large body in or out; seconds."""
    head = target.head.replace("application/json", "application/octet-stream")
    length = mib << 20 if method == "PUT" else 0
    began = time.perf_counter()
    with socket.create_connection(target.address) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}Connection: close\r\nContent-Length: {length}\r\n\r\n".encode())
        for _ in range(mib if method == "PUT" else 0):
            connection.sendall(CHUNK)
        received, first = 0, b""
        while chunk := connection.recv(1 << 20):
            first = first or chunk
            received += len(chunk)
    if not first.startswith(b"HTTP/1.1 20"):
        raise SystemExit(f"{method} {path}: {first[:300]!r}")
    if method == "GET" and received < mib << 20:
        raise SystemExit(f"only {received} bytes came back")
    return time.perf_counter() - began


def small(target, run, method, files):
    head = target.head.replace("application/json", "application/octet-stream")
    body = SMALL if method == "PUT" else b""

    def make(n):
        return f"{method} {artifact(target, run, f'small/{n % 100}/{n}.bin')} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    return closed_loop(target, make, 8, count=files)


def used(process):
    return sum(cpu_seconds(pid) for pid in tree(process.pid))


def peak(process):
    return sum(resident_mib(pid)[1] for pid in tree(process.pid))


def measure(target, process, options):
    """All figures of one server."""
    run = target.ask(target.post("runs/create", {"experiment_id": "0", "start_time": 1}))["run"]["info"]["run_id"]
    found = {}
    for method in ("PUT", "GET"):
        before, memory = used(process), peak(process)
        took = stream(target, method, artifact(target, run, "large.bin"), options.mib)
        found[f"large {method}"] = {"mib_per_s": round(options.mib / took), "cpu_s": round(used(process) - before, 2), "peak_growth_mib": round(peak(process) - memory, 1)}
    for method in ("PUT", "GET"):
        before = used(process)
        _, took = small(target, run, method, options.files)
        found[f"small {method}"] = {"files_per_s": round(options.files / took), "cpu_ms": round((used(process) - before) * 1000 / options.files, 3)}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/lazuli")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--alone", action="store_true", help="without the peer")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="lazuli-bench-"))
    try:
        with lazuli(options.bin, place / "lazuli") as (url, token, ours):
            mine = measure(Target(url, token), ours, options)
        if options.alone:
            print(json.dumps(mine, indent=2))
            return
        with mlflow_server(place / "mlflow") as (peer_url, theirs, _):
            other = measure(Target(peer_url), theirs, options)
        for work, figures in mine.items():
            print(json.dumps({"work": work, "lazuli": figures, "mlflow": other[work]}))
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
