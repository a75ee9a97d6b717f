"""The lifecycle tour: register, train, track, compare, register the model, deploy, score, trace back, and split traffic.

    python tour.py --bin target/release/lazuli --home .cache/demo

Uses the `lazuli` command line and the unmodified mlflow client; see README.md beside this file. Prints each step with its time.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPERIMENT = MODEL = ENDPOINT = "breast-cancer"


class Failed(Exception):
    """A step that did not work, in words."""


class Steps:
    """Prints each step and how long it took."""

    def __init__(self):
        self.count = 0
        self.start = time.perf_counter()

    def __call__(self, title, work, *arguments):
        self.count += 1
        print(f"\n{self.count:2}. {title}", flush=True)
        started = time.perf_counter()
        result = work(*arguments)
        print(f"    {time.perf_counter() - started:.2f} s", flush=True)
        return result


def say(text):
    for line in str(text).rstrip().splitlines():
        print(f"    {line}", flush=True)


class Lazuli:
    """The command line, pointed at one home."""

    def __init__(self, binary, home):
        self.binary, self.home = str(Path(binary).resolve()), Path(home).resolve()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("LAZULI_", "MLFLOW_"))}

    def run(self, *arguments, parse=True, live=False):
        command = [self.binary, *map(str, arguments), "--home", str(self.home), *(["--output", "json"] if parse else [])]
        done = subprocess.run(
            command, text=True, cwd=HERE, env=self.environment, check=False,
            stdout=subprocess.PIPE if not live else None, stderr=subprocess.PIPE if not live else None,
        )
        if done.returncode != 0:
            raise Failed(f"`lazuli {' '.join(map(str, arguments))}` ended with {done.returncode}\n{done.stdout or ''}\n{done.stderr or ''}")
        return json.loads(done.stdout) if parse else done.stdout

    def server(self):
        """What the running server says about itself, or nothing."""
        try:
            found = json.loads((self.home / "server.json").read_text())
            with socket.create_connection(("127.0.0.1", found["port"]), timeout=2):
                os.kill(found["pid"], 0)
                return found
        except (OSError, ValueError, KeyError):
            return None

    def up(self, port):
        """Starts the server in the background if none runs; returns what it says about itself."""
        if found := self.server():
            say(f"already running: {found['url']}")
            return found
        self.home.mkdir(parents=True, exist_ok=True)
        with open(self.home.with_suffix(".log"), "ab") as log:
            process = subprocess.Popen(
                [self.binary, "up", "--home", str(self.home), "--port", str(port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, start_new_session=True,
            )
        while process.poll() is None:
            found = self.server()
            if found and found["pid"] == process.pid:
                say(f"{found['url']}, home {self.home}")
                return found
            time.sleep(0.005)
        raise Failed(f"the server ended with {process.returncode}; see {self.home.with_suffix('.log')}")

    def token(self):
        lines = (self.home / "credentials").read_text().splitlines()
        return next(line for line in lines if line and not line.startswith("#"))


def usual_port():
    """7878 if nothing has it, else any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 7878))
        except OSError:
            return 0
    return 7878


def connect_mlflow(lazuli, server):
    """Points the unmodified client at the server, as `eval "$(lazuli env)"` does for a shell."""
    os.environ["MLFLOW_TRACKING_URI"] = server["url"]
    os.environ["MLFLOW_TRACKING_TOKEN"] = lazuli.token()
    os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(lazuli.home / "tls" / "ca.pem")
    os.environ["REQUESTS_CA_BUNDLE"] = str(lazuli.home / "tls" / "ca.pem")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import logging

    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(server["url"])
    mlflow.set_registry_uri(server["url"])
    return mlflow


def write_data():
    say(subprocess.run([sys.executable, "make_data.py", "data"], cwd=HERE, check=True, capture_output=True, text=True).stdout)


def register_data(lazuli):
    data = lazuli.run("data", "create", "--file", "data.yml")
    say(f"{data['name']}:{data['version']}, {data['type']}")
    return data


def train(lazuli, file):
    job = lazuli.run("job", "create", "--file", file)
    say(f"job {job['name']}")
    streamed = lazuli.run("job", "stream", "--name", job["name"], parse=False)
    say(streamed)
    job = lazuli.run("job", "show", "--name", job["name"])
    if job["status"] != "Completed":
        raise Failed(f"job {job['name']} is {job['status']}: {job.get('error') or job.get('message') or ''}")
    return job["name"]


def best_run(mlflow, jobs):
    runs = mlflow.search_runs(
        experiment_names=[EXPERIMENT], filter_string="attributes.status = 'FINISHED'", order_by=["metrics.validation_auc DESC"]
    )
    runs = runs[runs["run_id"].isin(jobs)]
    if len(runs) != len(jobs):
        raise Failed(f"the search found {len(runs)} of the {len(jobs)} jobs: a job and its run are one thing")
    for _, run in runs.iterrows():
        say(f"{run['run_id']}  {run['tags.mlflow.runName']:<22} auc {run['metrics.validation_auc']:.4f}  accuracy {run['metrics.validation_accuracy']:.4f}")
    return runs["run_id"].tolist()


def register_model(mlflow, run, alias):
    with contextlib.redirect_stderr(io.StringIO()):  # the client prints to the terminal what is said below
        version = mlflow.register_model(f"runs:/{run}/model", MODEL)
    mlflow.MlflowClient().set_registered_model_alias(MODEL, alias, version.version)
    say(f"{MODEL} version {version.version}, alias {alias}")
    return version.version


def create_endpoint(lazuli):
    names = [endpoint["name"] for endpoint in lazuli.run("online-endpoint", "list")]
    if ENDPOINT in names:
        say("is already there")
    else:
        lazuli.run("online-endpoint", "create", "--file", "endpoint.yml")
    say(lazuli.run("online-endpoint", "show", "--name", ENDPOINT)["scoring_uri"])


def deploy(lazuli, file, version, *options):
    model = f"azureml:{MODEL}:{version}"
    made = lazuli.run("online-deployment", "create", "--file", file, "--set", f"model={model}", *options)
    say(f"{made['name']}: {made.get('provisioning_state', 'ready')}, {model}")


class Scorer:
    """A scoring caller: plain HTTPS with the endpoint's own key."""

    def __init__(self, lazuli):
        import pandas as pd
        import requests

        self.session = requests.Session()
        self.session.verify = str(lazuli.home / "tls" / "ca.pem")
        keys = lazuli.run("online-endpoint", "get-credentials", "--name", ENDPOINT)
        self.session.headers["Authorization"] = f"Bearer {keys.get('primaryKey') or keys['primary_key']}"
        self.uri = lazuli.run("online-endpoint", "show", "--name", ENDPOINT)["scoring_uri"]
        self.rows = pd.read_csv(HERE / "data" / "held_out.csv")

    def ask(self, rows):
        features = rows.drop(columns="target")
        body = {"input_data": {"columns": list(features.columns), "index": list(range(len(rows))), "data": features.values.tolist()}}
        answer = self.session.post(self.uri, json=body, timeout=60)
        if answer.status_code != 200:
            raise Failed(f"scoring answered {answer.status_code}: {answer.text[:2000]}")
        return answer

    def accuracy(self):
        predictions = self.ask(self.rows).json()
        right = sum(int(said) == int(truth) for said, truth in zip(predictions, self.rows["target"], strict=True))
        say(f"{right} of {len(self.rows)} held-out rows right: accuracy {right / len(self.rows):.4f}")
        return right / len(self.rows)

    def shares(self, count):
        """Which deployment answered, over many small requests."""
        answered = {}
        for number in range(count):
            row = self.rows.iloc[[number % len(self.rows)]]
            name = self.ask(row).headers["azureml-model-deployment"]
            answered[name] = answered.get(name, 0) + 1
        say(", ".join(f"{name} {100 * n / count:.0f} %" for name, n in sorted(answered.items())) + f" of {count} requests")
        return answered


def lineage(lazuli, deployment):
    say(lazuli.run("lineage", "show", "--endpoint-name", ENDPOINT, "--deployment-name", deployment, parse=False))
    return lazuli.run("lineage", "show", "--endpoint-name", ENDPOINT, "--deployment-name", deployment)


def split_traffic(lazuli):
    lazuli.run("online-endpoint", "update", "--name", ENDPOINT, "--traffic", "blue=90 green=10")
    say("blue 90 %, green 10 %")


def tour(binary, home, port=None):
    """Runs every step; returns what a test wants to look at."""
    step, lazuli = Steps(), Lazuli(binary, home)
    server = step("Start the server", lazuli.up, usual_port() if port is None else port)
    mlflow = connect_mlflow(lazuli, server)
    step("Write the data set as CSV", write_data)
    data = step("Register it as a data asset", register_data, lazuli)
    logistic = step("Train a logistic regression", train, lazuli, "job-logistic.yml")
    forest = step("Train a random forest", train, lazuli, "job-forest.yml")
    ranked = step("Find the best run", best_run, mlflow, [logistic, forest])
    champion = step("Register its model as champion", register_model, mlflow, ranked[0], "champion")
    step("Make an online endpoint", create_endpoint, lazuli)
    step("Deploy the champion, with all traffic", deploy, lazuli, "deployment-blue.yml", champion, "--all-traffic")
    scorer = Scorer(lazuli)
    accuracy = step("Score the held-out rows", scorer.accuracy)
    made_from = step("Ask what the deployment was made from", lineage, lazuli, "blue")
    challenger = step("Register the other model as challenger", register_model, mlflow, ranked[1], "challenger")
    step("Deploy it beside the champion", deploy, lazuli, "deployment-green.yml", challenger)
    step("Give it a tenth of the traffic", split_traffic, lazuli)
    shares = step("See who answers", scorer.shares, 200)
    print(f"\nThe whole tour took {time.perf_counter() - step.start:.1f} s.")
    return {
        "server": server, "data": data, "jobs": [logistic, forest], "accuracy": accuracy, "lineage": made_from, "shares": shares,
        "champion": champion, "seconds": time.perf_counter() - step.start,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=shutil.which("lazuli") or "target/release/lazuli", help="the lazuli program")
    parser.add_argument("--home", default=".cache/demo", help="the server's home")
    options = parser.parse_args()
    # jobs are built with the uv that lies beside this Python
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        server = tour(options.bin, options.home)["server"]
    except Failed as failure:
        raise SystemExit(f"\nThe tour stopped: {failure}") from None
    home = Path(options.home).resolve()
    print(f"The server runs on: {server['url']} (process {server['pid']}, home {home})")
    print(f"Use it:             eval \"$({options.bin} env --home {home})\"")
    print(f"Stop it:            kill {server['pid']}")


if __name__ == "__main__":
    main()
