"""What the benchmarks share: a Lazuli server of their own on loopback, its token, and figures of processes."""

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lazuli(binary, home, *options):
    """A running server; yields its plain address on loopback, its token and its process. Ended by its process id."""
    home = Path(home)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LAZULI_", "MLFLOW_"))}
    command = [str(binary), "up", "--home", str(home), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        while not (home / "server.json").exists():
            if process.poll() is not None:
                raise SystemExit(f"the server ended with {process.returncode}")
            time.sleep(0.01)
        port = json.loads((home / "server.json").read_text())["port"]
        lines = (home / "credentials").read_text().splitlines()
        token = next(line for line in lines if line and not line.startswith("#"))
        yield f"http://127.0.0.1:{port}", token, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def cpu_seconds(pid):
    """Processor time of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree(pid):
    """A process and all below it."""
    found = [pid]
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += tree(int(child))
    return found


def resident_mib(pid):
    """Resident memory and its peak, in MiB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["VmHWM"].split()[0]) / 1024
