"""Fixtures of the end-to-end tests: the real binary on a home of its own, on a free port, ended by its process id."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("LAZULI_BIN", ROOT / "target" / "debug" / "lazuli"))

sys.path.insert(0, str(ROOT / "tests"))


def clean_environment(**extra):
    """This process's environment without what would point a client or a server elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LAZULI_", "MLFLOW_", "AZUREML_"))}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    # one cache for the environments of all tests: inside the clone, so that a fresh machine starts from nothing
    kept.setdefault("UV_CACHE_DIR", str(ROOT / ".cache" / "uv"))
    kept.update(extra)
    return kept


@dataclass
class Server:
    """A running server. `url` is its TLS address, `plain` the loopback one."""

    home: Path
    options: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)
    process: subprocess.Popen | None = None
    url: str = ""
    port: int = 0

    def start(self, timeout=20):
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "server.json").unlink(missing_ok=True)
        self.log = open(self.home.with_suffix(".log"), "ab")
        options = list(self.options or ["--port", "0"])
        if self.port:  # started again: its jobs and clients look for it where it was
            options[options.index("--port") + 1] = str(self.port)
        command = [str(BINARY), "up", "--home", str(self.home), *options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=clean_environment(**self.environment))
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.logs()}")
            try:
                found = json.loads((self.home / "server.json").read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                time.sleep(0.02)
                continue
            self.url, self.port = found["url"], found["port"]
            return self
        raise AssertionError(f"the server was not ready within {timeout} s:\n{self.logs()}")

    @property
    def plain(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca(self):
        return str(self.home / "tls" / "ca.pem")

    @property
    def token(self):
        lines = (self.home / "credentials").read_text().splitlines()
        return next(line for line in lines if line and not line.startswith("#"))

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.token}"}

    def logs(self):
        return self.home.with_suffix(".log").read_text(errors="replace")

    def stop(self, how=signal.SIGTERM, timeout=30):
        """Ends the server and returns its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not stop within {timeout} s:\n{self.logs()}") from None
        finally:
            self.log.close()
        return status

    def client_environment(self):
        """What `lazuli env` gives a Python client."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_TOKEN": self.token,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": self.ca,
            "REQUESTS_CA_BUNDLE": self.ca,
        }

    def cli(self, *arguments, check=True, parse=False, timeout=300, cwd=None, **environment):
        """Runs a client command against this server. With `parse`, returns its JSON."""
        command = [str(BINARY), *map(str, arguments), "--home", str(self.home)]
        if parse:
            command += ["--output", "json"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, cwd=cwd, env=clean_environment(**environment), check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout) if parse else done


@pytest.fixture(autouse=True)
def leave_no_client_state():
    """The mlflow client keeps its addresses for the whole process: the next test must not talk to this test's server."""
    yield
    if "mlflow" in sys.modules:
        import mlflow

        while mlflow.active_run():
            mlflow.end_run()
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        # set by the client for its children, or remembered of the server that was, and not taken back
        os.environ.pop("MLFLOW_REGISTRY_URI", None)
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
        mlflow.tracking.fluent._active_experiment_id = None


@pytest.fixture
def make_server(tmp_path):
    """Makes servers that are ended when the test is over: `make_server("--host", "0.0.0.0", name="second")`."""
    made = []

    def make(*options, name="home", environment=None, start=True):
        options = list(options)
        if options and "--port" not in options:
            options += ["--port", "0"]
        server = Server(tmp_path / name, options, environment or {})
        made.append(server)
        return server.start() if start else server

    yield make
    for server in made:
        if server.process is not None and server.process.poll() is None:
            server.stop(signal.SIGKILL)


@pytest.fixture
def server(make_server):
    """A server of the test's own."""
    return make_server()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One server for all tests that only add things under names of their own."""
    server = Server(tmp_path_factory.mktemp("shared") / "home").start()
    yield server
    server.stop()


@pytest.fixture
def client(shared_server, monkeypatch):
    """The mlflow client in this process, talking to the shared server as `lazuli env` tells it."""
    import mlflow

    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(shared_server.url)
    return mlflow.MlflowClient()


@pytest.fixture
def experiment(client, request):
    """An experiment of the test's own, which runs go to by default."""
    import mlflow

    return mlflow.set_experiment(request.node.name).experiment_id


@pytest.fixture
def lazuli():
    """Runs the binary without a server: `lazuli("config", "check", "--port", "x")`."""

    def run(*arguments, timeout=60, cwd=None, **environment):
        return subprocess.run(
            [str(BINARY), *map(str, arguments)],
            capture_output=True, text=True, timeout=timeout, cwd=cwd, env=clean_environment(**environment), check=False,
        )

    return run
