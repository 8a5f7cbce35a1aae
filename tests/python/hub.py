"""A model hub on the loopback interface that can misbehave, and models to ask it for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from earwitness.models.catalogue import CatalogueEntry, HubSource, Source


@dataclass
class Hub:
    """What the server gives and how, and what it was asked.

    Attributes:
        content: the file it gives for any path.
        cut_after: for the first answers, how many bytes to send before the connection breaks.
        statuses: for the first answers, a status to refuse with.
        ranges: whether it honours Range.
        requests: the Range headers it was sent (None for a request without one).
    """

    content: bytes
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    requests: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    address: str = ""


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            hub.requests.append(wanted)
            hub.paths.append(self.path)
            if hub.statuses:
                self.send_error(hub.statuses.pop(0))
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and hub.ranges else 0
            if start > len(hub.content):
                self.send_error(416)
                return
            body = hub.content[start:]
            self.send_response(206 if start else 200)
            if start:
                last, total = len(hub.content) - 1, len(hub.content)
                self.send_header("Content-Range", f"bytes {start}-{last}/{total}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if hub.cut_after:
                body = body[: hub.cut_after.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def serving(content: bytes, **behaviour: Any) -> Iterator[Hub]:
    """Serve `content` while the block runs."""
    hub = Hub(content, **behaviour)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hub_entry(content: bytes, name: str = "toy", *more: Source) -> CatalogueEntry:
    """A catalogue entry whose hub file is `content`."""
    digest = hashlib.sha256(content).hexdigest()
    source = HubSource("some/repository", "main", f"ggml-{name}.bin", digest, len(content))
    return CatalogueEntry(
        name=name,
        family=name,
        weights="f16",
        parameters=1,
        size=len(content),
        sha256=digest,
        languages=("en",),
        aliases=(f"ggml-{name}.bin",),
        sources=(source, *more),
    )
