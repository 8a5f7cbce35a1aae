"""The recipe of one call: file → samples → segments → who said each word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earwitness import engine
from earwitness.api_errors import BadRequestError, api_errors
from earwitness.chunking import plan
from earwitness.client import sources
from earwitness.client.chunks import Heard, transcribe_chunks
from earwitness.client.headers import stated_duration
from earwitness.client.limits import DEFAULT_LIMITS, Limits
from earwitness.diarizer import join_words, shared_diarizer
from earwitness.options import SAMPLE_RATE, Options
from earwitness.sentences import split
from earwitness.spans import shared_finder
from earwitness.speakers import JoinWords, NamedVoice, attribute
from earwitness.spoken import SpokenSegment, SpokenTranscript

if TYPE_CHECKING:
    from earwitness._core import CancelToken, Segment, Transcript
    from earwitness.audio import Samples
    from earwitness.chunking import SpeechFinderLike
    from earwitness.client.parameters import KnownVoice, Request
    from earwitness.speakers import DiarizerLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the calls of a client share."""

    limits: Limits = DEFAULT_LIMITS
    diarizer: DiarizerLike | None = None
    """None = the one in the package."""

    join: JoinWords = join_words
    speech: SpeechFinderLike | None = None
    """None = the one in the package."""


SHORTEST_VOICE: Final = 2.0
LONGEST_VOICE: Final = 10.0
"""Seconds of a known speaker's sample, as the hosted service's documents have it."""


def hear(
    request: Request,
    file: object,
    services: Services,
    *,
    cancel: CancelToken,
    threads: int,
    on_segment: Callable[[SpokenSegment], object],
) -> SpokenTranscript:
    """What is said in a recording.

    Args:
        threads: for the engine, unless the request names a number.
        on_segment: takes each segment as soon as it is finished, before its speakers are known.

    Raises:
        APIError: as `earwitness.api_errors` has it.
        Cancelled: `cancel` was used.
    """
    with api_errors():
        pcm = _samples(file, services.limits, cancel)
        threads = request.options.threads or threads
        if not request.diarize:
            return _transcribe(request, pcm, services, cancel, threads, on_segment)
        diarizer = services.diarizer or shared_diarizer()
        known = [_known(voice, diarizer, cancel) for voice in request.voices]
        wanted = Options(
            diarize=True,
            min_speakers=request.min_speakers,
            max_speakers=request.max_speakers,
            threads=max(1, threads // 2),
            cancel=cancel,
        )
        with engine.diarizing(pcm.data, wanted, diarizer) as speakers:
            transcript = _transcribe(request, pcm, services, cancel, threads, on_segment)
            diarization = speakers.result()
        return attribute(transcript, diarization, known=known, join=services.join)


def _samples(file: object, limits: Limits, cancel: CancelToken) -> Samples:
    with sources.opened(file, limits, cancel) as source:
        stated = stated_duration(source)
        if stated is not None:
            _check_duration(stated, limits)
        pcm = _decode(source, cancel)
    _check_duration(len(pcm) / SAMPLE_RATE, limits)
    return pcm


def _decode(source: Path | bytes, cancel: CancelToken) -> Samples:
    # Decoding brings numpy, which need not be there before there is something to decode.
    from earwitness.audio import load_audio

    return load_audio(source, cancel=cancel)


def _check_duration(seconds: float, limits: Limits) -> None:
    if seconds > limits.duration:
        raise BadRequestError(
            f"the recording is {seconds / 3600:.2f} hours long, and {limits.duration / 3600:.2f} "
            "are allowed; split it, or allow more with Limits(duration=...)",
            code="audio_too_long",
            param="file",
        )


def _transcribe(
    request: Request,
    pcm: Samples,
    services: Services,
    cancel: CancelToken,
    threads: int,
    on_segment: Callable[[SpokenSegment], object],
) -> SpokenTranscript:
    segments: list[SpokenSegment] = []

    def take(segment: Segment | SpokenSegment) -> None:
        for part in split(segment, len(segments)):
            segments.append(part)
            on_segment(part)

    options = request.options.replace(threads=threads, cancel=cancel)
    if options.vad:
        settings = _vad_settings(request)
        if services.speech is None:
            spans = shared_finder().find(pcm.data, threads=threads, cancel=cancel, **settings)
        else:
            spans = list(services.speech.find(pcm.data, cancel=cancel, **settings))
        chunks = plan(spans, len(pcm) / SAMPLE_RATE)
        heard: Heard | Transcript = transcribe_chunks(pcm, chunks, options, take)
    else:
        heard = engine.transcribe(pcm.data, options, on_segment=take)
    return SpokenTranscript(
        task=heard.task,
        language=heard.language,
        duration=len(pcm) / SAMPLE_RATE,
        segments=tuple(segments),
    )


def _vad_settings(request: Request) -> dict[str, Any]:
    """The hosted API's settings in seconds."""
    vad = request.vad or {}
    names = {
        "threshold": ("threshold", 1.0),
        "prefix_padding_ms": ("padding", 1e-3),
        "silence_duration_ms": ("min_silence", 1e-3),
    }
    return {
        names[key][0]: value * names[key][1]  # type: ignore[operator]
        for key, value in vad.items()
        if key in names
    }


def _known(voice: KnownVoice, diarizer: DiarizerLike, cancel: CancelToken) -> NamedVoice:
    param = "known_speaker_references"
    reference = voice.reference
    if isinstance(reference, str) and reference[:5].lower() == "data:":
        reference = sources.data_url(reference, param)
    with api_errors(param):
        pcm = _decode(reference if isinstance(reference, bytes) else Path(reference), cancel)
    seconds = len(pcm) / SAMPLE_RATE
    if not SHORTEST_VOICE <= seconds <= LONGEST_VOICE:
        raise BadRequestError(
            f"{param} must hold samples of {SHORTEST_VOICE:g} to {LONGEST_VOICE:g} seconds; that "
            f"of {voice.name} has {seconds:.1f}",
            param=param,
        )
    return NamedVoice(voice.name, diarizer.embed(pcm.data, cancel=cancel))
