"""The command line against a real server: what people type, what programs read, and what a mistake says."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

from conftest import BINARY, clean_environment

JOB = """\
command: >-
  echo "rate ${{inputs.rate}}" && cat ${{inputs.table}} && mkdir -p outputs && cp ${{inputs.table}} outputs/copy.csv
  && cp ${{inputs.table}} ${{outputs.result}}/copy.csv && python3 main.py
code: ./src
environment:
  image: python:3.11
inputs:
  rate: 0.5
  table:
    type: uri_file
    path: ./table.csv
outputs:
  result:
    type: uri_folder
display_name: from a file
tags:
  year: 2024
"""


@pytest.fixture
def project(tmp_path):
    """A job's folder, as a person has it."""
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.py").write_text("print('from the code')\n")
    (folder / "src" / ".amlignore").write_text("*.log\n")
    (folder / "src" / "noise.log").write_text("noise\n")
    (folder / "table.csv").write_text("a,b\n1,2\n")
    (folder / "job.yml").write_text(JOB)
    return folder


def unique(word):
    return f"{word}{time.monotonic_ns() % 10**12}"


# --- without a server


def test_a_server_that_is_away_is_explained(lazuli, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{free.getsockname()[1]}"
    done = lazuli("whoami", "--home", tmp_path, "--server", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error: cannot reach the server at {url}" in done.stderr
    assert "hint: is the server running? start it with `lazuli up`" in done.stderr


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("command: echo\ncomand: x\n", "job.yml:2:1", "unknown field", "did you mean `command`?"),
        ("command: echo\ninputs:\n  a:\n    type: uri_fil\n    path: x\n", "job.yml:", "uri_fil", "uri_file"),
        ("command: [echo\n", "job.yml:", "not valid YAML", ""),
        ("command: echo ${{inputs.missing}}\nenvironment: azureml:sklearn-1.5@latest\n", "job.yml:1:", "missing", ""),
        ("command: echo\nlimits:\n  timeout: soon\n", "job.yml:3:12", "expected a whole number", ""),
    ],
)
def test_a_mistake_in_a_job_file_names_file_line_and_field(lazuli, tmp_path, text, place, message, hint):
    (tmp_path / "job.yml").write_text(text)
    done = lazuli("job", "create", "--file", "job.yml", "--home", tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {place}"), done.stderr
    assert message in done.stderr and hint in done.stderr


def test_missing_local_files_are_named_before_anything_is_sent(lazuli, project):
    (project / "table.csv").unlink()
    done = lazuli("job", "create", "--file", project / "job.yml", "--home", project / "home", "--server", "https://127.0.0.1:9")
    assert done.returncode == 1
    assert "job.yml:11:11: cannot read" in done.stderr
    assert "table.csv" in done.stderr and "field: inputs.table.path" in done.stderr, done.stderr


# --- identity


def test_who_am_i_and_what_mlflow_needs(shared_server):
    who = shared_server.cli("whoami", parse=True)
    assert (who["name"], who["server"]) == ("admin", shared_server.url)
    names = shared_server.cli("env", parse=True)
    assert names["MLFLOW_TRACKING_URI"] == shared_server.url
    assert os.path.exists(names["MLFLOW_TRACKING_SERVER_CERT_PATH"])
    exported = subprocess.run(
        ["bash", "-c", 'eval "$1"; echo "$MLFLOW_TRACKING_URI"', "_", shared_server.cli("env").stdout], capture_output=True, text=True, check=True
    )
    assert exported.stdout.strip() == shared_server.url


def test_a_token_works_until_it_is_revoked(shared_server):
    made = shared_server.cli("token", "create", "--name", unique("t"), "--scope", "*/read", "--expires-in", "1h", parse=True)
    assert shared_server.cli("whoami", LAZULI_TOKEN=made["token"]).returncode == 0
    refused = shared_server.cli("workspace", "create", "--name", unique("w"), check=False, LAZULI_TOKEN=made["token"])
    assert refused.returncode == 1 and refused.stderr.startswith("error:")
    shared_server.cli("token", "revoke", made["id"], "--yes")
    done = shared_server.cli("whoami", check=False, LAZULI_TOKEN=made["token"])
    assert done.returncode == 1 and "hint:" in done.stderr
    assert made["token"] not in shared_server.cli("token", "list", "-o", "json").stdout


def test_a_role_gives_rights_and_takes_them_away(shared_server):
    name = unique("ci")
    shared_server.cli("user", "create", "--name", name, "--kind", "service")
    token = shared_server.cli("token", "create", "--name", "t", "--for", name, "--query", "token", "-o", "tsv").stdout.strip()
    hidden = shared_server.cli("data", "list", check=False, LAZULI_TOKEN=token)
    assert hidden.returncode == 3, "who has no role sees no workspace"
    given = shared_server.cli("role", "assignment", "create", "--assignee", name, "--role", "Reader", parse=True)
    assert shared_server.cli("data", "list", LAZULI_TOKEN=token).returncode == 0
    shared_server.cli("role", "assignment", "delete", given["id"], "--yes")
    assert shared_server.cli("data", "list", check=False, LAZULI_TOKEN=token).returncode == 3


def test_login_remembers_a_server_and_logout_forgets_it(shared_server, lazuli, tmp_path):
    other = tmp_path / "other-home"
    options = ["--home", other]
    done = lazuli("login", *options, "--server", shared_server.url, "--ca", shared_server.ca, LAZULI_TOKEN=shared_server.token)
    assert done.returncode == 0, done.stderr
    assert (other / "logins.json").stat().st_mode & 0o777 == 0o600
    assert json.loads(lazuli("whoami", *options, "-o", "json").stdout)["name"] == "admin"
    assert lazuli("logout", *options).returncode == 0
    assert lazuli("whoami", *options, "--server", shared_server.url, "--ca", shared_server.ca).returncode == 1


def test_the_audit_log_is_listed_and_proved(shared_server):
    name = unique("audited")
    shared_server.cli("workspace", "create", "--name", name)
    records = shared_server.cli("audit", "list", "--max-results", 5, parse=True)
    assert any(record["target"] == f"workspaces/{name}" and record["principal"] == "admin" for record in records)
    done = shared_server.cli("audit", "verify", "-o", "json")
    assert json.loads(done.stdout)["sound"] is True


# --- assets


def test_a_folder_goes_up_and_comes_down_the_same(shared_server, tmp_path):
    name, folder = unique("folder"), tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text("1\n")
    (folder / "deep" / "b.bin").write_bytes(os.urandom(300_000))
    (folder / "ignored.tmp").write_text("x")
    (folder / ".gitignore").write_text("*.tmp\n")
    made = shared_server.cli("data", "create", "--name", name, "--path", folder, parse=True)
    assert (made["version"], made["type"], made["files"]) == ("1", "uri_folder", 3)
    again = shared_server.cli("data", "create", "--name", name, "--path", folder, parse=True)
    assert again["tree"] == made["tree"], "equal content has one hash"
    shared_server.cli("data", "download", f"{name}:1", "--download-path", tmp_path / "down")
    assert (tmp_path / "down" / "deep" / "b.bin").read_bytes() == (folder / "deep" / "b.bin").read_bytes()
    assert not (tmp_path / "down" / "ignored.tmp").exists() and not list((tmp_path / "down").rglob("*.part"))


def test_versions_labels_and_archiving(shared_server, tmp_path):
    name, file = unique("iris"), tmp_path / "iris.csv"
    for text in ["1\n", "2\n"]:
        file.write_text(text)
        shared_server.cli("data", "create", "--name", name, "--path", file)
    assert shared_server.cli("data", "show", f"{name}@latest", "--query", "version", "-o", "tsv").stdout == "2\n"
    changed = shared_server.cli("data", "create", "--name", name, "--version", "1", "--path", file, check=False)
    assert changed.returncode == 1 and "never changes" in changed.stderr
    shared_server.cli("data", "archive", "--name", name, "--version", "2")
    versions = shared_server.cli("data", "list", "--name", name, "--query", "[].version", parse=True)
    assert versions == ["1"]
    shared_server.cli("data", "restore", "--name", name, "--version", "2")
    tagged = shared_server.cli("data", "update", f"{name}:2", "--set", "tags.team=x", parse=True)
    assert tagged["tags"] == {"team": "x"}
    assert shared_server.cli("data", "show", unique("nothing"), check=False).returncode == 3


def test_an_environment_takes_its_conda_file_along(shared_server, tmp_path):
    name = unique("env")
    (tmp_path / "conda.yml").write_text("dependencies:\n  - python=3.11\n  - pip:\n      - numpy\n")
    (tmp_path / "env.yml").write_text(f"name: {name}\nimage: python:3.11\nconda_file: ./conda.yml\n")
    made = shared_server.cli("environment", "create", "--file", tmp_path / "env.yml", parse=True)
    assert "numpy" in made["conda_file"] and made["image"] == "python:3.11"


def test_output_formats(shared_server):
    table = shared_server.cli("workspace", "list").stdout
    assert table.splitlines()[0].split() == ["Name", "Display", "name", "Description", "Created"]
    names = shared_server.cli("workspace", "list", "--query", "[?name=='default'].name", "-o", "tsv").stdout
    assert names == "default\n"
    assert shared_server.cli("workspace", "show", "-o", "yaml").stdout.startswith("name: default\n")
    assert shared_server.cli("workspace", "show", "-o", "none").stdout == ""
    wrong = shared_server.cli("workspace", "list", "--query", "[", check=False)
    assert wrong.returncode == 2 and "is not JMESPath" in wrong.stderr


def test_lists_are_filtered_sorted_and_cut(shared_server, tmp_path):
    cli, word, names = shared_server.cli, unique("n"), ["--query", "[].name"]
    (tmp_path / "w").write_text("1")
    for letter, team in [("a", "vision"), ("b", "text"), ("c", "vision")]:
        name, tags = f"{word}{letter}", f"tags: {{team: {team}}}\n"
        (tmp_path / "model.yml").write_text(f"name: {name}\npath: ./w\n{tags}")
        cli("model", "create", "--file", tmp_path / "model.yml")
        (tmp_path / "compute.yml").write_text(f"name: {name}\ntype: amlcompute\nsize: 1c1g\n{tags}")
        cli("compute", "create", "--file", tmp_path / "compute.yml")
        (tmp_path / "endpoint.yml").write_text(f"name: {name}\nauth_mode: key\n{tags}")
        cli("online-endpoint", "create", "--file", tmp_path / "endpoint.yml")
    for noun in ["model", "compute", "online-endpoint"]:
        listed = cli(noun, "list", "--prefix", word, "--order-by", "name desc", *names, parse=True)
        assert listed == [f"{word}c", f"{word}b", f"{word}a"], noun
        listed = cli(noun, "list", "--prefix", word, "--tag", "team=vision", "--max-results", 1, *names, parse=True)
        assert listed == [f"{word}a"], noun
    listed = cli("model", "list", "--prefix", word, "--order-by", "created_at desc", *names, parse=True)
    assert listed == [f"{word}c", f"{word}b", f"{word}a"]
    cli("model", "archive", "--name", f"{word}b")
    assert cli("model", "list", "--prefix", word, "--archived-only", *names, parse=True) == [f"{word}b"]
    assert len(cli("model", "list", "--prefix", word, "--include-archived", *names, parse=True)) == 3
    assert cli("online-deployment", "list", "--endpoint-name", f"{word}a", "--tag", "x", *names, parse=True) == []

    cli("user", "create", "--name", word, "--kind", "service")
    token = cli("token", "create", "--name", word, "--for", word, parse=True)
    assert cli("user", "list", "--kind", "service", "--prefix", word, *names, parse=True) == [word]
    assert cli("token", "list", "--principal", word, "--state", "active", *names, parse=True) == [word]
    cli("token", "revoke", token["id"], "--yes")
    assert cli("token", "list", "--principal", word, "--state", "active", *names, parse=True) == []
    given = cli("role", "assignment", "create", "--assignee", word, "--role", "Reader", parse=True)
    listed = cli("role", "assignment", "list", "--assignee", word, "--role", "reader", "--query", "[].id", parse=True)
    assert listed == [given["id"]]
    assert cli("role", "list", "--prefix", "Read", *names, parse=True) == ["Reader"]
    assert cli("workspace", "list", "--prefix", "def", *names, parse=True) == ["default"]
    first = cli("audit", "list", "--order-by", "at", "--max-results", 1, "--query", "[].sequence", parse=True)
    assert first == [1]
    wrong = cli("compute", "list", "--order-by", "colour", check=False)
    assert wrong.returncode != 0 and "order" in wrong.stderr and "`created_at`" in wrong.stderr


# --- computes and jobs


def test_a_compute_from_azures_yaml(shared_server, tmp_path):
    name = unique("cpu")
    (tmp_path / "compute.yml").write_text(f"name: {name}\ntype: amlcompute\nsize: STANDARD_DS3_v2\nmax_instances: 2\n")
    shared_server.cli("compute", "create", "--file", tmp_path / "compute.yml")
    assert shared_server.cli("compute", "update", name, "--max-instances", 3, parse=True)["max_instances"] == 3
    assert name in shared_server.cli("compute", "list").stdout
    refused = shared_server.cli("compute", "delete", name, check=False)
    assert refused.returncode == 2 and "--yes" in refused.stderr
    shared_server.cli("compute", "delete", name, "--yes")


def test_a_job_runs_streams_and_leaves_its_files(shared_server, project, tmp_path):
    done = shared_server.cli("job", "create", "--file", project / "job.yml", "--stream", "--set", "inputs.rate=0.25", "--name", unique("streamed"))
    assert "rate 0.25" in done.stdout and "1,2" in done.stdout and "from the code" in done.stdout
    name = shared_server.cli("job", "list", "--max-results", 1, "--query", "[0].name", "-o", "tsv").stdout.strip()
    job = shared_server.cli("job", "show", name, parse=True)
    assert (job["status"], job["tags"]) == ("Completed", {"year": "2024"})
    shared_server.cli("job", "download", name, "--all", "--download-path", tmp_path / "down")
    assert (tmp_path / "down" / "artifacts" / "outputs" / "copy.csv").read_text() == "a,b\n1,2\n"
    assert (tmp_path / "down" / "named-outputs" / "result" / "copy.csv").read_text() == "a,b\n1,2\n"
    assert "from the code" in (tmp_path / "down" / "artifacts" / "user_logs" / "std_log.txt").read_text()


def test_a_failing_job_is_a_failing_command(shared_server, project):
    done = shared_server.cli("job", "create", "--file", project / "job.yml", "--stream", "--set", "command=echo last words; exit 3", check=False)
    assert done.returncode == 1
    assert "last words" in done.stdout and "is Failed" in done.stderr, done.stderr


def test_a_job_is_canceled(shared_server, project):
    name = unique("slow")
    shared_server.cli("job", "create", "--file", project / "job.yml", "--name", name, "--set", "command=sleep 600")
    shared_server.cli("job", "cancel", name)
    assert shared_server.cli("job", "show", name, "--query", "status", "-o", "tsv").stdout == "Canceled\n"
    shared_server.cli("job", "archive", name)
    assert name not in shared_server.cli("job", "list").stdout
    shared_server.cli("job", "restore", name)
    assert name in shared_server.cli("job", "list").stdout


def test_watching_goes_on_over_a_restart_of_the_server(make_server, project):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server, name = make_server("--port", str(port)), unique("long")
    command = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.4; done"
    server.cli("job", "create", "--file", project / "job.yml", "--name", name, "--set", f"command={command}")
    watcher = subprocess.Popen(
        [str(BINARY), "job", "stream", name, "--home", str(server.home)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
    )
    assert watcher.stdout.readline() == "line 1\n"
    server.stop(signal.SIGKILL)
    server.start()
    rest, said = watcher.communicate(timeout=60)
    assert rest == "".join(f"line {i}\n" for i in range(2, 9)), "each line once, none lost"
    assert watcher.returncode == 0 and "trying again" in said, said


def test_ctrl_c_stops_watching_and_not_the_job(shared_server, project):
    name = unique("watched")
    shared_server.cli("job", "create", "--file", project / "job.yml", "--name", name, "--set", "command=echo started; sleep 600")
    watcher = subprocess.Popen(
        [str(BINARY), "job", "stream", name, "--home", str(shared_server.home)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
    )
    assert watcher.stdout.readline() == "started\n"
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate(timeout=20)
    assert watcher.returncode == 130 and f"lazuli job stream {name}" in said
    assert shared_server.cli("job", "show", name, "--query", "status", "-o", "tsv").stdout == "Running\n"
    shared_server.cli("job", "cancel", name)


# --- models


def test_a_model_from_a_folder_with_an_alias(shared_server, tmp_path):
    name, folder = unique("model"), tmp_path / "weights"
    folder.mkdir()
    (folder / "w.bin").write_bytes(b"1234")
    made = shared_server.cli("model", "create", "--name", name, "--path", folder, "--set", "tags.team=x", parse=True)
    assert (made["version"], made["type"], made["tags"]) == ("1", "custom_model", {"team": "x"})
    (folder / "w.bin").write_bytes(b"5678")
    shared_server.cli("model", "create", "--name", name, "--path", folder)
    shared_server.cli("model", "set-alias", f"{name}:1", "--alias", "champion")
    assert shared_server.cli("model", "show", f"{name}@champion", "--query", "version", "-o", "tsv").stdout == "1\n"
    assert shared_server.cli("model", "show", f"{name}@latest", "--query", "version", "-o", "tsv").stdout == "2\n"
    shared_server.cli("model", "download", f"{name}@champion", "--download-path", tmp_path / "down")
    assert [file.read_bytes() for file in (tmp_path / "down").rglob("w.bin")] == [b"1234"]
    shared_server.cli("model", "delete-alias", name, "--alias", "champion")
    assert shared_server.cli("model", "show", f"{name}@champion", check=False).returncode == 3
    shared_server.cli("model", "archive", f"{name}:2")
    assert shared_server.cli("model", "list", "--name", name, "--query", "[].version", parse=True) == ["1"]
    assert shared_server.cli("model", "list", "--name", name, "--archived-only", "--query", "[].version", parse=True) == ["2"]


def test_a_model_from_a_job_knows_where_it_comes_from(shared_server, project, tmp_path):
    data, job, model = unique("table"), unique("maker"), unique("made")
    shared_server.cli("data", "create", "--name", data, "--path", project / "table.csv")
    shared_server.cli("job", "create", "--file", project / "job.yml", "--name", job, "--stream", "--set", f"inputs.table.path=azureml:{data}:1")
    made = shared_server.cli("model", "create", "--name", model, "--path", f"azureml://jobs/{job}/outputs/result", parse=True)
    assert made["job_name"] == job
    shared_server.cli("model", "create", "--name", model, "--path", f"runs:/{job}/outputs/copy.csv")
    tree = shared_server.cli("lineage", "show", "--model", f"{model}:1").stdout.splitlines()
    assert tree[0].startswith(f"model {model}:1") and tree[1].startswith(f"  job {job}")
    assert any(line.strip().startswith(f"data {data}:1") for line in tree), tree
    assert any(line.strip().startswith("code") for line in tree), tree


# --- endpoints


def test_an_endpoint_is_made_changed_and_deleted(shared_server):
    name = "e" + unique("")
    made = shared_server.cli("online-endpoint", "create", "--name", name, "--description", "first", parse=True)
    assert made["scoring_uri"] == f"{shared_server.url}/endpoints/{name}/score"
    keys = shared_server.cli("online-endpoint", "get-credentials", name, parse=True)
    new = shared_server.cli("online-endpoint", "regenerate-keys", name, "--yes", parse=True)
    assert new["primaryKey"] != keys["primaryKey"] and new["secondaryKey"] == keys["secondaryKey"]
    refused = shared_server.cli("online-endpoint", "update", name, "--traffic", "blue=100", check=False)
    assert refused.returncode == 1 and "field: traffic" in refused.stderr
    shared_server.cli("online-endpoint", "delete", name, "--yes")
    assert shared_server.cli("online-endpoint", "show", name, check=False).returncode == 3


SCORE = """\
import json, os

def init():
    global factor
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights", "factor.txt")) as file:
        factor = int(file.read())

def run(data):
    return [value * factor for value in json.loads(data)["data"]]
"""


def deployment(folder, endpoint, name, factor, score=SCORE):
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights" / "factor.txt").write_text(str(factor))
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "score.py").write_text(score)
    file = folder / f"{name}.yml"
    file.write_text(
        f"name: {name}\nendpoint_name: {endpoint}\nmodel:\n  path: ./weights\n"
        "code_configuration:\n  code: ./code\n  scoring_script: score.py\n"
        "environment:\n  image: python:3.11\ninstance_type: Standard_DS3_v2\ninstance_count: 1\n"
    )
    return file


def test_deployments_score_share_traffic_and_tell_their_logs(shared_server, tmp_path):
    endpoint, request = "e" + unique(""), tmp_path / "rows.json"
    request.write_text('{"data": [1, 2]}')
    shared_server.cli("online-endpoint", "create", "--name", endpoint)
    shared_server.cli("online-deployment", "create", "--file", deployment(tmp_path, endpoint, "blue", 10), "--all-traffic")
    shared_server.cli("online-deployment", "create", "--file", deployment(tmp_path, endpoint, "green", 100))
    invoke = ["online-endpoint", "invoke", endpoint, "--request-file", request]
    assert json.loads(shared_server.cli(*invoke).stdout) == [10, 20]
    assert json.loads(shared_server.cli(*invoke, "--deployment-name", "green").stdout) == [100, 200]
    changed = shared_server.cli("online-endpoint", "update", endpoint, "--traffic", "blue=90 green=10", parse=True)
    assert changed["traffic"] == {"blue": 90, "green": 10}
    states = shared_server.cli("online-deployment", "list", "--endpoint-name", endpoint, "--query", "[].provisioning_state", parse=True)
    assert states == ["Succeeded", "Succeeded"]
    shared_server.cli("online-deployment", "get-logs", "--endpoint-name", endpoint, "--name", "blue", "--lines", 10)
    lineage = shared_server.cli("online-deployment", "lineage", "--endpoint-name", endpoint, "--name", "blue").stdout
    assert lineage.startswith(f"deployment {endpoint}/blue")
    shared_server.cli("online-endpoint", "delete", endpoint, "--yes")


def test_a_deployment_that_cannot_load_says_why(shared_server, tmp_path):
    endpoint = "e" + unique("")
    shared_server.cli("online-endpoint", "create", "--name", endpoint)
    broken = SCORE.replace("global factor", "raise ValueError('no such weights')")
    file = deployment(tmp_path, endpoint, "red", 1, broken)
    done = shared_server.cli("online-deployment", "create", "--file", file, check=False)
    assert done.returncode == 1
    assert "the deployment `red` failed" in done.stderr and "no such weights" in done.stderr, done.stderr
    shared_server.cli("online-endpoint", "delete", endpoint, "--yes")
