"""An application that carries `mlflow-tracing` alone, without the rest of mlflow; run by test_old_clients.py."""

import json

import mlflow

experiment = mlflow.set_experiment("tracing alone").experiment_id


@mlflow.trace(span_type="TOOL")
def double(x):
    return 2 * x


with mlflow.start_span(name="root") as span:
    span.set_inputs({"x": 4})
    span.set_outputs({"y": double(4)})
    mlflow.update_current_trace(tags={"colour": "blue"}, metadata={"mlflow.trace.session": "s1"})
mlflow.flush_trace_async_logging()
mlflow.log_feedback(trace_id=span.trace_id, name="good", value=True)
trace = mlflow.get_trace(span.trace_id)
found = mlflow.search_traces(locations=[experiment], filter_string="tags.colour = 'blue'", return_type="list")
told = {
    "trace": span.trace_id,
    "spans": [(s.name, s.outputs) for s in trace.data.spans],
    "found": len(found),
    "assessments": [a.name for a in trace.info.assessments],
}
print(json.dumps(told))
