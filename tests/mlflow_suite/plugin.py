"""A pytest plug-in that points MLflow's own tests, as they are, at servers that they do not know.

Where a test asks its helpers for a tracking server, it gets the address of a fresh server of another kind: the command in
`--server-command`, started in a folder of its own on a free port, ended when the test's fixture is over. Tests below `tests/store`
ask for a store object instead; they get the REST store of MLflow's client, talking to such a server.

A server that writes an administrator's token into its home (`home/credentials`) is talked to with that token: the client finds
it in its environment, and requests that a test makes by hand are given it on their way out.
"""

import atexit
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

STARTED_WITHIN = 90
STORE_TESTS = "tests/store/"


def pytest_addoption(parser):
    group = parser.getgroup("MLflow's suite on another server")
    group.addoption("--server-command", help="starts a server; knows {port}, {folder}, {backend}, {artifacts}, {python}")
    group.addoption("--outcomes", help="file for the outcome of each test, as JSON")
    group.addoption("--keep-folders", action="store_true", help="leave the folders of the servers, with their logs")


@dataclass
class Servers:
    """The servers of this test process."""

    command: str
    keep: bool
    tokens: dict = field(default_factory=dict)  # by network location, `127.0.0.1:4711`
    running: list = field(default_factory=list)
    wanted_backend: str | None = None
    wanted_artifacts: str | None = None

    @contextlib.contextmanager
    def one(self, environment=None):
        """Runs a server and gives its address."""
        folder = Path(tempfile.mkdtemp(prefix="mlflow-suite-"))
        place = f"127.0.0.1:{free_port()}"
        process = self._start(folder, place, environment or {})
        before = os.environ.get("MLFLOW_TRACKING_TOKEN")
        try:
            wait_until_healthy(process, place, folder)
            self._learn_token(folder, place)
            yield f"http://{place}"
        finally:
            self._end(process)
            self.tokens.pop(place, None)
            restore_variable("MLFLOW_TRACKING_TOKEN", before)
            if not self.keep:
                shutil.rmtree(folder, ignore_errors=True)

    def _start(self, folder, place, environment):
        command = self.command.format(
            port=place.rsplit(":", 1)[1],
            folder=folder,
            python=sys.executable,
            backend=self.wanted_backend or f"sqlite:///{folder}/mlflow.db",
            artifacts=self.wanted_artifacts or f"{folder}/artifacts",
        )
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                shlex.split(command),
                cwd=folder,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def _learn_token(self, folder, place):
        with contextlib.suppress(FileNotFoundError):
            lines = (folder / "home" / "credentials").read_text().splitlines()
            token = next(line for line in lines if line and not line.startswith("#"))
            self.tokens[place] = token
            os.environ["MLFLOW_TRACKING_TOKEN"] = token

    def _end(self, process):
        """Ends a server and what it started: they are a session of their own."""
        self.running.remove(process)
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
                return

    def end_all(self):
        for process in list(self.running):
            self._end(process)

    def authorize(self, request):
        """Gives a request to one of these servers its token, unless the test sends credentials of its own."""
        place = request.url.split("/", 3)[2] if request.url else ""
        token = self.tokens.get(place)
        given = request.headers.get("Authorization")
        ours = {f"Bearer {known}" for known in self.tokens.values()}
        if token and (given is None or given in ours):
            request.headers["Authorization"] = f"Bearer {token}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_healthy(process, place, folder):
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{place}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{(folder / 'log').read_text(errors='replace')[-4000:]}")


def restore_variable(name, value):
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


class ServerInAThread:
    """What MLflow's tests use to run its server within their process: an object that gives an address when entered."""

    servers = None

    def __init__(self, app=None, port=None):
        self.context = None

    def __enter__(self):
        self.context = self.servers.one()
        self.url = self.context.__enter__()
        return self.url

    def __exit__(self, *failure):
        return self.context.__exit__(*failure)


def pytest_configure(config):
    config.suite_outcomes = {}
    config.suite_servers = None
    if command := config.getoption("--server-command"):
        config.suite_servers = Servers(command, config.getoption("--keep-folders"))
        atexit.register(config.suite_servers.end_all)
        redirect(config.suite_servers)


def redirect(servers):
    """Replaces the places where MLflow's tests start servers."""
    import mlflow.server.handlers as handlers
    import requests
    import tests.tracking.integration_test_utils as helpers

    initialize = handlers.initialize_backend_stores

    def noting(backend_store_uri=None, *rest, default_artifact_root=None, **more):
        # the test's own store is opened too: a few tests look at it beside the server
        servers.wanted_backend, servers.wanted_artifacts = backend_store_uri, default_artifact_root
        return initialize(backend_store_uri, *rest, default_artifact_root=default_artifact_root, **more)

    @contextlib.contextmanager
    def init_server(backend_uri, root_artifact_uri, extra_env=None, app=None, server_type="fastapi"):
        servers.wanted_backend, servers.wanted_artifacts = backend_uri, root_artifact_uri
        with servers.one(extra_env) as url:
            yield url

    send = requests.Session.send

    def authorized(session, request, **options):
        servers.authorize(request)
        return send(session, request, **options)

    ServerInAThread.servers = servers
    handlers.initialize_backend_stores = noting
    helpers.ServerThread = ServerInAThread
    helpers._init_server = init_server
    requests.Session.send = authorized


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    servers = request.config.suite_servers
    if servers is None or fixturedef.argname != "store" or not request.node.nodeid.startswith(STORE_TESTS):
        return None
    servers.wanted_backend = servers.wanted_artifacts = None
    running = servers.one()
    url = running.__enter__()
    fixturedef.addfinalizer(lambda: running.__exit__(None, None, None))
    store = rest_store(url, registry="model_registry" in request.node.nodeid)
    fixturedef.cached_result = (store, fixturedef.cache_key(request), None)
    return store


def rest_store(url, registry):
    from mlflow.utils.rest_utils import MlflowHostCreds

    if registry:
        from mlflow.store.model_registry.rest_store import RestStore
    else:
        from mlflow.store.tracking.rest_store import RestStore
    return RestStore(lambda: MlflowHostCreds(url, token=os.environ.get("MLFLOW_TRACKING_TOKEN")))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    note(item.config.suite_outcomes, report)


def note(outcomes, report):
    """Keeps a test's outcome: that of its call, or of a phase around it that did not pass."""
    if report.when != "call" and report.outcome == "passed":
        return
    kind = "error" if report.when != "call" and report.outcome == "failed" else report.outcome
    if outcomes.get(report.nodeid, ["passed"])[0] == "passed":
        lines = str(report.longrepr or "").strip().splitlines()
        outcomes[report.nodeid] = [kind, cause(lines)[:400] if kind != "passed" else ""]


def cause(lines):
    """What went wrong, in a line: the last one that pytest marks as the error."""
    marked = [line for line in lines if line.startswith("E  ")]
    return (marked[0][1:].strip() if marked else lines[-1] if lines else "")


def pytest_sessionfinish(session):
    if path := session.config.getoption("--outcomes"):
        Path(path).write_text(json.dumps(session.config.suite_outcomes, indent=0))
