"""MLflow's own store comes over with everything in it, and goes back: `lazuli import mlflow`, `lazuli export mlflow`.

What a store holds is what the mlflow client reads from it (support/snapshot_mlflow.py): the snapshot of the source, taken from its
database directly, must be the snapshot of the server that it was imported into, and of the database that is exported from there.
"""

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from conftest import BINARY, ROOT, clean_environment

SUPPORT = ROOT / "tests" / "support"
POSTGRES = os.environ.get("LAZULI_TEST_POSTGRES")
needs_postgres = pytest.mark.skipif(not POSTGRES, reason="LAZULI_TEST_POSTGRES is not set; tests/support/postgres run … sets it")


def python(script, *arguments, cwd=None, **environment):
    environment = clean_environment(MLFLOW_DISABLE_TELEMETRY="true", **environment)
    command = [sys.executable, str(SUPPORT / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def snapshot(uri, cwd=None, **environment):
    return json.loads(python("snapshot_mlflow.py", uri, cwd=cwd, **environment))


def of_server(server, workspace="default"):
    return snapshot(server.plain, cwd=server.home.parent, MLFLOW_TRACKING_TOKEN=server.token, MLFLOW_WORKSPACE=workspace)


def schema(url):
    mlflow = Path(sys.executable).with_name("mlflow")
    subprocess.run([mlflow, "db", "upgrade", url], check=True, capture_output=True, timeout=120, env=clean_environment())


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with one of everything; tests copy what they change."""
    folder = tmp_path_factory.mktemp("mlflow")
    python("fill_mlflow.py", f"sqlite:///{folder}/mlflow.db", folder)
    return folder


@pytest.fixture(scope="module")
def original(store):
    return snapshot(f"sqlite:///{store}/mlflow.db", cwd=store)


def bring(lazuli, url, home, *options, check=True, **keywords):
    done = lazuli("import", "mlflow", url, "--home", home, *options, "-o", "json", timeout=300, **keywords)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def test_everything_comes_and_goes_back(lazuli, make_server, store, original, tmp_path):
    home, source = tmp_path / "home", f"sqlite:///{store}/mlflow.db"
    report = json.loads(bring(lazuli, source, home, "--artifacts", store / "mlruns").stdout)
    rows = {row["noun"]: row["rows"] for row in report["rows"]}
    assert rows["runs"] == 6 and rows["metrics"] > 100 and rows["logged models"] == 2 and report["kept"] == []
    assert report["verified"]["problems"] == [] and report["verified"]["files"]["count"] > 10
    server = make_server()
    assert of_server(server) == original

    # new things get numbers behind the ones that came
    import mlflow

    os.environ["MLFLOW_TRACKING_TOKEN"] = server.token
    try:
        mlflow.set_tracking_uri(server.plain)
        made = mlflow.MlflowClient().create_experiment("made here")
        assert int(made) == max(int(experiment[0]) for experiment in original["experiments"]) + 1
    finally:
        del os.environ["MLFLOW_TRACKING_TOKEN"]
    audit = server.cli("audit", "list", parse=True)
    told = [record["target"] for record in audit if record["action"].endswith("import/action")]
    assert len(told) == 2 and told[0].endswith("complete") and "mlflow.db" in told[1]
    refused = lazuli("import", "mlflow", source, "--home", home)
    assert refused.returncode == 4 and "a server already runs" in refused.stderr
    server.cli("audit", "verify")
    server.stop()

    schema(f"sqlite:///{tmp_path}/back.db")
    back = lazuli(
        "export", "mlflow", "--to", f"sqlite:///{tmp_path}/back.db", "--artifacts", tmp_path / "back",
        "--artifacts-uri", tmp_path / "back", "--home", home, "-o", "json", timeout=300,
    )
    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["problems"] == []
    returned = snapshot(f"sqlite:///{tmp_path}/back.db", cwd=tmp_path)
    returned["experiments"] = [experiment for experiment in returned["experiments"] if experiment[1] != "made here"]
    assert returned == original
    again = lazuli("export", "mlflow", "--to", f"sqlite:///{tmp_path}/back.db", "--home", home)
    assert again.returncode == 1 and "already" in again.stderr and "mlflow db upgrade" in again.stderr


def test_an_export_is_served_by_mlflow(lazuli, store, original, tmp_path):
    """By default the addresses are those of MLflow's own artifact proxy."""
    bring(lazuli, f"sqlite:///{store}/mlflow.db", tmp_path / "home", "--artifacts", store / "mlruns")
    url = f"sqlite:///{tmp_path}/back.db"
    schema(url)
    options = ["--to", url, "--artifacts", tmp_path / "back", "--home", tmp_path / "home"]
    assert lazuli("export", "mlflow", *options, timeout=300).returncode == 0
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        Path(sys.executable).with_name("mlflow"), "server", "--backend-store-uri", url, "--artifacts-destination", tmp_path / "back",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]
    with open(tmp_path / "server.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True,
                                   env=clean_environment(MLFLOW_DISABLE_TELEMETRY="true"))
    try:
        import requests

        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                    break
            except requests.RequestException:
                time.sleep(0.3)
        assert snapshot(f"http://127.0.0.1:{port}", cwd=tmp_path) == original
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_a_dry_run_writes_nothing(lazuli, store, tmp_path):
    home = tmp_path / "home"
    plan = json.loads(bring(lazuli, f"sqlite:///{store}/mlflow.db", home, "--dry-run").stdout)
    assert plan["workspace_is_new"] and plan["clashes"] == [] and not home.exists()
    # without a folder nothing is copied: it is told what stays where it is
    assert plan["with_files"] == 0 and sum(kept["things"] for kept in plan["kept"]) >= 8


def test_importing_twice_doubles_nothing(lazuli, make_server, store, original, tmp_path):
    home, source = tmp_path / "home", f"sqlite:///{store}/mlflow.db"
    bring(lazuli, source, home, "--artifacts", store / "mlruns")
    again = bring(lazuli, source, home, "--artifacts", store / "mlruns")
    assert json.loads(again.stdout)["imported_before"] and "nothing was done" in again.stderr
    elsewhere = bring(lazuli, source, home, "--workspace", "other", check=False)
    assert elsewhere.returncode == 1 and "is taken in the workspace `default`" in elsewhere.stderr
    server = make_server()
    assert of_server(server) == original
    assert [workspace["name"] for workspace in server.cli("workspace", "list", parse=True)] == ["default"]


def test_a_workspace_in_use_is_not_touched(lazuli, make_server, store, original, tmp_path):
    server = make_server()
    import requests

    call = lambda path, body: requests.post(f"{server.plain}/api/2.0/mlflow/{path}", json=body, headers=server.headers, timeout=30)
    assert call("experiments/create", {"name": "mine"}).ok
    run = call("runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    server.stop()
    source = f"sqlite:///{store}/mlflow.db"
    clash = bring(lazuli, source, server.home, "--artifacts", store / "mlruns", check=False)
    assert clash.returncode == 1 and "nothing was written" in clash.stderr and "--workspace-name" in clash.stderr
    assert "`Default`" in clash.stderr and "`mine`" in clash.stderr
    dry = bring(lazuli, source, server.home, "--dry-run", check=False)
    assert dry.returncode == 1 and {found["noun"] for found in json.loads(dry.stdout)["clashes"]} == {"experiment"}
    bring(lazuli, source, server.home, "--artifacts", store / "mlruns", "--workspace", "research")
    server.start()
    assert of_server(server, "research") == original
    found = requests.get(f"{server.plain}/api/2.0/mlflow/runs/get", params={"run_id": run}, headers=server.headers, timeout=30)
    assert found.ok and found.json()["run"]["info"]["experiment_id"] == "0"


def large(folder, points=150_000, files=400):
    """A store in which there is time to be killed."""
    database = folder / "mlflow.db"
    url = f"sqlite:///{database}"
    schema(url)
    with sqlite3.connect(database) as rows:
        rows.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)"
            " VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', 1, 1)"
        )
        for run in range(40):
            name = f"{run:032x}"
            rows.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,"
                " source_version, lifecycle_stage, artifact_uri, experiment_id)"
                " VALUES (?, ?, 'UNKNOWN', '', '', 'ann', 'FINISHED', 1, 2, '', 'active', ?, 0)",
                (name, f"run {run}", f"mlflow-artifacts:/0/{name}/artifacts"),
            )
            points_of = ((name, f"m{i % 5}", i, 1000 + i, i / 7) for i in range(points // 40))
            rows.executemany("INSERT INTO metrics (run_uuid, key, step, timestamp, value, is_nan) VALUES (?, ?, ?, ?, ?, 0)", points_of)
            place = folder / "files" / "0" / name / "artifacts"
            place.mkdir(parents=True)
            for number in range(files // 40):
                (place / f"f{number}.txt").write_text(f"{run} {number}")
    return url


def place_of(home):
    try:
        with sqlite3.connect(f"file:{home}/lazuli.db?mode=ro", uri=True, timeout=1) as rows:
            found = rows.execute("SELECT place FROM imports").fetchone()
    except sqlite3.OperationalError:
        return None
    return json.loads(found[0]) if found else None


def counts(home):
    tables = ["experiments", "runs", "metric_series", "metric_points", "imports"]
    with sqlite3.connect(f"file:{home}/lazuli.db?mode=ro", uri=True) as rows:
        return {table: rows.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables}


def test_killed_anywhere_it_goes_on(lazuli, tmp_path):
    url, home = large(tmp_path), tmp_path / "home"
    arguments = ["import", "mlflow", url, "--artifacts", str(tmp_path / "files"), "--home", str(home), "-o", "json"]
    kills = []
    for wanted in ["metrics", "latest metrics", "files of runs"]:
        process = subprocess.Popen([BINARY, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())
        while process.poll() is None:
            at = place_of(home)
            if at and at["stage"] == wanted and (wanted != "metrics" or at["after"]):
                process.kill()
                kills.append(wanted)
                break
            time.sleep(0.002)
        process.wait()
    assert "metrics" in kills
    report = json.loads(lazuli(*arguments, timeout=120).stdout)
    assert report["verified"]["problems"] == []
    assert report["resumed"] or report["imported_before"]
    assert counts(home) == {"experiments": 1, "runs": 40, "metric_series": 200, "metric_points": 150_000, "imports": 1}
    with sqlite3.connect(f"file:{home}/lazuli.db?mode=ro", uri=True) as rows:
        newest = rows.execute("SELECT DISTINCT step, timestamp_ms, in_order FROM metric_series WHERE key = 'm4'").fetchall()
    assert newest == [(3749, 4749, 1)]
    stored = sorted(path.read_text() for path in (home / "blobs").rglob("*.txt"))
    assert stored == sorted(f"{run} {number}" for run in range(40) for number in range(10))


@pytest.mark.parametrize("version", ["2.22", "3.0"])
def test_stores_of_older_versions(lazuli, make_server, tmp_path, version):
    with tarfile.open(ROOT / "tests" / "data" / "mlflow_stores" / f"{version}.tar.xz") as archive:
        archive.extractall(tmp_path / "old", filter="data")
    old = tmp_path / "old"
    bring(lazuli, f"sqlite:///{old}/mlflow.db", tmp_path / "home", "--artifacts", old / "mlruns", "--artifacts-uri", "/tmp/store/mlruns")
    assert of_server(make_server()) == json.loads((old / "snapshot.json").read_text())


def test_a_version_whose_run_is_gone_still_loads(lazuli, make_server, store, tmp_path):
    import shutil

    shutil.copy(store / "mlflow.db", tmp_path / "m.db")
    with sqlite3.connect(tmp_path / "m.db") as rows:
        source = f"{store}/mlruns/1/models"
        model = next(Path(source).iterdir()).name
        rows.execute("UPDATE model_versions SET source = ?, storage_location = ?, run_id = NULL WHERE name = 'iris' AND version = 1",
                     (f"{source}/{model}/artifacts",) * 2)
        rows.execute("DELETE FROM logged_models WHERE model_id = ?", (model,))
    bring(lazuli, f"sqlite:///{tmp_path}/m.db", tmp_path / "home", "--artifacts", store / "mlruns")
    server = make_server()
    loaded = python_code(
        "import sys, mlflow; mlflow.set_tracking_uri(sys.argv[1]); print(mlflow.pyfunc.load_model('models:/iris@champion').predict([7]))",
        server.plain, MLFLOW_TRACKING_TOKEN=server.token,
    )
    assert loaded.strip() == "[7]"


def python_code(code, *arguments, **environment):
    environment = clean_environment(MLFLOW_DISABLE_TELEMETRY="true", **environment)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    "url, told",
    [
        ("mlruns", "mlflow migrate-filestore"),
        ("mysql://host/db", "SQLite and PostgreSQL can"),
        ("sqlite:///nothing.db", "there is no file"),
        ("sqlite:///empty.db", "this is no MLflow database"),
        ("sqlite:///other.db", "this is no MLflow database"),
        ("sqlite:///old.db", "mlflow db upgrade"),
        ("sqlite:///text.db", "MLflow's database"),
        ("postgresql://127.0.0.1:1/x", "MLflow's database"),
    ],
)
def test_what_cannot_be_read_is_told(lazuli, tmp_path, url, told):
    (tmp_path / "empty.db").write_bytes(b"")
    (tmp_path / "text.db").write_text("no database " * 100)
    with sqlite3.connect(tmp_path / "other.db") as rows:
        rows.execute("CREATE TABLE runs (a)")
    with sqlite3.connect(tmp_path / "old.db") as rows:
        rows.executescript("CREATE TABLE experiments (experiment_id); CREATE TABLE runs (run_uuid); CREATE TABLE alembic_version (version_num);")
    done = lazuli("import", "mlflow", url, "--home", tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 1 and told in done.stderr, done.stderr
    assert "panicked" not in done.stderr and not (tmp_path / "home" / "lazuli.db").exists()


def test_files_that_cannot_come_are_told(lazuli, tmp_path):
    url = large(tmp_path, points=40, files=40)
    place = tmp_path / "files" / "0" / f"{1:032x}" / "artifacts"
    (place / "link").symlink_to("/etc/passwd")
    (place / ("x" * 250)).write_text("too long a name")
    with sqlite3.connect(tmp_path / "mlflow.db") as rows:
        rows.execute("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/../../etc' WHERE run_uuid = ?", (f"{2:032x}",))
        rows.execute("UPDATE runs SET artifact_uri = 's3://bucket/there' WHERE run_uuid = ?", (f"{3:032x}",))
    report = json.loads(bring(lazuli, url, tmp_path / "home", "--artifacts", tmp_path / "files").stdout)
    assert sorted(Path(one["name"]).name[:4] for one in report["skipped"]) == ["link", "xxxx"]
    assert report["kept"] == [{"place": "mlflow-artifacts:/../../etc", "things": 1}, {"place": "s3://bucket", "things": 1}]
    assert report["verified"]["files"]["count"] == 38 and report["verified"]["problems"] == []


@pytest.fixture
def databases():
    made = []

    def make():
        name = f"mlflow_{secrets.token_hex(6)}"
        subprocess.run(["psql", "-q", "-d", POSTGRES, "-c", f"CREATE DATABASE {name}"], check=True, capture_output=True)
        made.append(name)
        return POSTGRES.rsplit("/", 1)[0].replace("postgres://", "postgresql://") + f"/{name}"

    yield make
    for name in made:
        subprocess.run(["psql", "-q", "-d", POSTGRES, "-c", f"DROP DATABASE {name} WITH (FORCE)"], check=True, capture_output=True)


@needs_postgres
def test_postgresql_on_every_side(lazuli, make_server, databases, store, original, tmp_path):
    """Out to PostgreSQL, in from it, into a server that is on PostgreSQL itself."""
    pytest.importorskip("pg8000", reason="MLflow needs a driver to make its schema in PostgreSQL")
    bring(lazuli, f"sqlite:///{store}/mlflow.db", tmp_path / "first", "--artifacts", store / "mlruns")
    theirs, ours = databases(), databases()
    with_driver = theirs.replace("postgresql://", "postgresql+pg8000://")
    schema(with_driver)
    done = lazuli("export", "mlflow", "--to", theirs, "--artifacts", tmp_path / "files", "--home", tmp_path / "first", timeout=300)
    assert done.returncode == 0, done.stderr
    bring(lazuli, with_driver, tmp_path / "home", "--artifacts", tmp_path / "files", LAZULI_DATABASE=ours)
    server = make_server(environment={"LAZULI_DATABASE": ours})
    assert of_server(server) == original
