"""Plain text."""

from __future__ import annotations

from earwitness.formats.model import diarized, one_line
from earwitness.spoken import TranscriptLike


def to_text(transcript: TranscriptLike) -> str:
    """One line for each segment, as the `.txt` of openai-whisper's command; no speech = empty.

    Where it is known who spoke: one line for each speaker's segment, `SPEAKER_00: what is said`.
    """
    spoken = diarized(transcript)
    if spoken is None:
        lines = [one_line(part.text) for part in transcript.segments]
    else:
        lines = [one_line(f"{part.speaker}: {part.text}") for part in spoken.speaker_segments]
    return "".join(f"{line}\n" for line in lines if line)
