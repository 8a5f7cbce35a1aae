"""The JSON shapes of hosted transcription services, each one line."""

from __future__ import annotations

from earwitness import answers
from earwitness.answers import compression_ratio
from earwitness.formats.model import with_speakers
from earwitness.results import Record
from earwitness.spoken import TranscriptLike, as_spoken

__all__ = ["compression_ratio", "to_diarized_json", "to_json", "to_verbose_json"]


def to_json(transcript: TranscriptLike) -> str:
    """`{"text": ...}` and nothing else: clients tell the shapes apart by their keys."""
    return _line(answers.plain(as_spoken(transcript)))


def to_verbose_json(transcript: TranscriptLike, *, words: bool = True) -> str:
    """Everything known of the transcript: see `earwitness.results.AudioTranscriptionVerbose`.

    Its keys are always in that order and never null; `words` is there only when words were timed,
    `speaker_segments` only when the speakers are known. Times are seconds to the millisecond. Every
    number is finite: beyond 1e9 it is clipped there, and a NaN is written as 0.

    Args:
        words: whether words that have times are listed; where it is known who spoke, they are.
    """
    spoken = as_spoken(transcript)
    return _line(answers.verbose(spoken, words=words and bool(spoken.words)))


def to_diarized_json(transcript: TranscriptLike) -> str:
    """Who said what: see `earwitness.results.AudioTranscriptionDiarized`.

    Raises:
        InvalidOptionError: the transcript does not say who spoke.
    """
    return _line(answers.diarized(with_speakers(transcript, "diarized_json")))


def _line(record: Record) -> str:
    return record.model_dump_json() + "\n"
