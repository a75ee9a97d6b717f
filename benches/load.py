"""A load generator that costs little itself: one thread, N keep-alive connections, each with one request under way.

Requests are whole HTTP/1.1 messages made beforehand or on the fly as bytes; answers are read by their length and not parsed,
so that on two cores the server, not the client, is what is measured.
"""

import json
import selectors
import socket
import time
from urllib.parse import urlsplit


class Target:
    """One server: its address, its token, and the bytes of requests to it."""

    def __init__(self, url, token=None):
        parts = urlsplit(url)
        self.url, self.token, self.address = url, token, (parts.hostname, parts.port)
        self.head = f"Host: {parts.netloc}\r\nContent-Type: application/json\r\n"
        if token:
            self.head += f"Authorization: Bearer {token}\r\n"

    def request(self, method, path, body=None):
        """The bytes of one request."""
        content = b"" if body is None else json.dumps(body).encode()
        return f"{method} {path} HTTP/1.1\r\n{self.head}Content-Length: {len(content)}\r\n\r\n".encode() + content

    def post(self, path, body):
        return self.request("POST", f"/api/2.0/mlflow/{path}", body)

    def get(self, path):
        return self.request("GET", f"/api/2.0/mlflow/{path}")

    def ask(self, request):
        """One request on a connection of its own; the parsed answer."""
        connection = Connection(self.address)
        connection.send(request)
        while (answer := connection.receive()) is None:
            pass
        connection.socket.close()
        return json.loads(answer or b"{}")


class Connection:
    """A keep-alive connection with one request under way."""

    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.began = bytearray(), 0.0

    def send(self, request):
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self):
        """The body when the answer is whole, else None."""
        chunk = self.socket.recv(1 << 20)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self.buffer += chunk
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return None
        lines = bytes(self.buffer[:head]).lower()
        at = lines.find(b"content-length:")
        if at >= 0:
            size = int(lines[at + 15 :].split(b"\r\n", 1)[0])
            if len(self.buffer) < head + 4 + size:
                return None
            body = bytes(self.buffer[head + 4 :])
        elif b"transfer-encoding: chunked" in lines:
            if not self.buffer.endswith(b"0\r\n\r\n"):
                return None
            body = unchunk(bytes(self.buffer[head + 4 :]))
        else:
            raise ConnectionError(f"an answer without a length: {lines[:200]!r}")
        status = int(lines[9:12])
        self.buffer.clear()
        if status >= 300:
            raise ConnectionError(f"{status}: {body[:300]!r}")
        return body


def unchunk(data):
    parts, at = [], 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(data[end + 2 : end + 2 + size])
        at = end + 4 + size


def closed_loop(target, make, connections, seconds=None, count=None):
    """Asks for `seconds`, or `count` times; `make(n)` gives the n-th request. Returns the latencies and the time it took."""
    spans, number = [], 0
    began = time.perf_counter()
    stop = began + seconds if seconds else float("inf")
    most = count or float("inf")
    with selectors.DefaultSelector() as selector:
        for _ in range(min(connections, most)):
            connection = Connection(target.address)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(make(number))
            number += 1
        open_ones = min(connections, most)
        while open_ones:
            for key, _ in selector.select():
                connection = key.data
                if connection.receive() is None:
                    continue
                now = time.perf_counter()
                spans.append(now - connection.began)
                if now < stop and number < most:
                    connection.send(make(number))
                    number += 1
                else:
                    selector.unregister(connection.socket)
                    connection.socket.close()
                    open_ones -= 1
    return spans, time.perf_counter() - began
