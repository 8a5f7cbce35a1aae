"""Whisper checkpoints of other libraries to the ggml files that the engine loads.

    from earwitness.convert import convert
    convert("my-finetuned-whisper/", "my-model.bin", weights="q8_0")

CTranslate2, OpenAI `.pt` and Hugging Face checkpoints are recognised by content. Only numpy is
used, and files are mapped and converted in blocks: memory stays far below the model's size.
"""

from __future__ import annotations

import os
from pathlib import Path

from earwitness.errors import ModelError, ModelNotFoundError

from . import ct2, huggingface, openai, torch_file
from .checkpoint import Hyperparameters, WhisperCheckpoint
from .ggml import MAGIC, WEIGHTS, ConvertReport, Progress, check_weights, write_ggml

__all__ = [
    "WEIGHTS",
    "ConvertReport",
    "Hyperparameters",
    "WhisperCheckpoint",
    "convert",
    "read_checkpoint",
]


def _read_file(path: Path) -> WhisperCheckpoint:
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise ModelError(f"{path} is empty")
    if head.startswith(torch_file.ZIP_MAGIC):
        return openai.read_openai(path)
    if huggingface.is_safetensors(head):
        return huggingface.read_huggingface(path)
    if ct2.is_ct2(head):
        return ct2.read_ct2(path)
    if head[:4] == MAGIC.to_bytes(4, "little"):
        raise ModelError(f"{path} is a ggml file already; it can be used as it is")
    if head[:4] == b"GGUF":
        raise ModelError(f"{path} is a GGUF file; Whisper models for whisper.cpp are not GGUF")
    if head[:2] == b"\x80\x02":
        raise ModelError(
            f"{path} is a PyTorch file of the format before 1.6; load and save it once with a "
            "current PyTorch"
        )
    raise ModelError(
        f"{path} is none of the kinds that can be converted: a CTranslate2 model.bin, an OpenAI "
        ".pt, a Hugging Face model.safetensors"
    )


def _read_folder(path: Path) -> WhisperCheckpoint:
    for name in (huggingface.WEIGHTS, huggingface.INDEX, huggingface.TORCH_WEIGHTS):
        if (path / name).is_file():
            return huggingface.read_huggingface(path)
    if (path / "model.bin").is_file():
        return _read_file(path / "model.bin")
    single = sorted(path.glob("*.pt"))
    if len(single) == 1:
        return _read_file(single[0])
    raise ModelError(
        f"{path} holds no checkpoint: expected model.bin (CTranslate2), model.safetensors "
        "(Hugging Face) or one .pt file (OpenAI)"
    )


def read_checkpoint(src: str | os.PathLike[str]) -> WhisperCheckpoint:
    """Open a checkpoint (a folder or its weights file) without reading its weights yet.

    Raises:
        ModelNotFoundError: there is nothing at `src`.
        ModelError: it is damaged or of a kind that cannot be converted.
    """
    path = Path(src)
    if not path.exists():
        raise ModelNotFoundError(f"there is no file or folder {path}")
    try:
        return _read_folder(path) if path.is_dir() else _read_file(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from error


def convert(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    weights: str = "f16",
    progress: Progress | None = None,
) -> ConvertReport:
    """Convert the checkpoint `src` into the ggml file `dst`.

    Args:
        src: a checkpoint's folder, or its weights file with the other files beside it.
        dst: the file to write; it is replaced only by a complete one.
        weights: how matrices are stored: f32, f16, q8_0, q5_0 or q5_1.
        progress: called with the bytes of weights written so far and in all.

    Raises:
        ModelNotFoundError: there is nothing at `src`.
        ModelError: `src` is damaged, of another kind, or not expressible as a ggml file.
        InvalidOptionError: `weights` is unknown or does not fit the model's dimensions.
        OSError: `dst` cannot be written.
    """
    kind = check_weights(weights)
    return write_ggml(read_checkpoint(src), Path(dst), weights=kind, progress=progress)
