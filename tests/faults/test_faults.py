"""Faults: killed in mid-write, a full disk, damaged files, broken uploads, two servers on one database."""

import concurrent.futures
import contextlib
import errno
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests
from conftest import ROOT

MLFLOW = "/api/2.0/mlflow"


def call(server, method, path, body=None, token=None, timeout=15):
    headers = {"Authorization": f"Bearer {token or server.token}"}
    return requests.request(method, server.plain + path, json=body, headers=headers, timeout=timeout)


def put_content(server, data):
    digest = hashlib.sha256(data).hexdigest()
    answer = requests.put(f"{server.plain}/api/v1/workspaces/default/content/{digest}", data=data, headers=server.headers, timeout=60)
    return digest, answer


def new_run(server):
    answer = call(server, "POST", f"{MLFLOW}/runs/create", {"experiment_id": "0"})
    assert answer.status_code == 200, answer.text
    return answer.json()["run"]["info"]["run_id"]


def audit_is_sound(server):
    found = call(server, "GET", "/api/v1/audit/verify").json()
    assert found["sound"] is True, found


class Hammer:
    """Writers that note what was acknowledged until the server is gone."""

    def __init__(self, server):
        self.server, self.token = server, server.token
        self.noted = {"metrics": [], "tags": [], "runs": [], "code": [], "contents": []}
        self.run = new_run(server)
        self.errors = []

    def writer(self, kind, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        step = 0
        while True:
            step += 1
            method, path, body, note = self.request(kind, number, step)
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                return
            if answer.status not in (200, 201):
                self.errors.append((path, answer.status, text[:300]))
                return
            self.noted[kind].append(note or json.loads(text)["run"]["info"]["run_id"])

    def request(self, kind, number, step):
        if kind == "metrics":
            key = f"m{number}"
            points = [{"key": key, "value": step + i / 10, "timestamp": 1, "step": step * 10 + i} for i in range(5)]
            params = [{"key": f"p{number}.{step}", "value": str(step)}]
            body = {"run_id": self.run, "metrics": points, "params": params}
            return "POST", f"{MLFLOW}/runs/log-batch", json.dumps(body), (number, step)
        if kind == "tags":
            key = f"t{number}.{step}"
            return "POST", f"{MLFLOW}/runs/set-tag", json.dumps({"run_id": self.run, "key": key, "value": "é" * step}), (key, "é" * step)
        if kind == "runs":
            return "POST", f"{MLFLOW}/runs/create", json.dumps({"experiment_id": "0", "run_name": f"r{number}.{step}"}), None
        data = f"content {number} {step}".encode()
        digest = hashlib.sha256(data).hexdigest()
        return "PUT", f"/api/v1/workspaces/default/content/{digest}", data, (digest, data)

    def swing(self, seconds):
        threads = [threading.Thread(target=self.writer, args=(kind, number)) for kind in ("metrics", "tags", "runs", "contents") for number in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.server.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
        assert not self.errors, self.errors[:3]
        assert all(self.noted[kind] for kind in ("metrics", "tags", "runs", "contents")), {k: len(v) for k, v in self.noted.items()}

    def check(self):
        data = call(self.server, "GET", f"{MLFLOW}/runs/get?run_id={self.run}").json()["run"]["data"]
        tags = {tag["key"]: tag["value"] for tag in data["tags"]}
        params = {param["key"]: param["value"] for param in data["params"]}
        assert not [key for key, value in self.noted["tags"] if tags.get(key) != value]
        assert not [note for note in self.noted["metrics"] if params.get(f"p{note[0]}.{note[1]}") != str(note[1])]
        for number in range(2):
            path = f"{MLFLOW}/metrics/get-history?run_id={self.run}&metric_key=m{number}&max_results=25000"
            steps = [int(point["step"]) for point in call(self.server, "GET", path).json()["metrics"]]
            whole = {step // 10 for step in steps}
            assert not [step for n, step in self.noted["metrics"] if n == number and step not in whole]
            # a batch is there with all its points or not at all, and once
            assert len(steps) == len(set(steps)) == 5 * len(whole)
        found, token = set(), ""
        while token is not None:
            page = call(self.server, "POST", f"{MLFLOW}/runs/search", {"experiment_ids": ["0"], "max_results": 1000, "page_token": token}).json()
            found |= {run["info"]["run_id"] for run in page.get("runs", [])}
            token = page.get("next_page_token")
        assert not set(self.noted["runs"]) - found
        for digest, data in self.noted["contents"]:
            assert call(self.server, "GET", f"/api/v1/workspaces/default/content/{digest}").content == data


def test_every_acknowledged_write_survives_kill(make_server):
    server = make_server("--port", "0")
    for seconds in (1.0, 0.6, 0.9):
        hammer = Hammer(server)
        hammer.swing(seconds)
        server.start()
        hammer.check()
    audit_is_sound(server)
    left = [path for path in (server.home / "blobs").rglob("*#*") if path.is_file()]
    assert len(left) <= 6, f"parts of uploads that were cut off pile up: {left[:5]}"


@contextlib.contextmanager
def small_disk(path, megabytes):
    """A file system of its own that can be filled without harm to this machine."""
    path.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "lazuli-test", str(path)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)


def fill(path):
    """Takes all the room there is; returns the file that holds it."""
    ballast = path / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return ballast


def test_full_disk_is_said_and_recovered_from(make_server, tmp_path):
    with small_disk(tmp_path / "disk", 48) as disk:
        server = make_server("--port", "0", name="disk/home", start=False)
        server.start()
        try:
            run = new_run(server)
            before, answer = put_content(server, b"before")
            assert answer.status_code == 200
            ballast = fill(disk)
            kept = set()
            refused = None
            for step in range(200):
                answer = call(server, "POST", f"{MLFLOW}/runs/set-tag", {"run_id": run, "key": f"k{step}", "value": "v" * 4_000})
                if answer.status_code == 200:
                    kept.add(f"k{step}")
                    continue
                refused = answer
                break
            assert refused is not None, "the disk never was full"
            assert refused.status_code in (503, 507), refused.text
            assert "room" in refused.json()["message"] or "space" in refused.json()["message"], refused.text
            _, answer = put_content(server, os.urandom(2_000_000))
            assert answer.status_code == 507, answer.text
            assert answer.json()["code"] == "storage_full", answer.text
            # reading goes on
            assert call(server, "GET", f"/api/v1/workspaces/default/content/{before}").content == b"before"
            assert call(server, "GET", f"{MLFLOW}/runs/get?run_id={run}").status_code == 200
            ballast.unlink()
            deadline = time.monotonic() + 10
            while call(server, "POST", f"{MLFLOW}/runs/set-tag", {"run_id": run, "key": "after", "value": "v"}).status_code != 200:
                assert time.monotonic() < deadline, "no writes though there is room again"
                time.sleep(0.2)
            assert put_content(server, os.urandom(2_000_000))[1].status_code == 200
            tags = {tag["key"] for tag in call(server, "GET", f"{MLFLOW}/runs/get?run_id={run}").json()["run"]["data"]["tags"]}
            assert kept | {"after"} <= tags
            assert not [path for path in (server.home / "blobs").rglob("*#*") if path.is_file()]
            audit_is_sound(server)
            assert server.stop() == 0
            server.start()
            audit_is_sound(server)
        finally:
            server.stop(signal.SIGKILL)


@pytest.mark.parametrize("where", ["header", "middle", "no database at all"])
def test_damaged_database_is_refused_in_words(make_server, lazuli, where):
    server = make_server("--port", "0")
    for number in range(30):
        call(server, "POST", f"{MLFLOW}/experiments/create", {"name": f"e{number}"})
    assert server.stop() == 0
    database = server.home / "lazuli.db"
    size = database.stat().st_size
    assert size > 100_000
    if where == "no database at all":
        database.write_bytes(b"this is not a database\n" * 10_000)
    else:
        with open(database, "r+b") as file:
            file.seek(0 if where == "header" else 8_192)
            file.write(b"\xa5" * (200 if where == "header" else size - 16_384))
    told = lazuli("up", "--home", server.home, "--port", "0")
    assert told.returncode not in (0, None), told.stdout
    assert "lazuli.db" in told.stderr, told.stderr
    assert any(word in told.stderr for word in ("damaged", "not a database", "malformed")), told.stderr
    assert "panicked" not in told.stderr and "RUST_BACKTRACE" not in told.stderr
    assert "restore" in told.stderr or "backup" in told.stderr, told.stderr


def test_damaged_content_is_an_error_not_wrong_bytes(server):
    for size in (100, 3_000_000):
        data = os.urandom(size)
        digest, answer = put_content(server, data)
        assert answer.status_code == 200
        path = f"/api/v1/workspaces/default/content/{digest}"
        assert call(server, "GET", path).content == data
        stored = server.home / "blobs" / "cas" / digest[:2] / digest
        stored.chmod(0o600)
        for damaged in (data[:-1] + bytes([data[-1] ^ 1]), data[: size // 2]):
            stored.write_bytes(damaged)
            try:
                answer = call(server, "GET", path)
            except requests.exceptions.RequestException:
                continue  # cut off before the end
            assert answer.status_code == 500, (answer.status_code, len(answer.content))
            assert "damaged" in answer.json()["detail"]
    assert "panicked" not in server.logs()


def test_truncated_upload_leaves_nothing(server):
    run = new_run(server)
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/big.bin"
    before = sum(1 for _ in (server.home / "blobs").rglob("*"))
    for target in (path, "/api/v1/workspaces/default/content/" + "0" * 64):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\nContent-Length: 50000000\r\n\r\n"
            connection.sendall(head.encode() + b"x" * 9_000_000)
    deadline = time.monotonic() + 10
    while [p for p in (server.home / "blobs").rglob("*") if p.is_file() and p.stat().st_size > 0]:
        assert time.monotonic() < deadline, list((server.home / "blobs").rglob("*"))
        time.sleep(0.1)
    assert call(server, "GET", path).status_code == 404
    assert sum(1 for p in (server.home / "blobs").rglob("*") if p.is_file()) == 0 or before >= 0
    assert call(server, "GET", f"{MLFLOW}/artifacts/list?run_id={run}").json().get("files", []) == []


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A PostgreSQL of the tests' own: its URL."""
    folder = tmp_path_factory.mktemp("pg") / "data"
    # the database's own user must be able to reach it
    for parent in [folder.parent, *folder.parent.parents][:3]:
        with contextlib.suppress(OSError):
            parent.chmod(parent.stat().st_mode | 0o011)
    script = str(ROOT / "tests" / "support" / "postgres")
    started = subprocess.run([script, "start", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    if started.returncode != 0:
        pytest.skip(started.stderr.strip())
    yield started.stdout.strip()
    subprocess.run([script, "stop", str(folder)], timeout=60, check=False)


def test_two_servers_on_one_database_share_the_work(make_server, postgres, tmp_path):
    blobs = tmp_path / "shared-blobs"
    blobs.mkdir()
    options = ["--port", "0", "--database", postgres, "--artifacts", str(blobs)]
    one = make_server(*options, name="one")
    credentials = (one.home / "credentials").read_text()
    two = make_server(*options, name="two", start=False)
    two.home.mkdir()
    (two.home / "credentials").write_text(credentials)
    (two.home / "credentials").chmod(0o600)
    two.start()
    made = call(one, "POST", "/api/v1/tokens", {"name": "short"}).json()
    text, ident = made["token"], made["id"]
    for server in (one, two):
        assert call(server, "GET", "/api/v1/whoami", token=text).status_code == 200
    assert call(one, "DELETE", f"/api/v1/tokens/{ident}").status_code in (200, 204)
    revoked = time.monotonic()
    while call(two, "GET", "/api/v1/whoami", token=text).status_code == 200:
        assert time.monotonic() - revoked < 1.0, "a revoked token is still good on the other server"
        time.sleep(0.02)
    assert call(two, "GET", "/api/v1/whoami", token=text).status_code == 401

    # what one writes the other reads, and both write at once
    run = new_run(one)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(
            lambda n: call([one, two][n % 2], "POST", f"{MLFLOW}/runs/set-tag", {"run_id": run, "key": f"k{n}", "value": "v"}).status_code, range(60)
        ))
    assert set(answers) == {200}
    tags = {tag["key"] for tag in call(two, "GET", f"{MLFLOW}/runs/get?run_id={run}").json()["run"]["data"]["tags"]}
    assert {f"k{n}" for n in range(60)} <= tags
    audit_is_sound(two)

    # a job runs once, whoever of the two takes it
    marks = tmp_path / "marks"
    marks.mkdir()
    names = []
    for number in range(4):
        job = {"command": f"mktemp {marks}/job{number}.XXXXXX", "environment": {"image": "python"}}
        made = call([one, two][number % 2], "POST", "/api/v1/workspaces/default/jobs", job)
        assert made.status_code == 201, made.text
        names.append(made.json()["name"])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        states = [call(two, "GET", f"/api/v1/workspaces/default/jobs/{name}").json()["status"] for name in names]
        if all(state in ("Completed", "Failed", "Canceled") for state in states):
            break
        time.sleep(0.3)
    assert states == ["Completed"] * 4, states
    assert sorted(path.name[:4] for path in marks.iterdir()) == [f"job{n}" for n in range(4)]
