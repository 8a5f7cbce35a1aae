"""What one call may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a call; the defaults are those of the hosted service's documents."""

    duration: float = 4 * 3600.0
    """Seconds of audio, beyond which a recording is `audio_too_long`."""

    upload: int = 500_000_000
    """Bytes of a file, beyond which it is `file_too_large`."""

    download: int = 1_000_000_000
    """Bytes fetched from a URL, beyond which it is `file_too_large`."""

    download_time: float = 900.0
    """Seconds that fetching a URL may take in all."""

    plain_http: bool = False
    """Whether `http://` URLs are fetched, too."""

    private_urls: bool = False
    """Whether URLs may lead to private, loopback and other addresses that are not public.

    Off, so that a URL from a stranger cannot reach into the network that the program runs in.
    """


DEFAULT_LIMITS: Final = Limits()
