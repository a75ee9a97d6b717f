"""Measures what a person waits for and what an idle server costs, and prints medians.

    .venv/bin/python benches/startup.py --bin target/release/lazuli [--runs 15]

- start: from starting the process on an empty home to the first 200 of /healthz
- again: the same on a home that exists
- idle: resident memory and processor time of a server that nobody uses
- command: a client command from start to end (`lazuli --version`)
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_answer(port, process):
    """Waits for a 200 over plain HTTP on a port that is known beforehand."""
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(request)
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return time.perf_counter()
        except OSError:
            time.sleep(0.001)
    raise SystemExit(f"the server ended with {process.returncode}")


def resident_mib(pid):
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["VmHWM"].split()[0]) / 1024


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def up(binary, home, port):
    return subprocess.Popen([binary, "up", "--home", home, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def timed_start(binary, home):
    port = free_port()
    started = time.perf_counter()
    process = up(binary, home, port)
    took = first_answer(port, process) - started
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    return took * 1000


def idle_cost(binary, home, seconds):
    port = free_port()
    process = up(binary, home, port)
    first_answer(port, process)
    time.sleep(1)
    before = cpu_seconds(process.pid)
    time.sleep(seconds)
    used = cpu_seconds(process.pid) - before
    now, peak = resident_mib(process.pid)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    return {"rss_mib": round(now, 1), "peak_mib": round(peak, 1), "cpu_percent": round(100 * used / seconds, 2)}


def timed_command(binary):
    started = time.perf_counter()
    subprocess.run([binary, "--version"], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/lazuli")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--idle", type=float, default=10, help="seconds of doing nothing")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="lazuli-bench-"))
    try:
        fresh = [timed_start(options.bin, place / f"home-{n}") for n in range(options.runs)]
        again = [timed_start(options.bin, place / "home-0") for _ in range(options.runs)]
        command = [timed_command(options.bin) for _ in range(options.runs)]
        idle = idle_cost(options.bin, place / "home-0", options.idle)
    finally:
        shutil.rmtree(place)
    median = lambda values: {"median_ms": round(statistics.median(values), 1), "worst_ms": round(max(values), 1)}
    result = {"start_empty_home": median(fresh), "start_again": median(again), "command": median(command), "idle": idle}
    print(json.dumps(result, indent=2))
    missed = []
    if result["start_empty_home"]["median_ms"] >= 300:
        missed.append("start on an empty home takes 300 ms or more")
    if idle["rss_mib"] >= 50:
        missed.append("an idle server uses 50 MiB or more")
    if missed:
        raise SystemExit("; ".join(missed))


if __name__ == "__main__":
    main()
