"""The server process: TLS, plain HTTP, homes, limits, health, metrics, stopping."""

import concurrent.futures
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import time

import httpx
import pytest
import requests


def own_address():
    """An address of this machine that is not loopback, or skips the test."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has only a loopback address")
    if address.startswith("127."):
        pytest.skip("this machine has only a loopback address")
    return address


def receive_all(connection):
    chunks = []
    while chunk := connection.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def test_tls_is_trusted_through_the_private_ca(server):
    assert server.url.startswith("https://")
    answer = requests.get(f"{server.url}/healthz", verify=server.ca, timeout=10)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{server.url}/healthz", timeout=10)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", socket.gethostname().lower()])
def test_certificate_names_this_machine(server, name):
    context = ssl.create_default_context(cafile=server.ca)
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            assert tls.version() in ("TLSv1.2", "TLSv1.3")


def test_http2_is_negotiated(server):
    with httpx.Client(http2=True, verify=ssl.create_default_context(cafile=server.ca)) as client:
        answer = client.get(f"{server.url}/healthz")
    assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)


def test_plain_http_works_on_loopback(server):
    answer = requests.get(f"{server.plain}/healthz", timeout=10)
    assert answer.status_code == 200


def test_plain_http_from_elsewhere_is_refused_in_words(make_server):
    address = own_address()
    server = make_server("--host", "0.0.0.0", "--host", address)
    refused = requests.get(f"http://{address}:{server.port}/healthz", timeout=10)
    assert refused.status_code == 403
    assert "https://" in refused.text
    assert requests.get(f"https://{address}:{server.port}/healthz", verify=server.ca, timeout=10).status_code == 200
    assert requests.get(f"{server.plain}/healthz", timeout=10).status_code == 200
    # a request with a body is refused as well, and nothing of it is acted on
    posted = requests.post(f"http://{address}:{server.port}/api/2.0/mlflow/experiments/create", json={"name": "x"}, timeout=10)
    assert posted.status_code == 403


def test_new_names_are_certified_by_the_same_ca(make_server):
    server = make_server("--host", "127.0.0.1")
    ca = open(server.ca).read()
    certificate = open(server.home / "tls" / "cert.pem").read()
    assert server.stop() == 0
    server.start()
    assert open(server.home / "tls" / "cert.pem").read() == certificate, "nothing changed, nothing is issued"
    assert server.stop() == 0
    server.options = ["--host", "127.0.0.1", "ml.example.org", "--port", "0"]
    server.start()
    assert open(server.ca).read() == ca
    context = ssl.create_default_context(cafile=server.ca)
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        with context.wrap_socket(plain, server_hostname="ml.example.org") as tls:
            names = {name for _, name in tls.getpeercert()["subjectAltName"]}
    assert {"ml.example.org", "localhost", "127.0.0.1"} <= names


def test_own_certificate_is_used(make_server, tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=own",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "own.key", "-out", tmp_path / "own.pem"],
        check=True, capture_output=True,
    )
    server = make_server("--tls-certificate", str(tmp_path / "own.pem"), "--tls-key", str(tmp_path / "own.key"))
    assert requests.get(f"{server.url}/healthz", verify=str(tmp_path / "own.pem"), timeout=10).status_code == 200
    assert not (server.home / "tls").exists()


def test_home_and_its_secrets_are_closed_to_others(server):
    mode = lambda path: stat.S_IMODE(os.stat(path).st_mode)
    assert mode(server.home) == 0o700
    for secret in ["credentials", "server.json", "tls/ca.key", "tls/key.pem"]:
        assert mode(server.home / secret) == 0o600, secret


def test_second_server_on_the_same_home_says_so(server, lazuli):
    second = lazuli("up", "--home", server.home, "--port", "0")
    assert second.returncode == 4
    assert f"process {server.process.pid}" in second.stderr
    assert server.url in second.stderr
    assert requests.get(f"{server.plain}/healthz", timeout=10).status_code == 200


def test_port_that_is_taken_is_named(server, lazuli, tmp_path):
    second = lazuli("up", "--home", tmp_path / "other", "--port", server.port)
    assert second.returncode == 1
    assert f"127.0.0.1:{server.port}" in second.stderr
    assert "--port" in second.stderr


def test_server_comes_back_after_kill(server):
    token = server.token
    server.stop(signal.SIGKILL)
    assert (server.home / "server.json").exists(), "a killed server cannot clean up"
    server.start()
    assert server.token == token
    answer = requests.get(f"{server.plain}/api/v1/workspaces", headers=server.headers, timeout=10)
    assert answer.status_code == 200, answer.text


def test_lost_credentials_are_written_again(server):
    lost = server.token
    server.stop()
    (server.home / "credentials").unlink()
    server.start()
    assert server.token != lost
    assert requests.get(f"{server.plain}/api/v1/workspaces", headers=server.headers, timeout=10).status_code == 200


def test_no_anonymous_access(server):
    for headers in [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}]:
        assert requests.get(f"{server.plain}/api/v1/workspaces", headers=headers, timeout=10).status_code == 401


def test_ready_names_the_parts(server):
    answer = requests.get(f"{server.plain}/readyz", timeout=10)
    assert answer.status_code == 200
    assert answer.json()["parts"] == {"store": "ok", "blob": "ok"}


def test_metrics_count_requests_and_the_process(server):
    for _ in range(3):
        requests.get(f"{server.plain}/healthz", timeout=10)
    requests.get(f"{server.plain}/no/such/path", headers=server.headers, timeout=10)
    page = requests.get(f"{server.plain}/metrics", timeout=10).text
    assert 'lazuli_http_requests_total{method="GET",route="/healthz",status="200"} 3' in page
    assert 'route="unmatched",status="404"} 1' in page
    assert "/no/such/path" not in page
    resident = float(re.search(r"^process_resident_memory_bytes (\S+)$", page, re.M).group(1))
    assert 1e6 < resident < 1e9
    names = re.findall(r"^([a-z_]+)(?:\{.*\})? \S+$", page, re.M)
    described = set(re.findall(r"^# TYPE (\S+) ", page, re.M))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) if name not in described else name for name in names} <= described


def test_metrics_are_for_this_machine_unless_opened(make_server):
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    server = make_server("--host", "127.0.0.1")
    assert requests.get(f"{server.plain}/metrics", headers=forwarded, timeout=10).status_code == 403
    opened = make_server("--metrics-access", "anyone", name="opened")
    assert requests.get(f"{opened.plain}/metrics", headers=forwarded, timeout=10).status_code == 200


def test_request_ids_are_kept_or_made(server):
    given = requests.get(f"{server.plain}/healthz", headers={"X-Request-Id": "train-7.3"}, timeout=10)
    assert given.headers["x-request-id"] == "train-7.3"
    odd = requests.get(f"{server.plain}/healthz", headers={"X-Request-Id": "a b\"c"}, timeout=10)
    assert re.fullmatch(r"[0-9a-f]{32}", odd.headers["x-request-id"])


def test_refused_requests_are_logged_with_their_id(server):
    requests.get(f"{server.plain}/api/v1/workspaces", headers={"X-Request-Id": "look-for-me"}, timeout=10)
    lines = [json.loads(line) for line in server.logs().splitlines()]
    found = [line for line in lines if line.get("span", {}).get("id") == "look-for-me"]
    assert found and found[0]["status"] == 401


def test_large_headers_are_refused(server):
    big = requests.get(f"{server.plain}/healthz", headers={"X-Big": "x" * 100_000}, timeout=10)
    assert big.status_code == 431
    many = requests.get(f"{server.plain}/healthz", headers={f"X-{n}": "1" for n in range(150)}, timeout=10)
    assert many.status_code == 431
    assert requests.get(f"{server.plain}/healthz", timeout=10).status_code == 200


def test_large_json_is_refused(make_server):
    server = make_server("--limits-body-bytes", "64KiB")
    body = json.dumps({"name": "x" * 100_000})
    headers = {**server.headers, "Content-Type": "application/json"}
    answer = requests.post(f"{server.plain}/api/2.0/mlflow/experiments/create", data=body, headers=headers, timeout=10)
    assert answer.status_code in (400, 413), answer.text
    assert "65536" in answer.text, "the limit is named"


def test_slow_headers_and_silence_are_cut_off(make_server):
    server = make_server("--limits-header-timeout", "400ms", "--limits-idle-timeout", "1s")
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.settimeout(5)
        assert receive_all(silent) == b""
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.settimeout(5)
        started = time.monotonic()
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - started < 5:
                slow.sendall(b"X-A: b\r\n")
                time.sleep(0.1)
        assert time.monotonic() - started < 3
    with socket.create_connection(("127.0.0.1", server.port)) as tls:
        tls.settimeout(5)
        tls.sendall(b"\x16\x03\x01\x02\x00")  # the beginning of a handshake, and no more
        assert receive_all(tls) == b""
    page = requests.get(f"{server.plain}/metrics", timeout=10).text
    for reason in ["silent", "slow_headers", "slow_tls_handshake"]:
        assert f'lazuli_connections_refused_total{{reason="{reason}"}} 1' in page


def test_idle_connections_are_closed_after_their_answer(make_server):
    server = make_server("--limits-idle-timeout", "500ms", "--limits-header-timeout", "5s")
    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.settimeout(5)
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        started = time.monotonic()
        assert receive_all(idle).startswith(b"HTTP/1.1 200 ")
        assert 0.3 < time.monotonic() - started < 3


def test_garbage_gets_an_answer_or_nothing(server):
    for garbage in [b"\x00\x01\x02\x03\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x03\x00\x05hello", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]:
        with socket.create_connection(("127.0.0.1", server.port)) as odd:
            odd.settimeout(5)
            odd.sendall(garbage)
            odd.shutdown(socket.SHUT_WR)
            try:
                answer = receive_all(odd)
            except ConnectionResetError:
                answer = b""
            assert not answer.startswith(b"HTTP/1.1 5"), (garbage, answer)
    assert requests.get(f"{server.plain}/healthz", timeout=10).status_code == 200


def test_connections_beyond_the_limit_wait(make_server):
    server = make_server("--limits-connections", "2", "--limits-idle-timeout", "10s")
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
    for connection in held:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{server.plain}/healthz", timeout=0.7)
    for connection in held:
        connection.close()
    assert requests.get(f"{server.plain}/healthz", timeout=10).status_code == 200


def test_many_requests_at_once(server):
    def ask(_):
        return requests.get(f"{server.plain}/readyz", timeout=20).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(200))) == {200}


def test_stop_lets_a_request_finish(server):
    body = json.dumps({"name": "sent-while-stopping"}).encode()
    head = (
        "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as busy:
        busy.settimeout(10)
        busy.sendall(head.encode() + body[:5])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        assert server.process.poll() is None
        busy.sendall(body[5:])
        answer = receive_all(busy)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert server.stop() == 0
    assert not (server.home / "server.json").exists()


def test_stop_does_not_wait_for_ever(make_server):
    server = make_server("--shutdown-grace", "500ms")
    with socket.create_connection(("127.0.0.1", server.port)) as stuck:
        stuck.sendall(b"POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Type: application/json\r\n"
                      + f"Authorization: Bearer {server.token}\r\n\r\n".encode())
        time.sleep(0.2)
        started = time.monotonic()
        assert server.stop(signal.SIGINT) == 0
        assert 0.4 < time.monotonic() - started < 6
    assert "cut off" in server.logs()
