"""The recording of a call: whatever a caller gives as `file`, as something that can be decoded."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import unquote_to_bytes

from earwitness.api_errors import BadRequestError, RequestEntityTooLargeError
from earwitness.client.limits import Limits

if TYPE_CHECKING:
    from earwitness._core import CancelToken


class SupportsRead(Protocol):
    """A binary file object."""

    def read(self, size: int = ..., /) -> bytes: ...


Content: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | SupportsRead"
FileInput: TypeAlias = "Content | tuple[Any, ...]"

_WANTED = (
    "file must be a path, an https:// URL, bytes, a file opened in binary mode, or a tuple "
    "(name, content) of these"
)


def check(file: object) -> None:
    """Refuse, before any work, what can be no recording.

    Raises:
        BadRequestError: it is of a type that cannot be one.
        FileNotFoundError: it is the path of nothing.
    """
    content = _content(file)
    path = _path(content)
    if path is not None:
        path.stat()
    elif not isinstance(content, (str, bytes, bytearray, memoryview)) and not hasattr(
        content, "read"
    ):
        raise BadRequestError(f"{_WANTED}, not {type(content).__name__}", param="file")


@contextmanager
def opened(file: object, limits: Limits, cancel: CancelToken) -> Iterator[Path | bytes]:
    """The recording as a path or as bytes, for as long as the block lasts.

    Raises:
        BadRequestError: it is of no type that is accepted, or the URL is not allowed.
        RequestEntityTooLargeError: it is larger than the limits allow.
        APIConnectionError: the URL cannot be fetched.
        OSError: the file cannot be read.
    """
    from earwitness.client import urls

    content = _content(file)
    path = _path(content)
    if path is not None:
        if path.is_file():  # what is no file, such as a pipe, has no size before it is read
            _check_size(path.stat().st_size, limits)
        yield path
    elif isinstance(content, str):
        with tempfile.TemporaryDirectory(prefix="earwitness-") as folder:
            target = Path(folder, "download")
            urls.fetch(content, target, limits, cancel)
            yield target
    else:
        yield _bytes(content, limits)


def _content(file: object) -> object:
    """What a tuple of the hosted clients' kind holds, or the thing itself."""
    if not isinstance(file, tuple):
        return file
    if len(file) not in (2, 3, 4):
        raise BadRequestError(
            f"file is a tuple of {len(file)}; it must be (name, content) or (name, content, type)",
            param="file",
        )
    return file[1]


def _path(content: object) -> Path | None:
    from earwitness.client import urls

    if isinstance(content, str):
        return None if urls.is_url(content) else Path(content)
    if isinstance(content, os.PathLike):
        try:
            return Path(os.fsdecode(content))
        except TypeError:
            raise BadRequestError(f"{_WANTED}", param="file") from None
    return None


def _bytes(content: Any, limits: Limits) -> bytes:
    if hasattr(content, "read"):
        content = _read(content, limits)
    _check_size(memoryview(content).nbytes, limits)
    return bytes(content)


def _read(file: IO[bytes], limits: Limits) -> bytes:
    # One more than is allowed tells a file that is too large, however large it is.
    content: object = file.read(limits.upload + 1)
    if not isinstance(content, (bytes, bytearray)):
        raise BadRequestError(
            f"file was opened in text mode, for its read() gives {type(content).__name__}; "
            'open it with "rb"',
            param="file",
        )
    return bytes(content)


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.upload:
        raise RequestEntityTooLargeError(
            f"the file is larger than {limits.upload / 1e6:g} MB", param="file"
        )


def data_url(text: str, param: str) -> bytes:
    """The content of a `data:` URL (RFC 2397).

    Raises:
        BadRequestError: it is none.
    """
    head, comma, body = text.partition(",")
    if not (head.lower().startswith("data:") and comma):
        raise BadRequestError(f"{param} must hold data: URLs, paths or bytes", param=param)
    content = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return content
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise BadRequestError(f"{param} holds a damaged data: URL: {error}", param=param) from None
