"""The store of voices: who is known, who is not, and what a damaged file does."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest
from earwitness import Diarization, VoiceMatch, Voices
from earwitness.diarizer import shared_diarizer
from earwitness.errors import InvalidOptionError, ModelError

SIZE: Final = 192
Vector = list[float]


def unit(vector: Vector) -> Vector:
    length = math.hypot(*vector)
    return [x / length for x in vector]


def voice(seed: int) -> Vector:
    """A made-up person's: those of two are almost at right angles."""
    source = random.Random(seed)
    return unit([source.gauss(0, 1) for _ in range(SIZE)])


def between(a: Vector, b: Vector, share: float) -> Vector:
    """As `a` for the most part, `share` of the way towards `b`."""
    return unit([(1 - share) * x + share * y for x, y in zip(a, b, strict=True)])


def cosine(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(unit(a), unit(b), strict=True))


ADA, BEN, EVE = voice(1), voice(2), voice(3)


@pytest.fixture
def voices() -> Voices:
    made = Voices()
    made.add("Ada", ADA)
    made.add("Ben", BEN)
    return made


def test_the_known_are_known_and_the_others_are_not(voices: Voices) -> None:
    found = voices.match(between(ADA, EVE, 0.3))
    assert found is not None
    assert found.name == "Ada"
    assert found.score == pytest.approx(cosine(between(ADA, EVE, 0.3), ADA), abs=1e-5)
    runner_up = cosine(between(ADA, EVE, 0.3), BEN)
    assert found.margin == pytest.approx(found.score - runner_up, abs=1e-5)
    assert voices.match(EVE) is None
    assert Voices().match(ADA) is None


def test_threshold_and_margin_decide(voices: Voices) -> None:
    doubtful = between(ADA, BEN, 0.49)
    assert voices.match(doubtful) is None
    found = voices.match(doubtful, margin=0.0)
    assert found is not None
    assert found.name == "Ada"
    assert voices.match(between(ADA, EVE, 0.3), threshold=0.99) is None
    assert voices.match(EVE, threshold=-1.0, margin=0.0) is not None


def test_the_only_voice_leads_by_all_there_is() -> None:
    voices = Voices()
    voices.add("Ada", ADA)
    found = voices.match(ADA)
    assert found is not None
    assert found.margin == pytest.approx(2.0, abs=1e-5)


def test_more_samples_make_one_voice(voices: Voices) -> None:
    other = between(ADA, EVE, 0.4)
    voices.add("Ada", [100 * x for x in other])  # its length says nothing
    assert voices.samples("Ada") == 2
    assert voices.samples("Ben") == 1
    mean = voices.voice("Ada")
    assert mean is not None
    assert cosine(mean, [a + b for a, b in zip(ADA, other, strict=True)]) > 0.99999
    assert math.hypot(*mean) == pytest.approx(1.0, abs=1e-5)
    assert (voices.names, len(voices)) == (["Ada", "Ben"], 2)


def test_the_removed_are_forgotten(voices: Voices) -> None:
    assert voices.remove("Ada")
    assert not voices.remove("Ada")
    assert voices.match(ADA) is None
    assert (voices.names, voices.samples("Ada"), voices.voice("Ada")) == (["Ben"], 0, None)


def test_a_file_brings_everything_back(voices: Voices, tmp_path: Path) -> None:
    voices.add("日本 太郎", EVE)
    voices.add("Ada", between(ADA, BEN, 0.1))
    path = tmp_path / "vöices"
    voices.save(path)
    voices.save(path)  # over the old one
    assert [entry.name for entry in tmp_path.iterdir()] == ["vöices"]
    again = Voices.load(path)
    assert again.names == voices.names
    for name in voices.names:
        assert again.samples(name) == voices.samples(name)
        assert again.voice(name) == voices.voice(name)
    assert again.match(EVE) == voices.match(EVE)


def test_no_voices_are_a_file_too(tmp_path: Path) -> None:
    Voices().save(tmp_path / "nobody")
    assert len(Voices.load(tmp_path / "nobody")) == 0


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "longer", "foreign"])
def test_damaged_files(damage: str, voices: Voices, tmp_path: Path) -> None:
    path = tmp_path / "voices"
    voices.save(path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": content[:-5],
            "flipped": content[:300] + bytes([content[300] ^ 1]) + content[301:],
            "longer": content + b"\0",
            "foreign": b"RIFF" + content[4:],
        }[damage]
    )
    with pytest.raises(ModelError):
        Voices.load(path)


def test_places_that_are_not_there(voices: Voices, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none"):
        Voices.load(tmp_path / "none")
    with pytest.raises(ModelError, match="none"):
        voices.save(tmp_path / "none" / "voices")


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 201])
def test_names_that_are_refused(name: str, voices: Voices) -> None:
    with pytest.raises(InvalidOptionError, match="name"):
        voices.add(name, ADA)
    assert voices.names == ["Ada", "Ben"]


@pytest.mark.parametrize("sample", [[0.0] * SIZE, [math.nan] * SIZE, [math.inf] * SIZE])
def test_samples_that_are_refused(sample: Vector, voices: Voices) -> None:
    with pytest.raises(InvalidOptionError, match="sample"):
        voices.add("Eve", sample)
    with pytest.raises(InvalidOptionError, match="sample"):
        voices.match(sample)
    with pytest.raises(TypeError):
        voices.add("Eve", sample[:-1])


@pytest.mark.parametrize(
    "limits",
    [{"threshold": 1.1}, {"threshold": -1.1}, {"threshold": math.nan}, {"margin": -0.1}],
)
def test_limits_out_of_range(limits: dict[str, float], voices: Voices) -> None:
    with pytest.raises(InvalidOptionError, match=next(iter(limits))):
        voices.match(ADA, **limits)


def test_the_speakers_of_a_conversation_are_known_again(
    conversation: npt.NDArray[np.float32], diarization: Diarization
) -> None:
    voices = Voices()
    embed = shared_diarizer().embed
    voices.add("Diane", embed(conversation[16000 * 11 : 16000 * 14]))
    voices.add("Sheila", embed(conversation[16000 * 22 : 16000 * 27]))
    matches = [voices.match(speaker.voice) for speaker in diarization.speakers]
    assert all(isinstance(match, VoiceMatch) for match in matches)
    assert {match.name for match in matches if match} == {"Diane", "Sheila"}
    later = voices.match(embed(conversation[int(16000 * 18.7) : int(16000 * 21.4)]))
    assert later is not None
    assert later.name == "Diane"
