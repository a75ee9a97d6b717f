"""An MLflow model served without any code of the user's: JSON in, a JSON list of predictions out.

Requests are read as Azure's no-code deployments read them (`input_data`) and as MLflow's own server does
(`dataframe_split`, `dataframe_records`, `inputs`, `instances`).
"""

import json
import logging
import traceback

from lazuli_worker import answers

log = logging.getLogger("lazuli.worker")

KEYS = ("input_data", "dataframe_split", "dataframe_records", "inputs", "instances")


class MlflowModel:
    """A pyfunc model from a local folder."""

    def __init__(self, path):
        self.path = path

    def load(self):
        """Loads the model with the environment's own mlflow."""
        try:
            import mlflow.pyfunc
        except ImportError as problem:
            raise ImportError(f"{problem}: the environment of an mlflow_model deployment needs the package mlflow") from problem
        self._model = mlflow.pyfunc.load_model(self.path)
        schema = self._model.metadata.get_input_schema()
        self._columns = schema if schema is not None and schema.has_input_names() and not schema.is_tensor_spec() else None
        self._schema = schema

    def answer(self, header, body):
        """The reply to one request."""
        try:
            given = json.loads(body)
            data, params = self._read(given)
        except (ValueError, TypeError, KeyError) as problem:
            return answers.error(400, f"the request cannot be read: {problem}")
        try:
            predictions = self._model.predict(data, params=params) if params else self._model.predict(data)
        except Exception as problem:  # noqa: BLE001
            if type(problem).__name__ == "MlflowException":  # the input does not fit the model's signature
                return answers.error(400, str(problem))
            log.error("Encountered Exception: %s", traceback.format_exc())
            return answers.error(500, f"the model failed: {type(problem).__name__}: {problem}", failed=True)
        try:
            return answers.as_json(_listed(predictions))
        except (TypeError, ValueError) as problem:
            log.error("Encountered Exception: %s", traceback.format_exc())
            return answers.error(500, f"the predictions cannot be written as JSON: {problem}", failed=True)

    def _read(self, given):
        if not isinstance(given, dict):
            return self._frame(given), None
        key = next((name for name in KEYS if name in given), None)
        if key is None:
            raise ValueError(f"expected one of the members {', '.join(KEYS)}; found {', '.join(map(str, given)) or 'none'}")
        value = given[key]
        params = given.get("params") or (value.get("params") if key == "input_data" and isinstance(value, dict) else None)
        return self._frame(value), params

    def _frame(self, value):
        import numpy
        import pandas

        if isinstance(value, dict) and "data" in value and ("columns" in value or "index" in value):
            split = {name: value[name] for name in ("columns", "index", "data") if value.get(name) is not None}
            return self._cast(pandas.DataFrame(**split))
        if isinstance(value, dict):
            if self._columns is None and self._schema is not None:
                return {name: numpy.asarray(item) for name, item in value.items()}
            lists = all(isinstance(item, list) for item in value.values())
            return self._cast(pandas.DataFrame(value if lists else [value]))
        if not isinstance(value, list):
            raise TypeError("the data must be a list of rows or an object with columns and data")
        if value and all(isinstance(row, dict) for row in value):
            return self._cast(pandas.DataFrame(value))
        if self._columns is not None:
            names = self._columns.input_names()
            rows = [row if isinstance(row, list) else [row] for row in value]
            if rows and len(rows[0]) != len(names):
                raise ValueError(f"each row needs {len(names)} values ({', '.join(map(str, names))}); the first has {len(rows[0])}")
            return self._cast(pandas.DataFrame(rows, columns=names))
        if self._schema is not None and self._schema.is_tensor_spec():
            return numpy.asarray(value, dtype=self._schema.numpy_types()[0])
        return numpy.asarray(value)

    def _cast(self, frame):
        """JSON knows one kind of number: give each column the type that the model's signature names."""
        if self._columns is None:
            return frame
        for column in self._columns.inputs:
            if column.name not in frame or not hasattr(column.type, "to_numpy"):
                continue
            wanted = column.type.to_numpy()
            if wanted.kind in "ifb" and frame[column.name].dtype != wanted and frame[column.name].notna().all():
                cast = frame[column.name].astype(wanted)
                if wanted.kind == "f" or (cast == frame[column.name]).all():
                    frame[column.name] = cast
            elif wanted.kind == "M":
                frame[column.name] = frame[column.name].astype("datetime64[ns]")
        return frame

    def describe(self):
        """JSON schema of the request, from the model's signature."""
        columns = {"type": "object"}
        if self._columns is not None:
            kinds = {"long": "integer", "integer": "integer", "double": "number", "float": "number", "boolean": "boolean"}
            columns["x-columns"] = [
                {"name": column.name, "type": kinds.get(getattr(column.type, "name", ""), "string")} for column in self._columns.inputs
            ]
        split = {
            "type": "object",
            "properties": {"columns": {"type": "array", "items": {"type": "string"}}, "index": {"type": "array"}, "data": {"type": "array"}},
        }
        return {
            "input": dict(columns, properties={"input_data": {"oneOf": [split, {"type": "array"}]}}, required=["input_data"]),
            "output": {"type": "array", "items": {}},
        }


def _listed(predictions):
    """Predictions as plain lists; a DataFrame becomes a list of records."""
    if hasattr(predictions, "to_dict") and hasattr(predictions, "columns"):
        return json.loads(predictions.to_json(orient="records", date_format="iso"))
    if hasattr(predictions, "tolist"):
        return predictions.tolist()
    return predictions
