"""How the mlflow client reaches the server and what it survives: TLS, retries, restarts, logging behind one's back, many processes."""

import multiprocessing
import signal
import ssl
import subprocess
import sys
import threading
import time

import mlflow
import pytest
from conftest import clean_environment
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException


@pytest.fixture
def own(server, monkeypatch):
    """A client of a server of the test's own, which may be stopped."""
    for name, value in server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(server.url)
    return MlflowClient()


def steps(client, run_id, key="loss"):
    return [m.step for m in client.get_metric_history(run_id, key)]


def test_the_certificate_is_proved_or_waved_through(client, shared_server, monkeypatch, tmp_path):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert client.get_experiment("0").name == "Default"  # MLFLOW_TRACKING_SERVER_CERT_PATH alone
    monkeypatch.delenv("MLFLOW_TRACKING_SERVER_CERT_PATH")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(MlflowException, match="CERTIFICATE_VERIFY_FAILED"):
        client.get_experiment("0")
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    assert client.get_experiment("0").name == "Default"
    mlflow.set_experiment("over insecure tls")
    with mlflow.start_run() as run:
        mlflow.log_text("hello", "a.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt") == "hello"
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "false")
    stranger = tmp_path / "other.pem"
    stranger.write_text(ssl.DER_cert_to_PEM_cert(ssl.create_default_context().get_ca_certs(binary_form=True)[0]))
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(stranger))
    with pytest.raises(MlflowException, match="CERTIFICATE_VERIFY_FAILED"):
        client.get_experiment("0")


def test_a_wrong_token_is_told_at_once(client, monkeypatch):
    """An answer that would be the same next time is not asked for again."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "not a token")
    started = time.monotonic()
    with pytest.raises(MlflowException, match="UNAUTHENTICATED"):
        client.search_experiments()
    assert time.monotonic() - started < 2
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    with pytest.raises(MlflowException, match="UNAUTHENTICATED"):
        mlflow.start_run()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_in_the_middle_of_a_training_loses_nothing(server, own, how, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    experiment = mlflow.set_experiment("goes on").experiment_id
    back = threading.Thread(target=lambda: (server.stop(how), time.sleep(1), server.start()))
    with mlflow.start_run() as run:
        for step in range(300):
            if step == 100:
                back.start()
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
            if step % 50 == 0:
                mlflow.log_params({f"p{step}": step})
                mlflow.log_text(str(step), f"checkpoints/{step}.txt")
    back.join()
    assert steps(own, run.info.run_id) == list(range(300))
    found = own.get_run(run.info.run_id)
    assert found.data.params == {f"p{step}": str(step) for step in range(0, 300, 50)}
    assert len(own.list_artifacts(run.info.run_id, "checkpoints")) == 6
    assert found.info.status == "FINISHED" and len(own.search_runs([experiment])) == 1


def test_files_go_up_over_a_restart(server, own, tmp_path, monkeypatch):
    """A folder of 60 files is on its way when the server is killed; what comes back is what was sent."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.bin").write_bytes(bytes([number]) * 300_000)
    run_id = own.create_run("0").info.run_id
    back = threading.Timer(0.1, lambda: (server.stop(signal.SIGKILL), server.start()))
    back.start()
    own.log_artifacts(run_id, str(folder), "data")
    back.join()
    assert {f.file_size for f in own.list_artifacts(run_id, "data")} == {300_000}
    local = own.download_artifacts(run_id, "data", str(tmp_path))
    for number in range(60):
        with open(f"{local}/{number}.bin", "rb") as file:
            assert file.read() == bytes([number]) * 300_000


def test_without_retries_the_client_hears_of_it(server, own, monkeypatch):
    run = own.create_run("0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server.stop()
    with pytest.raises(MlflowException, match="refused|Connection"):
        own.log_metric(run.info.run_id, "m", 1)
    server.start()
    own.log_metric(run.info.run_id, "m", 2)
    assert own.get_run(run.info.run_id).data.metrics == {"m": 2}


def test_logging_behind_ones_back_over_a_restart(server, own, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    mlflow.set_experiment("behind one's back")
    mlflow.config.enable_async_logging(True)
    try:
        with mlflow.start_run() as run:
            for step in range(2_000):
                mlflow.log_metric("loss", step, step=step)
                if step == 500:
                    back = threading.Thread(target=lambda: (server.stop(signal.SIGKILL), server.start()))
                    back.start()
            mlflow.log_params({f"p{n}": n for n in range(250)})
            mlflow.set_tags({f"t{n}": n for n in range(250)})
        back.join()
        mlflow.flush_async_logging()
    finally:
        mlflow.config.enable_async_logging(False)
    assert steps(own, run.info.run_id) == list(range(2_000))
    found = own.get_run(run.info.run_id)
    assert len(found.data.params) == 250 and found.data.tags["t249"] == "249"


ASYNC = """
import mlflow
with mlflow.start_run() as run:
    for step in range(500):
        mlflow.log_metric("loss", step, step=step)
    mlflow.log_param("last", "one")
print(run.info.run_id)
"""


def test_a_script_that_ends_has_written_all(client, experiment, shared_server):
    """With asynchronous logging and system metrics by environment variables alone, and no flush: the end of the script waits."""
    environment = clean_environment(
        **shared_server.client_environment(), MLFLOW_EXPERIMENT_ID=experiment, MLFLOW_ENABLE_ASYNC_LOGGING="true",
        MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING="true", MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL="0.05",
        MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING="1", MLFLOW_DISABLE_TELEMETRY="true",
    )
    done = subprocess.run([sys.executable, "-c", ASYNC], env=environment, check=True, timeout=120, capture_output=True, text=True)
    run_id = next(line for line in done.stdout.split() if len(line) == 32)
    assert steps(client, run_id) == list(range(500))
    found = client.get_run(run_id)
    assert found.data.params == {"last": "one"}
    assert any(key.startswith("system/cpu") for key in found.data.metrics)


def work(parent, experiment, number, answers):
    """One process of a sweep: a child run of its own, and a line in the parent's."""
    try:
        with mlflow.start_run(experiment_id=experiment, parent_run_id=parent, run_name=f"worker-{number}") as run:
            mlflow.log_param("number", number)
            for step in range(20):
                mlflow.log_metrics({"loss": number + 1 / (step + 1), "step": step}, step=step)
            mlflow.log_text(str(number), "result.txt")
            MlflowClient().log_batch(parent, [Metric("workers", number, int(time.time() * 1000), number)])
        answers.put((number, run.info.run_id))
    except Exception as error:
        answers.put((number, repr(error)))


def test_a_forked_process_goes_on_logging(client, experiment):
    """The child of a fork has the parent's connections; it must neither use them nor end the parent's run."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1)  # a connection is open now
        child = context.Process(target=work, args=(run.info.run_id, experiment, 0, answers))
        child.start()
        for step in range(20):
            mlflow.log_metric("parent", step, step=step)
        number, child_run = answers.get(timeout=60)
        child.join(60)
    assert client.get_run(child_run).data.tags["mlflow.parentRunId"] == run.info.run_id
    assert steps(client, child_run) == steps(client, run.info.run_id, "parent") == list(range(20))
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


def test_twenty_processes_log_into_children_of_one_run(client, experiment):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with mlflow.start_run() as parent:
        children = [context.Process(target=work, args=(parent.info.run_id, experiment, n, answers)) for n in range(20)]
        for child in children:
            child.start()
        told = dict(answers.get(timeout=120) for _ in children)
        for child in children:
            child.join(60)
    found = mlflow.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", output_format="list")
    assert {int(r.data.params["number"]): r.info.run_id for r in found} == told
    assert all(r.info.status == "FINISHED" and r.data.metrics["step"] == 19 for r in found)
    assert all(steps(client, run_id) == list(range(20)) for run_id in told.values())
    assert sorted(steps(client, parent.info.run_id, "workers")) == list(range(20))
    assert mlflow.artifacts.load_text(f"runs:/{told[7]}/result.txt") == "7"


def begin(barrier, answers):
    """One of several scripts that are started at the same moment, for an experiment that none of them has seen."""
    try:
        barrier.wait(30)
        experiment = mlflow.set_experiment("made at once").experiment_id
        with mlflow.start_run() as run:
            answers.put((experiment, run.info.run_id))
    except Exception as error:
        answers.put((repr(error), None))


def test_processes_that_start_at_once_share_one_new_experiment(client):
    """`set_experiment` looks and then makes: those who come second are told that it is there and take it."""
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(8), context.Queue()
    children = [context.Process(target=begin, args=(barrier, answers)) for _ in range(8)]
    for child in children:
        child.start()
    told = [answers.get(timeout=60) for _ in children]
    for child in children:
        child.join(30)
    assert {experiment for experiment, _ in told} == {client.get_experiment_by_name("made at once").experiment_id}
    assert len({run for _, run in told}) == 8
