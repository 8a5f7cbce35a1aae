"""A writer of GGUF version 3, the container that ggml reads.

Layout (ggml's gguf.h): magic, version, tensor count, key count; the key-value pairs; name, shape
(fastest dimension first), type and offset of each tensor; then the tensors, each padded to 32
bytes. All numbers are little-endian. The same input always gives the same bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earwitness.convert.quantize import BLOCK, quantize_q8_0

FloatArray = NDArray[np.float32]
Precision = Literal["f32", "f16", "i16", "q8_0"]

ALIGNMENT = 32
_VERSION = 3
_UINT32, _STRING = 4, 8  # enum gguf_type
_GGML_TYPES: dict[Precision, int] = {"f32": 0, "f16": 1, "q8_0": 8, "i16": 25}  # enum ggml_type

# Key under which the CRC-32 of everything after the header is stored, padding included.
CHECKSUM_KEY = "earwitness.data_crc32"


@dataclass(frozen=True)
class GgufTensor:
    """Values and the precision to store them in.

    q8_0 needs rows of a multiple of 32. i16 is a matrix of whole numbers, to be multiplied by one
    float32 for each row, which is a tensor of its own (`scale`): the size of f16 at a fifth of its
    error, as weights need no exponent each.
    """

    values: FloatArray
    precision: Precision = "f32"

    def scale(self) -> FloatArray:
        """The step of each row of an i16 matrix."""
        peak = np.abs(self.values).max(axis=1).astype(np.float32)
        out: FloatArray = np.where(peak > 0, peak / np.float32(32767.0), np.float32(1.0))
        return out

    def _codes(self) -> NDArray[np.int16]:
        steps = self.scale().astype(np.float64)[:, None]
        return np.rint(self.values.astype(np.float64) / steps).astype("<i2")

    def encode(self) -> bytes:
        """The stored bytes."""
        if self.precision == "q8_0":
            if self.values.shape[-1] % BLOCK:
                raise ValueError(f"q8_0 rows of {self.values.shape[-1]} values")
            return quantize_q8_0(self.values).tobytes()
        if self.precision == "i16":
            return self._codes().tobytes()
        return self.values.astype("<f2" if self.precision == "f16" else "<f4").tobytes()

    def stored(self) -> FloatArray:
        """The values as a reader of the file gets them."""
        if self.precision == "q8_0":
            blocks = quantize_q8_0(self.values)
            scales = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
            codes = np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32)
            return (scales * codes).reshape(self.values.shape)
        if self.precision == "i16":
            return self._codes().astype(np.float32) * self.scale()[:, None]
        kind = np.float16 if self.precision == "f16" else np.float32
        return self.values.astype(kind).astype(np.float32)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _pair(key: str, value: str | int) -> bytes:
    if isinstance(value, str):
        return _string(key) + struct.pack("<I", _STRING) + _string(value)
    return _string(key) + struct.pack("<II", _UINT32, value)


def _padding(size: int) -> bytes:
    return bytes(-size % ALIGNMENT)


def encode_gguf(metadata: Mapping[str, str | int], tensors: Mapping[str, GgufTensor]) -> bytes:
    """The whole file. `metadata` may hold strings and unsigned 32-bit numbers."""
    infos = bytearray()
    data = bytearray()
    for name, tensor in tensors.items():
        shape = tensor.values.shape[::-1]
        infos += _string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        infos += struct.pack("<IQ", _GGML_TYPES[tensor.precision], len(data))
        data += tensor.encode()
        data += _padding(len(data))
    pairs = {**metadata, CHECKSUM_KEY: zlib.crc32(data)}
    header = bytearray(b"GGUF")
    header += struct.pack("<IQQ", _VERSION, len(tensors), len(pairs))
    for key, value in pairs.items():
        header += _pair(key, value)
    header += infos
    return bytes(header + _padding(len(header)) + data)
