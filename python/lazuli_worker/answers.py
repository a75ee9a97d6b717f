"""What a model's code may return, turned into status, headers and bytes as Azure's inference server does."""

import json


class AMLResponse:
    """The response object a score.py may build to choose status, headers and raw bytes itself."""

    def __init__(self, message, status_code, response_headers=None, json_str=False, run_function_failed=False):
        self.status_code = int(status_code)
        self.headers = {"Content-Type": "text/html; charset=utf-8"}
        self.run_function_failed = run_function_failed
        if message is None:
            message, json_str = {}, True
        if json_str:
            self.headers["Content-Type"] = "application/json"
            message = json.dumps(message)
        self.data = message if isinstance(message, (bytes, bytearray)) else str(message).encode("utf-8")
        for name, value in (response_headers or {}).items():
            self.headers["Content-Type" if name.lower() == "content-type" else name] = str(value)


class Answer:
    """One reply on its way to the server."""

    def __init__(self, status, headers, body, failed=False):
        self.status, self.headers, self.body, self.failed = status, headers, body, failed

    def header(self):
        """The frame header of this reply."""
        return {"kind": "reply", "status": self.status, "headers": self.headers, "failed": self.failed}


def error(status, message, failed=False):
    """A plain-text error reply."""
    return Answer(status, {"content-type": "text/plain; charset=utf-8"}, message.encode("utf-8"), failed)


def as_json(value):
    """A 200 reply holding `value` as JSON; numpy and pandas values are written as plain numbers and lists."""
    return Answer(200, {"content-type": "application/json"}, json.dumps(value, default=plain).encode("utf-8"))


def wrap(value):
    """The reply for whatever a run() function returned."""
    if isinstance(value, AMLResponse):
        return Answer(value.status_code, value.headers, bytes(value.data), value.run_function_failed)
    if hasattr(value, "get_data") and hasattr(value, "status_code"):  # a flask or werkzeug response
        headers = {name: text for name, text in value.headers.items() if name.lower() != "content-length"}
        return Answer(int(value.status_code), headers, value.get_data())
    if isinstance(value, dict) and "aml_response_headers" in value:
        answer = as_json(value.get("aml_response_body", {}))
        answer.headers.update({str(name): str(text) for name, text in value["aml_response_headers"].items()})
        return answer
    return as_json({} if value is None else value)


def plain(value):
    """A JSON-able stand-in for values the json module does not know; raises TypeError for the rest."""
    if hasattr(value, "tolist"):  # numpy scalars and arrays, pandas Series
        return value.tolist()
    if hasattr(value, "to_dict"):  # pandas DataFrame
        return value.to_dict(orient="records")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
