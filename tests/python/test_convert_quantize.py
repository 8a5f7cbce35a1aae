"""The quantisers against ggml's definition, one block at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import random_weights, read_ggml, write_ct2
from earwitness.convert import convert
from earwitness.convert.layout import ALWAYS_FLOAT32
from earwitness.convert.quantize import quantize_q5_0, quantize_q5_1, quantize_q8_0
from earwitness.errors import InvalidOptionError
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def half(raw: NDArray[np.uint8]) -> Floats:
    return np.ascontiguousarray(raw).view("<f2").astype(np.float32)


def codes_of(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The 32 five-bit codes of (blocks, 20) packed bytes, read one by one."""
    out = np.zeros((len(raw), 32), np.int32)
    for block, row in zip(out, raw, strict=True):
        high = int.from_bytes(row[:4].tobytes(), "little")
        for j in range(16):
            low = int(row[4 + j])
            block[j] = (low & 15) | ((high >> j & 1) << 4)
            block[16 + j] = (low >> 4) | ((high >> (16 + j) & 1) << 4)
    return out


def restore_q8_0(raw: NDArray[np.uint8]) -> Floats:
    return half(raw[:, :2]) * np.ascontiguousarray(raw[:, 2:]).view(np.int8)


def restore_q5_0(raw: NDArray[np.uint8]) -> Floats:
    return half(raw[:, :2]) * (codes_of(raw[:, 2:]) - 16).astype(np.float32)


def restore_q5_1(raw: NDArray[np.uint8]) -> Floats:
    codes = codes_of(raw[:, 4:]).astype(np.float32)
    return half(raw[:, :2]) * codes + half(raw[:, 2:4])


CASES = [
    (quantize_q8_0, restore_q8_0, 34, 1 / 127),
    (quantize_q5_0, restore_q5_0, 22, 1 / 16),
    (quantize_q5_1, restore_q5_1, 24, 2 / 31),
]
Quantiser = Callable[[Floats], NDArray[np.uint8]]
Restorer = Callable[[NDArray[np.uint8]], Floats]


@pytest.mark.parametrize(("quantise", "restore", "size", "step"), CASES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
def test_error_is_bounded_by_the_step(
    quantise: Quantiser, restore: Restorer, size: int, step: float, scale: float
) -> None:
    values = np.random.default_rng(3).normal(0, scale, (64, 96)).astype(np.float32)
    raw = quantise(values)
    assert raw.shape == (64 * 3, size)
    blocks = values.reshape(-1, 32)
    peak = np.abs(blocks).max(axis=1, keepdims=True)
    error = np.abs(restore(raw) - blocks)
    # Half a step, a whole one at the end that q5_0 has no code for, and float16 scales.
    assert np.all(error <= peak * step * 1.02 + 1e-6)
    assert np.median(error / peak) <= step / 2


@pytest.mark.parametrize(("quantise", "restore", "size", "step"), CASES)
def test_zeros_stay_zeros(quantise: Quantiser, restore: Restorer, size: int, step: float) -> None:
    assert not restore(quantise(np.zeros((2, 32), np.float32))).any()


def test_q8_0_rounds_halves_away_from_zero() -> None:
    values = np.zeros(32, np.float32)
    values[:5] = [127.0, 2.5, -2.5, 0.49999997, -1.5]
    codes = quantize_q8_0(values)[0, 2:].view(np.int8)
    assert codes[:5].tolist() == [127, 3, -3, 0, -2]


def test_q5_0_gives_its_spare_code_to_the_peak() -> None:
    values = np.linspace(-0.5, 1.0, 32, dtype=np.float32)
    raw = quantize_q5_0(values)
    assert half(raw[:, :2])[0, 0] == -1 / 16
    codes = codes_of(raw[:, 2:])[0]
    assert codes[31] == 0
    assert codes.max() == 24
    mirrored = codes_of(quantize_q5_0(np.array([-1.0, 1.0] + [0.0] * 30, np.float32))[:, 2:])[0]
    # The first of two equal peaks sets the sign; the other is clipped to the last code.
    assert mirrored[:3].tolist() == [0, 31, 16]


def test_q5_1_spans_minimum_to_maximum() -> None:
    values = np.linspace(2.0, 33.0, 32, dtype=np.float32)
    raw = quantize_q5_1(values)
    assert half(raw[:, :2])[0, 0] == 1.0
    assert half(raw[:, 2:4])[0, 0] == 2.0
    assert codes_of(raw[:, 4:])[0].tolist() == list(range(32))


@pytest.mark.parametrize(
    ("weights", "header", "kind"), [("q8_0", 2007, 8), ("q5_0", 2008, 6), ("q5_1", 2009, 7)]
)
def test_only_matrices_are_quantised(tmp_path: Path, weights: str, header: int, kind: int) -> None:
    source = random_weights()
    convert(write_ct2(tmp_path, source), tmp_path / "o.bin", weights=weights)
    hyper, _, tensors = read_ggml(tmp_path / "o.bin")
    assert hyper[-1] == header
    quantisers: dict[str, Any] = {
        "q8_0": quantize_q8_0,
        "q5_0": quantize_q5_0,
        "q5_1": quantize_q5_1,
    }
    for name, (got, shape, raw) in tensors.items():
        if len(shape) == 2 and name not in ALWAYS_FLOAT32:
            assert got == kind, name
            assert raw == quantisers[weights](source[name]).tobytes(), name
        else:
            assert got == (1 if len(shape) == 3 else 0), name


def test_unknown_weights_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="q8_0"):
        convert(tmp_path / "absent", tmp_path / "o.bin", weights="q4_k")
