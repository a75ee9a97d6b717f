"""Jobs, end to end: submitted over REST to the real server, run by the real runner, through crashes of either."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pytest
import requests

PYTHON = {"image": "python"}
ENDED = {"Completed", "Failed", "Canceled"}


class Jobs:
    """The jobs of a server's default workspace."""

    def __init__(self, server):
        self.server = server

    def call(self, method, path, **options):
        headers = {**self.server.headers, **options.pop("headers", {})}
        return requests.request(method, f"{self.server.plain}/api/v1/workspaces/default{path}", headers=headers, timeout=60, **options)

    def submit(self, command, **fields):
        answer = self.call("POST", "/jobs", json={"command": command, "environment": PYTHON, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()["name"]

    def get(self, name):
        answer = self.call("GET", f"/jobs/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, name, states=ENDED, timeout=60):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            job = self.get(name)
            if job["status"] in states:
                return job
            assert job["status"] not in ENDED, job
            time.sleep(0.05)
        raise AssertionError(f"{name} is {self.get(name)['status']} after {timeout} s, not {states}\n{self.server.logs()}")

    def log(self, name, **query):
        answer = self.call("GET", f"/jobs/{name}/logs/content", params=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def events(self, name, last=None):
        """The events of the log stream as (name, id, data), until the server ends it."""
        headers = {"Last-Event-ID": last} if last else {}
        with self.call("GET", f"/jobs/{name}/logs/stream", headers=headers, stream=True) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            answer.encoding = "utf-8"
            fields = {}
            for line in answer.iter_lines(decode_unicode=True):
                if line:
                    key, _, value = line.partition(": ")
                    fields[key] = value
                elif fields:
                    if "event" in fields:
                        yield fields["event"], fields.get("id"), json.loads(fields["data"])
                    fields = {}

    def upload(self, files):
        """Stores files and their tree; the tree's id."""
        entries = []
        for path, data in sorted(files.items()):
            digest = hashlib.sha256(data).hexdigest()
            assert self.call("PUT", f"/content/{digest}", data=data).ok
            entries.append({"path": path, "size": len(data), "sha256": digest})
        lines = [f"{entry['sha256']} {entry['size']} {entry['path']}\n" for entry in entries]
        tree = hashlib.sha256(("lazuli-tree 1\n" + "".join(lines)).encode()).hexdigest()
        answer = self.call("PUT", f"/trees/{tree}", json={"files": entries})
        assert answer.ok, answer.text
        return tree


def runner_pid(name):
    """The process id of a job's runner."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"runner" in words and any(name.encode() in word for word in words):
                return int(entry.name)
    raise AssertionError(f"no runner of {name} is there")


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


@pytest.fixture
def jobs(shared_server):
    return Jobs(shared_server)


def test_a_job_reads_logs_tracks_and_makes_outputs(jobs):
    code = jobs.upload({"main.py": b"import sys\nprint(open(sys.argv[1]).read().strip(), sys.argv[2])\nopen(sys.argv[3] + '/m.txt', 'w').write('model')\n"})
    data = jobs.upload({"iris.csv": b"a,b\n1,2\n"})
    name = jobs.submit(
        "python main.py ${{inputs.data}} ${{inputs.rate}} ${{outputs.model}} $[[--none ${{inputs.none}}]] && mkdir -p outputs && echo kept > outputs/kept.txt",
        code=f"tree:{code}",
        inputs={"data": {"type": "uri_file", "path": f"tree:{data}"}, "rate": 0.5},
        outputs={"model": {"type": "uri_folder", "name": "made"}},
        tags={"team": "vision"},
        experiment_name="reading",
    )
    job = jobs.wait(name)
    assert job["status"] == "Completed", (job, jobs.log(name))
    assert jobs.log(name) == "a,b\n1,2 0.5\n"
    assert job["exit_code"] == 0 and [phase["name"] for phase in job["phases"]] == ["queued", "preparing", "running", "finalizing"]
    assert job["outputs"]["model"]["version"] == "1"
    assert {row["name"]: row.get("tree") for row in job["lineage"]}["code"] == code
    made = jobs.call("GET", "/data/made/versions/1").json()
    assert made["type"] == "uri_folder" and made["name"] == "made"
    run = requests.get(f"{jobs.server.plain}/api/2.0/mlflow/runs/get", params={"run_id": name}, headers=jobs.server.headers, timeout=10).json()["run"]
    assert run["info"]["status"] == "FINISHED"
    assert {"key": "team", "value": "vision"} in run["data"]["tags"]
    # an output, and the registered version of it, are inputs of the next job
    following = jobs.submit(
        "cat ${{inputs.model}}/m.txt ${{inputs.asset}}/m.txt ${{inputs.kept}}",
        inputs={
            "model": {"type": "uri_folder", "path": f"azureml://jobs/{name}/outputs/model"},
            "asset": {"type": "uri_folder", "path": "azureml:made@latest"},
            "kept": {"type": "uri_file", "path": f"azureml://jobs/{name}/outputs/artifacts/paths/outputs/kept.txt"},
        },
    )
    ended = jobs.wait(following)
    assert ended["status"] == "Completed", (ended, jobs.log(following))
    assert jobs.log(following) == "modelmodelkept\n"
    assert ended["inputs"]["asset"]["resolved"] == "made:1"


def test_the_log_streams_while_the_job_runs_and_resumes(jobs):
    name = jobs.submit("for i in 1 2 3; do echo line $i é; sleep 0.3; done")
    seen = []
    began = time.monotonic()
    first = None
    for event, place, data in jobs.events(name):
        if event == "log" and first is None:
            first = time.monotonic() - began
        seen.append((event, place, data))
    assert "".join(data for event, _, data in seen if event == "log") == "line 1 é\nline 2 é\nline 3 é\n"
    assert [data for event, _, data in seen if event == "state"][-1] == "Completed"
    assert seen[-1][0] == "end"
    assert time.monotonic() - began - first > 0.5, "the first line came while the job still ran"
    place = next(place for event, place, _ in seen if event == "log")
    rest = "".join(data for event, _, data in jobs.events(name, last=place) if event == "log")
    assert rest == "line 1 é\nline 2 é\nline 3 é\n".encode()[int(place):].decode()
    deadline = time.monotonic() + 10
    while jobs.call("GET", f"/jobs/{name}/logs").json()["items"][0]["name"] != "user_logs/std_log.txt" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert jobs.log(name, offset=7).startswith("é")


def test_cancel_ends_the_whole_process_tree(jobs, tmp_path):
    pids = tmp_path / "pids"
    name = jobs.submit(f"echo $$ >> {pids}; (setsid sleep 300 & echo $! >> {pids}); sleep 300 & echo $! >> {pids}; wait")
    jobs.wait(name, {"Running"})
    deadline = time.monotonic() + 10
    while (not pids.exists() or len(pids.read_text().split()) < 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    started = [int(pid) for pid in pids.read_text().split()]
    runner = runner_pid(name)
    assert jobs.call("POST", f"/jobs/{name}/cancel").status_code == 202
    assert jobs.wait(name)["status"] == "Canceled"
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in [*started, runner]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in [*started, runner] if alive(pid)]
    assert jobs.call("POST", f"/jobs/{name}/cancel").status_code == 202, "canceling again changes nothing"
    done = jobs.submit("true")
    jobs.wait(done)
    assert jobs.call("POST", f"/jobs/{done}/cancel").status_code == 409


def test_jobs_wait_for_a_node_in_order(jobs):
    made = jobs.call("PUT", "/computes/narrow", json={"max_instances": 1, "size": "1c", "idle_time_before_scale_down": 0})
    assert made.status_code == 201, made.text
    first = jobs.submit("sleep 300", compute="narrow")
    jobs.wait(first, {"Running"})
    second, third = jobs.submit("echo second", compute="narrow"), jobs.submit("echo third", compute="narrow")
    assert jobs.get(second)["status"] == "Queued"
    assert jobs.call("DELETE", "/computes/narrow").status_code == 409
    assert jobs.call("POST", f"/jobs/{second}/cancel").json()["status"] == "Canceled"
    compute = jobs.call("GET", "/computes/narrow").json()
    assert (compute["current_nodes"], compute["busy_nodes"]) == (1, 1)
    jobs.call("POST", f"/jobs/{first}/cancel")
    assert jobs.wait(third)["status"] == "Completed"
    deadline = time.monotonic() + 10
    while jobs.call("GET", "/computes/narrow").json()["current_nodes"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert jobs.call("GET", "/computes/narrow").json()["current_nodes"] == 0, "an idle node is given back"
    assert jobs.call("DELETE", "/computes/narrow").status_code == 204


def test_kill_of_the_server_in_mid_job_loses_nothing(server):
    jobs = Jobs(server)
    name = jobs.submit("for i in $(seq 1 40); do echo line $i; sleep 0.1; done")
    jobs.wait(name, {"Running"})
    time.sleep(0.5)
    server.stop(signal.SIGKILL)
    time.sleep(1)
    server.start()
    job = jobs.wait(name)
    assert job["status"] == "Completed", job
    assert jobs.log(name) == "".join(f"line {i}\n" for i in range(1, 41))


def test_an_end_that_nobody_saw_is_found(server):
    jobs = Jobs(server)
    fails = jobs.submit("sleep 1; echo over; exit 3")
    jobs.wait(fails, {"Running"})
    server.stop(signal.SIGKILL)
    time.sleep(2)
    server.start()
    job = jobs.wait(fails)
    assert (job["status"], job["exit_code"]) == ("Failed", 3)
    assert job["error"]["code"] == "command_failed"
    assert jobs.log(fails) == "over\n"


def test_killing_the_runner_fails_the_job_with_the_reason(jobs):
    name = jobs.submit("sleep 300")
    jobs.wait(name, {"Running"})
    os.kill(runner_pid(name), signal.SIGKILL)
    job = jobs.wait(name, timeout=30)
    assert job["status"] == "Failed"
    assert job["error"]["code"] == "runner_lost" and "runner" in job["error"]["message"]


def test_a_job_beyond_its_limit_is_ended(jobs):
    name = jobs.submit("echo begun; sleep 300", limits={"timeout": 1})
    job = jobs.wait(name, timeout=60)
    assert (job["status"], job["error"]["code"]) == ("Failed", "timeout")
    assert jobs.log(name) == "begun\n"


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"command": ""}, 400, "command"),
        ({"comand": "x"}, 400, "comand"),
        ({"command": "echo ${{inputs.x}}"}, 400, "command"),
        ({"type": "pipeline"}, 400, "type"),
        ({"environment": None}, 400, "environment"),
        ({"environment": "azureml:nowhere:1"}, 404, "environment"),
        ({"compute": "nowhere"}, 404, "compute"),
        ({"code": "./src"}, 400, "code"),
        ({"code": "tree:" + "0" * 64}, 404, "code"),
        ({"inputs": {"x": {"type": "uri_file", "path": "azureml:nothing:1"}}}, 404, "inputs.x.path"),
        ({"inputs": {"x": {"type": "uri_file", "path": "./local.csv"}}}, 400, "inputs.x.path"),
        ({"inputs": {"x": {"type": "uri_folder", "path": "azureml://jobs/none/outputs/y"}}}, 404, "inputs.x.path"),
        ({"name": "a b"}, 400, "name"),
        ({"limits": {"timeout": -1}}, 400, "limits.timeout"),
        ({"tags": {"a": [1]}}, 400, "tags.a"),
        ({"distribution": {"type": "mpi"}}, 400, "distribution"),
    ],
)
def test_bad_jobs_are_refused_and_nothing_is_written(jobs, change, status, field):
    job = {"command": "echo", "environment": PYTHON, "experiment_name": "refused", **change}
    answer = jobs.call("POST", "/jobs", json=job)
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text
    assert jobs.call("GET", "/jobs", params={"experiment_name": "refused"}).json()["items"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b"a: [1", b"null", b"{" * 5000])
def test_bad_bodies_are_refused(jobs, body):
    assert jobs.call("POST", "/jobs", data=body).status_code == 400


def test_lists_changes_and_deletion(jobs):
    names = [jobs.submit("true", experiment_name="listed", tags={"n": str(i)}) for i in range(3)]
    for name in names:
        jobs.wait(name)
    found, token = [], None
    while True:
        page = jobs.call("GET", "/jobs", params={"experiment_name": "listed", "limit": 2, "page_token": token}).json()
        found += [job["name"] for job in page["items"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert found == names[::-1]
    one = jobs.call("GET", "/jobs", params={"tag": "n=1", "experiment_name": "listed", "status": "Completed"}).json()["items"]
    assert [job["name"] for job in one] == [names[1]]
    assert jobs.call("GET", "/jobs", params={"status": "Sleeping"}).status_code == 400
    assert jobs.call("GET", "/jobs", params={"page_token": "x"}).status_code == 400

    etag = jobs.call("GET", f"/jobs/{names[0]}").headers["etag"]
    changed = jobs.call("PATCH", f"/jobs/{names[0]}", json={"display_name": "shown", "tags": {"a": "b"}}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["tags"]) == (200, {"a": "b"})
    assert jobs.call("PATCH", f"/jobs/{names[0]}", json={"description": "x"}, headers={"If-Match": etag}).status_code == 412
    run = requests.get(f"{jobs.server.plain}/api/2.0/mlflow/runs/get", params={"run_id": names[0]}, headers=jobs.server.headers, timeout=10).json()
    assert run["run"]["info"]["run_name"] == "shown"

    assert jobs.call("POST", f"/jobs/{names[1]}/archive").json()["archived"] is True
    listed = [job["name"] for job in jobs.call("GET", "/jobs", params={"experiment_name": "listed"}).json()["items"]]
    assert names[1] not in listed
    assert jobs.call("POST", f"/jobs/{names[1]}/restore").json()["archived"] is False

    running = jobs.submit("sleep 300")
    assert jobs.call("DELETE", f"/jobs/{running}").status_code == 409
    jobs.call("POST", f"/jobs/{running}/cancel")
    jobs.wait(running)
    assert jobs.call("DELETE", f"/jobs/{running}").status_code == 204
    assert jobs.call("GET", f"/jobs/{running}").status_code == 404
    taken = jobs.call("POST", "/jobs", json={"name": names[0], "command": "true", "environment": PYTHON})
    assert (taken.status_code, taken.json()["field"]) == (409, "name")
