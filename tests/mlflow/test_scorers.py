"""Scorers with the unmodified MLflow client: judges and built-in scorers are registered, what would harm is refused."""

import json

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.genai import make_judge
from mlflow.genai.scorers import RelevanceToQuery, Safety, delete_scorer, get_scorer, list_scorers, scorer
from mlflow.genai.scorers.registry import list_scorer_versions

MODEL = "openai:/gpt-4.1-mini"


@pytest.fixture
def experiment(shared_server, monkeypatch, request):
    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(shared_server.url)
    mlflow.set_registry_uri(shared_server.url)
    experiment_id = MlflowClient().create_experiment(request.node.name)
    mlflow.set_experiment(experiment_id=experiment_id)
    return experiment_id


def judge(instructions):
    return make_judge(name="tone", instructions=instructions, model=MODEL)


def test_scorers_are_registered_in_versions_listed_read_and_deleted(experiment):
    judge("Is {{ outputs }} polite?").register(experiment_id=experiment)
    judge("Is {{ outputs }} very polite?").register(experiment_id=experiment)
    RelevanceToQuery(model=MODEL).register(name="relevance", experiment_id=experiment)
    assert [found.name for found in list_scorers(experiment_id=experiment)] == ["relevance", "tone"]
    assert "very polite" in get_scorer(name="tone", experiment_id=experiment).instructions
    assert "very" not in get_scorer(name="tone", experiment_id=experiment, version=1).instructions
    assert [version for _, version in list_scorer_versions(name="tone", experiment_id=experiment)] == [1, 2]
    delete_scorer(name="tone", experiment_id=experiment, version=1)
    with pytest.raises(MlflowException, match="version 1 not found"):
        get_scorer(name="tone", experiment_id=experiment, version=1)
    delete_scorer(name="tone", experiment_id=experiment, version="all")
    assert [found.name for found in list_scorers(experiment_id=experiment)] == ["relevance"]
    with pytest.raises(MlflowException, match="Scorer with name 'tone' not found"):
        get_scorer(name="tone", experiment_id=experiment)


def test_a_scorer_does_not_judge_by_itself(experiment):
    from mlflow.genai.scorers import ScorerSamplingConfig

    registered = Safety(model=MODEL).register(experiment_id=experiment)
    with pytest.raises(MlflowException, match="does not use a gateway model"):
        registered.start(experiment_id=experiment, sampling_config=ScorerSamplingConfig(sample_rate=0.5))
    stopped = registered.stop(experiment_id=experiment)
    assert stopped.sample_rate == 0
    [listed] = list_scorers(experiment_id=experiment)
    assert listed.sample_rate == 0


def test_code_is_not_registered(experiment, shared_server, monkeypatch):
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS", "true")  # the client would let it pass

    @scorer
    def short(outputs):
        return len(outputs) < 10

    with pytest.raises(MlflowException, match="mlflow.genai.evaluate"):
        short.register(experiment_id=experiment)
    assert list_scorers(experiment_id=experiment) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "  "}, "cannot be empty"),
        ({"name": "n" * 300}, "256"),
        ({"serialized_scorer": "nonsense"}, "valid JSON"),
        ({"serialized_scorer": json.dumps({"third_party_scorer_data": {"kwargs": {"api_base": "http://x"}}})}, "api_base"),
        ({"serialized_scorer": json.dumps({"instructions_judge_pydantic_data": {"model": "gateway:/fast"}})}, "no gateway"),
        ({"experiment_id": "424242"}, "No Experiment with id=424242 exists"),
    ],
)
def test_what_is_wrong_is_refused_in_words(experiment, shared_server, fields, words):
    body = {"experiment_id": experiment, "name": "tone", "serialized_scorer": "{}", **fields}
    url = f"{shared_server.url}/api/3.0/mlflow/scorers/register"
    answer = requests.post(url, json=body, headers=shared_server.headers, verify=shared_server.ca, timeout=30)
    assert answer.status_code in (400, 404), answer.text
    assert words in answer.json()["message"]
    assert list_scorers(experiment_id=experiment) == []
