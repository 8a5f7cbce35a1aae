"""Words, segments and speaker segments of every recording that the tests have, held together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from earwitness import Client, Engine, Transcript, demo
from test_results import agree, squeeze

Pcm = npt.NDArray[np.float32]
DATA = Path(__file__).parent.parent / "data"
FILES = sorted(path.name for path in DATA.glob("jfk*"))


def content(name: str) -> bytes:
    return demo.conversation() if name == "conversation" else (DATA / name).read_bytes()


@pytest.fixture(scope="module")
def client(tiny_en: Path) -> Client:
    return Client(model=tiny_en)


@pytest.mark.parametrize("diarize", [False, True])
@pytest.mark.parametrize("name", [*FILES, "conversation"])
def test_the_clients_records(name: str, diarize: bool, client: Client) -> None:
    record = client.audio.transcriptions.create(
        file=content(name),
        response_format="verbose_json",
        timestamp_granularities=["segment", "word"],
        diarize=diarize,
    )
    assert record.words
    agree(record)
    assert (record.speaker_segments is not None) == diarize
    assert all((word.speaker_id is not None) == diarize for word in record.words)


@pytest.mark.parametrize("name", ["jfk.flac", "conversation"])
def test_the_records_of_another_model(name: str, base_model: Path) -> None:
    record = Client(model=base_model).audio.transcriptions.create(
        file=content(name), response_format="verbose_json", diarize=True
    )
    assert record.words
    agree(record)


def check(transcript: Transcript) -> None:
    """What must hold for every transcript of the engine whose words have times."""
    assert squeeze(word.text for word in transcript.words) == squeeze([transcript.text])
    before = 0.0
    for number, segment in enumerate(transcript.segments):
        assert segment.id == number
        assert segment.text.strip()
        assert segment.start < segment.end
        assert squeeze(word.text for word in segment.words) == squeeze([segment.text])
        for word in segment.words:
            assert before <= word.start <= word.end <= transcript.duration
            assert segment.start <= word.start
            assert word.end <= segment.end
            before = word.end
    if transcript.speaker_segments:
        parts = transcript.speaker_segments
        assert [word for part in parts for word in part.words] == transcript.words
        assert all(word.speaker for word in transcript.words)


@pytest.mark.parametrize("vad", [False, True])
@pytest.mark.parametrize("name", [*FILES, "conversation"])
def test_the_engines_transcripts(name: str, vad: bool, engine: Engine) -> None:
    transcript = engine.transcribe(content(name), word_timestamps=True, vad=vad)
    assert transcript.words
    check(transcript)
    plain = engine.transcribe(content(name), vad=vad)
    assert plain.text == transcript.text
    assert all(segment.start < segment.end for segment in plain.segments)


@pytest.mark.parametrize("silence", [0.5, 7.3, 31.0])
def test_recordings_with_silence_between_and_around(
    silence: float, engine: Engine, jfk: Pcm, conversation: Pcm
) -> None:
    gap = np.zeros(int(silence * 16000), np.float32)
    samples = np.concatenate([gap, jfk, gap, conversation, gap])
    transcript = engine.transcribe(samples, diarize=True)
    check(transcript)
    assert "for your country" in transcript.text
    assert "Diane" in transcript.text
    first = transcript.words[0]
    assert first.text.strip() == "And"
    assert silence - 0.7 <= first.start <= silence + 1.0  # the window begins before the speech
