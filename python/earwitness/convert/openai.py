"""The reader of OpenAI's Whisper checkpoints (`.pt`, PyTorch's zip format), without PyTorch."""

from __future__ import annotations

from pathlib import Path

from earwitness.errors import ModelError

from . import torch_file, vocabulary
from .checkpoint import Hyperparameters, WhisperCheckpoint

FORMAT = "OpenAI"


def read_openai(path: Path) -> WhisperCheckpoint:
    """Read a `.pt` file with `dims` and `model_state_dict`.

    OpenAI's files carry no vocabulary. One beside the file (`tokenizer.json`, `vocab.json`) is
    used; otherwise the writer takes the package's own.

    Raises:
        ModelError: the file is damaged, of another kind, or its pickle asks for more than tensors.
    """
    root = torch_file.load(path)
    dims, state = root.get("dims"), root.get("model_state_dict")
    if not isinstance(dims, dict) or not isinstance(state, dict):
        raise ModelError(f"{path} is a PyTorch file without 'dims' and 'model_state_dict'")
    names = tuple(Hyperparameters.__dataclass_fields__)
    missing = [name for name in names if name not in dims]
    if missing:
        raise ModelError(f"{path} does not give {missing[0]} among its dims")
    hyper = Hyperparameters(**{name: dims[name] for name in names})
    tensors = torch_file.tensors(state, path)
    for name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        if name in tensors:
            tensors[name] = tensors[name].reshape(tensors[name].data.size, 1)
    # The mask of the decoder's attention is a constant that some versions stored.
    tensors.pop("decoder.mask", None)
    return WhisperCheckpoint(FORMAT, hyper, tensors, vocabulary.from_folder(path.parent))
