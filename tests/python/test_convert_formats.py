"""The same weights in every source format give the same ggml file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from checkpoints import (
    SMALL,
    Weights,
    huggingface_tensors,
    random_weights,
    read_ggml,
    safetensors_bytes,
    to_bfloat16,
    vocabulary_bytes,
    write_ct2,
    write_huggingface,
    write_openai,
)
from earwitness.convert import convert, read_checkpoint
from earwitness.convert.layout import expected_shapes
from earwitness.convert.mel import mel_filters


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights()


@pytest.fixture(scope="module")
def reference(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The f32 conversion of the CTranslate2 form."""
    folder = tmp_path_factory.mktemp("reference")
    convert(write_ct2(folder / "ct2", weights), folder / "out.bin", weights="f32")
    return folder / "out.bin"


def test_every_tensor_arrives_with_its_values(weights: Weights, reference: Path) -> None:
    header, tokens, tensors = read_ggml(reference)
    assert header == (*SMALL.as_tuple(), 0)
    assert tokens == vocabulary_bytes()
    assert list(tensors) == list(expected_shapes(SMALL))
    for name, (kind, shape, raw) in tensors.items():
        assert kind == 0
        assert shape == weights[name].shape
        assert raw == weights[name].astype("<f4").tobytes(), name


def test_openai_file_gives_the_same_bytes(
    weights: Weights, reference: Path, tmp_path: Path
) -> None:
    report = convert(write_openai(tmp_path / "m.pt", weights), tmp_path / "o.bin", weights="f32")
    assert report.source_format == "OpenAI"
    assert (tmp_path / "o.bin").read_bytes() == reference.read_bytes()


@pytest.mark.parametrize("shards", [1, 3])
def test_huggingface_folder_gives_the_same_bytes(
    weights: Weights, reference: Path, tmp_path: Path, shards: int
) -> None:
    source = write_huggingface(tmp_path / "hf", weights, shards)
    report = convert(source, tmp_path / "h.bin", weights="f32")
    assert report.source_format == "Hugging Face"
    assert (tmp_path / "h.bin").read_bytes() == reference.read_bytes()


def test_huggingface_without_prefix_and_with_tied_output(
    weights: Weights, reference: Path, tmp_path: Path
) -> None:
    source = write_huggingface(tmp_path, weights)
    bare = {name.removeprefix("model."): x for name, x in huggingface_tensors(weights).items()}
    bare["proj_out.weight"] = weights["decoder.token_embedding.weight"]
    (source / "model.safetensors").write_bytes(safetensors_bytes(bare))
    convert(source, tmp_path / "h.bin", weights="f32")
    assert (tmp_path / "h.bin").read_bytes() == reference.read_bytes()


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_ct2_versions(weights: Weights, reference: Path, tmp_path: Path, version: int) -> None:
    convert(write_ct2(tmp_path, weights, version=version), tmp_path / "o.bin", weights="f32")
    assert (tmp_path / "o.bin").read_bytes() == reference.read_bytes()


def test_half_sources_lose_nothing(weights: Weights, reference: Path, tmp_path: Path) -> None:
    convert(write_ct2(tmp_path / "c", weights, "float16"), tmp_path / "c.bin", weights="f32")
    half = {name: value.astype(np.float16) for name, value in weights.items()}
    convert(write_openai(tmp_path / "p" / "m.pt", half), tmp_path / "p.bin", weights="f32")
    assert (tmp_path / "c.bin").read_bytes() == reference.read_bytes()
    assert (tmp_path / "p.bin").read_bytes() == reference.read_bytes()


def test_bfloat16_is_read_alike_in_all_formats(weights: Weights, tmp_path: Path) -> None:
    cut = {name: to_bfloat16(value) for name, value in weights.items()}
    write_ct2(tmp_path / "c", weights, "bfloat16")
    write_openai(tmp_path / "p" / "m.pt", cut)
    write_huggingface(tmp_path / "h", cut)
    digests = {
        convert(tmp_path / kind, tmp_path / f"{kind}.bin", weights="f32").sha256
        for kind in ("c", "p", "h")
    }
    assert len(digests) == 1
    _, _, tensors = read_ggml(tmp_path / "c.bin")
    values = np.frombuffer(tensors["encoder.conv1.weight"][2], "<f4")
    wanted = weights["encoder.conv1.weight"].reshape(-1)
    assert np.all(np.abs(values - wanted) <= np.abs(wanted) * 2.0**-7)


def test_int8_source_is_within_half_a_step(weights: Weights, tmp_path: Path) -> None:
    convert(write_ct2(tmp_path, weights, "int8"), tmp_path / "o.bin", weights="f32")
    _, _, tensors = read_ggml(tmp_path / "o.bin")
    for name in ("decoder.blocks.1.attn.value.weight", "encoder.blocks.0.mlp.0.weight"):
        wanted = weights[name]
        got = np.frombuffer(tensors[name][2], "<f4").reshape(wanted.shape)
        peak = np.abs(wanted).max(axis=1, keepdims=True)
        assert np.all(np.abs(got - wanted) <= peak / 127 * 0.51)
        assert not np.array_equal(got, wanted)


def test_int16_source_with_one_scale(weights: Weights, tmp_path: Path) -> None:
    convert(write_ct2(tmp_path, weights, "int16"), tmp_path / "o.bin", weights="f32")
    _, _, tensors = read_ggml(tmp_path / "o.bin")
    wanted = weights["decoder.blocks.0.cross_attn.key.weight"]
    got = np.frombuffer(tensors["decoder.blocks.0.cross_attn.key.weight"][2], "<f4")
    assert np.abs(got - wanted.reshape(-1)).max() <= 0.00051


def test_float16_keeps_the_small_tensors_in_float32(weights: Weights, tmp_path: Path) -> None:
    report = convert(write_ct2(tmp_path, weights), tmp_path / "o.bin")
    header, _, tensors = read_ggml(tmp_path / "o.bin")
    assert header[-1] == 1
    assert report.weights == "f16"
    for name, (kind, shape, raw) in tensors.items():
        whole = len(shape) == 1 or "positional" in name or name.endswith(("1.bias", "2.bias"))
        assert kind == (0 if whole else 1), name
        if not whole:
            assert raw == weights[name].astype("<f2").tobytes()


def test_report_describes_the_file(weights: Weights, tmp_path: Path) -> None:
    source = write_ct2(tmp_path, weights)
    steps: list[tuple[int, int]] = []
    report = convert(source, tmp_path / "a.bin", progress=lambda *step: steps.append(step))
    again = convert(source, tmp_path / "b.bin")
    raw = (tmp_path / "a.bin").read_bytes()
    assert (report.size, report.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert again.sha256 == report.sha256
    assert report.tensors == len(expected_shapes(SMALL)) == len(steps)
    assert report.hyperparameters == SMALL
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1]
    assert report.size == len(raw)
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


def test_weights_are_not_read_before_they_are_needed(weights: Weights, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_ct2(tmp_path, weights, "float16"))
    tensor = checkpoint.tensors["decoder.token_embedding.weight"]
    assert not tensor.data.flags.owndata
    blocks = list(tensor.blocks(elements=10_000))
    assert max(block.size for block in blocks) <= 10_000
    assert sum(block.shape[0] for block in blocks) == SMALL.n_vocab


@pytest.mark.parametrize("bands", [80, 128])
def test_mel_filters_are_slaney_s(bands: int) -> None:
    filters = mel_filters(bands)
    assert filters.shape == (bands, 201)
    assert filters.dtype == np.float32
    # Unit area: 40 Hz a bin, to the accuracy of sampling a triangle at that step.
    wide = filters[-20:].sum(axis=1) * 40.0
    assert np.allclose(wide, 1.0, atol=0.05)
    peaks = filters.argmax(axis=1) * 40.0
    assert np.all(np.diff(peaks) >= 0)
    assert peaks[-1] > 7000
