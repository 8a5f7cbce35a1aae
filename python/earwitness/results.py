"""What the client returns: typed, frozen records that can also be read as mappings.

    response.text                 response["text"]              "words" in response
    response.segments[0].start    response.segments[0]["start"] dict(response.segments[0])

A field that holds None is absent: it is no key of the mapping and not in the JSON, while the
attribute gives None. All times are seconds from the start of the recording, to the millisecond.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

__all__ = [
    "AudioSpeakerSegment",
    "AudioTranscription",
    "AudioTranscriptionDiarized",
    "AudioTranscriptionDiarizedSegment",
    "AudioTranscriptionLogprob",
    "AudioTranscriptionSegment",
    "AudioTranscriptionVerbose",
    "AudioTranscriptionWord",
    "AudioUsage",
    "Record",
    "TranscriptTextDeltaEvent",
    "TranscriptTextDoneEvent",
    "TranscriptTextSegmentEvent",
]


class Record(Mapping[str, Any]):
    """A frozen dataclass that is also a mapping of its fields, those that are None left out."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        if key in _names(type(self)):
            value = getattr(self, key)
            if value is not None:
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (name for name in _names(type(self)) if getattr(self, name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        shown = (f for f in dataclasses.fields(self) if f.repr)  # type: ignore[arg-type]
        pairs = ((f.name, getattr(self, f.name)) for f in shown)
        inside = ", ".join(f"{name}={_shown(value)}" for name, value in pairs if value is not None)
        return f"{type(self).__name__}({inside})"

    def model_dump(
        self, *, mode: Literal["python", "json"] = "python", exclude_none: bool = True
    ) -> dict[str, Any]:
        """The record and all in it as plain dicts and lists.

        Args:
            mode: both modes give the same, for every value is of a JSON type.
            exclude_none: whether absent fields are left out rather than given as None.
        """
        if mode not in ("python", "json"):
            raise ValueError(f"mode must be 'python' or 'json', not {mode!r}")
        return {
            name: _plain(getattr(self, name), exclude_none)
            for name in _names(type(self))
            if not exclude_none or getattr(self, name) is not None
        }

    def model_dump_json(self, *, indent: int | None = None, exclude_none: bool = True) -> str:
        """The record as JSON, on one line or indented by so many spaces; non-ASCII stays as is."""
        shape = self.model_dump(exclude_none=exclude_none)
        return json.dumps(shape, indent=indent, ensure_ascii=False, allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """As `model_dump()`; both hosted clients know this name."""
        return self.model_dump()

    def to_json(self, *, indent: int | None = 2) -> str:
        """As `model_dump_json()`, indented."""
        return self.model_dump_json(indent=indent)


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


def _plain(value: Any, exclude_none: bool) -> Any:
    if isinstance(value, Record):
        return value.model_dump(exclude_none=exclude_none)
    if isinstance(value, tuple):
        return [_plain(item, exclude_none) for item in value]
    return value


def _shown(value: Any) -> str:
    # Tuples are an inner matter: the documents show lists.
    return f"[{', '.join(map(_shown, value))}]" if isinstance(value, tuple) else repr(value)


def _freeze(record: Record, *names: str) -> None:
    """Sequences as tuples, so that a result shared between threads cannot change."""
    for name in names:
        value = getattr(record, name)
        if value is not None:
            object.__setattr__(record, name, tuple(value))


@dataclass(frozen=True, slots=True, repr=False)
class AudioTranscriptionWord(Record):
    """One word."""

    word: str
    """The word with its punctuation, without the space around it."""

    start: float
    end: float

    id: int
    """Number of the word in the whole recording, from 0."""

    speaker_id: str | None = None
    """Who says it, such as `SPEAKER_00` or a known name; absent unless `diarize` was asked for."""

    confidence: float | None = field(default=None, repr=False)
    """Mean probability of the word's tokens, 0 to 1; how often such words are right is in the
    README."""


@dataclass(frozen=True, slots=True, repr=False)
class AudioTranscriptionSegment(Record):
    """A sentence or clause."""

    id: int
    """Number of the segment, from 0."""

    seek: int
    """Start of the window that was decoded, in hundredths of a second."""

    start: float
    end: float

    text: str
    """Its text, with the space that precedes it: the texts of all segments join to the whole."""

    tokens: Sequence[int]
    """The model's numbers of its text tokens."""

    temperature: float
    """Sampling temperature that its window was decoded at."""

    avg_logprob: float
    """Mean natural log-probability of its window's tokens; below -1 the text is doubtful."""

    compression_ratio: float
    """Bytes of the text over bytes of it deflated; above 2.4 it repeats itself."""

    no_speech_prob: float
    """Probability that its window holds no speech."""

    def __post_init__(self) -> None:
        _freeze(self, "tokens")


@dataclass(frozen=True, slots=True, repr=False)
class AudioSpeakerSegment(Record):
    """Consecutive words of one speaker."""

    id: int
    """Number of the segment, from 0."""

    speaker_id: str
    start: float
    end: float

    text: str
    """What the speaker says, without the space around it."""

    words: Sequence[AudioTranscriptionWord]

    def __post_init__(self) -> None:
        _freeze(self, "words")


@dataclass(frozen=True, slots=True, repr=False)
class AudioTranscriptionLogprob(Record):
    """One token of the text."""

    token: str
    """Its text; a character spread over several tokens shows as replacement characters."""

    bytes: Sequence[int]
    """The UTF-8 bytes that it stands for."""

    logprob: float
    """Its natural log-probability."""

    def __post_init__(self) -> None:
        _freeze(self, "bytes")


@dataclass(frozen=True, slots=True, repr=False)
class AudioUsage(Record):
    """How much audio was heard."""

    type: str
    """Always `duration`."""

    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class AudioTranscription(Record):
    """The answer in the format `json`."""

    text: str

    logprobs: Sequence[AudioTranscriptionLogprob] | None = None
    """The tokens of the text; absent unless `include=["logprobs"]`."""

    def __post_init__(self) -> None:
        _freeze(self, "logprobs")


@dataclass(frozen=True, slots=True, repr=False)
class AudioTranscriptionVerbose(Record):
    """The answer in the format `verbose_json`: all that both hosted services say, in one shape."""

    task: str
    """`transcribe` or `translate`."""

    language: str
    """Code of the language spoken, such as `en`."""

    duration: float
    """Length of the recording."""

    text: str
    """All that is said, without the space around it."""

    segments: Sequence[AudioTranscriptionSegment]
    """Its sentences and clauses; empty where nothing is said."""

    words: Sequence[AudioTranscriptionWord] | None = None
    """Absent unless word times or `diarize` were asked for."""

    speaker_segments: Sequence[AudioSpeakerSegment] | None = None
    """Absent unless `diarize` was asked for."""

    logprobs: Sequence[AudioTranscriptionLogprob] | None = None
    """The tokens of the text; absent unless `include=["logprobs"]`."""

    usage: AudioUsage | None = None

    def __post_init__(self) -> None:
        _freeze(self, "segments", "words", "speaker_segments", "logprobs")


@dataclass(frozen=True, slots=True, repr=False)
class AudioTranscriptionDiarizedSegment(Record):
    """Consecutive words of one speaker, in the shape of `diarized_json`."""

    id: str
    start: float
    end: float
    text: str
    speaker: str
    type: str = "transcript.text.segment"


@dataclass(frozen=True, slots=True, repr=False)
class AudioTranscriptionDiarized(Record):
    """The answer in the format `diarized_json`."""

    task: str
    duration: float
    text: str
    segments: Sequence[AudioTranscriptionDiarizedSegment]
    usage: AudioUsage | None = None

    def __post_init__(self) -> None:
        _freeze(self, "segments")


@dataclass(frozen=True, slots=True, repr=False)
class TranscriptTextDeltaEvent(Record):
    """Streaming: text that follows the text before it."""

    delta: str
    logprobs: Sequence[AudioTranscriptionLogprob] | None = None
    type: str = "transcript.text.delta"

    def __post_init__(self) -> None:
        _freeze(self, "logprobs")


@dataclass(frozen=True, slots=True, repr=False)
class TranscriptTextSegmentEvent(Record):
    """Streaming: a finished segment; its speaker is absent unless `diarize` was asked for."""

    id: str
    start: float
    end: float
    text: str
    speaker: str | None = None
    type: str = "transcript.text.segment"


@dataclass(frozen=True, slots=True, repr=False)
class TranscriptTextDoneEvent(Record):
    """Streaming: the whole text, after which nothing comes."""

    text: str
    logprobs: Sequence[AudioTranscriptionLogprob] | None = None
    type: str = "transcript.text.done"

    def __post_init__(self) -> None:
        _freeze(self, "logprobs")
