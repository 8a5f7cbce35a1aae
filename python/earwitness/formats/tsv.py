"""Tab-separated values."""

from __future__ import annotations

from earwitness.formats.model import TranscriptLike, milliseconds, one_line


def to_tsv(transcript: TranscriptLike) -> str:
    """A header and one row for each segment: start and end in whole milliseconds, text.

    The columns are those of openai-whisper's `.tsv`. Tabs and line breaks in the text become
    spaces, so that every line is a row of three fields.
    """
    rows = ["start\tend\ttext"]
    rows += [
        f"{milliseconds(segment.start)}\t{milliseconds(segment.end)}\t{one_line(segment.text)}"
        for segment in transcript.segments
    ]
    return "".join(f"{row}\n" for row in rows)
