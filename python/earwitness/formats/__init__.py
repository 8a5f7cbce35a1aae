"""Transcripts as text: pure functions, one for each format.

They take any object shaped as `TranscriptLike`, of which `earwitness.Transcript` is one, and give a
string that ends in a line break or is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from earwitness.errors import InvalidOptionError
from earwitness.formats.json_formats import to_json, to_verbose_json
from earwitness.formats.layout import Layout
from earwitness.formats.model import SegmentLike, TokenLike, TranscriptLike, WordLike
from earwitness.formats.subtitles import to_srt, to_vtt
from earwitness.formats.text import to_text
from earwitness.formats.tsv import to_tsv

__all__ = [
    "FORMATS",
    "Layout",
    "SegmentLike",
    "TokenLike",
    "TranscriptLike",
    "WordLike",
    "render",
    "to_json",
    "to_srt",
    "to_text",
    "to_tsv",
    "to_verbose_json",
    "to_vtt",
]

FORMATS: Final[Mapping[str, Callable[[TranscriptLike], str]]] = MappingProxyType(
    {
        "txt": to_text,
        "json": to_json,
        "verbose_json": to_verbose_json,
        "srt": to_srt,
        "vtt": to_vtt,
        "tsv": to_tsv,
    }
)
"""The writers by the names that `render` and the command take."""


def render(transcript: TranscriptLike, name: str) -> str:
    """The transcript in the format of that name.

    Raises:
        InvalidOptionError: no such format.
    """
    writer = FORMATS.get(name)
    if writer is None:
        raise InvalidOptionError(f"format {name!r} is unknown; there are {', '.join(FORMATS)}")
    return writer(transcript)
