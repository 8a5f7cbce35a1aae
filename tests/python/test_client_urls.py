"""Recordings from URLs: what is fetched, what is refused, and how it ends."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from earwitness import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    Cancelled,
    CancelToken,
    Client,
    Limits,
    RequestEntityTooLargeError,
    demo,
)
from earwitness.client.urls import fetch, is_public
from replay import replaying


@pytest.fixture(scope="module")
def client(tiny_en: Path) -> Iterator[Client]:
    with replaying(tiny_en):
        yield Client(model=tiny_en)


def hear(client: Client, file: Any) -> Any:
    return client.audio.transcriptions.create(file=file)


class Server(http.server.ThreadingHTTPServer):
    """Serves the package's recording, and a number of nuisances."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is what many of these tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        """Tests say what they have to say themselves."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        action = self.path.strip("/").split("/", 1)
        getattr(self, f"serve_{action[0]}")(*action[1:])

    def serve_speech(self) -> None:
        self.answer(demo.recording())

    def serve_missing(self) -> None:
        self.send_error(404)

    def serve_away(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def serve_loop(self) -> None:
        self.serve_away("/loop")

    def serve_cut(self) -> None:
        self.answer(demo.recording()[:5000], stated=100_000)

    def serve_stated(self) -> None:
        self.answer(b"", stated=2_000_000)

    def serve_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(10_000):
            self.wfile.write(bytes(10_000))

    def serve_drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(600):
            self.wfile.write(b"x")
            time.sleep(0.1)

    def answer(self, content: bytes, stated: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if stated is None else stated))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


@contextmanager
def serving() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


OPEN = Limits(plain_http=True, private_urls=True, download=1_000_000, download_time=30.0)


def test_a_url_is_heard(client: Client, server: Server) -> None:
    opened = Client(limits=OPEN)
    for file in (f"{server.url}/speech", (None, f"{server.url}/speech")):
        assert hear(opened, file) == hear(client, demo.recording())


def test_redirects_are_followed_and_checked(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "x"
    fetch(f"{server.url}/away//speech", target, OPEN, CancelToken())
    assert target.read_bytes() == demo.recording()
    with pytest.raises(BadRequestError, match="redirects more than 5"):
        fetch(f"{server.url}/loop", target, OPEN, CancelToken())
    for away in ("file:///etc/hostname", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"):
        with pytest.raises(BadRequestError, match="must begin with"):
            fetch(f"{server.url}/away/{away}", target, OPEN, CancelToken())


def test_private_addresses_are_refused_unasked(server: Server, tmp_path: Path) -> None:
    closed = Limits(plain_http=True)
    before = len(server.asked)
    hosts = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433", "0x7f.0.0.1"]
    for host in hosts:
        url = f"http://{host}:{server.server_port}/speech"
        with pytest.raises((BadRequestError, APIConnectionError)) as caught:
            fetch(url, tmp_path / "x", closed, CancelToken())
        assert caught.value.param == "file"
        if host in ("127.0.0.1", "localhost"):
            assert isinstance(caught.value, BadRequestError)
            assert "private_urls" in caught.value.message
    assert len(server.asked) == before


def test_the_address_that_is_checked_is_the_one_connected_to(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that gives a public address first and a private one then gains nothing."""
    asked: list[str] = []
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]
    private = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.server_port))]

    def resolve(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        return public if len(asked) == 1 else private

    connected: list[Any] = []

    def connect(address: Any, **_: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError("not in a test")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(APIConnectionError):
        fetch("http://rebinding.example/x", tmp_path / "x", Limits(plain_http=True), CancelToken())
    assert [address[0] for address in connected] == ["93.184.216.34"]
    assert asked == ["rebinding.example"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a.mp3", "https://", "https://user:secret@example.com/a", "https://[::1"],
)
def test_urls_that_are_not_allowed(client: Client, url: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        hear(client, url)
    assert (caught.value.code, caught.value.param) == ("invalid_params", "file")


def test_servers_that_answer_badly(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "x"
    with pytest.raises(BadRequestError, match="answers 404"):
        fetch(f"{server.url}/missing", target, OPEN, CancelToken())
    with pytest.raises(APIConnectionError):
        fetch(f"{server.url}/cut", target, OPEN, CancelToken())
    with serving() as gone:
        url = gone.url
    with pytest.raises(APIConnectionError):
        fetch(f"{url}/speech", target, OPEN, CancelToken())


@pytest.mark.parametrize("path", ["stated", "endless"])
def test_downloads_over_the_limit_are_stopped(path: str, server: Server, tmp_path: Path) -> None:
    with pytest.raises(RequestEntityTooLargeError) as caught:
        fetch(f"{server.url}/{path}", tmp_path / "x", OPEN, CancelToken())
    assert caught.value.code == "file_too_large"
    if path == "endless":
        assert (tmp_path / "x").stat().st_size <= 1_000_000


def test_a_download_that_drips_ends_when_its_time_is_up(server: Server, tmp_path: Path) -> None:
    limits = Limits(plain_http=True, private_urls=True, download_time=0.5)
    with pytest.raises(APITimeoutError, match=r"0\.5 seconds"):
        fetch(f"{server.url}/drip", tmp_path / "x", limits, CancelToken())


def test_a_download_can_be_cancelled(server: Server, tmp_path: Path) -> None:
    token = CancelToken()
    timer = threading.Timer(0.3, token.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        fetch(f"{server.url}/drip", tmp_path / "x", OPEN, token)
    timer.join()


def test_proxies_of_the_environment_are_not_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    fetch(f"{server.url}/speech", tmp_path / "x", OPEN, CancelToken())
    assert (tmp_path / "x").read_bytes() == demo.recording()
