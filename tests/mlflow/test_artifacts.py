"""The unmodified mlflow client's artifacts: files and folders both ways, uploads and downloads in parts, what goes wrong on the way."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
from mlflow import MlflowClient

MEGABYTE = 1024 * 1024
PROXY = "/api/2.0/mlflow-artifacts"


def use(server, monkeypatch, url=None):
    """Points the client of this process at a server."""
    for name, value in server.client_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    mlflow.set_tracking_uri(url or server.url)
    return MlflowClient()


@pytest.fixture
def client(shared_server, monkeypatch):
    return use(shared_server, monkeypatch)


@pytest.fixture
def run_id(client, request):
    experiment = mlflow.set_experiment(request.node.name)
    return client.create_run(experiment.experiment_id).info.run_id


@pytest.fixture
def in_parts(monkeypatch):
    """The client cuts what is larger than a megabyte into parts of five."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "0")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MEGABYTE))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(7 * MEGABYTE))


@pytest.fixture
def part_requests(monkeypatch):
    """Addresses of the parts that the client sends and fetches."""
    seen, send = [], requests.Session.send

    def noting(session, request, **options):
        if "/api/v1/links/" in request.url:
            seen.append((request.method, request.url))
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", noting)
    return seen


def big_file(path, megabytes, seed=1):
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(rng.bytes(MEGABYTE))
        file.write(b"and a rest")
    return path


def digest(path):
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(client, run_id, path=None):
    return {entry.path: None if entry.is_dir else entry.file_size for entry in client.list_artifacts(run_id, path)}


def fetched(run_id, path, folder):
    return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=str(folder)))


def root_of(client, run_id):
    return client.get_run(run_id).info.artifact_uri.removeprefix("mlflow-artifacts:/").strip("/")


def leftovers(server):
    """Everything that lies in a server's storage for uploads or is marked as unfinished."""
    blobs = server.home / "blobs"
    unfinished = [path for path in blobs.rglob("*") if "#" in path.name]
    parts = [path for path in (blobs / "uploads").rglob("part-*") if path.is_file() or any(path.iterdir())]
    return unfinished + parts


def test_a_large_file_goes_and_comes_in_parts(client, run_id, tmp_path, in_parts, part_requests):
    source = big_file(tmp_path / "big file é.bin", 60)
    client.log_artifact(run_id, str(source), "some/folder")
    puts = [url for method, url in part_requests if method == "PUT"]
    assert len(set(puts)) == 13
    assert all(url.startswith("https://") for url in puts)
    assert listed(client, run_id, "some/folder") == {"some/folder/big file é.bin": source.stat().st_size}
    there = fetched(run_id, "some/folder/big file é.bin", tmp_path / "back")
    assert len(part_requests) - len(puts) == 9
    assert digest(there) == digest(source)


def test_small_and_empty_files_go_in_parts_too(client, run_id, tmp_path, in_parts):
    for name, content in [("empty", b""), ("one", b"1"), ("exact", b"x" * 5 * MEGABYTE)]:
        (tmp_path / name).write_bytes(content)
        client.log_artifact(run_id, str(tmp_path / name))
        assert listed(client, run_id)[name] == len(content)
    client.log_artifact(run_id, str(tmp_path / "one"))
    assert fetched(run_id, "exact", tmp_path / "back").stat().st_size == 5 * MEGABYTE


def test_the_server_says_when_parts_will_reach_it(shared_server, monkeypatch, tmp_path, part_requests):
    """Parts are sent by a program that knows no private CA: over TLS with one, they are not announced."""
    info = f"{PROXY.removesuffix('/2.0/mlflow-artifacts')}/3.0/mlflow/server-info"
    over_tls = requests.get(shared_server.url + info, verify=shared_server.ca, timeout=30).json()
    plain = requests.get(shared_server.plain + info, timeout=30).json()
    assert (over_tls["multipart_uploads_enabled"], plain["multipart_uploads_enabled"]) == (False, True)
    client = use(shared_server, monkeypatch, shared_server.plain)
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(MEGABYTE))
    run_id = client.create_run("0").info.run_id
    source = big_file(tmp_path / "big", 21)
    client.log_artifact(run_id, str(source))
    assert [method for method, _ in part_requests] == ["PUT"] * 3
    assert all(url.startswith(shared_server.plain) for _, url in part_requests)
    assert digest(fetched(run_id, "big", tmp_path / "back")) == digest(source)


def begin(server, place, name, parts, **headers):
    asked = {"path": name, "num_parts": parts}
    answer = requests.post(f"{server.plain}{PROXY}/mpu/create/{place}", json=asked, headers=server.headers | headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["upload_id"], [one["url"] for one in answer.json()["credentials"]]


def finish(server, what, place, name, upload_id, **fields):
    asked = {"path": name, "upload_id": upload_id} | fields
    return requests.post(f"{server.plain}{PROXY}/mpu/{what}/{place}", json=asked, headers=server.headers, timeout=60)


def send(url, content):
    answer = requests.put(url, data=content, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


def test_an_upload_outlives_the_server(server, monkeypatch, tmp_path):
    """Killed in the middle, the server goes on with the upload when it is back; abort leaves nothing."""
    client = use(server, monkeypatch)
    place = root_of(client, run_id := client.create_run("0").info.run_id)
    upload, urls = begin(server, place, "big.bin", 3)
    first = send(urls[0], b"a" * MEGABYTE)
    server.stop(signal.SIGKILL)
    server.start()
    assert listed(client, run_id) == {}
    etags = [first, send(urls[1], b"b" * MEGABYTE), send(urls[2], b"c")]
    parts = [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, 1)]
    refused = finish(server, "complete", place, "big.bin", upload, parts=parts[:2])
    assert refused.status_code == 400 and "part 3" in refused.json()["message"]
    done = finish(server, "complete", place, "big.bin", upload, parts=parts[::-1])
    assert done.status_code == 200, done.text
    assert fetched(run_id, "big.bin", tmp_path).read_bytes() == b"a" * MEGABYTE + b"b" * MEGABYTE + b"c"
    assert leftovers(server) == []

    upload, urls = begin(server, place, "never.bin", 2)
    send(urls[0], b"x")
    assert finish(server, "abort", place, "never.bin", upload).status_code == 200
    assert requests.put(urls[1], data=b"y", timeout=30).status_code == 404
    assert listed(client, run_id) == {"big.bin": 2 * MEGABYTE + 1}
    assert leftovers(server) == []


def test_addresses_of_parts_are_those_of_the_proxy(server, make_server, monkeypatch):
    client = use(server, monkeypatch)
    place = root_of(client, client.create_run("0").info.run_id)
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "ml.example.org", "X-Forwarded-Prefix": "/lazuli"}
    _, urls = begin(server, place, "x", 1, **forwarded)
    assert urls[0].startswith("https://ml.example.org/lazuli/api/v1/links/")
    # what the proxy cuts off again is not part of what is signed
    send(urls[0].replace("https://ml.example.org/lazuli", server.plain), b"x")
    configured = make_server("--external-url", "https://e.example.org/ml/", name="configured")
    client = use(configured, monkeypatch)
    _, urls = begin(configured, root_of(client, client.create_run("0").info.run_id), "x", 1)
    assert urls[0].startswith("https://e.example.org/ml/api/v1/links/")


def cut(server, head, sent):
    """A request that promises ten megabytes, sends less and goes away."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"x" * sent)
        time.sleep(0.2)


def test_a_cut_connection_leaves_nothing(server, monkeypatch):
    client = use(server, monkeypatch)
    place = root_of(client, run_id := client.create_run("0").info.run_id)
    upload, urls = begin(server, place, "parts.bin", 1)
    path = urls[0].removeprefix(server.plain)
    for sent in (0, 10, 3 * MEGABYTE):
        head = f"Host: x\r\nContent-Length: {10 * MEGABYTE}\r\n"
        cut(server, f"PUT {PROXY}/artifacts/{place}/cut.bin HTTP/1.1\r\nAuthorization: Bearer {server.token}\r\n{head}\r\n", sent)
        cut(server, f"PUT {path} HTTP/1.1\r\n{head}\r\n", sent)
    deadline = time.monotonic() + 10
    while leftovers(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert leftovers(server) == []
    assert listed(client, run_id) == {}
    refused = finish(server, "complete", place, "parts.bin", upload, parts=[{"part_number": 1, "etag": ""}])
    assert refused.status_code == 400 and "was not uploaded" in refused.json()["message"]


NAMES = ["a b.txt", "é 日本.txt", "a+b&c=d;e,f.txt", "100%.txt", "~tilde.txt", "x" * 230 + ".txt", "'quote\".txt", "under_score", ".hidden"]


def test_names_are_kept(client, run_id, tmp_path):
    for at, name in enumerate(NAMES):
        (tmp_path / name).write_text(str(at))
    client.log_artifacts(run_id, str(tmp_path), "in a/ünï")
    expected = {f"in a/ünï/{name}": len(str(at)) for at, name in enumerate(NAMES)}
    assert listed(client, run_id, "in a/ünï") == expected
    back = fetched(run_id, "in a/ünï", tmp_path / "back")
    assert {path.name: path.read_text() for path in back.iterdir()} == {name: str(at) for at, name in enumerate(NAMES)}


def test_paths_that_climb_or_cannot_be_are_refused(shared_server, client, run_id):
    place = root_of(client, run_id)
    for bad in ["..%2f..%2fx", "a/%2e%2e/x", "a%00b", "a/", "a//b", "a%5cb", "x" * 300, "a/" * 600 + "b", "%ff"]:
        for call in (requests.put, requests.get):
            url = f"{shared_server.plain}{PROXY}/artifacts/{place}/{bad}"
            answer = call(url, data=b"x", headers=shared_server.headers, timeout=30)
            assert answer.status_code in (400, 404), f"{call.__name__} {bad}: {answer.status_code} {answer.text}"
            assert answer.json()["error_code"], bad
    with pytest.raises(requests.HTTPError, match="400"):
        client.list_artifacts(run_id, "../..")
    assert listed(client, run_id) == {}


def test_files_and_folders_do_not_take_each_others_place(client, run_id, shared_server):
    place = root_of(client, run_id)
    client.log_text(run_id, "a file", "one")
    client.log_text(run_id, "in a folder", "two/file")
    for bad in ["one/below", "two"]:
        url = f"{shared_server.plain}{PROXY}/artifacts/{place}/{bad}"
        answer = requests.put(url, data=b"x", headers=shared_server.headers, timeout=30)
        assert (answer.status_code, answer.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
        create = f"{shared_server.plain}{PROXY}/mpu/create/{place}/{bad}".rsplit("/", 1)
        asked = {"path": create[1], "num_parts": 1}
        assert requests.post(create[0], json=asked, headers=shared_server.headers, timeout=30).status_code == 409
    assert listed(client, run_id) == {"one": 6, "two": None}


def test_many_writers_of_one_path_leave_one_of_their_files(client, run_id, shared_server):
    url = f"{shared_server.plain}{PROXY}/artifacts/{root_of(client, run_id)}/contested"
    contents = [bytes([65 + at]) * (MEGABYTE + at) for at in range(8)]

    def write(content):
        assert requests.put(url, data=content, headers=shared_server.headers, timeout=60).status_code == 200

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert requests.get(url, headers=shared_server.headers, timeout=60).content in contents
    assert list(listed(client, run_id)) == ["contested"]


def test_downloads_in_ranges_and_heads(client, run_id, shared_server):
    client.log_text(run_id, "0123456789", "page.html")
    url = f"{shared_server.plain}{PROXY}/artifacts/{root_of(client, run_id)}/page.html"
    headers = shared_server.headers
    whole = requests.get(url, headers=headers, timeout=30)
    assert whole.headers["Content-Type"].startswith("text/html")
    # shown inline by nobody: saved, or else run by nobody
    assert whole.headers["Content-Disposition"] == "attachment; filename=page.html"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in whole.headers["Content-Security-Policy"]
    head = requests.head(url, headers=headers, timeout=30)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "10", b"")
    for asked, status, expected in [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=5-100", 206, b"56789"),
        ("lines=1-2", 200, b"0123456789"),
    ]:
        answer = requests.get(url, headers=headers | {"Range": asked}, timeout=30)
        assert (answer.status_code, answer.content) == (status, expected)
    outside = requests.get(url, headers=headers | {"Range": "bytes=10-"}, timeout=30)
    assert outside.status_code in (400, 416)
    stale = requests.get(url, headers=headers | {"Range": "bytes=2-4", "If-Range": '"other"'}, timeout=30)
    assert (stale.status_code, stale.content) == (200, b"0123456789")


def test_deleting_a_file_and_a_folder(client, run_id):
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    for path in ["keep", "one", "folder/a", "folder/deep/b"]:
        client.log_text(run_id, "x", path)
    files = get_artifact_repository(client.get_run(run_id).info.artifact_uri)
    files.delete_artifacts("one")
    files.delete_artifacts("folder")
    files.delete_artifacts("not there")
    assert listed(client, run_id) == {"keep": 1}


def test_an_experiment_with_a_place_of_its_own(client, tmp_path):
    experiment = client.create_experiment("own place", artifact_location="mlflow-artifacts:/team/pictures")
    run = client.create_run(experiment).info
    assert run.artifact_uri == f"mlflow-artifacts:/team/pictures/{run.run_id}/artifacts"
    client.log_text(run.run_id, "hello", "a/b.txt")
    assert listed(client, run.run_id, "a") == {"a/b.txt": 5}
    assert mlflow.artifacts.load_text(f"{run.artifact_uri}/a/b.txt") == "hello"
    elsewhere = client.create_experiment("elsewhere", artifact_location=(tmp_path / "mine").as_uri())
    run_id = client.create_run(elsewhere).info.run_id
    client.log_text(run_id, "on the client's own disk", "note.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/note.txt") == "on the client's own disk"


def test_everything_the_client_logs_comes_back(client, tmp_path):
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    with mlflow.start_run() as run:
        mlflow.log_dict({"a": [1, 2]}, "dict.json")
        mlflow.log_dict({"a": 1}, "dict.yaml")
        mlflow.log_text("<p>text</p>", "page.html")
        mlflow.log_table({"question": ["a", "b"], "score": [1.5, 2.5]}, "table.json")
        mlflow.log_table({"question": ["c"], "score": [3.5]}, "table.json")
        mlflow.log_image(np.zeros((4, 5, 3), dtype=np.uint8), "black.png")
        mlflow.log_image(np.zeros((4, 5, 3), dtype=np.uint8), key="dog", step=3)
        figure, axes = pyplot.subplots()
        axes.plot([1, 2])
        mlflow.log_figure(figure, "figure.png")
        pyplot.close(figure)
    root = f"runs:/{run.info.run_id}"
    assert mlflow.artifacts.load_dict(f"{root}/dict.json") == {"a": [1, 2]}
    assert mlflow.artifacts.load_text(f"{root}/page.html") == "<p>text</p>"
    table = mlflow.load_table("table.json", run_ids=[run.info.run_id])
    assert list(table["question"]) == ["a", "b", "c"]
    assert mlflow.artifacts.load_image(f"{root}/black.png").size == (5, 4)
    assert len(client.list_artifacts(run.info.run_id, "images")) == 2
    back = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path)))
    there = {str(path.relative_to(back)) for path in back.rglob("*") if path.is_file() and path.parent == back}
    assert there == {"dict.json", "dict.yaml", "page.html", "table.json", "black.png", "figure.png"}


def test_folders_and_the_command_line(client, run_id, tmp_path, shared_server):
    source = tmp_path / "source"
    for name in ["a.txt", "deep/er/b.txt", "deep/c.bin"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(name.encode() * 100)
    environment = os.environ | shared_server.client_environment()

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "mlflow", "artifacts", *arguments],
            env=environment, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    command("log-artifacts", "--local-dir", str(source), "--run-id", run_id, "--artifact-path", "all")
    command("log-artifact", "--local-file", str(source / "a.txt"), "--run-id", run_id)
    assert '"path": "all/deep"' in command("list", "--run-id", run_id, "--artifact-path", "all")
    command("download", "--run-id", run_id, "--dst-path", str(tmp_path / "back"))
    back = {str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*") if path.is_file()}
    assert back == {"a.txt", "all/a.txt", "all/deep/c.bin", "all/deep/er/b.txt"}


def test_a_presigned_address_writes_and_reads_one_file(client, run_id, shared_server):
    def ask(what, **fields):
        url = f"{shared_server.plain}/api/2.0/mlflow/artifacts/presigned-{what}-url"
        return requests.post(url, json={"run_id": run_id} | fields, headers=shared_server.headers, timeout=30)

    made = ask("upload", path="folder/file.txt", expiration=60).json()
    send(made["presigned_url"], b"hello")
    made = ask("download", path="folder/file.txt").json()
    assert made["file_size"] == 5
    assert requests.get(made["presigned_url"], timeout=30).content == b"hello"
    assert requests.put(made["presigned_url"], data=b"x", timeout=30).status_code == 403
    assert ask("download", path="folder/file.txt", expiration=0).status_code == 400
    assert ask("upload", path="../x").status_code == 400
    assert ask("upload", path="x", model_id="m-1").status_code == 400


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the server's memory from /proc")
def test_memory_does_not_grow_with_the_file(server, monkeypatch, tmp_path, in_parts):
    client = use(server, monkeypatch)
    run_id = client.create_run("0").info.run_id

    def peak():
        lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    client.log_artifact(run_id, str(big_file(tmp_path / "first", 20)))
    before = peak()
    client.log_artifact(run_id, str(big_file(tmp_path / "second", 160, seed=2)))
    assert digest(fetched(run_id, "second", tmp_path / "back")) == digest(tmp_path / "second")
    assert peak() - before < 40 * 1024, f"from {before} to {peak()} kB"
    assert leftovers(server) == []
    assert os.listdir(server.home / "blobs" / "uploads")  # remembered until the sweep
