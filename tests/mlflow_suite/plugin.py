"""A pytest plug-in that points MLflow's own tests, as they are, at servers that they do not know.

Where a test asks its helpers for a tracking server, it gets the address of a fresh server of another kind: the command in
`--server-command`, started in a folder of its own on a free port, ended when the test's fixture is over. Tests below `tests/store`
ask for a store object instead; they get the REST store of MLflow's client, talking to such a server.

With `--own-stores` the same store tests run against MLflow's own server, in this process: what a store cannot do over HTTP fails there, too.

A server that writes an administrator's token into its home (`home/credentials`) is talked to with that token: the client finds
it in its environment, and requests that a test makes by hand are given it on their way out.
"""

import atexit
import contextlib
import json
import os
import re
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
    group.addoption("--own-stores", action="store_true", help="tests of stores talk to MLflow's own server in this process")
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


class OwnServers:
    """MLflow's own server in this process, for the tests of stores."""

    def __init__(self):
        self.database = None

    @contextlib.contextmanager
    def one(self):
        import mlflow.server.handlers as handlers
        from mlflow.server.fastapi_app import app
        from tests.tracking.integration_test_utils import ServerThread

        with tempfile.TemporaryDirectory(prefix="mlflow-suite-", ignore_cleanup_errors=True) as folder:
            shutil.copy(self._empty_database(), f"{folder}/mlflow.db")
            handlers._tracking_store = handlers._model_registry_store = None
            handlers.initialize_backend_stores(f"sqlite:///{folder}/mlflow.db", default_artifact_root=f"file://{folder}/artifacts")
            with ServerThread(app, free_port()) as url:
                yield url

    def _empty_database(self):
        """Making the tables takes seconds: once."""
        if self.database is None:
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            folder = Path(tempfile.mkdtemp(prefix="mlflow-suite-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            self.database = folder / "mlflow.db"
            SqlAlchemyStore(f"sqlite:///{self.database}", f"file://{folder}/artifacts").engine.dispose()
        return self.database


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
    config.suite_stores = OwnServers() if config.getoption("--own-stores") else None
    if command := config.getoption("--server-command"):
        servers = Servers(command, config.getoption("--keep-folders"))
        config.suite_stores = servers
        atexit.register(servers.end_all)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended
        redirect(servers)


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
    servers = request.config.suite_stores
    if servers is None or fixturedef.argname != "store" or not request.node.nodeid.startswith(STORE_TESTS):
        return None
    running = servers.one()
    url = running.__enter__()
    fixturedef.addfinalizer(lambda: running.__exit__(None, None, None))
    store = rest_store(url, registry="model_registry" in request.node.nodeid)
    fixturedef.cached_result = (store, fixturedef.cache_key(request), None)
    return store


def rest_store(url, registry):
    from mlflow.utils.rest_utils import MlflowHostCreds

    store = registry_store() if registry else tracking_store()
    return store(lambda: MlflowHostCreds(url, token=os.environ.get("MLFLOW_TRACKING_TOKEN")))


def tracking_store():
    """The tracking REST store with what a local one takes for granted."""
    from mlflow.store.tracking.rest_store import RestStore

    class Store(RestStore):
        DEFAULT_EXPERIMENT_ID = "0"

        def create_run(self, experiment_id, user_id, start_time, tags, run_name):
            return super().create_run(experiment_id, user_id, start_time, tags or [], run_name)

        def search_experiments(self, view_type=1, max_results=1000, filter_string=None, order_by=None, page_token=None):
            return super().search_experiments(view_type, max_results, filter_string, order_by, page_token)

        def log_inputs(self, run_id, datasets=None, models=None):
            return super().log_inputs(run_id, datasets or [], models)

    return Store


# The registry's tests use paths without a scheme as sources, which every server refuses: they are put here on their way.
SOURCES = "s3://suite/"


def registry_store():
    """The registry's REST store, which answers as a local one does: `None` for what is not there, numbers of versions as numbers."""
    import mlflow.store.model_registry.rest_store as module
    from mlflow.store.entities import PagedList

    class Store(module.RestStore):
        def create_model_version(self, name, source, *rest, **more):
            return super().create_model_version(name, source if ":/" in source else SOURCES + source, *rest, **more)

        def search_model_versions(self, filter_string=None, max_results=None, *rest, **more):
            placed = re.sub(r"(source_path[^'\"]*['\"])", rf"\1{SOURCES}", filter_string or "")
            return super().search_model_versions(placed, whole(max_results), *rest, **more)

        def search_registered_models(self, filter_string=None, max_results=None, *rest, **more):
            return super().search_registered_models(filter_string, whole(max_results), *rest, **more)

        def get_model_version_download_uri(self, *which, **named):
            return super().get_model_version_download_uri(*which, **named).removeprefix(SOURCES)

        def _call_endpoint(self, *call, **more):
            answer = super()._call_endpoint(*call, **more)
            without_places(answer)
            return answer

    module.ModelVersion = local_form(module.ModelVersion)
    module.RegisteredModel = local_form(module.RegisteredModel)
    module.PagedList = lambda items, token: PagedList(items, token or None)
    return Store


def local_form(entity):
    """The entity as a local store makes it."""

    class Local(entity):
        @classmethod
        def from_proto(cls, message):
            found = entity.from_proto(message)
            found._description = found._description or None
            if hasattr(found, "_version"):
                found._version = int(found._version)
            else:
                found._aliases = {alias: int(version) for alias, version in found._aliases.items()}
            return found

    return Local


def whole(number):
    """`1e15`, which tests write, as the number that it is."""
    return None if number is None else int(number)


def without_places(message):
    """Takes the place off the sources in an answer."""
    for descriptor, value in message.ListFields():
        if descriptor.message_type:
            repeated = hasattr(value, "append")
            for part in value if repeated else [value]:
                without_places(part)
        elif descriptor.name == "source":
            message.source = value.removeprefix(SOURCES)


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
