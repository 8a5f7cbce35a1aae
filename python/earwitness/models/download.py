"""A resuming HTTP downloader for pooch.

pooch stores a download under its name only when its digest is right; how the bytes come is up to a
callable. This one keeps what has arrived in a `.part` file and asks the server for the rest, within
a call when a connection breaks and also in the next call or process.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.errors import DownloadError

from .progress import ProgressBar

if TYPE_CHECKING:
    import requests

# A network that refuses or swallows connections must not keep anyone from the next source.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
# A broken connection loses at most the chunk that was under way.
CHUNK = 1 << 16
_TRIES_WITHOUT_PROGRESS = 4
_FIRST_PAUSE = 0.5
_WORTH_RETRYING = frozenset({408, 429, 500, 502, 503, 504})


def describe(error: Exception) -> str:
    """The innermost reason of a nested network error, in one line."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, Exception):
            break
        error = inner
    text = re.sub(r"^<[^>]*>:?\s*|^\w+\([^)]*\):\s*", "", str(error)).strip()
    return text or type(error).__name__


class _Interrupted(Exception):  # noqa: N818 - an event to continue from, not a failure
    """The transfer stopped and is worth continuing."""


class ResumingDownloader:
    """Downloads one file of a known size.

    Args:
        part: where the unfinished file is kept between tries.
        size: the expected size in bytes; a server that sends more is cut off.
        description: the name to show with the progress bar.
        progress: whether to show the bar (None: when standard error is a terminal).
    """

    def __init__(self, part: Path, size: int, description: str, progress: bool | None) -> None:
        self._part = part
        self._size = size
        self._description = description
        self._progress = progress

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        import requests

        self._part.parent.mkdir(parents=True, exist_ok=True)
        with (
            requests.Session() as session,
            ProgressBar(self._description, self._size, self._progress) as bar,
        ):
            self._fetch(session, url, bar)
        os.replace(self._part, output_file)

    def _arrived(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _fetch(self, session: requests.Session, url: str, bar: ProgressBar) -> None:
        if self._arrived() > self._size:
            self._part.unlink()
        tries = 0
        while (before := self._arrived()) < self._size:
            bar.move_to(before)
            try:
                self._continue(session, url, before, bar)
            except _Interrupted as event:
                tries = 0 if self._arrived() > before else tries + 1
                if tries >= _TRIES_WITHOUT_PROGRESS:
                    raise DownloadError(f"the transfer kept breaking off: {event}") from event
                time.sleep(_FIRST_PAUSE * 2**tries)

    def _continue(self, session: requests.Session, url: str, start: int, bar: ProgressBar) -> None:
        import requests

        # Without this a server may compress, and ranges would count compressed bytes.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            response = session.get(
                url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
            )
        except requests.exceptions.ReadTimeout as error:
            raise _Interrupted(describe(error)) from error
        except requests.exceptions.ConnectionError as error:
            # A server that was reachable a moment ago is worth another try; one that never
            # answered is not.
            if start or self._was_dropped(error):
                raise _Interrupted(describe(error)) from error
            raise DownloadError(describe(error)) from error
        except requests.exceptions.RequestException as error:
            raise DownloadError(describe(error)) from error
        with response:
            self._receive(response, start, bar)

    @staticmethod
    def _was_dropped(error: Exception) -> bool:
        return "Connection aborted" in str(error)

    def _receive(self, response: requests.Response, start: int, bar: ProgressBar) -> None:
        import requests

        if response.status_code in _WORTH_RETRYING:
            raise _Interrupted(f"the server answered {response.status_code} {response.reason}")
        if response.status_code == 416:
            # The part does not fit what the server has: begin again.
            self._part.unlink(missing_ok=True)
            raise _Interrupted("the server has no such range")
        if not response.ok:
            raise DownloadError(f"the server answered {response.status_code} {response.reason}")
        offset = start if self._continues(response, start) else 0
        with self._part.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            try:
                for chunk in response.iter_content(CHUNK):
                    offset += len(chunk)
                    if offset > self._size:
                        file.truncate(0)
                        raise DownloadError(f"the server sends more than {self._size} bytes")
                    file.write(chunk)
                    bar.move_to(offset)
            except requests.exceptions.RequestException as error:
                raise _Interrupted(describe(error)) from error
        if offset < self._size:
            raise _Interrupted(f"{offset} of {self._size} bytes arrived")

    @staticmethod
    def _continues(response: requests.Response, start: int) -> bool:
        """Whether the answer is the rest that was asked for (servers may send the whole file)."""
        if response.status_code != 206:
            return False
        match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        return match is not None and int(match.group(1)) == start
