"""Vocabularies from tokenizer files, and the two that the package carries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkpoints import random_weights, read_ggml, vocabulary_bytes, vocabulary_tokens, write_openai
from earwitness.convert import convert, vocabulary
from earwitness.errors import ModelError


def test_all_tokenizer_files_say_the_same(tmp_path: Path) -> None:
    tokens = [*vocabulary_tokens(), "<|endoftext|>", "<|startoftranscript|>"]
    ids = {token: i for i, token in enumerate(tokens)}
    files = {
        "tokenizer.json": json.dumps({"model": {"vocab": ids}}),
        "vocab.json": json.dumps(ids),
        "vocabulary.json": json.dumps(tokens),
        "vocabulary.txt": "\n".join(tokens) + "\n",
    }
    assert vocabulary.from_folder(tmp_path) is None
    for name, content in files.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text(content, encoding="utf-8")
        assert vocabulary.from_folder(folder) == vocabulary_bytes(), name


@pytest.mark.parametrize("multilingual", [False, True])
def test_builtin_vocabularies_are_whole(multilingual: bool) -> None:
    tokens = vocabulary.builtin(multilingual=multilingual)
    assert len(tokens) == vocabulary.BASE_SIZE
    assert set(tokens) >= {bytes([byte]) for byte in range(256)}
    # Tokens that had lost their bytes would all have become the same few.
    assert len(set(tokens)) == len(tokens)
    assert tokens[:3] == (b"!", b'"', b"#")
    assert (b"<|endoftext|>" in tokens) is not multilingual


def test_builtin_vocabulary_is_that_of_the_published_models(
    tiny_en: Path, base_model: Path
) -> None:
    for path, multilingual in ((tiny_en, False), (base_model, True)):
        with path.open("rb") as file:
            head = file.read(2 << 20)
        assert vocabulary.parse_model_file(head) == vocabulary.builtin(multilingual=multilingual)


def test_openai_file_alone_gets_the_builtin_vocabulary(tmp_path: Path) -> None:
    source = write_openai(tmp_path / "m.pt", random_weights(), tokenizer=False)
    convert(source, tmp_path / "o.bin")
    _, tokens, _ = read_ggml(tmp_path / "o.bin")
    assert tokens == vocabulary.builtin(multilingual=False)


@pytest.mark.parametrize("content", [b"", b"lmgg", b"x" * 100, b"lmgg" + b"\x7f" * 100])
def test_damaged_vocabulary_file(content: bytes) -> None:
    with pytest.raises(ModelError):
        vocabulary.parse_model_file(content)
