"""Signed links: a file for whoever has the address, with nothing else in hand."""

import time

import requests

JOB = """\
command: ./say.sh
code: ./src
environment:
  image: python:3.11
"""


def get(server, url, **options):
    """As somebody who has the address, and the server's certificate to trust."""
    return requests.get(url, verify=server.ca, timeout=30, **options)


def link(server, *arguments):
    return server.cli("link", "create", *arguments, parse=True)["url"]


def test_a_file_of_a_data_asset_for_somebody_without_an_account(server, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    server.cli("data", "create", "--name", "table", "--version", "1", "--path", tmp_path / "table.csv")
    url = link(server, "--data", "table:1", "--expires-in", "1h")
    assert url.startswith(server.url)
    whole = get(server, url)
    assert (whole.status_code, whole.text) == (200, "a,b\n1,2\n")
    part = get(server, url, headers={"Range": "bytes=-4"})
    assert (part.status_code, part.text) == (206, "1,2\n")

    changed = get(server, url.replace("table.csv", "other.csv"))
    assert changed.status_code == 403 and "signature is not valid" in changed.json()["detail"]
    assert get(server, url.split("?")[0]).status_code == 401
    short = link(server, "--data", "table:1", "--expires-in", "1s")
    time.sleep(1.1)
    expired = get(server, short)
    assert expired.status_code == 403 and "expired" in expired.json()["detail"]

    server.stop()
    server.options = ["--port", "0"]
    server.start()
    assert get(server, url).status_code == 200, "the key outlives the process"
    assert "lz-signature" not in server.logs()
    key = server.home / "keys" / "signing.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_log_while_the_job_runs_and_afterwards(server, tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    # without the executable bit: a snapshot keeps none, and its scripts can be called all the same
    (source / "say.sh").write_text("#!/bin/sh\necho one\nwhile [ ! -e \"$AZUREML_GO\" ]; do sleep 0.1; done\necho two\n")
    (tmp_path / "job.yml").write_text(JOB + f"environment_variables:\n  AZUREML_GO: {tmp_path}/go\n")
    job = server.cli("job", "create", "--file", tmp_path / "job.yml", "--name", "talker", parse=True)["name"]
    url, deadline = None, time.monotonic() + 120
    while time.monotonic() < deadline:
        made = server.cli("link", "create", "--job", job, "--query", "url", "-o", "tsv", check=False)
        url = made.stdout.strip()
        if made.returncode == 0 and get(server, url).text == "one\n":
            break
        time.sleep(0.2)
    assert get(server, url).text == "one\n"
    assert (server.home / "jobs" / "default" / job).is_dir()
    (tmp_path / "go").touch()
    while get(server, url).text != "one\ntwo\n" and time.monotonic() < deadline:
        time.sleep(0.2)
    server.cli("job", "stream", "--name", job)
    after = get(server, url, headers={"Range": "bytes=4-"})
    assert (after.status_code, after.text) == (206, "two\n")


def test_what_no_link_is_for_is_told(server):
    for arguments, words in [
        (["--data", "none:1"], "none"),
        (["--job", "none"], "none"),
        (["--artifact", "../../etc/passwd"], "Invalid path"),
    ]:
        refused = server.cli("link", "create", *arguments, check=False)
        assert refused.returncode != 0 and words in refused.stderr, refused.stderr
    long = server.cli("link", "create", "--artifact", "x", "--expires-in", "8d", check=False)
    assert "seven days" in long.stderr
    twice = server.cli("link", "create", "--job", "a", "--data", "b:1", check=False)
    assert twice.returncode == 2


def test_people_see_roles_and_programs_see_actions(server):
    shown = server.cli("whoami").stdout
    assert "Owner on the server" in shown and "Microsoft." not in shown, shown
    who = server.cli("whoami", parse=True)
    assert who["roles"] == [{"role": "Owner", "scope": "/"}]
    assert len(who["allowed_on_server"]) > 10
