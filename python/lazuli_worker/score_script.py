"""A user's score.py: init() once, then run() for every request, called the way Azure's inference server calls it."""

import importlib.util
import inspect
import json
import logging
import os
import sys
import traceback
from urllib.parse import parse_qs, urlsplit

from lazuli_worker import answers, rawhttp

log = logging.getLogger("lazuli.worker")

FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


class ScoreScript:
    """Loads a scoring script and answers requests with its run()."""

    def __init__(self, path):
        self.path = path

    def load(self):
        """Imports the script and calls its init()."""
        rawhttp.install()
        for folder in (os.path.dirname(self.path), os.getcwd()):
            if folder not in sys.path:
                sys.path.append(folder)
        module = _import(self.path)
        for name in ("init", "run"):
            if not callable(getattr(module, name, None)):
                raise AttributeError(f"{os.path.basename(self.path)} has no {name}() function; a scoring script needs init() and run(data)")
        self._run = module.run
        self._choose_input()
        log.info("Invoking init() of %s", os.path.basename(self.path))
        module.init()

    def _choose_input(self):
        parameters = inspect.signature(self._run).parameters
        self._wants_headers = "request_headers" in parameters
        names = [name for name in parameters if name != "request_headers"]
        if not names:
            raise TypeError("run() needs to accept an argument for input data")
        self._first = names[0]
        if rawhttp.requested:
            self._arguments = self._raw
        elif _has_input_schema(self._run):
            self._names = names
            self._arguments = self._object
        else:
            self._arguments = self._text

    def _raw(self, header, body):
        return {self._first: rawhttp.AMLRequest(header["method"], header["path"], header["headers"], body)}

    def _text(self, header, body):
        if header["method"] == "GET":
            return {self._first: json.dumps(_query(header["path"]))}
        try:
            return {self._first: body.decode("utf-8")}
        except UnicodeDecodeError as problem:
            raise BadInput(f"Input cannot be decoded as UTF-8: {problem}") from None

    def _object(self, header, body):
        try:
            given = _query(header["path"]) if header["method"] == "GET" else json.loads(body)
        except ValueError as problem:
            raise BadInput(f"Input is not valid JSON: {problem}") from None
        if not isinstance(given, dict):
            raise BadInput(f"Input must be a JSON object with the members {', '.join(self._names)}")
        return given

    def answer(self, header, body):
        """The reply to one request. Only what user code does to the process itself escapes from here."""
        try:
            arguments = self._arguments(header, body)
        except BadInput as problem:
            return answers.error(400, str(problem))
        if self._wants_headers:
            arguments["request_headers"] = dict(header["headers"])
        try:
            return answers.wrap(self._run(**arguments))
        except Exception:  # noqa: BLE001 - whatever user code raises is its answer
            log.error("Encountered Exception: %s", traceback.format_exc())
            return answers.error(500, FAILED, failed=True)

    def describe(self):
        """JSON schema of the request and of the reply, where the script declares them."""
        if not _has_input_schema(self._run):
            return {"input": {}, "output": {}}
        from inference_schema import schema_util

        return {"input": schema_util.get_input_schema(self._run), "output": schema_util.get_output_schema(self._run)}


class BadInput(Exception):
    """The request's body does not fit run()."""


def _import(path):
    if not os.path.isfile(path):
        raise FileNotFoundError(f"the scoring script {path} does not exist; scoring_script is a path inside the code folder")
    spec = importlib.util.spec_from_file_location("entry_module", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_module"] = module
    spec.loader.exec_module(module)
    return module


def _has_input_schema(function):
    if not hasattr(function, "__wrapped__"):
        return False
    try:
        from inference_schema.schema_util import is_schema_decorated
    except ImportError:
        return False
    return is_schema_decorated(function)


def _query(path):
    values = {}
    for name, texts in parse_qs(urlsplit(path).query, keep_blank_values=True).items():
        parsed = [_parse(text) for text in texts]
        values[name] = parsed[0] if len(parsed) == 1 else parsed
    return values


def _parse(text):
    try:
        return json.loads(text)
    except ValueError:
        return text
