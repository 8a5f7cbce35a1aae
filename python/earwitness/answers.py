"""From a transcript to the records of `earwitness.results`.

Times are rounded to the millisecond, and every number is finite: beyond 1e9 it is clipped there,
and a NaN is given as 0, for JSON knows neither.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

from earwitness.results import (
    AudioSpeakerSegment,
    AudioTranscription,
    AudioTranscriptionDiarized,
    AudioTranscriptionDiarizedSegment,
    AudioTranscriptionLogprob,
    AudioTranscriptionSegment,
    AudioTranscriptionVerbose,
    AudioTranscriptionWord,
    AudioUsage,
)
from earwitness.spoken import SpokenSegment, SpokenTranscript, SpokenWord, TokenLike

# No time, ratio or log-probability of a real result comes near this.
_LARGEST: Final = 1e9


def plain(transcript: SpokenTranscript, *, logprobs: bool = False) -> AudioTranscription:
    """The answer in the format `json`."""
    tokens = token_logprobs(transcript.segments) if logprobs else None
    return AudioTranscription(text=transcript.text.strip(), logprobs=tokens)


def verbose(
    transcript: SpokenTranscript, *, words: bool = False, logprobs: bool = False
) -> AudioTranscriptionVerbose:
    """The answer in the format `verbose_json`; who spoke is in it where the transcript says so."""
    diarized = transcript.turns is not None
    numbered = _numbered(transcript.words) if words or diarized else None
    return AudioTranscriptionVerbose(
        task=transcript.task,
        language=transcript.language,
        duration=number(transcript.duration, 3),
        text=transcript.text.strip(),
        segments=[segment(part) for part in transcript.segments],
        words=numbered,
        speaker_segments=_speaker_segments(transcript, numbered or []) if diarized else None,
        logprobs=token_logprobs(transcript.segments) if logprobs else None,
        usage=_usage(transcript),
    )


def diarized(transcript: SpokenTranscript) -> AudioTranscriptionDiarized:
    """The answer in the format `diarized_json`."""
    return AudioTranscriptionDiarized(
        task=transcript.task,
        duration=number(transcript.duration, 3),
        text=transcript.text.strip(),
        segments=[
            AudioTranscriptionDiarizedSegment(
                id=f"seg_{index}",
                start=number(part.start, 3),
                end=number(part.end, 3),
                text=part.text,
                speaker=part.speaker,
            )
            for index, part in enumerate(transcript.speaker_segments)
        ],
        usage=_usage(transcript),
    )


def segment(part: SpokenSegment) -> AudioTranscriptionSegment:
    """The record of one segment."""
    return AudioTranscriptionSegment(
        id=part.id,
        seek=part.seek,
        start=number(part.start, 3),
        end=number(part.end, 3),
        text=part.text,
        tokens=[token.id for token in part.tokens],
        temperature=number(part.temperature),
        avg_logprob=number(part.avg_logprob),
        compression_ratio=number(compression_ratio(part.text)),
        no_speech_prob=number(part.no_speech_prob),
    )


def token_logprobs(segments: Iterable[SpokenSegment]) -> list[AudioTranscriptionLogprob]:
    """The record of each token of the segments."""
    return [_logprob(token) for part in segments for token in part.tokens]


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes of it deflated; high for text that repeats itself.

    The measure of openai-whisper (`utils.py`), whose threshold for it is 2.4.
    """
    encoded = text.strip().encode("utf-8", "surrogatepass")
    return len(encoded) / len(zlib.compress(encoded))


def number(value: float, digits: int = 6) -> float:
    """A finite number, rounded."""
    if math.isnan(value):
        return 0.0
    # Adding 0.0 turns a negative zero into a plain one.
    return round(min(max(value, -_LARGEST), _LARGEST), digits) + 0.0


def _logprob(token: TokenLike) -> AudioTranscriptionLogprob:
    text = token.text.decode("utf-8", errors="replace")
    return AudioTranscriptionLogprob(text, list(token.text), number(token.logprob))


def _numbered(words: Iterable[SpokenWord]) -> list[AudioTranscriptionWord]:
    return [
        AudioTranscriptionWord(
            word=word.text.strip(),
            start=number(word.start, 3),
            end=number(word.end, 3),
            id=index,
            speaker_id=word.speaker,
            confidence=number(word.confidence),
        )
        for index, word in enumerate(words)
    ]


def _speaker_segments(
    transcript: SpokenTranscript, words: Sequence[AudioTranscriptionWord]
) -> list[AudioSpeakerSegment]:
    """Every word of a diarized transcript has a speaker, so the segments take them in order."""
    at = count()
    return [
        AudioSpeakerSegment(
            id=index,
            speaker_id=part.speaker,
            start=number(part.start, 3),
            end=number(part.end, 3),
            text=part.text,
            words=[words[next(at)] for _ in part.words],
        )
        for index, part in enumerate(transcript.speaker_segments)
    ]


def _usage(transcript: SpokenTranscript) -> AudioUsage:
    return AudioUsage(type="duration", seconds=number(transcript.duration, 3))
