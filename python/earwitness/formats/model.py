"""What the writers share: speakers, text on one line, times in milliseconds."""

from __future__ import annotations

import re
from typing import Final

from earwitness.errors import InvalidOptionError
from earwitness.spoken import SpokenTranscript, TranscriptLike, as_spoken

# Everything that some reader takes for the end of a line (Unicode's C0 and C1 controls and its two
# separators). Other white space, such as the no-break space of French, is part of the text.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SPACES: Final = re.compile(r" {2,}")


def one_line(text: str) -> str:
    """`text` on one line: control characters and runs of spaces become one space, ends stripped."""
    return _SPACES.sub(" ", _CONTROLS.sub(" ", text)).strip()


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, never negative."""
    return max(0, round(seconds * 1000))


def diarized(transcript: TranscriptLike) -> SpokenTranscript | None:
    """The transcript if it says who spoke, else None."""
    spoken = as_spoken(transcript)
    return None if spoken.turns is None else spoken


def with_speakers(transcript: TranscriptLike, name: str) -> SpokenTranscript:
    """The transcript, for the format of that name, which is about who spoke.

    Raises:
        InvalidOptionError: it does not say.
    """
    found = diarized(transcript)
    if found is None:
        raise InvalidOptionError(f"{name} says who spoke: it needs a transcript made with diarize")
    return found
