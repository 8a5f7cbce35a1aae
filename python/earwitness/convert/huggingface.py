"""The reader of Hugging Face Whisper checkpoints (`transformers`' naming).

Weights come from `model.safetensors`, from several files that `model.safetensors.index.json`
lists, or from an older `pytorch_model.bin`; dimensions from `config.json`. The safetensors format
(a length, a JSON header of types, shapes and offsets, then the raw values) is simple enough to
read directly, which keeps numpy the only dependency and bfloat16 readable.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.errors import ModelError

from . import vocabulary
from .checkpoint import Hyperparameters, Tensor, WhisperCheckpoint
from .mapped import MappedFile, read_small
from .torch_file import read_torch_tensors

FORMAT = "Hugging Face"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TORCH_WEIGHTS = "pytorch_model.bin"

# The format's own limit for its header (safetensors: MAX_HEADER_SIZE).
_MAX_HEADER = 100_000_000
_MAX_RANK = 4
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}

_PARTS = {
    "self_attn_layer_norm": "attn_ln",
    "self_attn.q_proj": "attn.query",
    "self_attn.k_proj": "attn.key",
    "self_attn.v_proj": "attn.value",
    "self_attn.out_proj": "attn.out",
    "encoder_attn_layer_norm": "cross_attn_ln",
    "encoder_attn.q_proj": "cross_attn.query",
    "encoder_attn.k_proj": "cross_attn.key",
    "encoder_attn.v_proj": "cross_attn.value",
    "encoder_attn.out_proj": "cross_attn.out",
    "final_layer_norm": "mlp_ln",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
}
_WHOLE = {
    "encoder.embed_positions.weight": "encoder.positional_embedding",
    "decoder.embed_positions.weight": "decoder.positional_embedding",
    "decoder.embed_tokens.weight": "decoder.token_embedding.weight",
    "encoder.layer_norm.weight": "encoder.ln_post.weight",
    "encoder.layer_norm.bias": "encoder.ln_post.bias",
    "decoder.layer_norm.weight": "decoder.ln.weight",
    "decoder.layer_norm.bias": "decoder.ln.bias",
}
_LAYER = re.compile(r"(encoder|decoder)\.layers\.(\d{1,4})\.(.+)\.(weight|bias)")
_OUTPUT = "proj_out.weight"


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins with `head` (9 bytes or more) is a safetensors file."""
    return 2 <= int.from_bytes(head[:8], "little") <= _MAX_HEADER and head[8:9] == b"{"


def _json_object(text: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file as views of the mapped file.

    Raises:
        ModelError: the header lies about the file, or a type is not a floating-point one.
    """
    file = MappedFile(path)
    (length,) = file.unpack("<Q", "the header's length")
    if length > _MAX_HEADER:
        raise ModelError(f"{path} claims a header of {length} bytes")
    header = _json_object(file.take(length, "the header"), path)
    base = file.position
    tensors: dict[str, Tensor] = {}
    for name, item in header.items():
        if name == "__metadata__":
            continue
        entry = item if isinstance(item, dict) else {}
        kind, shape, span = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
        if (
            not isinstance(kind, str)
            or not isinstance(shape, list)
            or not isinstance(span, list)
            or len(span) != 2
            or len(shape) > _MAX_RANK
            or not all(map(_is_count, (*shape, *span)))
        ):
            raise ModelError(f"{path} is damaged: the header's entry for {name} is malformed")
        if kind not in _DTYPES:
            raise ModelError(f"{path}: {name} has the type {kind}, which is not a plain float")
        dtype = np.dtype(_DTYPES[kind])
        count = math.prod(shape)
        if span[1] - span[0] != count * dtype.itemsize:
            raise ModelError(f"{path} is damaged: the span of {name} does not fit its shape")
        data = file.array(dtype, count, base + span[0], name).reshape(shape)
        tensors[name] = Tensor(data, "bfloat16" if kind == "BF16" else "native")
    return tensors


def _read_sharded(index: Path) -> dict[str, Tensor]:
    weight_map = _json_object(read_small(index), index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise ModelError(f"{index} has no weight_map")
    tensors: dict[str, Tensor] = {}
    shards = sorted(set(map(str, weight_map.values())))
    for shard in shards:
        # A shard is a file beside its index: nothing in an index may point elsewhere.
        if Path(shard).name != shard or not (index.parent / shard).is_file():
            raise ModelError(f"{index} names {shard!r}, which is not a file beside it")
        tensors.update(read_safetensors(index.parent / shard))
    lost = [name for name in weight_map if name not in tensors]
    if lost:
        raise ModelError(f"{index} promises {lost[0]}, and no shard has it")
    return tensors


def _target_name(name: str) -> str | None:
    if name in _WHOLE:
        return _WHOLE[name]
    if re.fullmatch(r"encoder\.conv[12]\.(weight|bias)", name):
        return name
    match = _LAYER.fullmatch(name)
    if match and match.group(3) in _PARTS:
        side, layer, part, kind = match.groups()
        return f"{side}.blocks.{layer}.{_PARTS[part]}.{kind}"
    return None


def _rename(source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, tensor in source.items():
        # A bare WhisperModel is saved without the prefix of WhisperForConditionalGeneration.
        target = _target_name(name.removeprefix("model."))
        if target is None:
            if name != _OUTPUT:
                raise ModelError(f"the checkpoint has a tensor that Whisper has not: {name}")
            continue
        if target.endswith(("conv1.bias", "conv2.bias")):
            tensor = tensor.reshape(tensor.data.size, 1)
        tensors[target] = tensor
    output = source.get(_OUTPUT)
    embedding = tensors.get("decoder.token_embedding.weight")
    if output is not None and embedding is not None and not output.equals(embedding):
        raise ModelError("the checkpoint has an output layer of its own, which whisper.cpp has not")
    return tensors


def _hyperparameters(config: Path) -> Hyperparameters:
    if not config.is_file():
        raise ModelError(f"{config} is missing: it gives the model's dimensions")
    values = _json_object(read_small(config), config)
    if values.get("model_type") != "whisper":
        raise ModelError(f"{config} describes a {values.get('model_type')!r} model, not Whisper")

    def number(key: str) -> int:
        value = values.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ModelError(f"{config} gives {key} as {value!r}")
        return value

    return Hyperparameters(
        n_vocab=number("vocab_size"),
        n_audio_ctx=number("max_source_positions"),
        n_audio_state=number("d_model"),
        n_audio_head=number("encoder_attention_heads"),
        n_audio_layer=number("encoder_layers"),
        n_text_ctx=number("max_target_positions"),
        n_text_state=number("d_model"),
        n_text_head=number("decoder_attention_heads"),
        n_text_layer=number("decoder_layers"),
        n_mels=number("num_mel_bins"),
    )


def read_huggingface(path: Path) -> WhisperCheckpoint:
    """Read a checkpoint folder, or the one around a given weights file.

    Raises:
        ModelError: a file is missing, damaged, or of another kind of model.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_file():
        source = read_safetensors(path)
    elif (folder / WEIGHTS).is_file():
        source = read_safetensors(folder / WEIGHTS)
    elif (folder / INDEX).is_file():
        source = _read_sharded(folder / INDEX)
    elif (folder / TORCH_WEIGHTS).is_file():
        source = read_torch_tensors(folder / TORCH_WEIGHTS)
    else:
        raise ModelError(f"{folder} has neither {WEIGHTS} nor {INDEX} nor {TORCH_WEIGHTS}")
    hyper = _hyperparameters(folder / "config.json")
    return WhisperCheckpoint(FORMAT, hyper, _rename(source), vocabulary.from_folder(folder))
