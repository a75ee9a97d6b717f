"""Raw HTTP for score.py files: the `rawhttp` decorator and the request and response objects it speaks of.

The modules Azure's examples import them from are put into `sys.modules`, so that scripts run unchanged without flask.
"""

import importlib
import json
import sys
import types
from urllib.parse import parse_qsl, urlsplit

from lazuli_worker.answers import AMLResponse

requested = False

_PLACES = ("azureml.contrib.services", "azureml_inference_server_http.api")


def rawhttp(function):
    """Marks run() as one that wants the request object instead of its body."""
    global requested
    requested = True
    return function


class Headers(dict):
    """Header fields by name, in any case."""

    def __init__(self, pairs):
        super().__init__({name.lower(): value for name, value in pairs.items()})

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class AMLRequest:
    """The part of flask's request object that scoring scripts use."""

    def __init__(self, method="POST", path="/score", headers=None, body=b""):
        parts = urlsplit(path)
        self.method, self.path, self.full_path, self.url = method, parts.path, path, path
        self.headers = Headers(headers or {})
        self.args = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.query_string = parts.query.encode("utf-8")
        self.data = body
        self.content_type = self.headers.get("content-type", "")
        self.content_length = len(body)
        self.mimetype = self.content_type.split(";")[0].strip().lower()
        self.is_json = self.mimetype == "application/json" or self.mimetype.endswith("+json")

    def get_data(self, cache=True, as_text=False, parse_form_data=False):
        """The body, as bytes or as text."""
        return self.data.decode("utf-8") if as_text else self.data

    def get_json(self, force=False, silent=False, cache=True):
        """The body parsed as JSON."""
        try:
            return json.loads(self.data) if force or self.is_json else None
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self):
        """The body parsed as JSON, when its type says so."""
        return self.get_json()


def install():
    """Makes `from azureml.contrib.services.aml_request import AMLRequest, rawhttp` and its newer twin work."""
    for place in _PLACES:
        parents = place.split(".")
        for depth in range(1, len(parents) + 1):
            _ensure_package(".".join(parents[:depth]))
        _put(place + ".aml_request", AMLRequest=AMLRequest, rawhttp=rawhttp)
        _put(place + ".aml_response", AMLResponse=AMLResponse)


def _ensure_package(name):
    if name in sys.modules:
        return
    try:
        importlib.import_module(name)
    except ImportError:
        module = types.ModuleType(name, "Provided by the scoring worker.")
        module.__path__ = []
        sys.modules[name] = module
        parent, _, leaf = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], leaf, module)


def _put(name, **members):
    module = types.ModuleType(name, "Provided by the scoring worker.")
    module.__dict__.update(members)
    sys.modules[name] = module
    parent, _, leaf = name.rpartition(".")
    setattr(sys.modules[parent], leaf, module)
