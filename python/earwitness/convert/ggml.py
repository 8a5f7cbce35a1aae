"""The writer of whisper.cpp's ggml model files.

The format is the one `whisper_model_load` in whisper.cpp reads: magic, eleven header integers, mel
filters, vocabulary, then each tensor with its own small header; all little-endian. Which tensors
are quantised follows whisper.cpp's quantize tool: the matrices, less the four in
`layout.ALWAYS_FLOAT32`. That tool reads float16 files, so weights are rounded to float16 before
they are quantised here too, which makes the results the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from earwitness.errors import InvalidOptionError, ModelError

from . import quantize, vocabulary
from .checkpoint import FloatArray, Hyperparameters, Tensor, WhisperCheckpoint
from .layout import ALWAYS_FLOAT32, check_tensors, expected_shapes
from .mel import mel_filters

Weights = Literal["f32", "f16", "q8_0", "q5_0", "q5_1"]
Progress = Callable[[int, int], None]

MAGIC = 0x67676D6C

# GGML_QNT_VERSION * GGML_QNT_VERSION_FACTOR (ggml.h): the generation of the quantised formats.
_QUANTISATION_VERSION = 2 * 1000


@dataclass(frozen=True)
class _Encoding:
    """How a tensor is stored: ggml's number for it, values and bytes of a block, and the code."""

    ggml_type: int
    values: int
    bytes: int
    encode: Callable[[FloatArray], NDArray[np.generic]]


def _to_half(values: FloatArray) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = values.astype("<f2")
    if not np.isfinite(half).all():
        raise ModelError("a weight is too large for float16; convert with weights='f32'")
    return half


def _through_half(
    encode: Callable[[FloatArray], NDArray[np.uint8]],
) -> Callable[[FloatArray], NDArray[np.generic]]:
    return lambda values: encode(_to_half(values).astype(np.float32))


# The numbers are enum ggml_type and enum ggml_ftype of ggml.h.
_F32 = _Encoding(0, 1, 4, lambda values: values.astype("<f4"))
_F16 = _Encoding(1, 1, 2, _to_half)
_MATRIX: dict[Weights, tuple[int, _Encoding]] = {
    "f32": (0, _F32),
    "f16": (1, _F16),
    "q8_0": (
        _QUANTISATION_VERSION + 7,
        _Encoding(8, 32, 34, _through_half(quantize.quantize_q8_0)),
    ),
    "q5_0": (
        _QUANTISATION_VERSION + 8,
        _Encoding(6, 32, 22, _through_half(quantize.quantize_q5_0)),
    ),
    "q5_1": (
        _QUANTISATION_VERSION + 9,
        _Encoding(7, 32, 24, _through_half(quantize.quantize_q5_1)),
    ),
}
WEIGHTS: tuple[Weights, ...] = tuple(_MATRIX)


@dataclass(frozen=True)
class ConvertReport:
    """What a conversion wrote.

    Attributes:
        path: the ggml file.
        source_format: what the source was, such as "CTranslate2".
        weights: how the matrices are stored.
        tensors: how many tensors the file holds.
        size: the file's size in bytes.
        sha256: the file's digest; the same source and weights always give the same one.
        hyperparameters: the model's dimensions.
    """

    path: Path
    source_format: str
    weights: str
    tensors: int
    size: int
    sha256: str
    hyperparameters: Hyperparameters


class _HashingWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def check_weights(weights: str) -> Weights:
    """`weights` itself when it is one that can be written.

    Raises:
        InvalidOptionError: it is not.
    """
    for known in WEIGHTS:
        if weights == known:
            return known
    raise InvalidOptionError(f"weights={weights!r}: choose one of {', '.join(WEIGHTS)}")


def _encoding(name: str, shape: tuple[int, ...], weights: Weights) -> _Encoding:
    if weights == "f32" or len(shape) < 2 or name in ALWAYS_FLOAT32:
        return _F32
    # whisper.cpp has no quantised convolution.
    return _F16 if len(shape) > 2 else _MATRIX[weights][1]


def _write_tensor(out: _HashingWriter, name: str, tensor: Tensor, weights: Weights) -> None:
    encoding = _encoding(name, tensor.shape, weights)
    if tensor.shape[-1] % encoding.values:
        raise InvalidOptionError(
            f"weights={weights!r} needs rows of a multiple of {encoding.values} values; "
            f"{name} has {tensor.shape[-1]}"
        )
    label = name.encode()
    rank = len(tensor.shape)
    out.write(struct.pack("<3i", rank, len(label), encoding.ggml_type))
    out.write(struct.pack(f"<{rank}i", *reversed(tensor.shape)))
    out.write(label)
    for block in tensor.blocks():
        if not np.isfinite(block).all():
            raise ModelError(f"the weights in {name} are not finite; the checkpoint is damaged")
        out.write(np.ascontiguousarray(encoding.encode(block)).tobytes())


def _tensor_bytes(name: str, shape: tuple[int, ...], weights: Weights) -> int:
    encoding = _encoding(name, shape, weights)
    return int(np.prod(shape, dtype=np.int64)) // encoding.values * encoding.bytes


def _write_all(
    out: _HashingWriter,
    checkpoint: WhisperCheckpoint,
    tokens: tuple[bytes, ...],
    weights: Weights,
    progress: Progress | None,
) -> None:
    hyper = checkpoint.hyperparameters
    shapes = expected_shapes(hyper)
    total = sum(_tensor_bytes(name, shape, weights) for name, shape in shapes.items())
    filters = mel_filters(hyper.n_mels)
    out.write(struct.pack("<I11i", MAGIC, *hyper.as_tuple(), _MATRIX[weights][0]))
    out.write(struct.pack("<2i", *filters.shape))
    out.write(filters.astype("<f4").tobytes())
    out.write(struct.pack("<i", len(tokens)))
    for token in tokens:
        out.write(struct.pack("<i", len(token)) + token)
    done = 0
    for name, shape in shapes.items():
        _write_tensor(out, name, checkpoint.tensors[name], weights)
        done += _tensor_bytes(name, shape, weights)
        if progress is not None:
            progress(done, total)


def write_ggml(
    checkpoint: WhisperCheckpoint,
    dst: Path,
    *,
    weights: Weights = "f16",
    progress: Progress | None = None,
) -> ConvertReport:
    """Write `checkpoint` as a ggml file, which appears under `dst` only when it is complete.

    `progress` is called with the bytes of tensors written so far and in all.

    Raises:
        ModelError: the checkpoint is incomplete or holds values that cannot be stored.
        InvalidOptionError: this model's rows do not fit the quantisation's blocks.
        OSError: `dst` cannot be written.
    """
    hyper = checkpoint.hyperparameters
    check_tensors(hyper, checkpoint.tensors)
    tokens = checkpoint.vocabulary or vocabulary.builtin(multilingual=hyper.multilingual)
    unfinished = dst.with_name(f".{dst.name}.{secrets.token_hex(8)}.tmp")
    try:
        with unfinished.open("xb") as file:
            out = _HashingWriter(file)
            _write_all(out, checkpoint, tokens, weights, progress)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, dst)
    finally:
        unfinished.unlink(missing_ok=True)
    return ConvertReport(
        path=dst,
        source_format=checkpoint.format,
        weights=weights,
        tensors=len(checkpoint.tensors),
        size=out.size,
        sha256=out.hexdigest(),
        hyperparameters=hyper,
    )
