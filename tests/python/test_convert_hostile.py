"""Damaged, lying and malicious checkpoints: a ModelError, nothing executed, nothing left behind."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import (
    SMALL,
    Weights,
    ct2_bytes,
    ct2_variables,
    huggingface_config,
    huggingface_tensors,
    random_weights,
    safetensors_bytes,
    torch_zip_bytes,
    vocabulary_tokens,
    write_ct2,
    write_huggingface,
    write_openai,
    write_tokenizer,
)
from earwitness.convert import convert, read_checkpoint
from earwitness.convert.pickles import read_pickle
from earwitness.errors import ModelError, ModelNotFoundError


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights()


def fails(source: Path, tmp_path: Path, match: str | None = None) -> None:
    target = tmp_path / "never.bin"
    with pytest.raises(ModelError, match=match):
        convert(source, target)
    assert [path.name for path in tmp_path.glob("*never*")] == []


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        convert(tmp_path / "absent", tmp_path / "o.bin")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"\0" * 100, "none of the kinds"),
        (b"hello, this is text\n" * 10, "none of the kinds"),
        (b"lmgg" + b"\0" * 60, "already"),
        (b"GGUF" + b"\0" * 60, "GGUF"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\0" * 50, "1.6"),
        (b"PK\x03\x04" + b"\0" * 60, "damaged"),
    ],
)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "x").write_bytes(content)
    fails(tmp_path / "x", tmp_path, match)


def test_folder_without_checkpoint(tmp_path: Path) -> None:
    fails(tmp_path, tmp_path, "holds no checkpoint")


@pytest.mark.parametrize("kind", ["ct2", "huggingface", "openai"])
def test_every_truncation_is_noticed(weights: Weights, tmp_path: Path, kind: str) -> None:
    writers: dict[str, Callable[[Path], Path]] = {
        "ct2": lambda folder: write_ct2(folder, weights) / "model.bin",
        "huggingface": lambda folder: write_huggingface(folder, weights) / "model.safetensors",
        "openai": lambda folder: write_openai(folder / "m.pt", weights),
    }
    source = writers[kind](tmp_path / "source")
    (source.parent / "tokenizer.json").unlink()
    whole = source.read_bytes()
    random = np.random.default_rng(1)
    cuts = [1, 3, 8, 20, 60, 200, 1000, len(whole) // 2, len(whole) - 100, len(whole) - 1]
    for cut in [*cuts, *random.integers(1, len(whole), 20).tolist()]:
        source.write_bytes(whole[:cut])
        fails(source, tmp_path)


@pytest.mark.parametrize("kind", ["ct2", "huggingface", "openai"])
def test_flipped_header_bytes_never_raise_anything_else(
    weights: Weights, tmp_path: Path, kind: str
) -> None:
    writers: dict[str, Callable[[Path], Path]] = {
        "ct2": lambda folder: write_ct2(folder, weights) / "model.bin",
        "huggingface": lambda folder: write_huggingface(folder, weights) / "model.safetensors",
        "openai": lambda folder: write_openai(folder / "m.pt", weights),
    }
    source = writers[kind](tmp_path / "source")
    (source.parent / "tokenizer.json").unlink()
    whole = source.read_bytes()
    random = np.random.default_rng(2)
    # The descriptions: the head of two formats, the pickle and directory near the third's end.
    start, stop = (len(whole) - 30_000, len(whole)) if kind == "openai" else (0, 5_000)
    refused = 0
    for position in random.integers(start, stop, 150).tolist():
        damaged = bytearray(whole)
        damaged[position] ^= int(random.integers(1, 256))
        source.write_bytes(damaged)
        try:
            read_checkpoint(source)
        except ModelError:
            refused += 1
    assert refused > 0


def test_ct2_of_another_model(tmp_path: Path, weights: Weights) -> None:
    raw = ct2_bytes(ct2_variables(weights)).replace(b"WhisperSpec", b"WhisperCopy", 1)
    (tmp_path / "model.bin").write_bytes(raw)
    fails(tmp_path, tmp_path, "none of the kinds")


def test_ct2_claims_are_checked_before_allocation(tmp_path: Path) -> None:
    head = struct.pack("<I", 6) + struct.pack("<H", 12) + b"WhisperSpec\0" + struct.pack("<I", 3)
    name = struct.pack("<H", 2) + b"a\0"
    huge = name + struct.pack("<B3I", 3, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    for body in (
        struct.pack("<I", 0xFFFFFFFF),
        struct.pack("<I", 1) + huge + struct.pack("<BI", 0, 0xFFFFFFFF),
        struct.pack("<I", 1) + name + struct.pack("<B", 255),
        struct.pack("<I", 1) + name + struct.pack("<BI", 1, 4) + struct.pack("<BI", 0, 16),
        struct.pack("<I", 1) + name + struct.pack("<BI", 1, 4) + struct.pack("<BI", 9, 4),
    ):
        (tmp_path / "model.bin").write_bytes(head + body)
        fails(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"decoder/embeddings/weight": np.zeros((), np.float32)}, "shape"),
        ({"decoder/embeddings/weight": np.zeros((100, 32), np.float32)}, "100 tokens"),
        ({"encoder/layer_0/ffn/linear_0/weight": np.zeros((0, 32), np.float32)}, "shape"),
        ({"encoder/layer_0/ffn/linear_0/weight": np.zeros((64, 32), np.float32)}, "expected"),
        ({"encoder/layer_0/ffn/linear_0/weight": np.zeros((128, 32), np.int8)}, "no scale"),
        ({"encoder/num_heads": np.array(3, np.int16)}, "heads"),
        ({"encoder/num_heads": np.zeros((0,), np.int16)}, "num_heads"),
        ({"encoder/layer_9999/ffn/linear_0/weight": np.zeros((1,), np.float32)}, "no variable"),
        ({"something/else": np.zeros((3,), np.float32)}, "has not"),
        ({"encoder/layer_0/self_attention/linear_0/bias": np.ones(96, np.float32)}, "key bias"),
        ({"encoder/layer_norm/gamma": np.full(32, np.nan, np.float32)}, "finite"),
        ({"encoder/conv1/weight": np.full((32, 4, 3), 1e9, np.float32)}, "float16"),
    ],
)
def test_ct2_with_impossible_variables(
    tmp_path: Path, weights: Weights, change: dict[str, Any], match: str
) -> None:
    variables = {**ct2_variables(weights), **change}
    (tmp_path / "model.bin").write_bytes(ct2_bytes(variables))
    write_tokenizer(tmp_path)
    fails(tmp_path, tmp_path, match)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{" * 5000,
        b"not json",
        b'{"a": 3}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [800, 808]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}',
        b'{"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}}',
    ],
)
def test_safetensors_with_lying_headers(tmp_path: Path, header: bytes) -> None:
    raw = struct.pack("<Q", len(header)) + header + bytes(16)
    (tmp_path / "model.safetensors").write_bytes(raw)
    (tmp_path / "config.json").write_text(json.dumps(huggingface_config()), encoding="utf-8")
    fails(tmp_path, tmp_path)


def test_safetensors_header_longer_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", 90_000_000) + b"{}")
    fails(tmp_path / "model.safetensors", tmp_path, "cut short")


def test_index_may_not_point_elsewhere(tmp_path: Path, weights: Weights) -> None:
    source = write_huggingface(tmp_path / "hf", weights)
    os.rename(source / "model.safetensors", tmp_path / "outside.safetensors")
    names = dict.fromkeys(huggingface_tensors(weights), "../outside.safetensors")
    index = json.dumps({"weight_map": names})
    (source / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    fails(source, tmp_path, "beside it")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model_type": "bert"}, "bert"),
        ({"vocab_size": 51900}, "51900 tokens"),
        ({"d_model": "32"}, "d_model"),
        ({"encoder_layers": 0}, "n_audio_layer"),
        ({"encoder_layers": 10**9}, "n_audio_layer"),
        ({"decoder_layers": 3}, "lacks"),
        ({"decoder_layers": 1}, "has not"),
    ],
)
def test_huggingface_with_impossible_config(
    tmp_path: Path, weights: Weights, change: dict[str, Any], match: str
) -> None:
    source = write_huggingface(tmp_path, weights)
    config = {**huggingface_config(), **change}
    (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    fails(source, tmp_path, match)


def test_untied_output_layer_is_refused(tmp_path: Path, weights: Weights) -> None:
    source = write_huggingface(tmp_path, weights)
    tensors = huggingface_tensors(weights)
    tensors["proj_out.weight"] = weights["decoder.token_embedding.weight"] + 1
    (source / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    fails(source, tmp_path, "output layer")


class _Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return (self.call[0], self.call[1:])


def test_pickle_cannot_execute_anything(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    for evil in (_Evil(os.system, f"touch {marker}"), _Evil(eval, f"open({str(marker)!r}, 'w')")):
        with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"dims": evil}, protocol=2))
        fails(tmp_path / "m.pt", tmp_path, "nothing in a checkpoint is executed")
        assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"\x80\x02",
        b"\x80\x02}",
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"\x80\x02)r\xff\xff\xff\x7f(t(t",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02})K\x01s.",
        b"\x80\x02K\x01)R.",
        b"\x80\x02}}b.",
        b"\x80\x02h\x07.",
        b"\x80\x02(.",
        b"\x80\x02]}e.",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x02cos\nsystem\n(S'true'\ntR.",
    ],
)
def test_broken_pickles(content: bytes) -> None:
    def refuse(*names: Any) -> Any:
        raise ModelError(f"refused {names}")

    with pytest.raises(ModelError):
        read_pickle(content, refuse, refuse)


def test_tensor_beyond_its_storage(tmp_path: Path, weights: Weights) -> None:
    big = weights["encoder.conv1.weight"]
    stretched = np.lib.stride_tricks.as_strided(big, shape=(32, 8, 3), strides=big.strides)
    dims = {name: getattr(SMALL, name) for name in type(SMALL).__dataclass_fields__}
    state = {**weights, "encoder.conv1.weight": stretched}
    target = torch_zip_bytes({"dims": dims, "model_state_dict": state}, tmp_path / "m.pt")
    fails(target, tmp_path)


def test_openai_file_without_its_tables(tmp_path: Path) -> None:
    roots: list[dict[str, Any]] = [{"dims": 3}, {"dims": {}, "model_state_dict": {}}, {}]
    for root in roots:
        fails(torch_zip_bytes(root, tmp_path / "m.pt"), tmp_path)


def test_compressed_archive_is_refused(tmp_path: Path) -> None:
    root = {"dims": {}, "model_state_dict": {"a": np.zeros(4, np.float32)}}
    target = torch_zip_bytes(root, tmp_path / "m.pt", zipfile.ZIP_DEFLATED)
    fails(target, tmp_path, "compressed")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"{", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "no byte-level"),
        (b'{"model": {"vocab": {"a": 0}}}', "no token with the id 1"),
        (b'{"model": {"vocab": {"a": "0"}}}', "the id '0'"),
    ],
)
def test_damaged_tokenizer(tmp_path: Path, weights: Weights, content: bytes, match: str) -> None:
    source = write_ct2(tmp_path, weights)
    (source / "tokenizer.json").write_bytes(content)
    fails(source, tmp_path, match)


def test_vocabulary_of_characters_that_are_no_bytes(tmp_path: Path, weights: Weights) -> None:
    source = write_ct2(tmp_path, weights)
    tokens = vocabulary_tokens()
    tokens[300] = "▁hello"
    content = {"model": {"vocab": {token: i for i, token in enumerate(tokens)}}}
    (source / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    fails(source, tmp_path, "byte-level")


def test_failed_conversion_leaves_the_old_file(tmp_path: Path, weights: Weights) -> None:
    source = write_ct2(tmp_path / "c", weights)
    target = tmp_path / "model.bin"
    target.write_bytes(b"old")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(source, target, progress=stop)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "model.bin"]
