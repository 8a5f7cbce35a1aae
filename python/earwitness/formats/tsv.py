"""Tab-separated values."""

from __future__ import annotations

from earwitness.formats.model import diarized, milliseconds, one_line
from earwitness.spoken import TranscriptLike


def to_tsv(transcript: TranscriptLike) -> str:
    """A header and one row for each segment: start and end in whole milliseconds, text.

    The columns are those of openai-whisper's `.tsv`. Where it is known who spoke, there is a row
    for each speaker's segment, and `speaker` is the third of four columns. Tabs and line breaks in
    the text become spaces, so that every line is a row.
    """
    spoken = diarized(transcript)
    rows: list[tuple[str, ...]]
    if spoken is None:
        rows = [("start", "end", "text")]
        rows += [(*_times(part.start, part.end), part.text) for part in transcript.segments]
    else:
        rows = [("start", "end", "speaker", "text")]
        rows += [
            (*_times(part.start, part.end), part.speaker, part.text)
            for part in spoken.speaker_segments
        ]
    return "".join("\t".join(map(one_line, row)) + "\n" for row in rows)


def _times(start: float, end: float) -> tuple[str, str]:
    return str(milliseconds(start)), str(milliseconds(end))
