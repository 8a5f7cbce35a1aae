"""What a caller can ask of one transcription."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from earwitness._core import CancelToken, Segment, TranscribeOptions, check_speakers
from earwitness.errors import InvalidOptionError

if TYPE_CHECKING:
    from typing_extensions import Unpack

Task = Literal["transcribe", "translate"]

SAMPLE_RATE: Final = 16000
"""The sample rate of Whisper models, in Hz, and the default of PCM buffers."""


class OptionValues(TypedDict, total=False):
    """The fields of `Options` as keyword arguments, for calls that override some of them."""

    model: str | os.PathLike[str]
    language: str | None
    task: Task
    prompt: str
    temperature: float
    temperature_increment: float
    best_of: int
    beam_size: int
    fallback_beam_size: int
    search_threshold: float | None
    logprob_threshold: float | None
    entropy_threshold: float | None
    compression_ratio_threshold: float | None
    no_speech_threshold: float | None
    condition_on_previous_text: bool
    suppress_non_speech: bool
    max_initial_timestamp: float
    full_windows: bool
    word_timestamps: bool
    vad: bool
    spans: Sequence[tuple[float, float]] | None
    diarize: bool
    min_speakers: int | None
    max_speakers: int | None
    num_speakers: int | None
    threads: int
    sample_rate: int
    channels: int
    cancel: CancelToken | None
    on_progress: Callable[[float], object] | None
    on_segment: Callable[[Segment], object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of one transcription, checked when they are made and never changed afterwards.

    Defaults marked [OpenAI] are those of openai-whisper's `transcribe()`, those marked
    [whisper.cpp] of its `whisper_full_default_params()`.

    Raises:
        InvalidOptionError: a value is of the wrong type or out of range; the message names the
            field and what is allowed.
    """

    model: str | os.PathLike[str] = "base"
    """Name of a model in the catalogue, one of its aliases, or the path of a ggml file.

    Read by `earwitness.transcribe`; an `Engine` already has its model and ignores this field.
    """

    language: str | None = None
    """Language spoken, as a code (`de`) or an English name (`german`); None or `auto` = detect."""

    task: Task = "transcribe"
    """`transcribe` writes in the language spoken, `translate` in English. [OpenAI]"""

    prompt: str = ""
    """Text that the decoder takes for what was said before: names, spelling, style. [OpenAI]

    At most 100 000 bytes, of which the model sees the end.
    """

    temperature: float = 0.0
    """First sampling temperature, 0 to 1; 0 = take the likeliest token. [OpenAI]"""

    temperature_increment: float = 0.2
    """Step, 0.01 to 1, of the temperatures tried up to 1.0 while a window fails its thresholds.

    0 = decode each window once. [OpenAI]
    """

    best_of: int = 5
    """Candidates drawn at temperatures above 0, 1 to 16; the likeliest is kept. [OpenAI]"""

    beam_size: int = 1
    """Hypotheses kept at temperature 0, 1 to 16; 1 = greedy. [OpenAI's `transcribe()`]"""

    fallback_beam_size: int = 4
    """Hypotheses, 1 to 16, of the search at temperature 0 that a window gets which fails its
    thresholds, or `search_threshold`, before any temperature above 0 is tried.

    No more than `beam_size` = no search. Of no effect where `temperature` is above 0 or
    `temperature_increment` is 0.
    """

    search_threshold: float | None = -0.8
    """A window is searched by `fallback_beam_size`, and the likelier of both texts kept, where the
    mean log-probability (natural, at most 0) of the least likely fifth of its text tokens is lower.

    Windows of less than 16 text tokens are not. None = only what fails the thresholds.
    """

    logprob_threshold: float | None = -1.0
    """A window whose mean token log-probability (natural, at most 0) is lower is decoded again.

    None = never. [OpenAI]
    """

    entropy_threshold: float | None = 2.4
    """A window whose last 32 tokens have a lower entropy (nats, at least 0) is decoded again.

    Repetition loops have a low one. None = never. [whisper.cpp]
    """

    compression_ratio_threshold: float | None = 2.4
    """A window whose text is so many times as long as it is deflated is decoded again.

    Repetition loops deflate well. None = never. [OpenAI] Where the text repeats itself at every
    temperature, by this threshold or the entropy's, each loop in it is cut to its first run, and
    the window is dropped if what is left passes twice this threshold.
    """

    no_speech_threshold: float | None = 0.6
    """A window with a higher no-speech probability, 0 to 1, that also fails `logprob_threshold`
    is silence. None = never. [OpenAI]
    """

    condition_on_previous_text: bool = False
    """Prompt each window with the text before it.

    Off, unlike OpenAI's: a loop or a wrong language in one window then cannot spread to the next.
    """

    suppress_non_speech: bool = True
    """Never decode notes, brackets and other symbols that are not spoken. [OpenAI]"""

    max_initial_timestamp: float = 1.0
    """The first timestamp of a window is at most this many seconds in, 0 to 30. [OpenAI]"""

    full_windows: bool = False
    """Encode the silence after short audio at full length, as the reference does.

    Slower, and hardly ever another text. A GPU always does.
    """

    word_timestamps: bool = False
    """Give each word its time and confidence. [OpenAI]

    With models other than tiny.en and base, and what is made from these, the first call of an
    engine that asks for it takes as long as eleven seconds of speech more: it finds by a known
    sentence which attention heads follow the words.
    """

    vad: bool = True
    """Find the speech first (`earwitness.SpeechFinder`) and hear nothing else.

    In silence, noise and music Whisper writes words that nobody said. Of no effect with `spans`.
    """

    spans: tuple[tuple[float, float], ...] | None = None
    """The stretches to transcribe as (start, end) in seconds, in order and disjoint.

    None = all of it; any sequence of pairs is accepted and kept as a tuple.
    """

    diarize: bool = False
    """Find out who said each word, beside the transcription; implies `word_timestamps`."""

    min_speakers: int | None = None
    """The least number of speakers to tell apart, 1 to 100; only with `diarize`."""

    max_speakers: int | None = None
    """The most speakers to tell apart, 1 to 100; only with `diarize`."""

    num_speakers: int | None = None
    """The number of speakers where it is known, 1 to 100; only with `diarize`."""

    threads: int = 0
    """Threads of this call, up to 256; 0 = as many as there are cores, 4 at most. [whisper.cpp]"""

    sample_rate: int = SAMPLE_RATE
    """Samples per second and channel of a PCM buffer, in Hz; encoded audio says its own.

    1000 to 384 000, checked by the call. Default: the rate of Whisper models.
    """

    channels: int = 1
    """Interleaved channels of a PCM buffer, mixed down to one; encoded audio says its own.

    1 to 8, checked by the call.
    """

    cancel: CancelToken | None = None
    """Stops the call with `Cancelled` once its `cancel()` was called, from any thread."""

    on_progress: Callable[[float], object] | None = None
    """Called with the share of the audio that is done, 0 to 1, never falling.

    Runs on the calling thread. What it raises stops the call and leaves it.
    """

    on_segment: Callable[[Segment], object] | None = None
    """Called with each segment as soon as it is final; runs and may raise as `on_progress`."""

    def __post_init__(self) -> None:
        for name, (kinds, wanted) in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise InvalidOptionError(f"{name} must be {wanted}, not {_describe(value)}")
        for name in ("on_progress", "on_segment"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise InvalidOptionError(f"{name} must be callable or None, not {_describe(value)}")
        for name in ("language", "task", "prompt"):
            _check_text(name, getattr(self, name))
        for name in ("sample_rate", "channels"):
            _native_int(name, getattr(self, name))
        object.__setattr__(self, "spans", _pairs(self.spans))
        self._check_speakers()
        self.native()

    def _check_speakers(self) -> None:
        bounds = {name: getattr(self, name) for name in _SPEAKER_BOUNDS}
        given = {
            name: _native_int(name, value) for name, value in bounds.items() if value is not None
        }
        if given and not self.diarize:
            raise InvalidOptionError(f"{next(iter(given))} is of no use without diarize=True")
        check_speakers(**given)

    def native(self) -> TranscribeOptions:
        """The decoding options as the native module takes them."""
        automatic = self.language is not None and self.language.strip().lower() == "auto"
        return TranscribeOptions(
            language=None if automatic else self.language,
            task=self.task,
            prompt=self.prompt,
            temperature=float(self.temperature),
            temperature_increment=float(self.temperature_increment),
            best_of=_native_int("best_of", self.best_of),
            beam_size=_native_int("beam_size", self.beam_size),
            fallback_beam_size=_native_int("fallback_beam_size", self.fallback_beam_size),
            search_threshold=_optional_float(self.search_threshold),
            logprob_threshold=_optional_float(self.logprob_threshold),
            entropy_threshold=_optional_float(self.entropy_threshold),
            compression_ratio_threshold=_optional_float(self.compression_ratio_threshold),
            no_speech_threshold=_optional_float(self.no_speech_threshold),
            condition_on_previous_text=self.condition_on_previous_text,
            suppress_non_speech=self.suppress_non_speech,
            max_initial_timestamp=float(self.max_initial_timestamp),
            full_windows=self.full_windows,
            word_timestamps=self.word_timestamps or self.diarize,
            spans=self.spans,
            threads=_native_int("threads", self.threads),
        )

    def replace(self, **changes: Unpack[OptionValues]) -> Options:
        """A copy with some fields changed.

        Raises:
            InvalidOptionError: no such field, or as the constructor.
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
                raise InvalidOptionError(f"{name} is not an option; {hint}")
        values: dict[str, Any] = dict(changes)
        return dataclasses.replace(self, **values)


_NONE: Final = type(None)
_NUMBER: Final = ((Real,), "a number")
_NUMBER_OR_NONE: Final = ((Real, _NONE), "a number or None")
_INTEGER: Final = ((Integral,), "an integer")
_BOOL: Final = ((bool,), "True or False")

_INTEGER_OR_NONE: Final = ((Integral, _NONE), "an integer or None")

_SPEAKER_BOUNDS: Final = ("min_speakers", "max_speakers", "num_speakers")

_KINDS: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "model": ((str, os.PathLike), "a model's name or path"),
    "language": ((str, _NONE), "a language's code, its English name or None"),
    "task": ((str,), "'transcribe' or 'translate'"),
    "prompt": ((str,), "a string"),
    "temperature": _NUMBER,
    "temperature_increment": _NUMBER,
    "best_of": _INTEGER,
    "beam_size": _INTEGER,
    "fallback_beam_size": _INTEGER,
    "search_threshold": _NUMBER_OR_NONE,
    "logprob_threshold": _NUMBER_OR_NONE,
    "entropy_threshold": _NUMBER_OR_NONE,
    "compression_ratio_threshold": _NUMBER_OR_NONE,
    "no_speech_threshold": _NUMBER_OR_NONE,
    "condition_on_previous_text": _BOOL,
    "suppress_non_speech": _BOOL,
    "max_initial_timestamp": _NUMBER,
    "full_windows": _BOOL,
    "word_timestamps": _BOOL,
    "vad": _BOOL,
    "diarize": _BOOL,
    "min_speakers": _INTEGER_OR_NONE,
    "max_speakers": _INTEGER_OR_NONE,
    "num_speakers": _INTEGER_OR_NONE,
    "threads": _INTEGER,
    "sample_rate": _INTEGER,
    "channels": _INTEGER,
    "cancel": ((CancelToken, _NONE), "a CancelToken or None"),
}

# The native fields are C ints; a larger value would be a TypeError that names no field.
_INT_LIMIT: Final = 2**31 - 1


def _describe(value: object) -> str:
    return f"{value!r:.60} ({type(value).__name__})"


def _pairs(spans: object) -> tuple[tuple[float, float], ...] | None:
    if spans is None:
        return None
    wanted = "spans must be a sequence of (start, end) pairs in seconds"
    try:
        pairs = [tuple(span) for span in spans]  # type: ignore[attr-defined]
    except TypeError:
        raise InvalidOptionError(f"{wanted}, not {_describe(spans)}") from None
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(time, Real) for time in pair):
            raise InvalidOptionError(f"{wanted}; one of them is {_describe(pair)}")
    return tuple((float(start), float(end)) for start, end in pairs)


def _native_int(name: str, value: int) -> int:
    if abs(value) > _INT_LIMIT:
        raise InvalidOptionError(f"{name} is {value}: out of range")
    return int(value)


def _check_text(name: str, value: str | None) -> None:
    try:
        (value or "").encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidOptionError(f"{name} is not valid text: {error.reason}") from None


def _optional_float(value: float | None) -> float | None:
    return None if value is None else float(value)
