"""Rich Transcription Time Marked: who spoke when, for the tools that score diarization."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from earwitness.formats.model import with_speakers
from earwitness.spoken import TranscriptLike

# The fields are separated by spaces, and ";;" begins a comment.
_NOT_IN_A_NAME: Final = re.compile(r"[\s;]+")


def to_rttm(transcript: TranscriptLike, recording: str = "recording") -> str:
    """One SPEAKER line for each turn, those that overlap included; nobody heard = empty.

    The format is that of NIST's RT-09 evaluation plan, appendix A: type, recording, channel, onset
    and duration in seconds, and the speaker's name, of the ten fields that there are.

    Args:
        recording: its name in the lines.

    Raises:
        InvalidOptionError: the transcript does not say who spoke.
    """
    turns = with_speakers(transcript, "rttm").turns or ()
    return rttm_lines([(turn.start, turn.end, turn.speaker) for turn in turns], recording)


def rttm_lines(turns: Iterable[tuple[float, float, str]], recording: str) -> str:
    """The lines for turns of (start, end, speaker's name)."""
    return "".join(
        f"SPEAKER {_name(recording)} 1 {start:.3f} {end - start:.3f} "
        f"<NA> <NA> {_name(speaker)} <NA> <NA>\n"
        for start, end, speaker in turns
    )


def _name(text: str) -> str:
    return _NOT_IN_A_NAME.sub("_", text) or "_"
