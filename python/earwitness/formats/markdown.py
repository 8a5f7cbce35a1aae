"""A transcript to read, in Markdown."""

from __future__ import annotations

import re
from typing import Final

from earwitness.formats.model import diarized, one_line
from earwitness.spoken import TranscriptLike

# Everything that CommonMark or HTML in it may give a meaning within a line.
_SPECIAL: Final = re.compile(r"([\\`*_~\[\]<>&|$])")


def to_markdown(transcript: TranscriptLike) -> str:
    """One paragraph for each segment or, where it is known who spoke, each speaker's segment.

    Each begins with the time of its start and the speaker's name; no speech = empty.
    """
    spoken = diarized(transcript)
    if spoken is None:
        parts = [(part.start, "", part.text) for part in transcript.segments]
    else:
        parts = [(part.start, part.speaker, part.text) for part in spoken.speaker_segments]
    return "\n".join(
        f"`{_clock(start)}` {f'**{_escape(speaker)}:** ' if speaker else ''}{_escape(text)}\n"
        for start, speaker, text in parts
        if one_line(text)
    )


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"
