"""Backup while the server runs, verify, restore; doctor and db."""

import json
import os
import stat

import requests


def put_artifact(server, path, content):
    """Makes a run and gives it an artifact."""
    made = requests.post(f"{server.plain}/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}, headers=server.headers, timeout=30)
    run = made.json()["run"]["info"]["run_id"]
    url = f"{server.plain}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/{path}"
    answer = requests.put(url, data=content, headers=server.headers, timeout=30)
    assert answer.status_code == 200, answer.text


def create_token(server, name):
    return server.cli("token", "create", "--name", name, parse=True)


def test_backup_and_restore_give_the_same_server(make_server, lazuli, tmp_path):
    server = make_server()
    made = create_token(server, "kept")
    file = tmp_path / "monday"
    done = lazuli("backup", file, "--home", server.home, "--output", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["entries"] >= 4
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    create_token(server, "made after the backup")

    restored = make_server(name="restored", start=False)
    done = lazuli("restore", file, "--home", restored.home)
    assert done.returncode == 0, done.stderr
    restored.start()
    assert open(restored.ca).read() == open(server.ca).read(), "clients go on trusting"
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert requests.get(f"{restored.url}/api/v1/workspaces", headers=headers, verify=server.ca, timeout=10).status_code == 200
    listed = restored.cli("token", "list", parse=True)
    assert "kept" in str(listed) and "made after the backup" not in str(listed)


def test_backup_is_never_overwritten_and_damage_is_found(server, lazuli, tmp_path):
    file = tmp_path / "backup"
    assert lazuli("backup", file, "--home", server.home).returncode == 0
    again = lazuli("backup", file, "--home", server.home)
    assert again.returncode == 2 and "exists already" in again.stderr
    assert lazuli("backup", "--verify", file).returncode == 0
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "damaged"
    damaged.write_bytes(content)
    cut = tmp_path / "cut"
    cut.write_bytes(file.read_bytes()[:-100])
    for wrong in [damaged, cut, tmp_path / "none"]:
        assert lazuli("backup", "--verify", wrong).returncode == 1
        refused = lazuli("restore", wrong, "--home", tmp_path / "new")
        assert refused.returncode == 1
        assert not (tmp_path / "new").exists(), "nothing is half restored"


def test_restore_spares_a_home_in_use(make_server, lazuli, tmp_path):
    server = make_server()
    file = tmp_path / "backup"
    assert lazuli("backup", file, "--home", server.home).returncode == 0
    refused = lazuli("restore", file, "--home", server.home)
    assert refused.returncode == 1 and "not empty" in refused.stderr
    running = lazuli("restore", file, "--home", server.home, "--force")
    assert running.returncode == 4 and "already runs" in running.stderr
    server.stop()
    forced = lazuli("restore", file, "--home", server.home, "--force", "--output", "json")
    assert forced.returncode == 0, forced.stderr
    kept = json.loads(forced.stdout)["replaced"]
    assert os.path.exists(os.path.join(kept, "lazuli.db"))
    server.start()
    assert requests.get(f"{server.plain}/api/v1/workspaces", headers=server.headers, timeout=10).status_code == 200


def test_artifacts_are_in_the_backup(make_server, lazuli, tmp_path):
    server = make_server()
    content = os.urandom(3_000_000)
    put_artifact(server, "deep/some%20data.bin", content)
    file = tmp_path / "backup"
    assert lazuli("backup", file, "--home", server.home).returncode == 0
    restored = make_server(name="restored", start=False)
    assert lazuli("restore", file, "--home", restored.home).returncode == 0
    stored = [path.read_bytes() for path in (restored.home / "blobs").rglob("some data.bin")]
    assert stored == [content]


def test_db_status_and_check(server, lazuli, tmp_path):
    status = json.loads(lazuli("db", "status", "--home", server.home, "--output", "json").stdout)
    assert status["backend"] == "sqlite"
    assert status["schema_version"] == status["wanted_version"]
    assert lazuli("db", "check", "--home", server.home).returncode == 0
    missing = lazuli("db", "status", "--home", tmp_path / "none")
    assert missing.returncode == 3 and not (tmp_path / "none").exists()


def test_doctor_says_what_it_found(server, lazuli, tmp_path):
    done = lazuli("doctor", "--home", server.home, "--output", "json")
    found = {row["check"]: row for row in json.loads(done.stdout)}
    assert set(found) == {"home", "disk", "database", "port", "python", "uv", "cgroups", "isolation", "clock"}
    assert server.url in found["port"]["found"]
    assert found["database"]["verdict"] == "ok"
    bare = lazuli("doctor", "--home", tmp_path / "new", "--output", "json", PATH="/nonexistent")
    assert bare.returncode == 1
    found = {row["check"]: row for row in json.loads(bare.stdout)}
    assert found["python"]["verdict"] == "fail" and "apt-get install" in found["python"]["advice"]
    assert not (tmp_path / "new").exists(), "doctor changes nothing"
