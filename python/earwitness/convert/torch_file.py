"""The reader of PyTorch's checkpoints (`torch.save`'s zip format), without PyTorch.

The file is a zip archive: `data.pkl` describes the objects, `data/N` hold the raw values. A
pickle is a program, so it is read by a machine of ours (`pickles.py`) that knows only what a table
of tensors needs: the tensor rebuilder, OrderedDict and the names of storage types.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earwitness.errors import ModelError

from .checkpoint import Tensor
from .mapped import MappedFile
from .pickles import Function, read_pickle

ZIP_MAGIC = b"PK\x03\x04"

# The description of Whisper large, some 1300 tensors, is about 200 kB.
_MAX_PICKLE = 16 << 20
_MAX_ENTRIES = 1 << 16
_LOCAL_HEADER = 30

_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    # Counters, such as those of batch norms.
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


@dataclass(frozen=True)
class _StorageType:
    name: str


class _TorchZip:
    """The archive's members as views of the mapped file."""

    def __init__(self, path: Path) -> None:
        self._file = MappedFile(path)
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise ModelError(f"{path} is damaged: {error}") from None
        if len(members) > _MAX_ENTRIES:
            raise ModelError(f"{path} has {len(members)} entries; that is no checkpoint")
        self._members = {member.filename: member for member in members}
        roots = [name for name in self._members if re.fullmatch(r"([^/]+/)?data\.pkl", name)]
        if len(roots) != 1:
            raise ModelError(f"{path} is a zip archive but not a PyTorch checkpoint")
        self._root = roots[0].removesuffix("data.pkl")
        order = self._members.get(f"{self._root}byteorder")
        if order is not None and self.member(order.filename).tobytes() != b"little":
            raise ModelError(f"{path} was saved on a big-endian machine")

    def member(self, name: str) -> NDArray[np.uint8]:
        path = self._file.path
        entry = self._members.get(name)
        if entry is None:
            raise ModelError(f"{path} lacks its member {name}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise ModelError(f"{path}: {name} is compressed; save the checkpoint with torch.save")
        # The local header repeats the name and has its own extra field (PyTorch pads with it).
        self._file.position = entry.header_offset
        header = self._file.take(_LOCAL_HEADER, name)
        if header[:4] != ZIP_MAGIC:
            raise ModelError(f"{path} is damaged: {name} is not where the directory says")
        name_length, extra_length = struct.unpack_from("<HH", header, 26)
        start = entry.header_offset + _LOCAL_HEADER + name_length + extra_length
        return self._file.array(np.dtype(np.uint8), entry.file_size, start, name)

    def description(self) -> bytes:
        name = f"{self._root}data.pkl"
        if self._members[name].file_size > _MAX_PICKLE:
            raise ModelError(f"{self._file.path}: {name} is too large for a table of tensors")
        return self.member(name).tobytes()

    def storage(self, key: str, kind: str, count: int) -> NDArray[Any]:
        raw = self.member(f"{self._root}data/{key}")
        dtype = np.dtype(_STORAGES[kind])
        if count * dtype.itemsize != raw.size:
            raise ModelError(f"{self._file.path} is damaged: storage {key} has {raw.size} bytes")
        return raw.view(dtype)


@dataclass(frozen=True)
class _Storage:
    values: NDArray[Any]
    kind: str


def _counts(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > 4:
        raise ModelError("the checkpoint describes a tensor with an impossible shape")
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value):
        raise ModelError("the checkpoint describes a tensor with an impossible shape")
    return value


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_unused: Any) -> Tensor:
    """What `torch._utils._rebuild_tensor_v2` does: a strided view of a storage."""
    shape, steps = _counts(size), _counts(stride)
    (start,) = _counts((offset,))
    if not isinstance(storage, _Storage) or len(shape) != len(steps):
        raise ModelError("the checkpoint describes a tensor without a storage")
    values = storage.values
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if math.prod(shape) == 0 or last >= values.size:
        raise ModelError("the checkpoint describes a tensor that reaches beyond its storage")
    # Overlapping views would let a small file claim a huge tensor.
    if math.prod(shape) > values.size:
        raise ModelError("the checkpoint describes a tensor larger than its storage")
    encoding: Literal["native", "bfloat16"] = (
        "bfloat16" if storage.kind == "BFloat16Storage" else "native"
    )
    view = np.lib.stride_tricks.as_strided(
        values[start:],
        shape=shape,
        strides=tuple(step * values.itemsize for step in steps),
        writeable=False,
    )
    return Tensor(view, encoding)


def _rebuild_parameter(data: Any, *_unused: Any) -> Any:
    """What `torch._utils._rebuild_parameter` does, without the gradient's settings."""
    return data


def _find_name(module: str, name: str) -> Any:
    """What the few names that a table of tensors needs stand for."""
    if module == "torch._utils" and name == "_rebuild_tensor_v2":
        return Function(_rebuild_tensor)
    if module == "torch._utils" and name == "_rebuild_parameter":
        return Function(_rebuild_parameter)
    if module == "collections" and name == "OrderedDict":
        return Function(OrderedDict)
    if module == "torch" and name in _STORAGES:
        return _StorageType(name)
    raise ModelError(
        f"the checkpoint's pickle asks for {module}.{name}; only tables of tensors are "
        "read, and nothing in a checkpoint is executed"
    )


def load(path: Path) -> dict[Any, Any]:
    """The table saved in a file, with every tensor as a `Tensor`.

    Raises:
        ModelError: the file is damaged or its pickle asks for anything but tables of tensors.
    """
    archive = _TorchZip(path)

    def find_storage(pid: Any) -> _Storage:
        if (
            not isinstance(pid, tuple)
            or len(pid) != 5
            or pid[0] != "storage"
            or not isinstance(pid[1], _StorageType)
            or not isinstance(pid[2], str)
        ):
            raise ModelError("the checkpoint's pickle refers to something that is no storage")
        (count,) = _counts((pid[4],))
        return _Storage(archive.storage(pid[2], pid[1].name, count), pid[1].name)

    try:
        value = read_pickle(archive.description(), _find_name, find_storage)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__}, not a table of tensors")
    return value


def tensors(table: Any, path: Path) -> dict[str, Tensor]:
    """A table of a file as one of tensors by name.

    Raises:
        ModelError: it holds anything else.
    """
    if not isinstance(table, dict):
        raise ModelError(f"{path} has no table of tensors")
    for name, tensor in table.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ModelError(f"{path} has {name!r} among its tensors, which is none")
    return dict(table)


def read_torch_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a plain state dict saved with `torch.save`.

    Raises:
        ModelError: the file is damaged or its pickle asks for anything but tensors.
    """
    return tensors(load(path), path)
