"""Frames between the server and a worker, over the Unix socket the worker inherits as standard output.

A frame is two big-endian 32-bit lengths, a JSON header of the first length and a raw body of the second.
"""

import json
import struct

_LENGTHS = struct.Struct(">II")


class Frames:
    """Reads and writes whole frames on a connected stream socket."""

    def __init__(self, connection):
        self._connection = connection
        self._reader = connection.makefile("rb", buffering=256 * 1024)

    def read(self):
        """The next frame as (header, body), or None when the server has gone away."""
        lengths = self._reader.read(_LENGTHS.size)
        if lengths is None or len(lengths) < _LENGTHS.size:
            return None
        header_length, body_length = _LENGTHS.unpack(lengths)
        header = self._reader.read(header_length)
        body = self._reader.read(body_length)
        if len(header) < header_length or len(body) < body_length:
            return None
        return json.loads(header), body

    def write(self, header, body=b""):
        """Sends one frame; a vanished server raises OSError."""
        head = json.dumps(header).encode("utf-8")
        self._connection.sendall(_LENGTHS.pack(len(head), len(body)) + head + body)
