"""Other mlflow clients against this server, each in an environment of its own (tests/old-clients.txt): older ones, with the same
day's work, and the small one that only traces.

The environments are made once with uv, from the package index, in .cache/old-clients; later runs find them there.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment

PINS = [line for line in (ROOT / "tests" / "old-clients.txt").read_text().splitlines() if line and not line.startswith("#")]
CLIENTS = [pin for pin in PINS if pin.startswith("mlflow-skinny")]
TRACING = next(pin for pin in PINS if pin.startswith("mlflow-tracing"))
BESIDE = [pin for pin in PINS if not pin.startswith("mlflow")]
ABSENT = {
    "2.22.5": {"logged_models", "assessments", "evaluation_data_sets"},
    "3.0.1": {"assessments", "evaluation_data_sets"},
    "3.5.1": set(),
}


def interpreter(client, beside=()):
    """The Python of an environment with this client, made if it is not there yet."""
    wanted = [client, *beside]
    key = hashlib.sha256(" ".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    folder = ROOT / ".cache" / "old-clients" / f"{client.replace('==', '-')}-{key}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        uv = Path(sys.executable).parent / "uv"
        for arguments in [["venv", "--clear", "--python", sys.executable, folder], ["pip", "install", "--python", python, *wanted]]:
            done = subprocess.run([uv, *arguments], env=clean_environment(), capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, f"installing {' '.join(wanted)} failed:\n{done.stderr}"
        (folder / "complete").touch()
    return python


def run(python, script, server, folder):
    """What a script beside this file printed last, as JSON."""
    environment = clean_environment(**server.client_environment(), MLFLOW_DISABLE_TELEMETRY="true")
    command = [python, Path(__file__).parent / script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("pin", CLIENTS)
def test_a_days_work_with_an_older_client(pin, shared_server, tmp_path):
    told = run(interpreter(pin, BESIDE), "old_client.py", shared_server, tmp_path)
    version = pin.split("==")[1]
    assert told["version"] == version
    broken = {part: result for part, result in told["parts"].items() if result not in ("passed", "absent")}
    assert not broken, "\n\n".join(f"{part}:\n{text}" for part, text in broken.items())
    assert {part for part, result in told["parts"].items() if result == "absent"} == ABSENT[version]


def test_the_client_that_only_traces(client, shared_server, tmp_path):
    told = run(interpreter(TRACING), "tracing_client.py", shared_server, tmp_path)
    assert told["spans"] == [["root", {"y": 8}], ["double", 8]]
    assert (told["found"], told["assessments"]) == (1, ["good"])
    assert client.get_trace(told["trace"]).info.tags["colour"] == "blue"
