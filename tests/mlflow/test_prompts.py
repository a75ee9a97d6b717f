"""Prompts with the unmodified MLflow client: registered models with marks of their own, kept apart from models."""

import threading

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from pydantic import BaseModel


@pytest.fixture
def client(shared_server, monkeypatch):
    for name, value in shared_server.client_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_ALIAS_PROMPT_CACHE_TTL_SECONDS", "0")
    mlflow.set_tracking_uri(shared_server.url)
    mlflow.set_registry_uri(shared_server.url)
    yield MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()
    for thread in threading.enumerate():  # prompts are linked in threads of their own
        if thread.name.startswith("link_prompt"):
            thread.join(30)


class Answer(BaseModel):
    words: list[str]


def test_versions_are_registered_and_loaded_by_number_alias_and_latest(client):
    first = mlflow.genai.register_prompt("greet", "Hello {{name}}!", commit_message="first", tags={"tone": "warm"})
    second = mlflow.genai.register_prompt("greet", "Good day, {{name}}.", commit_message="second")
    assert (first.version, second.version) == (1, 2)
    client.set_prompt_alias("greet", "live", 1)
    assert mlflow.genai.load_prompt("greet", version=1).template == "Hello {{name}}!"
    assert mlflow.genai.load_prompt("prompts:/greet/2").template == "Good day, {{name}}."
    assert mlflow.genai.load_prompt("prompts:/greet@live").version == 1
    assert mlflow.genai.load_prompt("prompts:/greet@latest").version == 2
    loaded = mlflow.genai.load_prompt("greet", version=1)
    assert loaded.format(name="Ada") == "Hello Ada!"
    assert (loaded.commit_message, loaded.tags["tone"], loaded.aliases) == ("first", "warm", ["live"])
    client.set_prompt_alias("greet", "live", 2)
    assert mlflow.genai.load_prompt("prompts:/greet@live", cache_ttl_seconds=0).version == 2
    client.delete_prompt_alias("greet", "live")
    with pytest.raises(MlflowException):
        mlflow.genai.load_prompt("prompts:/greet@live", cache_ttl_seconds=0)
    assert mlflow.genai.load_prompt("greet", version=9, allow_missing=True) is None
    assert mlflow.genai.load_prompt("nobody", allow_missing=True) is None


def test_chat_prompts_formats_and_model_settings_come_back(client):
    chat = [{"role": "system", "content": "You are {{style}}."}, {"role": "user", "content": "{{question}}"}]
    settings = {"model_name": "gpt-4.1-mini", "temperature": 0.25}
    mlflow.genai.register_prompt("chat", chat, response_format=Answer, model_config=settings)
    loaded = mlflow.genai.load_prompt("chat", version=1)
    assert loaded.template == chat
    assert loaded.response_format == Answer.model_json_schema()
    assert loaded.model_config["temperature"] == 0.25
    assert loaded.format(style="brief", question="why?")[1] == {"role": "user", "content": "why?"}
    long = "x" * 90_000
    mlflow.genai.register_prompt("long", long)
    assert mlflow.genai.load_prompt("long", version=1).template == long
    with pytest.raises(MlflowException, match="Prompt text exceeds max length of 100000 characters"):
        mlflow.genai.register_prompt("long", "x" * 100_001)


def test_tags_of_prompts_and_of_versions(client):
    mlflow.genai.register_prompt("tagged", "a", tags={"of": "version"})
    client.set_prompt_tag("tagged", "team", "a team")
    client.set_prompt_tag("tagged", "gone", "soon")
    client.delete_prompt_tag("tagged", "gone")
    tags = client.get_prompt("tagged").tags
    assert tags["team"] == "a team" and "gone" not in tags
    client.set_prompt_version_tag("tagged", 1, "reviewed", "yes")
    client.delete_prompt_version_tag("tagged", 1, "of")
    tags = client.get_prompt_version("tagged", 1).tags
    assert tags.get("reviewed") == "yes" and "of" not in tags


def test_prompts_and_models_do_not_see_each_other(client):
    for number in range(3):
        mlflow.genai.register_prompt(f"apart-{number}", "p")
        client.create_registered_model(f"apart-model-{number}")
    client.set_prompt_tag("apart-1", "team", "blue")
    prompts = [prompt.name for prompt in mlflow.genai.search_prompts("name LIKE 'apart%'")]
    assert prompts == ["apart-0", "apart-1", "apart-2"]
    assert [prompt.name for prompt in mlflow.genai.search_prompts("tags.team = 'blue'")] == ["apart-1"]
    models = [model.name for model in client.search_registered_models("name LIKE 'apart%'")]
    assert models == ["apart-model-0", "apart-model-1", "apart-model-2"]
    assert [version.name for version in client.search_model_versions("name LIKE 'apart%'")] == []
    page = client.search_prompts("name LIKE 'apart%'", max_results=2)
    rest = client.search_prompts("name LIKE 'apart%'", max_results=2, page_token=page.token)
    assert [prompt.name for prompt in [*page, *rest]] == prompts
    with pytest.raises(MlflowException, match="already exists|prompt|Prompt"):
        client.create_registered_model("apart-0")
    with pytest.raises(MlflowException):
        mlflow.genai.register_prompt("apart-model-0", "a model has this name")


def test_versions_of_one_prompt_are_searched(client):
    for number in range(3):
        mlflow.genai.register_prompt("many-versions", f"text {number}")
    found = client.search_prompt_versions("many-versions")
    versions = [version.version for version in found.prompt_versions] if hasattr(found, "prompt_versions") else [v.version for v in found]
    assert sorted(versions) == [1, 2, 3]


def test_prompts_and_versions_are_deleted(client):
    mlflow.genai.register_prompt("doomed", "a")
    mlflow.genai.register_prompt("doomed", "b")
    client.delete_prompt_version("doomed", "1")
    with pytest.raises(MlflowException, match="not found"):
        client.get_prompt_version("doomed", 1)
    assert mlflow.genai.load_prompt("doomed", version=2).template == "b"
    client.delete_prompt("doomed")
    assert client.get_prompt("doomed") is None
    assert mlflow.genai.search_prompts("name = 'doomed'") == []


def test_a_run_remembers_the_prompts_it_loaded(client):
    mlflow.genai.register_prompt("linked", "text")
    with mlflow.start_run() as run:
        mlflow.genai.load_prompt("linked", version=1)
        for thread in threading.enumerate():
            if thread.name.startswith("link_prompt"):
                thread.join(30)
    assert '"linked"' in client.get_run(run.info.run_id).data.tags["mlflow.linkedPrompts"]
