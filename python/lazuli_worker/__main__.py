"""The worker's main loop: load the model, say so, then answer one request after the other until the server hangs up."""

import json
import logging
import os
import socket
import sys
import time
import traceback

from lazuli_worker import answers, lifeline
from lazuli_worker.frames import Frames
from lazuli_worker.mlflow_model import MlflowModel
from lazuli_worker.score_script import ScoreScript


def _take_descriptors():
    """Moves the protocol's descriptors out of the way: user code reads nothing, and prints to the log."""
    connection = socket.socket(fileno=os.dup(1))
    lifeline_end = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # whole lines at a time, so that workers sharing a log do not cut into each other's
    sys.stdin = open(0, closefd=False)
    sys.stdout = open(1, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")
    sys.stderr = open(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")
    return connection, lifeline_end


def _model(settings):
    return MlflowModel(settings["path"]) if settings["kind"] == "mlflow" else ScoreScript(settings["path"])


def _load(frames, settings):
    started = time.perf_counter()
    try:
        model = _model(settings)
        model.load()
        schema = _schema(model)
    except BaseException as problem:  # noqa: BLE001 - sys.exit() in init() is a failure to load too
        text = traceback.format_exc()
        sys.stderr.write(text)
        message = f"{type(problem).__name__}: {problem}"
        frames.write({"kind": "failed", "message": message, "traceback": text})
        sys.exit(3)
    frames.write({"kind": "ready", "schema": schema, "seconds": time.perf_counter() - started, "pid": os.getpid()})
    return model


def _schema(model):
    """What the model says of its input; a model that cannot tell is still a good model."""
    try:
        schema = model.describe()
        json.dumps(schema)
        return schema
    except Exception:  # noqa: BLE001
        sys.stderr.write("the input schema of this model cannot be written as JSON:\n" + traceback.format_exc())
        return {"input": {}, "output": {}}


def _serve(frames, model):
    while True:
        frame = frames.read()
        if frame is None:
            return
        header, body = frame
        try:
            answer = model.answer(header, body)
        except Exception:  # noqa: BLE001 - our own slip must not cost the process
            sys.stderr.write(traceback.format_exc())
            answer = answers.error(500, "the reply could not be made; the deployment's log has the traceback", failed=True)
        frames.write(answer.header(), answer.body)


def main():
    """Runs until the server closes the socket."""
    settings = json.loads(os.environ.pop("LAZULI_WORKER"))
    connection, lifeline_end = _take_descriptors()
    lifeline.hold(lifeline_end)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s")
    frames = Frames(connection)
    model = _load(frames, settings)
    try:
        _serve(frames, model)
    except (OSError, KeyboardInterrupt):
        pass
    # threads of user code must not keep a dismissed worker alive
    os._exit(0)


if __name__ == "__main__":
    main()
