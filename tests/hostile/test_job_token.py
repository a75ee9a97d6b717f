"""What a job may do with its own token: speak for itself, read its workspace, and nothing else."""

import json
import os
import stat
import time

import pytest
import requests

MLFLOW = "/api/2.0/mlflow"
WORKSPACE = "/api/v1/workspaces/default"


class Jobs:
    """Two jobs that wait, and the token of the first."""

    def __init__(self, server):
        self.server = server
        self.own, self.other = self.submit(), self.submit()
        self.folder = server.home / "jobs" / "default" / self.own
        self.token = json.loads((self.folder / "launch.json").read_text())["token"]

    def submit(self):
        made = self.admin("POST", f"{WORKSPACE}/jobs", json={"command": "sleep 300", "environment": {"image": "python"}})
        assert made.status_code == 201, made.text
        name = made.json()["name"]
        self.until(name, "Running")
        return name

    def until(self, name, state):
        deadline = time.monotonic() + 60
        while (found := self.admin("GET", f"{WORKSPACE}/jobs/{name}").json()["status"]) != state:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def admin(self, method, path, **more):
        return requests.request(method, self.server.plain + path, headers=self.server.headers, timeout=15, **more)

    def ask(self, method, path, **more):
        return requests.request(method, self.server.plain + path, headers={"Authorization": f"Bearer {self.token}"}, timeout=15, **more)


@pytest.fixture(scope="module")
def jobs(shared_server):
    jobs = Jobs(shared_server)
    yield jobs
    for name in (jobs.own, jobs.other):
        jobs.admin("POST", f"{WORKSPACE}/jobs/{name}/cancel")


ALLOWED = [
    ("GET", "/api/v1/whoami", None),
    ("GET", "/api/v1/runner/plan", None),
    ("GET", WORKSPACE + "/jobs/{other}", None),
    ("GET", MLFLOW + "/runs/get?run_id={other}", None),
    ("POST", MLFLOW + "/runs/set-tag", {"run_id": "{own}", "key": "k", "value": "v"}),
    ("POST", MLFLOW + "/runs/create", {"experiment_id": "0"}),
    ("POST", MLFLOW + "/logged-models", {"experiment_id": "0"}),
]

REFUSED = [
    ("POST", MLFLOW + "/runs/set-tag", {"run_id": "{other}", "key": "k", "value": "v"}),
    ("POST", MLFLOW + "/runs/log-metric", {"run_id": "{other}", "key": "k", "value": 1, "timestamp": 1}),
    ("POST", MLFLOW + "/runs/log-batch", {"run_id": "{other}", "metrics": [{"key": "k", "value": 1, "timestamp": 1}]}),
    ("POST", MLFLOW + "/runs/update", {"run_id": "{other}", "status": "FAILED"}),
    ("POST", MLFLOW + "/runs/delete", {"run_id": "{other}"}),
    ("POST", MLFLOW + "/runs/restore", {"run_id": "{other}"}),
    ("POST", MLFLOW + "/logged-models", {"experiment_id": "0", "source_run_id": "{other}"}),
    ("POST", MLFLOW + "/experiments/delete", {"experiment_id": "0"}),
    ("POST", MLFLOW + "/experiments/update", {"experiment_id": "0", "new_name": "mine"}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/{other}/artifacts/x", {}),
    ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/{other}/artifacts", None),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/anywhere/x", {}),
    ("POST", WORKSPACE + "/jobs", {"command": "true"}),
    ("POST", WORKSPACE + "/jobs/{other}/cancel", {}),
    ("DELETE", WORKSPACE + "/jobs/{other}", None),
    ("PUT", WORKSPACE + "/computes/mine", {"max_instances": 9}),
    ("PUT", WORKSPACE + "/online-endpoints/mine", {}),
    ("POST", WORKSPACE + "/environments", {"name": "mine", "image": "x"}),
    ("POST", WORKSPACE + "/role-assignments", {"principal": "admin", "role": "Owner"}),
    ("POST", "/api/v1/role-assignments", {"principal": "admin", "role": "Owner"}),
    ("POST", WORKSPACE + "/links", {"run": "{own}", "path": "x"}),
    ("POST", "/api/v1/tokens", {"name": "mine"}),
    ("GET", "/api/v1/tokens", None),
    ("PUT", "/api/v1/principals/admin/password", {"password": "correct horse battery"}),
    ("GET", "/api/v1/principals", None),
    ("GET", "/api/v1/audit", None),
    ("POST", "/api/v1/workspaces", {"name": "mine"}),
]


def filled(value, jobs):
    if isinstance(value, dict):
        return {key: filled(inner, jobs) for key, inner in value.items()}
    return value.format(own=jobs.own, other=jobs.other) if isinstance(value, str) else value


@pytest.mark.parametrize("method, path, body", ALLOWED)
def test_what_a_job_may(jobs, method, path, body):
    answer = jobs.ask(method, filled(path, jobs), json=filled(body, jobs))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("method, path, body", REFUSED)
def test_what_a_job_may_not(jobs, method, path, body):
    answer = jobs.ask(method, filled(path, jobs), json=filled(body, jobs))
    assert answer.status_code == 403, (answer.status_code, answer.text)


def test_offsets_and_names_of_logs_are_checked(jobs):
    for offset in (2**63 - 1, 2**63 - 2, 2**31):
        assert jobs.ask("POST", f"/api/v1/runner/logs?name=user_logs/x.txt&offset={offset}", data=b"x" * 7).status_code == 200
    for name in ("../x", "user_logs/../../x", "/etc/passwd", "outputs/x", "user_logs/%00", "user_logs//x", "user_logs/" + "x" * 300):
        assert jobs.ask("POST", f"/api/v1/runner/logs?name={name}&offset=0", data=b"x").status_code == 400, name
    assert "panicked" not in jobs.server.logs()


def test_the_token_is_in_no_command_line_log_or_open_file(jobs):
    assert stat.S_IMODE(jobs.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((jobs.folder / "launch.json").stat().st_mode) == 0o600
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as file:
                line = file.read()
        except OSError:
            continue
        assert jobs.token.encode() not in line and jobs.server.token.encode() not in line
    assert jobs.token not in jobs.server.logs() and jobs.server.token not in jobs.server.logs()
    for file in (jobs.folder).rglob("*"):
        if file.is_file() and file.name != "launch.json" and stat.S_IMODE(file.stat().st_mode) & 0o044:
            assert jobs.token.encode() not in file.read_bytes(), file


def test_the_token_ends_with_the_job(jobs):
    for name in (jobs.own, jobs.other):
        assert jobs.admin("POST", f"{WORKSPACE}/jobs/{name}/cancel").status_code == 202
        jobs.until(name, "Canceled")
    deadline = time.monotonic() + 1.5
    while jobs.ask("GET", "/api/v1/whoami").status_code != 401:
        assert time.monotonic() < deadline, "the job is over and its token is still good"
        time.sleep(0.05)
