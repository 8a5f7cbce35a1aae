"""Subtitles: SubRip and WebVTT."""

from __future__ import annotations

import re
from typing import Final

from earwitness.formats.layout import DEFAULT_LAYOUT, Layout, cues
from earwitness.formats.model import TranscriptLike

# In SubRip nothing can be escaped, and this would be taken for a line of times.
_ARROW: Final = re.compile("-{2,}>")


def to_srt(transcript: TranscriptLike, layout: Layout = DEFAULT_LAYOUT) -> str:
    """SubRip: numbered cues. No speech = an empty string."""
    return "".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n"
        f"{_ARROW.sub('->', _text(cue.lines))}\n\n"
        for number, cue in enumerate(cues(transcript, layout), start=1)
    )


def to_vtt(transcript: TranscriptLike, layout: Layout = DEFAULT_LAYOUT) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): `&`, `<` and `>` in the text are escaped."""
    return "WEBVTT\n\n" + "".join(
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_escape(_text(cue.lines))}\n\n"
        for cue in cues(transcript, layout)
    )


def _text(lines: tuple[str, ...]) -> str:
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(milliseconds: int, decimal: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal}{thousandths:03}"
