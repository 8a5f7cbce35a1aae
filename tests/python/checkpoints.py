"""Small Whisper checkpoints in the three source formats, written from the formats' rules."""

from __future__ import annotations

import json
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from earwitness.convert.checkpoint import Hyperparameters
from earwitness.convert.layout import expected_shapes
from earwitness.convert.vocabulary import byte_order
from numpy.typing import NDArray

Weights = dict[str, NDArray[Any]]

SMALL = Hyperparameters(
    n_vocab=51864,
    n_audio_ctx=6,
    n_audio_state=32,
    n_audio_head=2,
    n_audio_layer=1,
    n_text_ctx=5,
    n_text_state=32,
    n_text_head=2,
    n_text_layer=2,
    n_mels=4,
)


def random_weights(hyper: Hyperparameters = SMALL) -> Weights:
    """float32 values that float16 holds exactly, under whisper.cpp's names."""
    random = np.random.default_rng(7)
    return {
        name: random.normal(size=shape).astype(np.float16).astype(np.float32)
        for name, shape in expected_shapes(hyper).items()
    }


def to_bfloat16(values: NDArray[Any]) -> NDArray[np.uint16]:
    """The upper halves of float32 values (cut off, not rounded)."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


# A vocabulary with every byte, some words and the special tokens behind it.


def _character(byte: int) -> str:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return chr(byte) if byte in printable else chr(256 + others.index(byte))


def vocabulary_tokens() -> list[str]:
    """50257 tokens in GPT-2's printable spelling."""
    return [_character(byte) for byte in byte_order()] + [f"Ġw{i}" for i in range(50257 - 256)]


def vocabulary_bytes() -> tuple[bytes, ...]:
    """The same tokens as bytes."""
    words = tuple(f" w{i}".encode() for i in range(50257 - 256))
    return tuple(bytes([byte]) for byte in byte_order()) + words


def write_tokenizer(folder: Path) -> None:
    ids = {token: i for i, token in enumerate(vocabulary_tokens())}
    content = {"added_tokens": [{"id": 50257, "content": "<|x|>"}], "model": {"vocab": ids}}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")


# CTranslate2


def _ct2_string(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


_CT2_TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "uint16": 5}


def _ct2_variable(name: str, value: NDArray[Any], version: int) -> bytes:
    head = _ct2_string(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
    if version >= 4:
        head += struct.pack("<BI", _CT2_TYPES[value.dtype.name], value.nbytes)
    else:
        head += struct.pack("<BI", value.itemsize, value.size)
    return head + value.tobytes()


def ct2_variables(weights: Weights, hyper: Hyperparameters = SMALL) -> dict[str, NDArray[Any]]:
    """The weights under CTranslate2's names, with its fused layers and zero key biases."""
    out: dict[str, NDArray[Any]] = {
        "encoder/num_heads": np.array(hyper.n_audio_head, np.int16),
        "decoder/num_heads": np.array(hyper.n_text_head, np.int16),
        "decoder/alignment_heads": np.zeros((1, 2), np.int16),
        "decoder/embeddings/weight": weights["decoder.token_embedding.weight"],
    }

    def norm(target: str, source: str) -> None:
        out[f"{target}/gamma"] = weights[f"{source}.weight"]
        out[f"{target}/beta"] = weights[f"{source}.bias"]

    def linear(target: str, *sources: str) -> None:
        out[f"{target}/weight"] = np.concatenate([weights[f"{s}.weight"] for s in sources])
        zeros = np.zeros(hyper.n_audio_state, np.float32)
        out[f"{target}/bias"] = np.concatenate([weights.get(f"{s}.bias", zeros) for s in sources])

    for side in ("encoder", "decoder"):
        encodings = weights[f"{side}.positional_embedding"]
        out[f"{side}/position_encodings/encodings"] = encodings
    for i in (1, 2):
        out[f"encoder/conv{i}/weight"] = weights[f"encoder.conv{i}.weight"]
        out[f"encoder/conv{i}/bias"] = weights[f"encoder.conv{i}.bias"].reshape(-1)
    norm("encoder/layer_norm", "encoder.ln_post")
    norm("decoder/layer_norm", "decoder.ln")
    layers = {"encoder": hyper.n_audio_layer, "decoder": hyper.n_text_layer}
    for side, count in layers.items():
        for i in range(count):
            t, s = f"{side}/layer_{i}", f"{side}.blocks.{i}"
            norm(f"{t}/self_attention/layer_norm", f"{s}.attn_ln")
            parts = [f"{s}.attn.{part}" for part in ("query", "key", "value")]
            linear(f"{t}/self_attention/linear_0", *parts)
            linear(f"{t}/self_attention/linear_1", f"{s}.attn.out")
            if side == "decoder":
                norm(f"{t}/attention/layer_norm", f"{s}.cross_attn_ln")
                linear(f"{t}/attention/linear_0", f"{s}.cross_attn.query")
                parts = [f"{s}.cross_attn.{part}" for part in ("key", "value")]
                linear(f"{t}/attention/linear_1", *parts)
                linear(f"{t}/attention/linear_2", f"{s}.cross_attn.out")
            norm(f"{t}/ffn/layer_norm", f"{s}.mlp_ln")
            linear(f"{t}/ffn/linear_0", f"{s}.mlp.0")
            linear(f"{t}/ffn/linear_1", f"{s}.mlp.2")
    return out


def ct2_bytes(variables: dict[str, NDArray[Any]], version: int = 6) -> bytes:
    """A model.bin with these variables."""
    out = struct.pack("<I", version)
    if version >= 2:
        out += _ct2_string("WhisperSpec") + struct.pack("<I", 3)
    out += struct.pack("<I", len(variables))
    out += b"".join(_ct2_variable(name, value, version) for name, value in variables.items())
    if version >= 3:
        out += struct.pack("<I", 1) + _ct2_string("decoder/projection/weight")
        out += _ct2_string("decoder/embeddings/weight")
    return out


def write_ct2(folder: Path, weights: Weights, dtype: str = "float32", version: int = 6) -> Path:
    """A CTranslate2 model folder. With "int8" the matrices get a scale per row."""
    variables: dict[str, NDArray[Any]] = {}
    for name, value in ct2_variables(weights).items():
        if value.dtype != np.float32:
            variables[name] = value
        elif dtype == "bfloat16":
            variables[name] = to_bfloat16(value)
        elif dtype == "int8" and value.ndim == 2 and name.endswith("weight"):
            scale = (127.0 / np.abs(value).max(axis=1)).astype(np.float32)
            variables[name] = np.rint(value * scale[:, None]).astype(np.int8)
            variables[f"{name}_scale"] = scale
        elif dtype == "int16" and value.ndim == 2 and name.endswith("weight"):
            whole = np.array(1000.0, np.float32)
            variables[name] = np.rint(value * whole).astype(np.int16)
            variables[f"{name}_scale"] = whole
        else:
            variables[name] = value.astype("float32" if dtype.startswith("int") else dtype)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(ct2_bytes(variables, version))
    write_tokenizer(folder)
    return folder


# Hugging Face

_HF_PARTS = {
    "attn_ln": "self_attn_layer_norm",
    "attn.query": "self_attn.q_proj",
    "attn.key": "self_attn.k_proj",
    "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "cross_attn.query": "encoder_attn.q_proj",
    "cross_attn.key": "encoder_attn.k_proj",
    "cross_attn.value": "encoder_attn.v_proj",
    "cross_attn.out": "encoder_attn.out_proj",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
}


def huggingface_tensors(weights: Weights) -> Weights:
    """The weights under transformers' names."""
    whole = {
        "decoder.token_embedding.weight": "decoder.embed_tokens.weight",
        "encoder.positional_embedding": "encoder.embed_positions.weight",
        "decoder.positional_embedding": "decoder.embed_positions.weight",
        "encoder.ln_post.weight": "encoder.layer_norm.weight",
        "encoder.ln_post.bias": "encoder.layer_norm.bias",
        "decoder.ln.weight": "decoder.layer_norm.weight",
        "decoder.ln.bias": "decoder.layer_norm.bias",
    }
    out: Weights = {}
    for name, value in weights.items():
        if ".blocks." in name:
            side, _, layer, rest = name.split(".", 3)
            part, kind = rest.rsplit(".", 1)
            target = f"{side}.layers.{layer}.{_HF_PARTS[part]}.{kind}"
        else:
            target = whole.get(name, name)
        flat = target.endswith(("conv1.bias", "conv2.bias"))
        out[f"model.{target}"] = value.reshape(-1) if flat else value
    return out


_SAFETENSORS_TYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "uint16": "BF16"}


def safetensors_bytes(tensors: Weights) -> bytes:
    """A safetensors file; uint16 arrays count as bfloat16."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, value in tensors.items():
        raw = value.tobytes()
        span = [len(body), len(body) + len(raw)]
        kind = _SAFETENSORS_TYPES[value.dtype.name]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": span}
        body += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def write_huggingface(folder: Path, weights: Weights, shards: int = 1) -> Path:
    """A transformers checkpoint folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = huggingface_tensors(weights)
    names = list(tensors)
    if shards == 1:
        (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    else:
        places = {}
        for i in range(shards):
            file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
            part = {name: tensors[name] for name in names[i::shards]}
            places.update(dict.fromkeys(part, file))
            (folder / file).write_bytes(safetensors_bytes(part))
        index = json.dumps({"metadata": {}, "weight_map": places})
        (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(huggingface_config()), encoding="utf-8")
    write_tokenizer(folder)
    return folder


def huggingface_config() -> dict[str, Any]:
    """A config.json for `SMALL`."""
    return {
        "model_type": "whisper",
        "vocab_size": SMALL.n_vocab,
        "max_source_positions": SMALL.n_audio_ctx,
        "d_model": SMALL.n_audio_state,
        "encoder_attention_heads": SMALL.n_audio_head,
        "encoder_layers": SMALL.n_audio_layer,
        "max_target_positions": SMALL.n_text_ctx,
        "decoder_attention_heads": SMALL.n_text_head,
        "decoder_layers": SMALL.n_text_layer,
        "num_mel_bins": SMALL.n_mels,
    }


# OpenAI's .pt: what torch.save writes, without torch


class _Rebuilt:
    """Pickles as a call of a function by its torch name."""

    def __init__(self, function: Any, arguments: tuple[Any, ...]) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


class _Storage:
    def __init__(self, kind: Any, key: str, count: int) -> None:
        self.pid = ("storage", kind, key, "cpu", count)


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, _Storage) else None


def _fake_torch() -> dict[str, types.ModuleType]:
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_: Any) -> None:
        raise AssertionError("only its name is pickled")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    for name in ("FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    return {"torch": torch, "torch._utils": utils}


def torch_zip_bytes(root: Any, target: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write `root`, a structure with arrays in it, as `torch.save` would."""
    modules = _fake_torch()
    torch, utils = modules["torch"], modules["torch._utils"]
    kinds = {
        "float32": "FloatStorage",
        "float16": "HalfStorage",
        "uint16": "BFloat16Storage",
        "int64": "LongStorage",
    }
    with mock.patch.dict(sys.modules, modules), zipfile.ZipFile(target, "w", compression) as out:
        count = 0

        def swap(value: Any) -> Any:
            nonlocal count
            if isinstance(value, np.ndarray):
                key, count = str(count), count + 1
                kind = getattr(torch, kinds[value.dtype.name])
                out.writestr(f"archive/data/{key}", value.tobytes())
                stride = tuple(step // value.itemsize for step in value.strides)
                storage = _Storage(kind, key, value.size)
                arguments: tuple[Any, ...]
                arguments = (storage, 0, value.shape, stride, False, OrderedDict())
                return _Rebuilt(utils._rebuild_tensor_v2, arguments)
            if isinstance(value, dict):
                return type(value)((name, swap(item)) for name, item in value.items())
            return value

        swapped = swap(root)
        with out.open("archive/data.pkl", "w") as file:
            _Pickler(file, protocol=2).dump(swapped)
        out.writestr("archive/version", "3\n")
    return target


def write_openai(target: Path, weights: Weights, *, tokenizer: bool = True) -> Path:
    """A .pt file, with a tokenizer beside it unless told otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    dims = {name: getattr(SMALL, name) for name in Hyperparameters.__dataclass_fields__}
    state = OrderedDict(
        (name, value.reshape(-1) if name.endswith(("conv1.bias", "conv2.bias")) else value)
        for name, value in weights.items()
    )
    torch_zip_bytes({"dims": dims, "model_state_dict": state}, target)
    if tokenizer:
        write_tokenizer(target.parent)
    return target


# Reading ggml files back


def read_ggml(path: Path) -> tuple[tuple[int, ...], tuple[bytes, ...], dict[str, Any]]:
    """Header integers, vocabulary, and name to (ggml type, shape, bytes) of a ggml file."""
    blocks = {0: (1, 4), 1: (1, 2), 6: (32, 22), 7: (32, 24), 8: (32, 34)}
    raw = path.read_bytes()
    header = struct.unpack_from("<12i", raw)
    n_mel, n_fft = struct.unpack_from("<2i", raw, 48)
    at = 56 + 4 * n_mel * n_fft
    (count,) = struct.unpack_from("<i", raw, at)
    at += 4
    tokens = []
    for _ in range(count):
        (length,) = struct.unpack_from("<i", raw, at)
        tokens.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    tensors = {}
    while at < len(raw):
        rank, length, kind = struct.unpack_from("<3i", raw, at)
        shape = struct.unpack_from(f"<{rank}i", raw, at + 12)[::-1]
        at += 12 + 4 * rank
        name = raw[at : at + length].decode()
        at += length
        values, size = blocks[kind]
        span = int(np.prod(shape)) // values * size
        tensors[name] = (kind, shape, raw[at : at + span])
        at += span
    return header[1:], tuple(tokens), tensors
