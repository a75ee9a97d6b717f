"""The server with its artifacts in S3: what clients put in comes back, through jobs too."""

import os
import secrets
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from conftest import clean_environment
from jobs.test_jobs import PYTHON, Jobs

S3 = os.environ.get("LAZULI_TEST_S3")

pytestmark = pytest.mark.skipif(not S3, reason="LAZULI_TEST_S3 is not set; tests/support/object-stores run … sets it")

CLIENT = """
import mlflow, os
content = os.urandom(20_000_000)
open("big.bin", "wb").write(content)
with mlflow.start_run() as run:
    mlflow.log_artifact("big.bin", "deep")
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep/big.bin", dst_path="back")
assert open(back, "rb").read() == content
assert [one.path for one in mlflow.MlflowClient().list_artifacts(run.info.run_id, "deep")] == ["deep/big.bin"]
"""


def options(address):
    """Where the store is, as the server's settings say it."""
    parts = urlsplit(address)
    artifacts = f"s3:/{parts.path}/{secrets.token_hex(6)}"
    environment = {
        "LAZULI_STORAGE_ENDPOINT": f"http://{parts.hostname}:{parts.port}",
        "LAZULI_STORAGE_REGION": "us-east-1",
        "LAZULI_STORAGE_ACCOUNT": parts.username,
        "LAZULI_STORAGE_SECRET": parts.password,
    }
    return artifacts, environment


def test_artifacts_data_and_jobs_in_s3(make_server, tmp_path):
    artifacts, environment = options(S3)
    server = make_server("--artifacts", artifacts, environment=environment)
    known = clean_environment(**server.client_environment())
    done = subprocess.run([sys.executable, "-c", CLIENT], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=known, check=False)
    assert done.returncode == 0, done.stderr

    folder = tmp_path / "flowers"
    folder.mkdir()
    (folder / "iris.csv").write_text("1,2,3\n")
    server.cli("data", "create", "--name", "flowers", "--version", "1", "--type", "uri_folder", "--path", folder, parse=True)
    jobs = Jobs(server)
    job = jobs.submit(
        "cat ${{inputs.flowers}}/iris.csv; echo made > ${{outputs.model}}/weights; echo seen > outputs/note.txt",
        inputs={"flowers": {"type": "uri_folder", "path": "azureml:flowers:1"}},
        outputs={"model": {"type": "uri_folder"}},
        environment=PYTHON,
    )
    ended = jobs.wait(job)
    assert ended["status"] == "Completed", jobs.log(job)
    assert "1,2,3" in jobs.log(job)
    assert not (server.home / "blobs").exists() or not any((server.home / "blobs").rglob("cas/*/*"))


def test_a_store_that_refuses_is_said_in_words(lazuli, tmp_path):
    done = lazuli("up", "--home", tmp_path / "home", "--port", "0", "--artifacts", "s3://bucket/x", "--storage-options", "regoin=x")
    assert done.returncode not in (0, 101)
    assert "no option `regoin`" in done.stderr, done.stderr
