"""Evaluation data sets and evaluations with the unmodified MLflow client."""

import json

import mlflow
import pandas
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.genai import datasets

QUESTIONS = [
    {"inputs": {"question": "capital of France"}, "expectations": {"answer": "Paris"}},
    {"inputs": {"question": "capital of Italy"}, "expectations": {"answer": "Rome"}},
]


@pytest.fixture
def client(shared_server, monkeypatch):
    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(shared_server.url)
    mlflow.set_registry_uri(shared_server.url)
    return MlflowClient()


@pytest.fixture
def experiment(client, request):
    experiment_id = client.create_experiment(request.node.name)
    mlflow.set_experiment(experiment_id=experiment_id)
    return experiment_id


def records_of(dataset):
    frame = datasets.get_dataset(dataset_id=dataset.dataset_id).to_df()
    return {row["inputs"]["question"]: row for row in frame.to_dict("records")}


def test_a_data_set_is_made_filled_read_and_deleted(client, experiment):
    made = datasets.create_dataset("capitals", experiment_id=experiment, tags={"team": "geo", "round": "1"})
    assert made.dataset_id.startswith("d-") and made.experiment_ids == [experiment]
    assert (made.schema, made.profile) == (None, None)
    digest = made.digest
    made.merge_records(QUESTIONS)
    read = datasets.get_dataset(dataset_id=made.dataset_id)
    assert (read.name, read.tags["team"], read.experiment_ids) == ("capitals", "geo", [experiment])
    assert json.loads(read.schema)["inputs"] == {"question": "string"}
    assert json.loads(read.profile) == {"num_records": 2}
    assert read.digest != digest
    frame = read.to_df()
    assert [row["question"] for row in frame["inputs"]] == ["capital of France", "capital of Italy"]
    assert set(frame["source_type"]) == {"HUMAN"}
    assert datasets.get_dataset(name="capitals").dataset_id == made.dataset_id
    datasets.delete_dataset(dataset_id=made.dataset_id)
    with pytest.raises(MlflowException, match="not found"):
        datasets.get_dataset(dataset_id=made.dataset_id)
    datasets.delete_dataset(dataset_id=made.dataset_id)


def test_the_same_inputs_again_are_merged(experiment):
    made = datasets.create_dataset("merged", experiment_id=experiment)
    made.merge_records(QUESTIONS)
    first = records_of(made)["capital of France"]
    again = {
        "inputs": {"question": "capital of France"},
        "expectations": {"length": 5},
        "outputs": ["Paris", 1.5, None],
        "tags": {"reviewed": "yes"},
        "source": {"source_type": "DOCUMENT", "source_data": {"source_id": "atlas"}},
    }
    made.merge_records([again, {"inputs": {"question": "capital of Peru"}}])
    records = records_of(made)
    merged = records["capital of France"]
    assert merged["dataset_record_id"] == first["dataset_record_id"]
    assert merged["expectations"] == {"answer": "Paris", "length": 5}
    assert merged["outputs"] == ["Paris", 1.5, None]
    assert merged["tags"]["reviewed"] == "yes"
    assert merged["source_type"] == "HUMAN"  # what was said first stays
    assert records["capital of Peru"]["source_type"] == "CODE"
    assert len(records) == 3
    gone = made.delete_records([merged["dataset_record_id"], "dr-none"])
    assert gone == 1
    assert len(records_of(made)) == 2
    frame = pandas.DataFrame([{"inputs": {"question": "from a frame"}, "expectations": {"answer": "x"}}])
    made.merge_records(frame)
    assert "from a frame" in records_of(made)


def test_many_records_come_in_pages(client, experiment):
    made = datasets.create_dataset("many", experiment_id=experiment)
    made.merge_records([{"inputs": {"question": f"number {n}"}} for n in range(2500)])
    assert [row["question"] for row in made.to_df()["inputs"]] == [f"number {n}" for n in range(2500)]
    store = client._tracking_client.store
    page, token = store._load_dataset_records(made.dataset_id, max_results=10)
    more, _ = store._load_dataset_records(made.dataset_id, max_results=10, page_token=token)
    assert [record.inputs["question"] for record in [*page, *more]] == [f"number {n}" for n in range(20)]


def test_searches_filter_order_and_page(client, experiment):
    for number in range(5):
        client.create_dataset(f"search {number}", experiment_id=[experiment], tags={"even": str(number % 2 == 0)})

    def found(**arguments):
        return [dataset.name for dataset in client.search_datasets(experiment_ids=[experiment], **arguments)]

    assert found() == [f"search {number}" for number in (4, 3, 2, 1, 0)]
    assert found(filter_string="tags.even = 'True'", order_by=["name ASC"]) == ["search 0", "search 2", "search 4"]
    assert found(filter_string="name LIKE '%3' AND created_time > 0") == ["search 3"]
    assert found(filter_string="name IN ('search 1', 'search 2')", order_by=["name DESC"]) == ["search 2", "search 1"]
    names, token = [], None
    while True:
        page = client.search_datasets(experiment_ids=[experiment], max_results=2, order_by=["name"], page_token=token)
        names += [dataset.name for dataset in page]
        token = page.token
        if not token:
            break
    assert names == [f"search {number}" for number in range(5)]
    assert len(datasets.search_datasets(experiment_ids=experiment, max_results=3)) == 3
    with pytest.raises(MlflowException, match="Invalid attribute key"):
        client.search_datasets(filter_string="colour = 'red'")


def test_tags_and_experiments_come_and_go(client, experiment):
    other = client.create_experiment("another user of the data set")
    made = client.create_dataset("tagged", experiment_id=[experiment], tags={"env": "dev"})
    client.set_dataset_tags(made.dataset_id, {"env": "prod", "number": 3, "nothing": None})
    client.delete_dataset_tag(made.dataset_id, "number")
    client.delete_dataset_tag(made.dataset_id, "never there")
    tags = client.get_dataset(made.dataset_id).tags
    assert tags["env"] == "prod" and "number" not in tags and "nothing" not in tags
    added = datasets.add_dataset_to_experiments(dataset_id=made.dataset_id, experiment_ids=[other])
    assert added.experiment_ids == [experiment, other]
    left = datasets.remove_dataset_from_experiments(dataset_id=made.dataset_id, experiment_ids=[experiment, "0"])
    assert left.experiment_ids == [other]
    with pytest.raises(MlflowException, match="No Experiment with id=424242"):
        datasets.add_dataset_to_experiments(dataset_id=made.dataset_id, experiment_ids=["424242"])
    with pytest.raises(MlflowException, match="not found"):
        datasets.add_dataset_to_experiments(dataset_id="d-none", experiment_ids=[other])


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("create", {"name": ""}, "name"),
        ("create", {"name": "n" * 300}, "255"),
        ("create", {"name": "x", "tags": "[]"}, "JSON object"),
        ("create", {"name": "x", "tags": json.dumps({"k": "v" * 6000})}, "5000"),
        ("create", {"name": "x", "experiment_ids": ["x"]}, "Invalid experiment ID"),
        ("search", {"filter_string": "name ="}, "Invalid"),
        ("search", {"page_token": "made up"}, "page token"),
        ("search", {"max_results": 0}, "max_results"),
        ("{id}/records", {"records": "nonsense"}, "not valid JSON"),
        ("{id}/records", {"records": '[{"inputs": {"a": NaN}}]'}, "NaN"),
        ("{id}/records", {"records": '[{"inputs": [1]}]'}, "must be an object"),
        ("{id}/records", {"records": '[{"inputs": {}, "source": {"source_type": "WIND"}}]'}, "Valid source types"),
        ("{id}/records", {}, "records"),
        ("d-none/records", {"records": "[]"}, "not found"),
    ],
)
def test_what_is_wrong_is_refused_in_words(client, shared_server, path, body, words):
    made = client.create_dataset("refusals", experiment_id="0")
    url = f"{shared_server.url}/api/3.0/mlflow/datasets/{path.format(id=made.dataset_id)}"
    answer = requests.post(url, json=body, headers=shared_server.headers, verify=shared_server.ca, timeout=30)
    assert answer.status_code in (400, 404), answer.text
    assert words in answer.json()["message"]
    assert client.get_dataset(made.dataset_id).profile is None


def test_an_application_is_judged_by_code(client, experiment):
    made = datasets.create_dataset("judged", experiment_id=experiment)
    made.merge_records(QUESTIONS)

    @mlflow.genai.scorer
    def right(outputs, expectations):
        return outputs == expectations["answer"]

    def answer(question):
        return "Paris"

    result = mlflow.genai.evaluate(data=made, predict_fn=answer, scorers=[right])
    assert result.metrics["right/mean"] == 0.5
    run = client.get_run(result.run_id)
    assert run.data.metrics["right/mean"] == 0.5
    assert [used.dataset.name for used in run.inputs.dataset_inputs] == ["judged"]
    traces = mlflow.search_traces(locations=[experiment], run_id=result.run_id, return_type="list")
    assert len(traces) == 2
    feedback = {trace.info.trace_id: [a.value for a in trace.info.assessments if a.name == "right"] for trace in traces}
    assert sorted(feedback.values()) == [[False], [True]]


def test_a_model_is_evaluated(client, experiment):
    frame = pandas.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [0, 0, 1, 1]})
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(
            lambda data: (data["x"] > 0.5).astype(int), frame, targets="y", model_type="classifier",
            evaluator_config={"log_explainer": False},
        )
    assert result.metrics["accuracy_score"] == 0.75
    assert client.get_run(run.info.run_id).data.metrics["accuracy_score"] == 0.75
    assert any("confusion" in item.path for item in client.list_artifacts(run.info.run_id))
