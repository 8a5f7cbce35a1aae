"""Who spoke when, by the networks that the package ships."""

from __future__ import annotations

import os
from numbers import Real
from typing import TYPE_CHECKING, Any

from earwitness import _core
from earwitness.errors import InvalidOptionError
from earwitness.options import SAMPLE_RATE, Options
from earwitness.pcm import samples_of
from earwitness.shipped import load, once
from earwitness.speakers import join_words as join_by_overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earwitness.pcm import AudioInput
    from earwitness.speakers import DiarizationLike
    from earwitness.spoken import SpokenWord


class Diarizer:
    """Finds the speakers of recordings; its weights are loaded once, for many calls and threads."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        """Load the weights.

        Args:
            path: another GGUF file of the same two networks; None = the one in the package.

        Raises:
            ModelError: the file is damaged or of another kind.
        """
        self._native = load(_core.Diarizer, path, "diarizer.gguf")

    def diarize(
        self,
        audio: AudioInput,
        *,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        num_speakers: int | None = None,
        hop: float = 0.0,
        threads: int = 0,
        sample_rate: int = SAMPLE_RATE,
        channels: int = 1,
        cancel: _core.CancelToken | None = None,
        on_progress: Callable[[float], object] | None = None,
    ) -> _core.Diarization:
        """The turns of a recording's speakers.

        A file given by its path is heard as it is decoded, and its samples are then forgotten (but
        for kinds that need PyAV or ffmpeg): 100 MB are enough for an hour of it.

        Args:
            audio: as for `Engine.transcribe`.
            min_speakers: the least number of speakers to find, at least 1.
            max_speakers: the most, at most 100.
            num_speakers: the number, where it is known; the bounds are then of no use.
            hop: seconds between two windows of the segmentation network, 0.5 to 5; cost is in
                proportion to its inverse. 0 = 1 s for recordings under two minutes, else 2 s.
            threads: for this call; 0 = as many as the machine has cores, 4 at most.
            sample_rate: of a PCM buffer, in Hz.
            channels: of a PCM buffer, interleaved.
            cancel: stops the call with `Cancelled`.
            on_progress: called with the share that is done, 0 to 1.

        Raises:
            AudioError: the audio cannot be used.
            InvalidOptionError: a number is none or out of range, the bounds contradict each other,
                or the recording cannot hold the least number of speakers.
            Cancelled: `cancel` was used.
        """
        Options(
            diarize=True,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
            num_speakers=num_speakers,
            threads=threads,
            sample_rate=sample_rate,
            channels=channels,
            cancel=cancel,
            on_progress=on_progress,
        )  # checks them
        if not isinstance(hop, Real):
            raise InvalidOptionError(f"hop must be a number of seconds, not {hop!r:.60}")
        chosen: Any = {
            "min_speakers": min_speakers,
            "max_speakers": max_speakers,
            "num_speakers": num_speakers,
            "hop": float(hop),
            "threads": threads,
            "cancel": cancel,
            "on_progress": on_progress,
        }
        if isinstance(audio, (str, os.PathLike)):
            # A long recording's samples need not be in memory at a time.
            from earwitness.audio import read_path

            return read_path(
                audio,
                lambda name: self._native.diarize_file(name, **chosen),
                lambda samples: self._native.diarize(samples, **chosen),
                cancel,
            )
        pcm = samples_of(audio, sample_rate=sample_rate, channels=channels, cancel=cancel)
        return self._native.diarize(pcm, **chosen)

    def embed(
        self,
        audio: AudioInput,
        *,
        sample_rate: int = SAMPLE_RATE,
        channels: int = 1,
        cancel: _core.CancelToken | None = None,
    ) -> list[float]:
        """The voice in a recording of one speaker, best 2 to 10 s: 192 numbers of unit length.

        Raises:
            AudioError: the audio cannot be used, or is shorter than 25 ms.
            Cancelled: `cancel` was used.
        """
        pcm = samples_of(audio, sample_rate=sample_rate, channels=channels, cancel=cancel)
        return self._native.embed(pcm, cancel=cancel)


@once
def shared_diarizer() -> Diarizer:
    """The package's diarizer, loaded on first use and then kept."""
    return Diarizer()


def join_words(words: Sequence[SpokenWord], diarization: DiarizationLike) -> list[int]:
    """Give each word the index of its speaker, by turns, pauses and sentences.

    The diarizations of other diarizers than ours have turns only to go by.
    """
    if not isinstance(diarization, _core.Diarization):
        return join_by_overlap(words, diarization)
    owners = _core.attribute_words(
        [(word.start, word.end, word.text) for word in words], diarization
    )
    return [max(speaker, 0) for speaker, _ in owners]
