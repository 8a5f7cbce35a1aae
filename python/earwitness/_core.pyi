"""Types of the native module, checked against the built one by `stubtest`.

All times are seconds, all sample rates Hz, all log-probabilities natural logarithms.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, final

from typing_extensions import Buffer

__version__: str

@final
class CancelToken:
    """Stops the calls it is given to, from any thread; one token may serve many calls."""

    def __init__(self) -> None: ...
    def cancel(self) -> None: ...
    @property
    def cancelled(self) -> bool: ...
    def child(self) -> CancelToken:
        """A token that is cancelled with this one, and by itself without this one."""

@final
class Token:
    """One decoded text token."""

    @property
    def id(self) -> int: ...
    @property
    def text(self) -> bytes:
        """The token's bytes; one character may be spread over several tokens."""
    @property
    def logprob(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class Word:
    """A word with its time; `text` keeps the space that precedes it."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def confidence(self) -> float:
        """Mean probability of the word's tokens, 0 to 1."""
    @property
    def speaker(self) -> str:
        """Label such as `SPEAKER_00`; empty unless speakers were asked for."""
    @property
    def speaker_confidence(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class Segment:
    """A stretch of speech with its text; `text` keeps the space that precedes it."""

    @property
    def id(self) -> int: ...
    @property
    def seek(self) -> int:
        """Start of the decoded window, in hundredths of a second."""
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def tokens(self) -> list[Token]: ...
    @property
    def words(self) -> list[Word]:
        """Empty unless `word_timestamps` was asked for."""
    @property
    def temperature(self) -> float: ...
    @property
    def avg_logprob(self) -> float: ...
    @property
    def no_speech_prob(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class SpeakerSegment:
    """Consecutive words of one speaker."""

    @property
    def speaker(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def words(self) -> list[Word]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class Timings:
    """Wall-clock seconds spent in each stage of one call."""

    @property
    def mel(self) -> float: ...
    @property
    def encode(self) -> float: ...
    @property
    def decode(self) -> float: ...
    @property
    def align(self) -> float: ...
    @property
    def total(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class Transcript:
    """What one call heard."""

    @property
    def text(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def language(self) -> str:
        """Code such as `en`: the one asked for or the one detected."""
    @property
    def language_probability(self) -> float:
        """1.0 when the language was given or the model knows only one."""
    @property
    def duration(self) -> float: ...
    @property
    def segments(self) -> list[Segment]: ...
    @property
    def speaker_segments(self) -> list[SpeakerSegment]:
        """Empty unless speakers were asked for."""
    @property
    def words(self) -> list[Word]:
        """The words of all segments, in order."""
    @property
    def timings(self) -> Timings: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class TranscribeOptions:
    """Validated decoding options; see `earwitness.Options` for the meaning of each."""

    def __init__(
        self,
        *,
        language: str | None = ...,
        task: str = ...,
        prompt: str = ...,
        temperature: float = ...,
        temperature_increment: float = ...,
        best_of: int = ...,
        beam_size: int = ...,
        fallback_beam_size: int = ...,
        search_threshold: float | None = ...,
        logprob_threshold: float | None = ...,
        entropy_threshold: float | None = ...,
        compression_ratio_threshold: float | None = ...,
        no_speech_threshold: float | None = ...,
        condition_on_previous_text: bool = ...,
        suppress_non_speech: bool = ...,
        max_initial_timestamp: float = ...,
        full_windows: bool = ...,
        word_timestamps: bool = ...,
        spans: Sequence[tuple[float, float]] | None = ...,
        threads: int = ...,
    ) -> None: ...
    @property
    def language(self) -> str | None: ...
    @property
    def task(self) -> str: ...
    @property
    def prompt(self) -> str: ...
    @property
    def temperature(self) -> float: ...
    @property
    def temperature_increment(self) -> float: ...
    @property
    def best_of(self) -> int: ...
    @property
    def beam_size(self) -> int: ...
    @property
    def fallback_beam_size(self) -> int: ...
    @property
    def search_threshold(self) -> float | None: ...
    @property
    def logprob_threshold(self) -> float | None: ...
    @property
    def entropy_threshold(self) -> float | None: ...
    @property
    def compression_ratio_threshold(self) -> float | None: ...
    @property
    def no_speech_threshold(self) -> float | None: ...
    @property
    def condition_on_previous_text(self) -> bool: ...
    @property
    def suppress_non_speech(self) -> bool: ...
    @property
    def max_initial_timestamp(self) -> float: ...
    @property
    def full_windows(self) -> bool: ...
    @property
    def word_timestamps(self) -> bool: ...
    @property
    def spans(self) -> list[tuple[float, float]] | None: ...
    @property
    def threads(self) -> int: ...

@final
class ModelInfo:
    """What a model file says of itself."""

    @property
    def type(self) -> str:
        """`tiny`, `base`, `small`, `medium`, `large`, `turbo` or `custom`."""
    @property
    def weights(self) -> str:
        """`f32`, `f16`, `q8_0`, `q5_0`, `q5_1`, `q4_0` or `q4_1`."""
    @property
    def multilingual(self) -> bool: ...
    @property
    def languages(self) -> list[str]: ...
    @property
    def n_mels(self) -> int: ...
    @property
    def n_audio_ctx(self) -> int: ...
    @property
    def n_vocab(self) -> int: ...

@final
class Engine:
    """A loaded model; serves any number of threads at once."""

    def __init__(
        self, path: str | PathLike[str], *, device: str = ..., precision: str = ...
    ) -> None: ...
    def transcribe(
        self,
        pcm: Buffer,
        options: TranscribeOptions,
        *,
        cancel: CancelToken | None = ...,
        on_progress: Callable[[float], object] | None = ...,
        on_segment: Callable[[Segment], object] | None = ...,
    ) -> Transcript: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def model(self) -> ModelInfo: ...
    @property
    def device(self) -> str: ...

@final
class Pcm(Buffer):
    """16 kHz mono float32 samples in [-1, 1], as a buffer without a copy."""

    def __len__(self) -> int: ...
    @property
    def duration(self) -> float: ...

def decode_audio(
    data: Buffer,
    *,
    cancel: CancelToken | None = ...,
) -> Pcm: ...
def decode_audio_file(
    path: str | PathLike[str],
    *,
    cancel: CancelToken | None = ...,
) -> Pcm: ...
def sniff_audio(head: Buffer) -> str: ...
def as_pcm(
    samples: Buffer,
    *,
    sample_rate: int = ...,
    channels: int = ...,
    cancel: CancelToken | None = ...,
) -> Buffer:
    """16 kHz mono float32: `samples` itself where it is that, else a `Pcm`."""

def devices() -> list[str]: ...
def system_info() -> str: ...
def published_heads() -> dict[str, list[tuple[int, int]]]:
    """Layers and heads of the cross attention that OpenAI published as following the words.

    By the catalogue's family, such as `large-v3`.
    """

@final
class Turn:
    """A stretch in which one speaker is heard."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def speaker(self) -> int:
        """Index into the diarization's speakers."""
    @property
    def confidence(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class Speaker:
    """One of the voices of a recording."""

    @property
    def label(self) -> str: ...
    @property
    def voice(self) -> list[float]:
        """The voice's vector: 192 numbers, of unit length."""
    @property
    def seconds(self) -> float: ...
    @property
    def confidence(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class Diarization:
    """Who spoke when."""

    @property
    def duration(self) -> float: ...
    @property
    def speakers(self) -> list[Speaker]: ...
    @property
    def turns(self) -> list[Turn]:
        """By start; turns of different speakers may overlap."""
    @property
    def exclusive(self) -> list[Turn]:
        """One speaker at a time: the one that words belong to."""
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class Diarizer:
    """The networks that find speakers; serves any number of threads at once."""

    def __init__(self, path: str | PathLike[str]) -> None: ...
    def diarize(
        self,
        pcm: Buffer,
        *,
        min_speakers: int | None = ...,
        max_speakers: int | None = ...,
        num_speakers: int | None = ...,
        hop: float = ...,
        threads: int = ...,
        cancel: CancelToken | None = ...,
        on_progress: Callable[[float], object] | None = ...,
    ) -> Diarization: ...
    def diarize_file(
        self,
        path: str | PathLike[str],
        *,
        min_speakers: int | None = ...,
        max_speakers: int | None = ...,
        num_speakers: int | None = ...,
        hop: float = ...,
        threads: int = ...,
        cancel: CancelToken | None = ...,
        on_progress: Callable[[float], object] | None = ...,
    ) -> Diarization: ...
    def embed(
        self,
        pcm: Buffer,
        *,
        cancel: CancelToken | None = ...,
    ) -> list[float]: ...

def attribute(transcript: Transcript, diarization: Diarization) -> Transcript: ...
def attribute_words(
    words: Sequence[tuple[float, float, str]], diarization: Diarization
) -> list[tuple[int, float]]: ...
def check_speakers(
    *,
    min_speakers: int | None = ...,
    max_speakers: int | None = ...,
    num_speakers: int | None = ...,
) -> None: ...

@final
class SpeechFinder:
    """The network that finds speech; serves any number of threads at once."""

    def __init__(self, path: str | PathLike[str]) -> None: ...
    def probabilities(
        self,
        pcm: Buffer,
        *,
        threads: int = ...,
        cancel: CancelToken | None = ...,
    ) -> list[float]:
        """The probability of speech in each frame of 512 samples at 16 kHz."""
    def find(
        self,
        pcm: Buffer,
        *,
        threshold: float = ...,
        padding: float = ...,
        min_silence: float = ...,
        min_speech: float = ...,
        threads: int = ...,
        cancel: CancelToken | None = ...,
    ) -> list[tuple[float, float]]: ...

@final
class SpeechStream:
    """The same for audio that is still coming in; for one thread at a time."""

    def __init__(self, finder: SpeechFinder) -> None: ...
    def push(self, pcm: Buffer) -> list[float]:
        """The probabilities of the frames that these 16 kHz mono samples complete."""
    def reset(self) -> None: ...

@final
class VoiceMatch:
    """The known voice that a sample is taken for."""

    @property
    def name(self) -> str: ...
    @property
    def score(self) -> float:
        """Cosine of the sample and the named voice."""
    @property
    def margin(self) -> float:
        """Score less that of the runner-up."""
    def __eq__(self, other: object, /) -> bool: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

@final
class Voices:
    """A store of named voices; see `earwitness.Diarizer.embed` for where samples come from."""

    def __init__(self) -> None: ...
    def add(self, name: str, sample: Sequence[float]) -> None: ...
    def remove(self, name: str) -> bool: ...
    def match(
        self, sample: Sequence[float], *, threshold: float = ..., margin: float = ...
    ) -> VoiceMatch | None: ...
    @property
    def names(self) -> list[str]: ...
    def __len__(self) -> int: ...
    def samples(self, name: str) -> int: ...
    def voice(self, name: str) -> list[float] | None: ...
    def save(self, path: str | PathLike[str]) -> None: ...
    @staticmethod
    def load(path: str | PathLike[str]) -> Voices: ...
