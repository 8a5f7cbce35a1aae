"""The package's conversation as a person heard it, and how far a diarization is from that."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from earwitness import Diarization
from earwitness.speakers import DiarizationLike

Pcm = npt.NDArray[np.float32]

RATE: Final = 16000
DIANE: Final = "Diane"
SHEILA: Final = "Sheila"

# Who speaks from when to when, in seconds: the human annotation that comes with the recording.
REFERENCE: Final = [
    (6.690, 7.120, DIANE),
    (7.550, 8.350, SHEILA),
    (8.320, 10.020, DIANE),
    (9.920, 11.030, SHEILA),
    (10.570, 14.700, DIANE),
    (14.490, 17.920, SHEILA),
    (18.050, 21.490, DIANE),
    (18.150, 18.590, SHEILA),
    (21.780, 28.500, SHEILA),
    (27.850, 30.000, DIANE),
]


def clip(pcm: Pcm, start: float, end: float) -> Pcm:
    """From `start` to `end`, in seconds."""
    return pcm[int(start * RATE) : int(end * RATE)]


def frames(turns: Iterable[tuple[float, float, Any]], names: Sequence[Any]) -> npt.NDArray[np.bool]:
    """Who of `names` speaks in each hundredth of a second of the recording."""
    out = np.zeros((len(names), 3000), bool)
    for start, end, name in turns:
        out[names.index(name), round(100 * start) : round(100 * end)] = True
    return out


def error_rate(found: DiarizationLike) -> float:
    """Diarization error rate: no collar, overlapped speech scored, the best naming of speakers."""
    names = [DIANE, SHEILA]
    truth = frames(REFERENCE, names)
    speakers = list(range(max(len(found.speakers), len(names))))
    heard = frames([(t.start, t.end, t.speaker) for t in found.turns], speakers)
    right = max(
        np.count_nonzero(truth & heard[list(order)])
        for order in itertools.permutations(speakers, len(names))
    )
    return float((np.maximum(truth.sum(0), heard.sum(0)).sum() - right) / truth.sum())


def owners(found: Diarization, start: float, end: float) -> set[int]:
    """The speakers of `exclusive` turns between `start` and `end`, in seconds."""
    return {turn.speaker for turn in found.exclusive if turn.start < end and start < turn.end}
