"""Transcripts as text: pure functions, one for each format.

They take any object shaped as `TranscriptLike`, of which `earwitness.Transcript` is one, and give a
string that ends in a line break or is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from earwitness.errors import InvalidOptionError
from earwitness.formats.diarization import DIARIZATION_FORMATS, render_diarization
from earwitness.formats.json_formats import to_diarized_json, to_json, to_verbose_json
from earwitness.formats.layout import DEFAULT_LAYOUT, Layout
from earwitness.formats.markdown import to_markdown
from earwitness.formats.rttm import to_rttm
from earwitness.formats.subtitles import to_srt, to_vtt
from earwitness.formats.text import to_text
from earwitness.formats.tsv import to_tsv
from earwitness.spoken import SegmentLike, TokenLike, TranscriptLike, WordLike

__all__ = [
    "DIARIZATION_FORMATS",
    "FORMATS",
    "FORMATS_OF_SPEAKERS",
    "SUBTITLES",
    "Layout",
    "SegmentLike",
    "TokenLike",
    "TranscriptLike",
    "WordLike",
    "render",
    "render_diarization",
    "to_diarized_json",
    "to_json",
    "to_markdown",
    "to_rttm",
    "to_srt",
    "to_text",
    "to_tsv",
    "to_verbose_json",
    "to_vtt",
]

FORMATS_OF_SPEAKERS: Final = frozenset({"diarized_json", "rttm"})
"""Those that only a transcript which says who spoke has."""

FORMATS: Final[Mapping[str, Callable[[TranscriptLike], str]]] = MappingProxyType(
    {
        "txt": to_text,
        "json": to_json,
        "verbose_json": to_verbose_json,
        "diarized_json": to_diarized_json,
        "srt": to_srt,
        "vtt": to_vtt,
        "tsv": to_tsv,
        "rttm": to_rttm,
        "md": to_markdown,
    }
)
"""The writers by the names that `render` and the command take."""


SUBTITLES: Final[Mapping[str, Callable[[TranscriptLike, Layout], str]]] = MappingProxyType(
    {"srt": to_srt, "vtt": to_vtt}
)
"""Those whose text is laid out in cues."""


def render(transcript: TranscriptLike, name: str, layout: Layout = DEFAULT_LAYOUT) -> str:
    """The transcript in the format of that name.

    Args:
        layout: the limits of the cues, in the formats that have them.

    Raises:
        InvalidOptionError: no such format, or it is one of `FORMATS_OF_SPEAKERS` and the
            transcript does not say who spoke.
    """
    writer = FORMATS.get(name)
    if writer is None:
        raise InvalidOptionError(f"format {name!r} is unknown; there are {', '.join(FORMATS)}")
    return SUBTITLES[name](transcript, layout) if name in SUBTITLES else writer(transcript)
