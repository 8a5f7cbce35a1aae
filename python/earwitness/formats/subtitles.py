"""Subtitles: SubRip and WebVTT."""

from __future__ import annotations

import re
from typing import Final

from earwitness.formats.layout import DEFAULT_LAYOUT, Cue, Layout, cues
from earwitness.formats.model import one_line
from earwitness.spoken import TranscriptLike

# In SubRip nothing can be escaped, and this would be taken for a line of times.
_ARROW: Final = re.compile("-{2,}>")


def to_srt(transcript: TranscriptLike, layout: Layout = DEFAULT_LAYOUT) -> str:
    """SubRip: numbered cues, with the speaker's name first where it is known. No speech = empty."""
    return "".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n"
        f"{_ARROW.sub('->', _text(cue.labelled or cue.lines))}\n\n"
        for number, cue in enumerate(cues(transcript, layout), start=1)
    )


def to_vtt(transcript: TranscriptLike, layout: Layout = DEFAULT_LAYOUT) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): `&`, `<` and `>` in the text are escaped.

    Where it is known who speaks, each cue is in a voice span: `<v SPEAKER_00>what is said`.
    """
    return "WEBVTT\n\n" + "".join(
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n"
        f"{_voice(cue)}{_escape(_text(cue.lines))}\n\n"
        for cue in cues(transcript, layout)
    )


def _voice(cue: Cue) -> str:
    return "" if cue.speaker is None else f"<v {_escape(one_line(cue.speaker))}>"


def _text(lines: tuple[str, ...]) -> str:
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(milliseconds: int, decimal: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal}{thousandths:03}"
