"""The tour of examples/breast-cancer, twice on one server, as a test."""

import json
import os
import sys

import pytest
from conftest import BINARY, ROOT

sys.path.insert(0, str(ROOT / "examples" / "breast-cancer"))


@pytest.fixture
def python_on_path(monkeypatch):
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")
    for name in ["MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE"]:
        monkeypatch.delenv(name, raising=False)
    yield
    for name in ["MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE"]:
        os.environ.pop(name, None)


def test_lifecycle_tour_runs_twice(server, python_on_path):
    import tour

    first = tour.tour(BINARY, server.home)
    assert first["server"]["pid"] == server.process.pid, "the tour uses the server that runs"
    assert first["accuracy"] > 0.93
    text = json.dumps(first["lineage"])
    assert first["jobs"][0] in text or first["jobs"][1] in text
    assert "breast-cancer" in text
    assert "code" in text
    assert set(first["shares"]) == {"blue", "green"}
    assert 5 <= first["shares"]["green"] <= 40, "a tenth of 200, give or take"

    second = tour.tour(BINARY, server.home)
    assert int(second["data"]["version"]) >= int(first["data"]["version"])
    assert int(second["champion"]) > int(first["champion"])
    assert second["accuracy"] == first["accuracy"]
    assert second["seconds"] < first["seconds"] + 5, "environments are there already"
