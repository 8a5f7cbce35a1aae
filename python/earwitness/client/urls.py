"""Fetching a recording from a URL that a stranger may have chosen.

Only public addresses are connected to: the address that is checked is the very one of the
connection, so that neither a redirect nor a name server that changes its answer leads inside.
Proxies and passwords of the environment are not used, for either would bypass that.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from earwitness.api_errors import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    RequestEntityTooLargeError,
)
from earwitness.client.limits import Limits

if TYPE_CHECKING:
    import requests

    from earwitness._core import CancelToken

_MOST_REDIRECTS: Final = 5
_CONNECT_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 30.0
_BLOCK: Final = 1 << 16


class _ForbiddenAddressError(OSError):
    """The name leads to an address that is not public."""


class _Line:
    """The sockets of one download, to be cut when its time is up or nobody wants it any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.is_cut = False

    def add(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.append(sock)
            if self.is_cut:
                _shut(sock)

    def cut(self) -> None:
        with self._lock:
            self.is_cut = True
            for sock in self._sockets:
                _shut(sock)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        sock.shutdown(socket.SHUT_RDWR)


def is_url(text: str) -> bool:
    """Whether a string is the address of a recording rather than the path of one."""
    return text[:8].lower().startswith(("http://", "https://"))


def fetch(url: str, target: Path, limits: Limits, cancel: CancelToken) -> None:
    """Write what is at a URL into a file.

    Raises:
        BadRequestError: the URL is malformed or not allowed, or its server answers with an error.
        RequestEntityTooLargeError: it is larger than `limits.download`.
        APITimeoutError: it takes longer than `limits.download_time`.
        APIConnectionError: its server cannot be reached or broke off.
        Cancelled: `cancel` was used.
    """
    from earwitness.errors import Cancelled

    line = _Line()
    deadline = time.monotonic() + limits.download_time
    stop = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(line, deadline, cancel, stop), name="earwitness-url", daemon=True
    )
    watch.start()
    try:
        _fetch(url, target, limits, line, deadline)
    except (APIConnectionError, OSError):
        if not line.is_cut:
            raise
    finally:
        stop.set()
        watch.join()
    # A line that was cut shows as an error or, where nothing states the length, as the end.
    if line.is_cut:
        raise Cancelled("cancelled") if cancel.cancelled else _too_slow(limits)


def _watch(line: _Line, deadline: float, cancel: CancelToken, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        if cancel.cancelled or time.monotonic() >= deadline:
            line.cut()
            return


def _fetch(url: str, target: Path, limits: Limits, line: _Line, deadline: float) -> None:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _adapter(limits, line))
        session.mount("http://", _adapter(limits, line))
        for _ in range(_MOST_REDIRECTS + 1):
            _check_scheme(url, limits)
            try:
                response = session.get(
                    url,
                    stream=True,
                    allow_redirects=False,
                    timeout=(_CONNECT_SECONDS, _SILENT_SECONDS),
                    headers={"Accept-Encoding": "identity"},
                )
            except requests.RequestException as error:
                raise _unreachable(error) from error
            with response:
                if not response.is_redirect:
                    _receive(response, target, limits, deadline)
                    return
                url = urljoin(url, response.headers["location"])
    raise _bad(f"the URL redirects more than {_MOST_REDIRECTS} times")


def _check_scheme(url: str, limits: Limits) -> None:
    allowed = ("https", "http") if limits.plain_http else ("https",)
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise _bad(f"the URL is malformed: {error}") from None
    if parts.scheme.lower() not in allowed:
        raise _bad(
            f"URLs must begin with {' or '.join(f'{name}://' for name in allowed)}; "
            f"Limits(plain_http=True) allows http://"
        )
    if not host:
        raise _bad("the URL names no server")
    if parts.username is not None or parts.password is not None:
        raise _bad("the URL must not hold a user name or password")


def _receive(response: requests.Response, target: Path, limits: Limits, deadline: float) -> None:
    import requests

    if response.status_code != 200:
        raise _bad(f"the URL's server answers {response.status_code} {response.reason}")
    stated = response.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limits.download:
        raise _too_large(limits)
    received = 0
    try:
        with target.open("wb") as file:
            for block in response.iter_content(_BLOCK):
                received += len(block)
                if received > limits.download:
                    raise _too_large(limits)
                if time.monotonic() >= deadline:
                    raise _too_slow(limits)
                file.write(block)
    except requests.RequestException as error:
        raise _unreachable(error) from error
    if stated.isdigit() and received < int(stated):
        raise APIConnectionError(
            f"the URL's server broke off after {received} of {stated} bytes; try again",
            param="file",
        )


def _adapter(limits: Limits, line: _Line) -> requests.adapters.HTTPAdapter:
    """Connections that go to checked addresses only, and that `line` can cut."""
    import requests
    import urllib3.connection
    import urllib3.connectionpool

    connect = _connector(limits)

    class Guarded(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    class Plain(urllib3.connection.HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

        def connect(self) -> None:
            super().connect()
            line.add(self.sock)

    class Secure(urllib3.connection.HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

        def connect(self) -> None:
            super().connect()
            line.add(self.sock)

    class PlainPool(urllib3.connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    return Guarded(max_retries=0)


def _connector(limits: Limits) -> Callable[[Any], socket.socket]:
    import urllib3.exceptions

    def connect(connection: Any) -> socket.socket:
        try:
            return _connect(connection.host, connection.port, limits)
        except TimeoutError as error:
            raise urllib3.exceptions.ConnectTimeoutError(connection, str(error)) from error
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(connection, str(error)) from error

    return connect


def _connect(host: str, port: int, limits: Limits) -> socket.socket:
    """A connection to the first address of a host that answers; each is checked."""
    bare = host.strip("[]").rstrip(".")
    addresses = [
        str(found[4][0]) for found in socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)
    ]
    if not limits.private_urls:
        for address in addresses:
            if not is_public(address):
                raise _ForbiddenAddressError(
                    f"{bare} has the address {address}, which is not a public one; "
                    "Limits(private_urls=True) allows it"
                )
    failure: OSError = OSError(f"{bare} has no address")
    for address in dict.fromkeys(addresses):
        try:
            return socket.create_connection((address, port), timeout=_CONNECT_SECONDS)
        except OSError as error:
            failure = error
    raise failure


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, seen through IPv6's ways to hold IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052


def _bad(message: str) -> BadRequestError:
    return BadRequestError(message, param="file")


def _too_large(limits: Limits) -> RequestEntityTooLargeError:
    return RequestEntityTooLargeError(
        f"the URL's file is larger than {limits.download / 1e6:g} MB", param="file"
    )


def _too_slow(limits: Limits) -> APITimeoutError:
    return APITimeoutError(
        f"the URL was not fetched within {limits.download_time:g} seconds", param="file"
    )


def _unreachable(error: BaseException) -> APIConnectionError | BadRequestError:
    """What to tell of a failed request; a forbidden address is the caller's fault."""
    import requests

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _ForbiddenAddressError):
            return _bad(f"the URL is not allowed: {cause}")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, requests.Timeout):
        return APITimeoutError("the URL's server does not answer", param="file")
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)):
        return _bad(f"the URL is malformed: {error}")
    return APIConnectionError(f"the URL cannot be fetched: {_innermost(error)}", param="file")


def _innermost(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__
