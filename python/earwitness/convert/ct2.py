"""The reader of CTranslate2 Whisper models (`model.bin`, as faster-whisper uses them).

The binary layout is that of CTranslate2's `ModelSpec` serialiser and `Model::load`, versions 1 to
6: a spec name and revision, then variables (name, shape, type, bytes), then aliases. Integer
weights carry a `<name>_scale` variable; the real value is integer / scale, per row for int8.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from earwitness.errors import ModelError

from . import vocabulary
from .checkpoint import Hyperparameters, Tensor, WhisperCheckpoint
from .mapped import MappedFile

FORMAT = "CTranslate2"
SPEC = "WhisperSpec"
NEWEST_VERSION = 6

# enum class DataType of CTranslate2; 5 is bfloat16, which numpy has not.
_BFLOAT16 = 5
_DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2", _BFLOAT16: "<u2"}
# Before version 4 a variable names only the size of its items.
_DTYPE_OF_SIZE = {4: "<f4", 2: "<i2", 1: "<i1"}
_MAX_RANK = 4


def _string(file: MappedFile, what: str) -> str:
    (length,) = file.unpack("<H", what)
    raw = file.take(length, what)
    if not raw.endswith(b"\0"):
        raise ModelError(f"{file.path} is damaged: {what} is not terminated")
    try:
        return raw[:-1].decode("utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"{file.path} is damaged: {what} is not text") from None


class _Variables:
    """The variables of a model by name, with their aliases and scales resolved."""

    def __init__(self, file: MappedFile) -> None:
        (version,) = file.unpack("<I", "the version")
        if not 1 <= version <= NEWEST_VERSION:
            raise ModelError(
                f"{file.path} has the CTranslate2 binary version {version}; "
                f"1 to {NEWEST_VERSION} are known"
            )
        if version >= 2:
            spec = _string(file, "the model kind")
            file.unpack("<I", "the model revision")
            if spec != SPEC:
                raise ModelError(f"{file.path} is a CTranslate2 model of the kind {spec!r}")
        self._path = file.path
        self._arrays: dict[str, Tensor] = {}
        self._aliases: dict[str, str] = {}
        self._used: set[str] = set()
        (count,) = file.unpack("<I", "the number of variables")
        for _ in range(count):
            self._read_variable(file, version)
        if version >= 3:
            (count,) = file.unpack("<I", "the number of aliases")
            for _ in range(count):
                alias = _string(file, "an alias")
                self._aliases[alias] = _string(file, "an alias")

    def _read_variable(self, file: MappedFile, version: int) -> None:
        name = _string(file, "a variable's name")
        (rank,) = file.unpack("<B", name)
        if rank > _MAX_RANK:
            raise ModelError(f"{file.path} is damaged: {name} claims {rank} dimensions")
        shape = file.unpack(f"<{rank}I", name)
        if version >= 4:
            kind, size = file.unpack("<BI", name)
            code = _DTYPES.get(kind)
        else:
            item, count = file.unpack("<BI", name)
            kind, size, code = -1, item * count, _DTYPE_OF_SIZE.get(item)
        if code is None:
            raise ModelError(f"{file.path}: {name} has an unknown type")
        dtype = np.dtype(code)
        count = math.prod(shape)
        if count * dtype.itemsize != size:
            raise ModelError(f"{file.path} is damaged: {name} has {size} bytes for {shape}")
        data = file.array(dtype, count, file.skip(size, name), name).reshape(shape)
        self._arrays[name] = Tensor(data, "bfloat16" if kind == _BFLOAT16 else "native")

    def _find(self, name: str) -> tuple[str, Tensor] | None:
        target = name if name in self._arrays else self._aliases.get(name, name)
        tensor = self._arrays.get(target)
        if tensor is None:
            return None
        self._used.add(target)
        return target, tensor

    def tensor(self, name: str) -> Tensor:
        found = self._find(name)
        if found is None:
            raise ModelError(f"{self._path} has no variable {name}")
        target, tensor = found
        if tensor.data.size == 0 or tensor.data.ndim == 0:
            raise ModelError(f"{self._path}: {target} has the shape {tensor.shape}")
        if tensor.data.dtype.kind != "i":
            return tensor
        scale = self._find(f"{target}_scale")
        if scale is None:
            raise ModelError(f"{self._path}: {target} is quantised and has no scale")
        if scale[1].data.size not in (1, tensor.shape[0]):
            raise ModelError(f"{self._path}: the scale of {target} does not fit it")
        size = scale[1].data.size
        divisor = scale[1].reshape(size).rows(0, size)
        if not np.all(divisor):
            raise ModelError(f"{self._path}: the scale of {target} is zero")
        return Tensor(tensor.data, scale=divisor)

    def number(self, name: str) -> int:
        found = self._find(name)
        if found is None or found[1].data.size != 1 or found[1].data.dtype.kind != "i":
            raise ModelError(f"{self._path} does not give {name}")
        return int(found[1].data.reshape(-1)[0])

    def layers(self, side: str) -> int:
        pattern = re.compile(rf"{side}/layer_(\d{{1,4}})/")
        found = [int(m.group(1)) for m in map(pattern.match, self._arrays) if m]
        return max(found, default=-1) + 1

    def has(self, name: str) -> bool:
        return name in self._arrays or name in self._aliases

    def check_all_used(self) -> None:
        # Scalars are settings (heads, activation, …), and alignment heads only place words.
        rest = [
            name
            for name, tensor in self._arrays.items()
            if name not in self._used and tensor.data.ndim > 0 and "alignment_heads" not in name
        ]
        if rest:
            raise ModelError(f"{self._path} has weights that Whisper has not, such as {rest[0]}")


class _Builder:
    """Collects whisper.cpp's tensors out of CTranslate2's fused ones."""

    def __init__(self, variables: _Variables) -> None:
        self._variables = variables
        self.tensors: dict[str, Tensor] = {}

    def norm(self, name: str, source: str) -> None:
        self.tensors[f"{name}.weight"] = self._variables.tensor(f"{source}/gamma")
        self.tensors[f"{name}.bias"] = self._variables.tensor(f"{source}/beta")

    def linear(self, name: str, source: str) -> None:
        self.tensors[f"{name}.weight"] = self._variables.tensor(f"{source}/weight")
        self.tensors[f"{name}.bias"] = self._variables.tensor(f"{source}/bias")

    def fused(self, names: tuple[str, ...], source: str) -> None:
        """Split a linear layer whose rows are several layers, one after another."""
        weight = self._variables.tensor(f"{source}/weight")
        bias = self._variables.tensor(f"{source}/bias")
        rows, rest = divmod(weight.shape[0], len(names))
        if rest or bias.shape != weight.shape[:1]:
            raise ModelError(f"{source} has the shape {weight.shape}, not {len(names)} layers")
        for i, name in enumerate(names):
            part = slice(i * rows, (i + 1) * rows)
            self.tensors[f"{name}.weight"] = weight[part]
            if not name.endswith(".key"):
                self.tensors[f"{name}.bias"] = bias[part]
            elif not bias[part].is_zero():
                # Whisper's keys have no bias; CTranslate2 fills the gap with zeros.
                raise ModelError(f"{source} has a key bias, which Whisper has not")

    def block(self, name: str, source: str, *, cross: bool) -> None:
        self.norm(f"{name}.attn_ln", f"{source}/self_attention/layer_norm")
        rows = tuple(f"{name}.attn.{part}" for part in ("query", "key", "value"))
        self.fused(rows, f"{source}/self_attention/linear_0")
        self.linear(f"{name}.attn.out", f"{source}/self_attention/linear_1")
        if cross:
            self.norm(f"{name}.cross_attn_ln", f"{source}/attention/layer_norm")
            self.linear(f"{name}.cross_attn.query", f"{source}/attention/linear_0")
            rows = tuple(f"{name}.cross_attn.{part}" for part in ("key", "value"))
            self.fused(rows, f"{source}/attention/linear_1")
            self.linear(f"{name}.cross_attn.out", f"{source}/attention/linear_2")
        self.norm(f"{name}.mlp_ln", f"{source}/ffn/layer_norm")
        self.linear(f"{name}.mlp.0", f"{source}/ffn/linear_0")
        self.linear(f"{name}.mlp.2", f"{source}/ffn/linear_1")


def is_ct2(head: bytes) -> bool:
    """Whether a file that begins with `head` (16 bytes or more) is a CTranslate2 Whisper model."""
    version = int.from_bytes(head[:4], "little")
    return 2 <= version <= 255 and head[6 : 6 + len(SPEC)] == SPEC.encode()


def read_ct2(path: Path) -> WhisperCheckpoint:
    """Read `model.bin`; the vocabulary comes from the tokenizer file beside it, if there is one.

    Raises:
        ModelError: the file is damaged, of another kind, or not a Whisper model.
    """
    variables = _Variables(MappedFile(path))
    build = _Builder(variables)
    tensors = build.tensors
    tensors["decoder.token_embedding.weight"] = variables.tensor("decoder/embeddings/weight")
    for side in ("decoder", "encoder"):
        encodings = variables.tensor(f"{side}/position_encodings/encodings")
        tensors[f"{side}.positional_embedding"] = encodings
    for i in (1, 2):
        tensors[f"encoder.conv{i}.weight"] = variables.tensor(f"encoder/conv{i}/weight")
        bias = variables.tensor(f"encoder/conv{i}/bias")
        tensors[f"encoder.conv{i}.bias"] = bias.reshape(bias.data.size, 1)
    build.norm("encoder.ln_post", "encoder/layer_norm")
    build.norm("decoder.ln", "decoder/layer_norm")
    layers = {side: variables.layers(side) for side in ("encoder", "decoder")}
    for side, count in layers.items():
        for i in range(count):
            build.block(f"{side}.blocks.{i}", f"{side}/layer_{i}", cross=side == "decoder")
    if variables.has("decoder/projection/weight"):
        projection = variables.tensor("decoder/projection/weight")
        if not projection.equals(tensors["decoder.token_embedding.weight"]):
            raise ModelError(f"{path} has an output layer of its own, which whisper.cpp has not")
    variables.check_all_used()

    for name in ("decoder.token_embedding.weight", "encoder.conv1.weight"):
        if tensors[name].data.ndim < 2:
            raise ModelError(f"{path}: {name} has the shape {tensors[name].shape}")
    width = tensors["decoder.token_embedding.weight"].shape[1]
    hyper = Hyperparameters(
        n_vocab=tensors["decoder.token_embedding.weight"].shape[0],
        n_audio_ctx=tensors["encoder.positional_embedding"].shape[0],
        n_audio_state=width,
        n_audio_head=variables.number("encoder/num_heads"),
        n_audio_layer=layers["encoder"],
        n_text_ctx=tensors["decoder.positional_embedding"].shape[0],
        n_text_state=width,
        n_text_head=variables.number("decoder/num_heads"),
        n_text_layer=layers["decoder"],
        n_mels=tensors["encoder.conv1.weight"].shape[1],
    )
    return WhisperCheckpoint(FORMAT, hyper, tensors, vocabulary.from_folder(path.parent))
