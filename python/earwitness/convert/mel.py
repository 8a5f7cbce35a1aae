"""Whisper's mel filter bank, computed.

Whisper was trained on librosa's default filters for 16 kHz and 400-point frames: the mel scale and
the area normalisation of Malcolm Slaney's Auditory Toolbox (1998), as in `librosa.filters.mel`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000
FRAME_LENGTH = 400

# Slaney's scale: linear (200/3 Hz a step) up to 1 kHz, then 27 steps for each factor of 6.4.
_LINEAR_STEP = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_STEP
_LOG_STEP = math.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_STEP
    return _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mel: float) -> float:
    if mel < _BREAK_MEL:
        return mel * _LINEAR_STEP
    return _BREAK_HZ * math.exp(_LOG_STEP * (mel - _BREAK_MEL))


def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """The filter bank for `n_mels` bands, float32 of shape (n_mels, 201), each of unit area."""
    bins = np.linspace(0.0, SAMPLE_RATE / 2, FRAME_LENGTH // 2 + 1)
    mels = np.linspace(_hz_to_mel(0.0), _hz_to_mel(SAMPLE_RATE / 2), n_mels + 2)
    edges = np.array([_mel_to_hz(float(mel)) for mel in mels])
    rise = (bins[None, :] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins[None, :]) / np.diff(edges)[1:, None]
    # librosa rounds to float32 before it normalises; doing the same gives its very bits.
    triangles = np.maximum(0.0, np.minimum(rise, fall)).astype(np.float32)
    heights = 2.0 / (edges[2:] - edges[:-2])
    filters: NDArray[np.float32] = (triangles * heights[:, None]).astype(np.float32)
    return filters
