"""The catalogue is consistent, and the names people type find the right model."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from earwitness import _core, models
from earwitness.errors import ModelError, ModelNotFoundError
from earwitness.models import CATALOGUE, HubSource, PackageSource

FAMILIES = {
    *("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en"),
    *("large-v1", "large-v2", "large-v3", "large-v3-turbo"),
}


def test_all_released_models_are_there() -> None:
    assert {entry.family for entry in CATALOGUE} == FAMILIES
    assert {entry.name for entry in CATALOGUE if entry.weights == "f16"} == FAMILIES
    assert {entry.weights for entry in CATALOGUE} == {"f16", "q8_0", "q5_1", "q5_0"}


def test_the_heads_that_follow_words_are_known_for_every_model() -> None:
    layers = {"tiny": 4, "base": 6, "small": 12, "medium": 24, "large-v3-turbo": 4}
    known = _core.published_heads()
    for family in {entry.family for entry in CATALOGUE}:
        assert known[family], family
        n_layers = layers.get(family.removesuffix(".en"), 32)
        assert all(0 <= layer < n_layers and 0 <= head < 20 for layer, head in known[family])


def test_every_entry_is_well_formed() -> None:
    for entry in CATALOGUE:
        assert entry.licence == "MIT"
        assert entry.size > 30_000_000
        assert entry.multilingual is not entry.name.split("-")[0].endswith(".en")
        assert len(entry.languages) in (1, 99, 100)
        assert len(set(entry.languages)) == len(entry.languages)
        assert isinstance(entry.sources[0], HubSource)
        assert entry.sources[0].filename == entry.filename
        for source in entry.sources:
            assert re.fullmatch("[0-9a-f]{64}", source.sha256)
            if isinstance(source, PackageSource):
                assert source.weights == entry.weights
                assert source.size == entry.size
                for requirement in source.requirements:
                    assert re.fullmatch("[0-9a-f]{64}", requirement.sha256)
    digests = [entry.sha256 for entry in CATALOGUE]
    assert len(set(digests)) == len(digests)


def test_quantised_models_are_smaller_in_order() -> None:
    size = {entry.name: entry.size for entry in CATALOGUE}
    for entry in CATALOGUE:
        if entry.weights != "f16":
            assert entry.size < size[entry.family] * 0.6
    assert size["large-v3-turbo-q5_0"] < size["large-v3-turbo-q8_0"]


def test_aliases_are_unambiguous() -> None:
    owner: dict[str, str] = {entry.name: entry.name for entry in CATALOGUE}
    for entry in CATALOGUE:
        for alias in entry.aliases:
            assert alias == alias.lower()
            assert owner.setdefault(alias, entry.name) == entry.name, alias


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tiny.en", "tiny.en"),
        (" Tiny.EN ", "tiny.en"),
        ("openai/whisper-large-v3", "large-v3"),
        ("openai/whisper-tiny.en", "tiny.en"),
        ("openai/whisper-large-v3-turbo", "large-v3-turbo"),
        ("whisper-large-v3-turbo", "large-v3-turbo"),
        ("whisper-1", "large-v2"),
        ("large", "large-v3"),
        ("turbo", "large-v3-turbo"),
        ("turbo-q5_0", "large-v3-turbo-q5_0"),
        ("Systran/faster-whisper-base", "base"),
        ("faster-whisper-medium.en", "medium.en"),
        ("ggml-base-q5_1.bin", "base-q5_1"),
        ("ggml-large-v3-turbo-q8_0", "large-v3-turbo-q8_0"),
        ("deepdml/faster-whisper-large-v3-turbo-ct2", "large-v3-turbo"),
    ],
)
def test_names_that_users_type(name: str, wanted: str) -> None:
    assert models.find(name).name == wanted


def test_unknown_name_suggests_a_known_one() -> None:
    with pytest.raises(ModelNotFoundError, match=r"tiny\.en"):
        models.find("tiny-en")
    with pytest.raises(ModelNotFoundError, match="earwitness models"):
        models.find("qqqqqqqqqqqq")


def test_paths_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.bin"
    file.write_bytes(b"lmgg")
    assert models.resolve(file) == file
    assert models.resolve(str(file)) == file
    monkeypatch.chdir(tmp_path)
    assert models.resolve("mine.bin") == Path("mine.bin")
    for absent in (tmp_path / "absent.bin", str(tmp_path / "absent"), "absent.bin"):
        with pytest.raises(ModelNotFoundError):
            models.resolve(absent)
    with pytest.raises(ModelError, match="folder"):
        models.resolve(tmp_path)
    with pytest.raises(ModelNotFoundError):
        models.resolve("a\0b")


def test_a_known_name_wins_over_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").write_bytes(b"not a model")
    monkeypatch.setattr(models, "pull", lambda name, progress: Path("pulled") / name)
    assert models.resolve("tiny") == Path("pulled/tiny")
    assert models.resolve("./tiny") == Path("tiny")
    assert models.resolve(Path("tiny")) == Path("tiny")


def test_importing_models_loads_nothing_of_the_network() -> None:
    code = (
        "import sys, earwitness.models as m; m.find('base'); m.list_models(); "
        "print(sorted({'requests', 'urllib3', 'pooch', 'tqdm', 'filelock', 'numpy'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
