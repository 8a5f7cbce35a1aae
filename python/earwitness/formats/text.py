"""Plain text."""

from __future__ import annotations

from earwitness.formats.model import TranscriptLike, one_line


def to_text(transcript: TranscriptLike) -> str:
    """One line for each segment, as the `.txt` of openai-whisper's command; no speech = empty."""
    lines = (one_line(segment.text) for segment in transcript.segments)
    return "".join(f"{line}\n" for line in lines if line)
