"""Where there is speech, by the network that the package ships: Silero VAD v6.2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earwitness import _core
from earwitness.options import SAMPLE_RATE
from earwitness.pcm import samples_of
from earwitness.shipped import load, once

if TYPE_CHECKING:
    import os

    from typing_extensions import Buffer

    from earwitness.pcm import AudioInput

FRAME: Final = 512
"""Samples at 16 kHz of a frame, which has one probability: 32 ms."""


class SpeechFinder:
    """Tells speech from silence, noise and music; loaded once, for many calls and threads."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        """Load the weights.

        Args:
            path: another file of the same network, in whisper.cpp's layout; None = the one in the
                package.

        Raises:
            ModelError: the file is damaged or of another kind.
        """
        self._native = load(_core.SpeechFinder, path, "silero-vad.bin")

    def find(
        self,
        audio: AudioInput,
        *,
        threshold: float = 0.3,
        padding: float = 0.25,
        min_silence: float = 0.5,
        min_speech: float = 0.25,
        threads: int = 0,
        sample_rate: int = SAMPLE_RATE,
        channels: int = 1,
        cancel: _core.CancelToken | None = None,
    ) -> list[tuple[float, float]]:
        """The stretches of speech as (start, end) in seconds, in order and apart.

        Defaults are those of the hosted service's own detector (Together's). Silero's
        `get_speech_timestamps` has 0.5, 0.03, 0.1 and 0.25, which lose speech that is far from the
        microphone. A recording whose loudest second is below -14 dB of full scale (root mean
        square 0.2) is heard that loud, by 40 dB at most: the network misses speech that is quiet.

        Args:
            audio: as for `Engine.transcribe`.
            threshold: speech begins at this probability, 0 to 1, and ends 0.15 below it.
            padding: seconds added on each side, at most half of the silence to the next stretch.
            min_silence: seconds; a shorter silence does not end a stretch.
            min_speech: seconds; a shorter stretch is none.
            threads: for this call; 0 = as many as the machine has cores, 4 at most.
            sample_rate: of a PCM buffer, in Hz.
            channels: of a PCM buffer, interleaved.
            cancel: stops the call with `Cancelled`.

        Raises:
            AudioError: the audio cannot be used.
            InvalidOptionError: a number is out of range.
            Cancelled: `cancel` was used.
        """
        pcm = samples_of(audio, sample_rate=sample_rate, channels=channels, cancel=cancel)
        return self._native.find(
            pcm,
            threshold=threshold,
            padding=padding,
            min_silence=min_silence,
            min_speech=min_speech,
            threads=threads,
            cancel=cancel,
        )

    def probabilities(
        self,
        audio: AudioInput,
        *,
        threads: int = 0,
        sample_rate: int = SAMPLE_RATE,
        channels: int = 1,
        cancel: _core.CancelToken | None = None,
    ) -> list[float]:
        """The probability of speech of each frame of `FRAME` samples, at the level it has.

        Arguments and errors are those of `find`.
        """
        pcm = samples_of(audio, sample_rate=sample_rate, channels=channels, cancel=cancel)
        return self._native.probabilities(pcm, threads=threads, cancel=cancel)

    def stream(self) -> SpeechStream:
        """For audio that is still coming in."""
        return SpeechStream(self._native)


class SpeechStream:
    """Probabilities of live audio, in pieces of any length; made by `SpeechFinder.stream`.

    They are those of `SpeechFinder.probabilities`: what is to come is not known, so that quiet
    audio stays as quiet as it is.
    """

    def __init__(self, finder: _core.SpeechFinder) -> None:
        self._native = _core.SpeechStream(finder)

    def push(self, pcm: Buffer) -> list[float]:
        """The probabilities of the frames that these samples complete.

        Args:
            pcm: 16 kHz mono, float32 in [-1, 1] or int16.

        Raises:
            AudioError: the samples cannot be used; none of them is then taken.
        """
        if not memoryview(pcm).nbytes:
            return []
        return self._native.push(pcm)

    def reset(self) -> None:
        """Begin another recording."""
        self._native.reset()


@once
def shared_finder() -> SpeechFinder:
    """The package's speech finder, loaded on first use and then kept."""
    return SpeechFinder()
