"""Streams one large object through a running server and prints how long it took and the most memory the server had.

    .venv/bin/python benches/large_object.py --bin target/release/lazuli [--gib 5]

The content goes in over HTTP under its hash and comes back whole, its hash compared; everything is deleted afterwards. The peak is the
kernel's own figure (VmHWM) for the server's process.
"""

import argparse
import hashlib
import http.client
import json
import shutil
import tempfile
import time
from pathlib import Path

from server import lazuli, resident_mib

CHUNK = 1 << 20
LIMIT_GIB = 64


def chunks(count):
    """`count` chunks, no two alike, so that nothing can be shared or compressed away."""
    base = bytes(range(256)) * (CHUNK // 256)
    for at in range(count):
        yield at.to_bytes(8, "little") + base[8:]


def expect(answer, *wanted):
    if answer.status not in wanted:
        raise SystemExit(f"the server answered {answer.status}: {answer.read(2000).decode(errors='replace')}")
    return answer


def stream(address, token, count):
    """Sends and fetches the object; returns the seconds of each way and the hashes."""
    wanted = hashlib.sha256()
    for chunk in chunks(count):
        wanted.update(chunk)
    path = f"/api/v1/workspaces/default/content/{wanted.hexdigest()}"
    headers = {"Authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=600)
    begun = time.perf_counter()
    sizes = {"Content-Length": str(count * CHUNK), "Content-Type": "application/octet-stream"}
    connection.request("PUT", path, body=chunks(count), headers=headers | sizes)
    expect(connection.getresponse(), 200, 201, 204).read()
    sent = time.perf_counter() - begun
    begun = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = expect(connection.getresponse(), 200)
    found = hashlib.sha256()
    while piece := answer.read(CHUNK):
        found.update(piece)
    return sent, time.perf_counter() - begun, wanted.hexdigest(), found.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--gib", type=int, default=5, choices=range(1, LIMIT_GIB + 1), metavar=f"1..{LIMIT_GIB}")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lazuli-large-object-"))
    try:
        free = shutil.disk_usage(folder).free
        if free < (arguments.gib + 1) << 30:
            raise SystemExit(f"{arguments.gib} GiB do not fit: {free >> 30} GiB are free in {folder}")
        with lazuli(arguments.bin, folder / "home") as (address, token, process):
            idle = resident_mib(process.pid)[1]
            sent, fetched, wanted, found = stream(address, token, arguments.gib << 10)
            figures = {
                "gib": arguments.gib,
                "same_content": wanted == found,
                "sent_seconds": round(sent, 1),
                "fetched_seconds": round(fetched, 1),
                "peak_mib_before": round(idle, 1),
                "peak_mib": round(resident_mib(process.pid)[1], 1),
            }
        print(json.dumps(figures, indent=2))
        if wanted != found:
            raise SystemExit("what came back is not what was sent")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
