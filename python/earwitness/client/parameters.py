"""The parameters of one call: what the hosted APIs' documents name, checked before any work.

Spellings that only their wire knows are accepted, too: "true" for True, a single granularity for a
list of one, numbers as strings for the counts of speakers.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from earwitness.api_errors import BadRequestError, api_errors
from earwitness.formats import SUBTITLES, Layout
from earwitness.formats.layout import DEFAULT_LAYOUT
from earwitness.options import Options, Task

if TYPE_CHECKING:
    from earwitness._core import CancelToken
    from earwitness.results import AudioTranscriptionSegment

ResponseFormat = Literal[
    "json", "verbose_json", "diarized_json", "text", "srt", "vtt", "tsv", "rttm", "markdown"
]

FORMATS: Final = (
    "json",
    "verbose_json",
    "diarized_json",
    "text",
    "srt",
    "vtt",
    "tsv",
    "rttm",
    "markdown",
)
_OF_SPEAKERS: Final = frozenset({"diarized_json", "rttm"})
_STREAMABLE: Final = frozenset({"json", "verbose_json", "diarized_json", "text"})
_MOST_VOICES: Final = 16


class ServerVad(TypedDict, total=False):
    """`chunking_strategy`: how speech is told from the rest."""

    type: Literal["server_vad"]
    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int


class TranscriptionParams(TypedDict, total=False):
    """Keyword arguments of `create` beside `file`, `response_format` and `stream`."""

    model: str | os.PathLike[str]
    """Name in the catalogue, one of its aliases, or a path; default: the client's."""
    language: str
    """Code or English name of the language spoken; `auto` = detect it."""
    prompt: str
    """Text taken for what was said before: names, spelling, style."""
    temperature: float
    """First sampling temperature, 0 to 1."""
    timestamp_granularities: str | Sequence[str]
    """`segment`, `word` or both; `word` needs the format `verbose_json`."""
    diarize: bool | str
    """Say who spoke. With the format `json` the answer is that of `verbose_json`."""
    min_speakers: int
    max_speakers: int
    chunking_strategy: Literal["auto"] | ServerVad
    """How speech is told from the rest: by the detector's own settings, or by these."""
    vad: bool
    """Whether speech is found first and nothing else is heard; default: true."""
    include: Sequence[str]
    """`["logprobs"]`: the tokens of the text with their log-probabilities."""
    known_speaker_names: Sequence[str]
    known_speaker_references: Sequence[str | os.PathLike[str] | bytes]
    """For each name a sample of the voice, 2 to 10 s: data: URL, path or content of a file."""
    hotwords: str | Sequence[str]
    """Words that are likely to be said; they are put before the prompt."""
    layout: Layout
    """Limits of the cues in `srt` and `vtt`; default: 42 columns, 2 lines, 1 to 7 seconds."""
    timeout: float | None
    """Seconds that the call may take; default: the client's."""
    threads: int
    """Threads of the call; default: its share of the cores."""
    cancel: CancelToken
    """Stops the call with `earwitness.Cancelled`."""
    on_progress: Callable[[float], object]
    """Called with the share of the audio that is done, 0 to 1, on a thread of the client."""
    on_segment: Callable[[AudioTranscriptionSegment], object]
    """Called with each segment as soon as it is finished, on a thread of the client."""
    beam_size: int
    best_of: int
    fallback_beam_size: int
    search_threshold: float | None
    temperature_increment: float
    logprob_threshold: float | None
    entropy_threshold: float | None
    compression_ratio_threshold: float | None
    no_speech_threshold: float | None
    condition_on_previous_text: bool
    suppress_non_speech: bool
    max_initial_timestamp: float
    full_windows: bool


# Fields of `Options` that a caller may set; the others are the client's affair.
_PASSED_ON: Final = (
    "temperature",
    "beam_size",
    "best_of",
    "fallback_beam_size",
    "search_threshold",
    "temperature_increment",
    "logprob_threshold",
    "entropy_threshold",
    "compression_ratio_threshold",
    "no_speech_threshold",
    "condition_on_previous_text",
    "suppress_non_speech",
    "max_initial_timestamp",
    "full_windows",
    "vad",
    "threads",
    "cancel",
    "on_progress",
)
_KNOWN: Final = (*TranscriptionParams.__annotations__, "file", "response_format", "stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVoice:
    """A speaker whom the caller can name: a sample's content or path."""

    name: str
    reference: str | os.PathLike[str] | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call whose parameters are sound and fit together."""

    options: Options
    """Of the engine; `cancel`, `threads` and `on_progress` are the caller's."""

    response_format: str
    words: bool
    """Whether the answer lists words."""

    logprobs: bool
    diarize: bool
    min_speakers: int | None
    max_speakers: int | None
    voices: tuple[KnownVoice, ...]
    vad: ServerVad | None
    stream: bool
    timeout: float | None
    layout: Layout
    on_segment: Callable[[AudioTranscriptionSegment], object] | None


def parse(
    params: Mapping[str, Any],
    *,
    task: Task,
    model: str | os.PathLike[str],
    timeout: float | None,
) -> Request:
    """The request that the keyword arguments of `create` make.

    Args:
        params: the arguments; those that are None count as not given.
        task: what the resource does.
        model: the one used when none is named.
        timeout: the one used when none is given.

    Raises:
        BadRequestError: `invalid_params`, with the parameter's name in `param`.
    """
    given = {name: value for name, value in params.items() if value is not None}
    _check_names(params)
    stream = _flag("stream", given.get("stream", False))
    response_format = _format(given, stream)
    diarize, fewest, most = _speakers(given, response_format)
    if diarize and response_format == "json":
        response_format = "verbose_json"
    words = "word" in _granularities(given, response_format) or diarize
    # What shows times is worth exact ones, and cuts between words.
    timed = words or stream or response_format not in ("json", "text")
    on_segment = given.get("on_segment")
    if on_segment is not None and not callable(on_segment):
        raise _bad("on_segment", "must be callable")
    return Request(
        options=_options(params, given, task, model, word_timestamps=timed),
        response_format=response_format,
        words=words,
        logprobs=_include(given, response_format),
        diarize=diarize,
        min_speakers=fewest,
        max_speakers=most,
        voices=_voices(given, diarize),
        vad=_vad(given),
        stream=stream,
        timeout=_timeout(params, timeout),
        layout=_layout(given, response_format),
        on_segment=on_segment,
    )


def _bad(param: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{param} {problem}", param=param)


def _check_names(params: Mapping[str, Any]) -> None:
    for name in params:
        if name not in _KNOWN:
            near = difflib.get_close_matches(name, _KNOWN, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise _bad(name, f"is no parameter of this call{hint}")


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    spelt = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, (str, int)) and str(value).strip().lower() in spelt:
        return spelt[str(value).strip().lower()]
    raise _bad(name, f"must be true or false, not {value!r:.40}")


def _format(given: Mapping[str, Any], stream: bool) -> str:
    name = given.get("response_format", "json")
    if not isinstance(name, str) or name not in FORMATS:
        raise _bad("response_format", f"must be one of {', '.join(FORMATS)}, not {name!r:.40}")
    if stream and name not in _STREAMABLE:
        raise _bad("stream", f"gives events, which cannot be {name}; leave response_format out")
    return name


def _speakers(
    given: Mapping[str, Any], response_format: str
) -> tuple[bool, int | None, int | None]:
    implied = response_format in _OF_SPEAKERS
    diarize = _flag("diarize", given.get("diarize", implied))
    if implied and not diarize:
        raise _bad("diarize", f"must not be false with response_format={response_format}")
    fewest, most = _count(given, "min_speakers"), _count(given, "max_speakers")
    for name, count in (("min_speakers", fewest), ("max_speakers", most)):
        if count is not None and not diarize:
            raise _bad(name, "needs diarize=True")
    if fewest is not None and most is not None and fewest > most:
        raise _bad("min_speakers", f"is {fewest}, more than max_speakers, which is {most}")
    return diarize, fewest, most


def _count(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100:
        raise _bad(name, f"must be a whole number from 1 to 100, not {value!r:.40}")
    return value


def _granularities(given: Mapping[str, Any], response_format: str) -> frozenset[str]:
    name = "timestamp_granularities"
    wanted = frozenset(_strings(given, name))
    for value in wanted:
        if value not in ("segment", "word"):
            raise _bad(name, f"must be segment, word or both, not {value!r:.40}")
    if "word" in wanted and response_format not in ("verbose_json",):
        raise _bad(name, f"'word' needs response_format=verbose_json, not {response_format}")
    return wanted


def _strings(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of strings, or one string, in which commas separate."""
    value = given.get(name, ())
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, Sequence) or not all(isinstance(part, str) for part in value):
        raise _bad(name, f"must be a string or a list of strings, not {value!r:.40}")
    return tuple(value)


def _include(given: Mapping[str, Any], response_format: str) -> bool:
    wanted = _strings(given, "include")
    for value in wanted:
        if value != "logprobs":
            raise _bad("include", f"may hold 'logprobs', not {value!r:.40}")
    if wanted and response_format not in ("json", "verbose_json"):
        raise _bad("include", f"needs response_format json or verbose_json, not {response_format}")
    return bool(wanted)


def _voices(given: Mapping[str, Any], diarize: bool) -> tuple[KnownVoice, ...]:
    names = _list(given, "known_speaker_names")
    references = _list(given, "known_speaker_references")
    if not names and not references:
        return ()
    if not diarize:
        raise _bad("known_speaker_names", "needs diarize=True")
    if len(names) != len(references):
        raise _bad(
            "known_speaker_references",
            f"must hold one sample for each name; there are {len(references)} for {len(names)}",
        )
    if len(names) > _MOST_VOICES:
        raise _bad("known_speaker_names", f"may hold {_MOST_VOICES} names")
    for name in names:
        if not isinstance(name, str) or not name.strip() or names.count(name) > 1:
            raise _bad("known_speaker_names", f"must be different names, not {name!r:.40}")
    for reference in references:
        if not isinstance(reference, (str, os.PathLike, bytes)):
            raise _bad("known_speaker_references", "must hold data: URLs, paths or bytes")
    return tuple(
        KnownVoice(name=name, reference=reference)
        for name, reference in zip(names, references, strict=True)
    )


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    value = given.get(name, ())
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise _bad(name, "must be a list")
    return list(value)


_VAD_RANGES: Final = {
    "threshold": (0.0, 1.0),
    "prefix_padding_ms": (0, 10_000),
    "silence_duration_ms": (0, 30_000),
}


def _vad(given: Mapping[str, Any]) -> ServerVad | None:
    strategy = given.get("chunking_strategy", "auto")
    name = "chunking_strategy"
    if strategy == "auto":
        return None
    if not isinstance(strategy, Mapping) or strategy.get("type") != "server_vad":
        raise _bad(name, "must be 'auto' or {'type': 'server_vad', ...}")
    for key, value in strategy.items():
        if key == "type":
            continue
        if key not in _VAD_RANGES:
            raise _bad(name, f"has no field {key!r:.40}; there are {', '.join(_VAD_RANGES)}")
        low, high = _VAD_RANGES[key]
        if (
            not isinstance(value, Real)
            or isinstance(value, bool)
            or not low <= float(value) <= high
        ):
            raise _bad(name, f"has a {key} of {value!r:.40}; it must be {low} to {high}")
    if given.get("vad") is False:
        raise _bad(name, "must not be server_vad with vad=False")
    return ServerVad(**dict(strategy))  # type: ignore[typeddict-item]


def _layout(given: Mapping[str, Any], response_format: str) -> Layout:
    layout = given.get("layout", DEFAULT_LAYOUT)
    if not isinstance(layout, Layout):
        raise _bad("layout", f"must be an earwitness.formats.Layout, not {layout!r:.40}")
    if "layout" in given and response_format not in SUBTITLES:
        raise _bad("layout", f"needs response_format srt or vtt, not {response_format}")
    return layout


def _timeout(params: Mapping[str, Any], default: float | None) -> float | None:
    value = params.get("timeout", default)
    if value is None:
        return None
    if not isinstance(value, Real) or isinstance(value, bool) or not float(value) > 0:
        raise _bad("timeout", f"must be a number of seconds above 0, or None, not {value!r:.40}")
    return float(value)


def _options(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    task: Task,
    model: str | os.PathLike[str],
    *,
    word_timestamps: bool,
) -> Options:
    language = given.get("language")
    if task == "translate":
        # On this resource the hosted service's `language` is the one written, which is English.
        if language is not None and str(language).strip().lower() not in ("en", "english", "auto"):
            raise _bad("language", "must be en, for Whisper translates into English only")
        language = None
    # None is a value of some options, such as a threshold, and says nothing of the others.
    values = {
        name: params[name]
        for name in _PASSED_ON
        if name in given or (name in params and name.endswith("_threshold"))
    }
    with api_errors():
        return Options(
            model=given.get("model", model),
            language=language,
            task=task,
            prompt=_prompt(given),
            word_timestamps=word_timestamps,
            **values,
        )


def _prompt(given: Mapping[str, Any]) -> str:
    prompt = given.get("prompt", "")
    if not isinstance(prompt, str):
        raise _bad("prompt", f"must be a string, not {prompt!r:.40}")
    hotwords = _strings(given, "hotwords")
    return f"{', '.join(hotwords)}. {prompt}".strip() if hotwords else prompt
