"""The two JSON shapes of hosted transcription services."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any, Final

from earwitness.formats.model import SegmentLike, TranscriptLike, WordLike

# JSON knows no infinity. No time, ratio or log-probability of a real result comes near this.
_LARGEST: Final = 1e9


def to_json(transcript: TranscriptLike) -> str:
    """`{"text": ...}` and nothing else: clients tell the two shapes apart by their keys."""
    return _dump({"text": transcript.text.strip()})


def to_verbose_json(transcript: TranscriptLike) -> str:
    """Everything known of the transcript, as one line of JSON.

    Keys, always in this order and never null: `task`, `language` (code), `duration`, `text`,
    `segments` (possibly empty), each with `id`, `seek` (hundredths of a second), `start`, `end`,
    `text`, `tokens` (ids), `temperature`, `avg_logprob`, `compression_ratio`, `no_speech_prob`;
    and, only when words were timed, `words`, each with `word`, `start`, `end`, `confidence`.
    Times are seconds to the millisecond. Every number is finite: beyond 1e9 it is clipped there,
    and a NaN is written as 0.
    """
    shape: dict[str, Any] = {
        "task": transcript.task,
        "language": transcript.language,
        "duration": _number(transcript.duration, 3),
        "text": transcript.text.strip(),
        "segments": [_segment(segment) for segment in transcript.segments],
    }
    if transcript.words:
        shape["words"] = [_word(word) for word in transcript.words]
    return _dump(shape)


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes of it deflated; high for text that repeats itself.

    The measure of openai-whisper (`utils.py`), whose threshold for it is 2.4.
    """
    encoded = text.strip().encode("utf-8", "surrogatepass")
    return len(encoded) / len(zlib.compress(encoded))


def _segment(segment: SegmentLike) -> dict[str, Any]:
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": _number(segment.start, 3),
        "end": _number(segment.end, 3),
        "text": segment.text,
        "tokens": [token.id for token in segment.tokens],
        "temperature": _number(segment.temperature),
        "avg_logprob": _number(segment.avg_logprob),
        "compression_ratio": _number(compression_ratio(segment.text)),
        "no_speech_prob": _number(segment.no_speech_prob),
    }


def _word(word: WordLike) -> dict[str, Any]:
    return {
        "word": word.text.strip(),
        "start": _number(word.start, 3),
        "end": _number(word.end, 3),
        "confidence": _number(word.confidence),
    }


def _number(value: float, digits: int = 6) -> float:
    if math.isnan(value):
        return 0.0
    # Adding 0.0 turns a negative zero into a plain one.
    return round(min(max(value, -_LARGEST), _LARGEST), digits) + 0.0


def _dump(shape: dict[str, Any]) -> str:
    return json.dumps(shape, ensure_ascii=False, allow_nan=False) + "\n"
