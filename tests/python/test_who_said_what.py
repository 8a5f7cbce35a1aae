"""Who says what: words, their speakers and the speakers' segments, of a real conversation."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path

import earwitness
import numpy as np
import numpy.typing as npt
import pytest
from earwitness import Diarization, Engine, Transcript, demo, formats
from earwitness.errors import InvalidOptionError

Pcm = npt.NDArray[np.float32]


def clip(pcm: Pcm, start: float, end: float) -> Pcm:
    return pcm[int(start * 16000) : int(end * 16000)]


@pytest.fixture(scope="session")
def spoken(engine: Engine) -> Transcript:
    return engine.transcribe(demo.conversation(), diarize=True)


def test_every_word_has_its_speaker(spoken: Transcript, diarization: Diarization) -> None:
    labels = {speaker.label for speaker in diarization.speakers}
    assert len(spoken.words) > 60
    for word in spoken.words:
        assert word.speaker in labels
        assert 0.0 <= word.speaker_confidence <= 1.0
    assert "".join(word.text for word in spoken.words).strip() == spoken.text


def test_speaker_segments_are_the_words_again(spoken: Transcript) -> None:
    parts = spoken.speaker_segments
    assert [word for part in parts for word in part.words] == spoken.words
    for part in parts:
        assert {word.speaker for word in part.words} == {part.speaker}
        assert part.text == "".join(word.text for word in part.words).strip()
        assert part.start == part.words[0].start
        assert part.end == part.words[-1].end
    assert all(a.speaker != b.speaker for a, b in itertools.pairwise(parts))


def test_sentences_are_their_speakers_own(spoken: Transcript) -> None:
    speakers = {word.text.strip(" .,?!"): word.speaker for word in spoken.words}
    assert speakers["Diane"] != speakers["Sheila"]
    assert speakers["Yankee"] == speakers["Texas"] == speakers["Sheila"]
    assert pickle.loads(pickle.dumps(spoken)) == spoken


def test_one_speaker_if_so_told(tiny_en: Path, conversation: Pcm) -> None:
    told = earwitness.transcribe(
        clip(conversation, 10.0, 18.0), model=tiny_en, diarize=True, num_speakers=1
    )
    assert {word.speaker for word in told.words} == {"SPEAKER_00"}
    assert len(told.speaker_segments) == 1


def test_without_asking_nobody_is_named(engine: Engine, jfk: Pcm) -> None:
    plain = engine.transcribe(jfk, word_timestamps=True)
    assert {word.speaker for word in plain.words} == {""}
    assert plain.speaker_segments == []


def test_silence_has_no_speakers(engine: Engine) -> None:
    quiet = engine.transcribe(np.zeros(5 * 16000, np.float32), diarize=True)
    assert (quiet.words, quiet.speaker_segments) == ([], [])


def test_trouble_with_the_speakers_ends_the_call(engine: Engine, conversation: Pcm) -> None:
    with pytest.raises(InvalidOptionError, match="at least 90 speakers"):
        engine.transcribe(clip(conversation, 11.0, 13.0), diarize=True, num_speakers=90)


def test_a_callback_that_raises_ends_both(engine: Engine, conversation: Pcm) -> None:
    def fail(_: float) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        engine.transcribe(conversation, diarize=True, on_progress=fail)


def test_bounds_need_diarize() -> None:
    with pytest.raises(InvalidOptionError, match="diarize=True"):
        earwitness.Options(min_speakers=2)


def test_formats_name_the_speakers(spoken: Transcript) -> None:
    assert formats.to_vtt(spoken).count("<v SPEAKER_0") >= len(spoken.speaker_segments)
    assert "SPEAKER_00: " in formats.to_srt(spoken)
    assert formats.to_text(spoken).splitlines() == [
        f"{part.speaker}: {part.text}" for part in spoken.speaker_segments
    ]
    assert formats.to_rttm(spoken).count("SPEAKER recording 1 ") >= len(spoken.speaker_segments)
    assert '"speaker_segments"' in formats.to_verbose_json(spoken)
