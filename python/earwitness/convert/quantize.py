"""ggml's block quantisation in numpy, bit for bit as ggml's reference quantisers.

Source of the formulas: `quantize_row_q8_0_ref`, `quantize_row_q5_0_ref` and
`quantize_row_q5_1_ref` in ggml-quants.c. A block is 32 consecutive values of a row:

- q8_0: a float16 scale, 32 int8 values;
- q5_0: a float16 scale, 32 fifth bits, 16 bytes of low nibbles (first half low, second half high);
- q5_1: as q5_0 with a float16 minimum after the scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 32

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]


def _divided(values: FloatArray, divisor: float) -> FloatArray:
    """values/divisor in float32."""
    out: FloatArray = np.divide(values, np.float32(divisor), dtype=np.float32)
    return out


def _inverse(scale: FloatArray) -> FloatArray:
    """1/scale in float32, and 0 where the scale is 0 (a block of zeros)."""
    out = np.zeros_like(scale)
    np.divide(np.float32(1.0), scale, out=out, where=scale != 0)
    return out


def _blocks(values: FloatArray) -> FloatArray:
    if values.shape[-1] % BLOCK:
        raise ValueError(f"the row length {values.shape[-1]} is not a multiple of {BLOCK}")
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1, BLOCK)


def _half_bytes(column: FloatArray) -> ByteArray:
    return column.astype("<f2").reshape(-1, 1).view(np.uint8)


def _pack_five_bits(codes: ByteArray) -> ByteArray:
    """(blocks, 32) codes of 0..31 to (blocks, 20) bytes: the fifth bits, then the nibbles."""
    high = np.packbits(codes >> 4, axis=1, bitorder="little")
    low = codes & 0x0F
    return np.concatenate([high, low[:, :16] | (low[:, 16:] << 4)], axis=1)


def quantize_q8_0(values: FloatArray) -> ByteArray:
    """float32 of shape (..., 32 n) to bytes of shape (blocks, 34)."""
    x = _blocks(values)
    scale = _divided(np.abs(x).max(axis=1), 127.0)
    scaled = x * _inverse(scale)[:, None]
    # roundf() rounds halves away from zero; float64 keeps the added half exact.
    wide = scaled.astype(np.float64)
    codes = np.trunc(wide + np.copysign(0.5, wide)).astype(np.int8)
    return np.concatenate([_half_bytes(scale), codes.view(np.uint8)], axis=1)


def quantize_q5_0(values: FloatArray) -> ByteArray:
    """float32 of shape (..., 32 n) to bytes of shape (blocks, 22)."""
    x = _blocks(values)
    # The first value of the largest magnitude, with its sign, becomes code 0 (that is, -16).
    peak: FloatArray = np.take_along_axis(x, np.abs(x).argmax(axis=1)[:, None], axis=1)[:, 0]
    scale = _divided(peak, -16.0)
    inverse: FloatArray = _inverse(scale)[:, None]
    shifted = x * inverse + np.float32(16.5)
    codes = np.minimum(shifted.astype(np.int32), 31).astype(np.uint8)
    return np.concatenate([_half_bytes(scale), _pack_five_bits(codes)], axis=1)


def quantize_q5_1(values: FloatArray) -> ByteArray:
    """float32 of shape (..., 32 n) to bytes of shape (blocks, 24)."""
    x = _blocks(values)
    low: FloatArray = x.min(axis=1)
    high: FloatArray = x.max(axis=1)
    scale = _divided(high - low, 31.0)
    shifted = (x - low[:, None]) * _inverse(scale)[:, None] + np.float32(0.5)
    codes = shifted.astype(np.int32).astype(np.uint8)
    packed = _pack_five_bits(codes)
    return np.concatenate([_half_bytes(scale), _half_bytes(low), packed], axis=1)
