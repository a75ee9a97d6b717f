"""Environments of jobs are built from the packages that the server's settings name."""

import zipfile

from jobs.test_jobs import Jobs


def wheel(folder):
    """The smallest wheel: one module that says where it is from."""
    folder.mkdir()
    info = "lazuli_probe-1.0.dist-info"
    files = {
        "lazuli_probe.py": "HERE = 'from our own folder'",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: lazuli-probe\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / "lazuli_probe-1.0-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))


def run(server, package):
    jobs = Jobs(server)
    environment = {"image": "python", "conda_file": {"dependencies": ["python", {"pip": [package]}]}}
    job = jobs.submit("python -c 'import lazuli_probe; print(lazuli_probe.HERE)'", environment=environment)
    ended = jobs.wait(job, timeout=120)
    return ended, jobs.log(job)


def test_a_job_finds_packages_in_the_configured_folder(make_server, tmp_path):
    wheel(tmp_path / "wheels")
    server = make_server("--packages-find-links", str(tmp_path / "wheels"))
    ended, log = run(server, "lazuli-probe==1.0")
    assert ended["status"] == "Completed", (ended["error"], log)
    assert "from our own folder" in log


def test_a_job_of_a_server_without_network_asks_nobody(make_server, tmp_path):
    server = make_server("--packages-offline", "true", "--packages-index-url", "http://127.0.0.1:1/simple")
    ended, _ = run(server, "lazuli-probe==1.0")
    assert ended["status"] == "Failed" and ended["error"]["code"] == "environment_unresolvable"
    assert "cache" in ended["error"]["message"], ended["error"]
