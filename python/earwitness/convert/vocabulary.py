"""Whisper's base vocabularies: from a tokenizer file, or the two that the package carries.

GPT-2's byte-level BPE writes each byte of a token as one printable character (`bytes_to_unicode`
in OpenAI's GPT-2 encoder); ggml files hold the bytes themselves.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from earwitness.errors import ModelError

from .mapped import read_small

# whisper.cpp's own files hold the ids 0..50256 and name the special tokens after them itself.
BASE_SIZE = 50257

# sha256 over each token's length (uint32, little-endian) and bytes, in id order.
_DIGESTS = {
    "en": "a5623714bcf19049eb0fd78df19b6daa1e61ac435b86a5deae767768e7fcdc3d",
    "multilingual": "7a1796f07fce01ae84cc2f83b9a72da17dc652ddc339cb113edcc4c60094f418",
}


@cache
def byte_order() -> tuple[int, ...]:
    """The 256 bytes in the order of their token ids, 0..255."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return (*printable, *(byte for byte in range(256) if byte not in printable))


@cache
def _byte_of_character() -> dict[str, int]:
    # The printable bytes stand for themselves, the others for the characters from U+0100 on.
    printable = 256 - 68
    return {
        chr(byte if i < printable else 256 + i - printable): byte
        for i, byte in enumerate(byte_order())
    }


def _token_bytes(token: str) -> bytes:
    table = _byte_of_character()
    try:
        return bytes(table[character] for character in token)
    except KeyError:
        raise ModelError(f"{token!r} is not a byte-level BPE token") from None


def from_ids(ids: Mapping[str, Any]) -> tuple[bytes, ...]:
    """The base vocabulary out of a token-to-id table (`vocab.json`, `tokenizer.json`)."""
    by_id: dict[int, str] = {}
    for token, index in ids.items():
        if isinstance(index, bool) or not isinstance(index, int):
            raise ModelError(f"the vocabulary gives {token!r} the id {index!r}")
        if 0 <= index < BASE_SIZE and by_id.setdefault(index, token) != token:
            raise ModelError(f"the vocabulary gives the id {index} twice")
    missing = next((i for i in range(BASE_SIZE) if i not in by_id), None)
    if missing is not None:
        raise ModelError(f"the vocabulary has no token with the id {missing}")
    return tuple(_token_bytes(by_id[i]) for i in range(BASE_SIZE))


def from_list(tokens: Sequence[Any]) -> tuple[bytes, ...]:
    """The base vocabulary out of tokens in id order (CTranslate2's `vocabulary.json`/`.txt`)."""
    if len(tokens) < BASE_SIZE or not all(isinstance(token, str) for token in tokens):
        raise ModelError(f"the vocabulary has fewer than {BASE_SIZE} tokens")
    return tuple(_token_bytes(token) for token in tokens[:BASE_SIZE])


def _read_text(path: Path) -> str:
    try:
        return read_small(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 text: {error}") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from None


def from_folder(folder: Path) -> tuple[bytes, ...] | None:
    """The vocabulary in a checkpoint's folder, or None when it has no tokenizer file.

    Raises:
        ModelError: a tokenizer file is there but is damaged or of another kind.
    """
    tokenizer = folder / "tokenizer.json"
    if tokenizer.is_file():
        root = _read_json(tokenizer)
        model = root.get("model") if isinstance(root, dict) else None
        ids = model.get("vocab") if isinstance(model, dict) else None
        if not isinstance(ids, dict):
            raise ModelError(f"{tokenizer} holds no byte-level BPE vocabulary")
        added = {
            item["content"]: item["id"]
            for item in root.get("added_tokens") or []
            if isinstance(item, dict) and "content" in item and "id" in item
        }
        return from_ids({**added, **ids})
    for name in ("vocab.json", "vocabulary.json"):
        if (folder / name).is_file():
            content = _read_json(folder / name)
            if isinstance(content, dict):
                return from_ids(content)
            if isinstance(content, list):
                return from_list(content)
            raise ModelError(f"{folder / name} holds neither a table nor a list of tokens")
    if (folder / "vocabulary.txt").is_file():
        return from_list(_read_text(folder / "vocabulary.txt").splitlines())
    return None


def _digest(tokens: Sequence[bytes]) -> str:
    total = hashlib.sha256()
    for token in tokens:
        total.update(struct.pack("<I", len(token)) + token)
    return total.hexdigest()


def parse_model_file(content: bytes) -> tuple[bytes, ...]:
    """The vocabulary inside a ggml Whisper file's head (after header and mel filters).

    Raises:
        ModelError: the bytes are cut short or no such file.
    """
    try:
        (magic,) = struct.unpack_from("<I", content, 0)
        n_mel, n_fft = struct.unpack_from("<2i", content, 48)
        if magic != 0x67676D6C or n_mel <= 0 or n_fft <= 0:
            raise ModelError("not a ggml Whisper file")
        offset = 56 + 4 * n_mel * n_fft
        if offset > len(content):
            raise ModelError("the mel filters are cut short")
        (count,) = struct.unpack_from("<i", content, offset)
        offset += 4
        if not 0 <= count <= len(content):
            raise ModelError(f"the vocabulary claims {count} tokens")
        tokens = []
        for _ in range(count):
            (length,) = struct.unpack_from("<I", content, offset)
            offset += 4
            if length > len(content) - offset:
                raise ModelError("the vocabulary is cut short")
            tokens.append(content[offset : offset + length])
            offset += length
    except struct.error:
        raise ModelError("the vocabulary is cut short") from None
    return tuple(tokens)


@cache
def builtin(*, multilingual: bool) -> tuple[bytes, ...]:
    """The base vocabulary that the package carries, for checkpoints that hold none.

    whisper.cpp's vocabulary-only test models are installed with the package. They were written
    through text, so that tokens which are not whole UTF-8 characters hold U+FFFD instead of their
    bytes; `vocabulary_repairs.json` restores those, and a digest proves the whole right.

    Raises:
        ModelError: the package's data is missing or is not what it should be.
    """
    kind = "multilingual" if multilingual else "en"
    source = resources.files("earwitness") / "data" / f"vocab-{kind}.bin"
    if not source.is_file():
        raise ModelError(
            f"this checkpoint carries no vocabulary and the package's own (vocab-{kind}.bin) is "
            "not installed; put the model's tokenizer.json or vocab.json beside the checkpoint"
        )
    tokens = list(parse_model_file(source.read_bytes()))
    repairs = resources.files("earwitness.convert") / "vocabulary_repairs.json"
    table: dict[str, str] = json.loads(repairs.read_text(encoding="utf-8"))[kind]
    tokens[:256] = [bytes([byte]) for byte in byte_order()]
    for index, value in table.items():
        tokens[int(index)] = bytes.fromhex(value)
    if _digest(tokens) != _DIGESTS[kind]:
        raise ModelError(f"the package's vocabulary vocab-{kind}.bin is not the expected one")
    return tuple(tokens)
