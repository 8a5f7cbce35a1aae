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
        logprob_threshold: float | None = ...,
        entropy_threshold: float | None = ...,
        no_speech_threshold: float | None = ...,
        condition_on_previous_text: bool = ...,
        suppress_non_speech: bool = ...,
        max_initial_timestamp: float = ...,
        word_timestamps: bool = ...,
        spans: Sequence[tuple[float, float]] = ...,
        threads: int = ...,
    ) -> None: ...

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

    def __init__(self, path: str | PathLike[str], *, device: str = ...) -> None: ...
    def transcribe(
        self,
        pcm: Buffer,
        options: TranscribeOptions,
        *,
        sample_rate: int = ...,
        channels: int = ...,
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
    """16 kHz mono float32 samples in [-1, 1]; exposes them through the buffer protocol without a copy."""

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
def read_pcm(pcm: Buffer, *, sample_rate: int = ..., channels: int = ...) -> Pcm: ...
def devices() -> list[str]: ...
def system_info() -> str: ...
