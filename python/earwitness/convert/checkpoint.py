"""The neutral form every reader produces and the one writer consumes.

A checkpoint is hyperparameters plus tensors under whisper.cpp's names. Tensors are views of a
mapped file and are turned into float32 a few rows at a time, so that converting large-v3 costs no
more memory than converting tiny.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earwitness.errors import ModelError

FloatArray = NDArray[np.float32]

# The three vocabularies that Whisper was released with: English only, 99 and 100 languages.
# whisper.cpp derives the ids of the special tokens from the size alone (whisper_vocab).
VOCABULARY_SIZES = (51864, 51865, 51866)
FIRST_MULTILINGUAL_VOCABULARY = 51865

# Far above every released model (large: 1280 wide, 32 deep); a damaged header is refused early.
_LIMITS = {
    "n_audio_ctx": 1 << 14,
    "n_audio_state": 1 << 13,
    "n_audio_head": 128,
    "n_audio_layer": 128,
    "n_text_ctx": 1 << 12,
    "n_text_state": 1 << 13,
    "n_text_head": 128,
    "n_text_layer": 128,
    "n_mels": 512,
}


@dataclass(frozen=True)
class Hyperparameters:
    """The dimensions of a Whisper model, in the order the ggml header stores them."""

    n_vocab: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int
    n_mels: int

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ModelError(f"the checkpoint's {each.name} is {value!r}, not a whole number")
        if self.n_vocab not in VOCABULARY_SIZES:
            raise ModelError(
                f"the checkpoint has {self.n_vocab} tokens; Whisper models have "
                f"{', '.join(map(str, VOCABULARY_SIZES))}, and an extended vocabulary cannot be "
                "expressed in a ggml file"
            )
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if not 1 <= value <= limit:
                raise ModelError(f"the checkpoint's {name} is {value}, outside 1..{limit}")
        if self.n_audio_state != self.n_text_state:
            raise ModelError(
                f"encoder and decoder differ in width ({self.n_audio_state} and "
                f"{self.n_text_state}); whisper.cpp needs them equal"
            )
        for heads in (self.n_audio_head, self.n_text_head):
            if self.n_audio_state % heads:
                raise ModelError(f"{heads} heads do not divide a width of {self.n_audio_state}")

    @property
    def multilingual(self) -> bool:
        """Whether the model knows more languages than English."""
        return self.n_vocab >= FIRST_MULTILINGUAL_VOCABULARY

    def as_tuple(self) -> tuple[int, ...]:
        """The ten values in header order."""
        values: tuple[int, ...] = astuple(self)
        return values


@dataclass(frozen=True)
class Tensor:
    """One weight tensor, not yet converted.

    Attributes:
        data: the stored values, a view of a mapped file. `encoding` says how to read them.
        encoding: "native" for numpy's own float and integer types, "bfloat16" for the upper
            halves of float32 values held as uint16.
        scale: for quantised sources, one divisor per row (or a single one): value = data / scale.
    """

    data: NDArray[Any]
    encoding: Literal["native", "bfloat16"] = "native"
    scale: FloatArray | None = field(default=None)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def rows(self, start: int, stop: int) -> FloatArray:
        """The rows `start:stop` as contiguous float32."""
        part = self.data[start:stop]
        if self.encoding == "bfloat16":
            widened: FloatArray = (part.astype(np.uint32) << np.uint32(16)).view(np.float32)
            return widened
        # What overflows becomes infinite, and the writer refuses what is not finite.
        with np.errstate(all="ignore"):
            out: FloatArray = np.ascontiguousarray(part, dtype=np.float32)
            if self.scale is not None:
                divisor = self.scale if self.scale.size == 1 else self.scale[start:stop]
                out = out / divisor.reshape((-1,) + (1,) * (out.ndim - 1))
        return out

    def blocks(self, elements: int = 1 << 20) -> Iterator[FloatArray]:
        """All rows in order, as float32 blocks of about `elements` values."""
        if self.data.ndim == 0:
            raise ModelError("a tensor of the checkpoint is a single number")
        count = self.shape[0]
        step = max(1, elements * count // max(1, self.data.size))
        for start in range(0, count, step):
            yield self.rows(start, min(count, start + step))

    def __getitem__(self, rows: slice) -> Tensor:
        scale = self.scale
        if scale is not None and scale.size > 1:
            scale = scale[rows]
        return Tensor(self.data[rows], self.encoding, scale)

    def reshape(self, *shape: int) -> Tensor:
        """The same values under another shape with the same number of rows."""
        if self.scale is not None and self.scale.size not in (1, shape[0]):
            raise ModelError(f"a quantised tensor has the shape {self.shape}, expected {shape}")
        return Tensor(self.data.reshape(shape), self.encoding, self.scale)

    def is_zero(self) -> bool:
        """Whether every value is 0."""
        return not any(block.any() for block in self.blocks())

    def equals(self, other: Tensor) -> bool:
        """Whether both hold the same shape and values."""
        return self.shape == other.shape and all(
            np.array_equal(a, b) for a, b in zip(self.blocks(), other.blocks(), strict=True)
        )


@dataclass(frozen=True)
class WhisperCheckpoint:
    """A Whisper model in memory, independent of the format it came from.

    Attributes:
        format: a name for people, such as "CTranslate2".
        hyperparameters: the model's dimensions.
        tensors: whisper.cpp's tensor name to tensor.
        vocabulary: the base vocabulary in id order, or None when the source carries none.
    """

    format: str
    hyperparameters: Hyperparameters
    tensors: Mapping[str, Tensor]
    vocabulary: tuple[bytes, ...] | None = None
