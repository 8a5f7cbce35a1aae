"""Where nobody speaks, nothing is written; and text that repeats itself is decoded again."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import earwitness
import numpy as np
import numpy.typing as npt
import pytest
from earwitness import Client, SpeechFinder, demo
from earwitness.answers import compression_ratio
from earwitness.cli import main
from standins import bare_words, word_errors

Pcm = npt.NDArray[np.float32]
RATE = 16000
MINUTES = 5
TIMES = np.arange(MINUTES * 60 * RATE) / RATE


def noise(exponent: float, level: float) -> Pcm:
    """Noise whose power falls with the frequency to that exponent: 0 = white, 1 = pink, 2 = red."""
    spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(len(TIMES)))
    spectrum[0] = 0
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (exponent / 2)
    samples = np.fft.irfft(spectrum, len(TIMES))
    return (samples * (level / np.abs(samples).max())).astype(np.float32)


def tone(frequency: float) -> Pcm:
    return (0.3 * np.sin(2 * np.pi * frequency * TIMES)).astype(np.float32)


def hum() -> Pcm:
    """Mains hum with its harmonics."""
    return sum((tone(50.0 * n) / n for n in range(1, 8)), np.zeros(len(TIMES), np.float32))


def dtmf() -> Pcm:
    """A telephone's keys, five a second."""
    random = np.random.default_rng(7)
    samples = np.zeros(len(TIMES))
    for start in range(0, len(TIMES), RATE // 5):
        key = slice(start, start + RATE // 10)
        for frequencies in ((697, 770, 852, 941), (1209, 1336, 1477, 1633)):
            samples[key] += 0.25 * np.sin(2 * np.pi * random.choice(frequencies) * TIMES[key])
    return samples.astype(np.float32)


def music() -> Pcm:
    """Chords that die away, two a second."""
    random = np.random.default_rng(7)
    samples = np.zeros(len(TIMES))
    for start in range(0, len(TIMES), RATE // 2):
        chord = slice(start, start + RATE // 2)
        root = 110.0 * 2.0 ** (random.integers(0, 24) / 12)
        fade = np.exp(-3.0 * (TIMES[chord] - TIMES[start])) / 12
        for interval in (1.0, 1.26, 1.5, 2.0):
            for harmonic in range(1, 6):
                wave_ = np.sin(2 * np.pi * root * interval * harmonic * TIMES[chord])
                samples[chord] += fade * wave_ / harmonic
    return samples.astype(np.float32)


def breathing() -> Pcm:
    """Pink noise that swells every four seconds."""
    swell = np.clip(np.sin(2 * np.pi * TIMES / 4), 0, 1)
    return (noise(1, 0.2) * swell).astype(np.float32)


SOUNDS: dict[str, Callable[[], Pcm]] = {
    "silence": lambda: np.zeros(len(TIMES), np.float32),
    "white noise": lambda: noise(0, 0.5),
    "pink noise": lambda: noise(1, 0.5),
    "red noise": lambda: noise(2, 0.5),
    "room tone": lambda: noise(1, 0.003),
    "tone of 440 Hz": lambda: tone(440),
    "tone of 1 kHz": lambda: tone(1000),
    "hum": hum,
    "telephone keys": dtmf,
    "music": music,
    "breathing": breathing,
}


def encoded(samples: Pcm) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


@pytest.mark.parametrize("name", SOUNDS)
def test_five_minutes_without_speech_give_no_words(
    name: str, engine: earwitness.Engine, tiny_en: Path
) -> None:
    samples = SOUNDS[name]()
    transcript = engine.transcribe(samples, word_timestamps=True)
    assert (transcript.text, transcript.segments, transcript.words) == ("", [], [])
    assert transcript.duration == MINUTES * 60
    record = Client(model=tiny_en).audio.transcriptions.create(
        file=encoded(samples), response_format="verbose_json"
    )
    assert (record.text, record.segments, record.duration) == ("", (), MINUTES * 60)


def test_the_command_writes_nothing_either(
    tiny_en: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(encoded(noise(1, 0.5)))
    assert main(["transcribe", str(path), "-m", str(tiny_en), "-q"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["silence", "white noise", "hum"])
def test_without_the_detector_the_thresholds_are_left(name: str, engine: earwitness.Engine) -> None:
    samples = SOUNDS[name]()[: 30 * RATE]
    assert engine.transcribe(samples, vad=False).text == ""


def test_speech_between_noises_is_all_that_is_heard(engine: earwitness.Engine, jfk: Pcm) -> None:
    before, after = noise(1, 0.02)[: 40 * RATE], tone(440)[: 40 * RATE]
    samples = np.concatenate([before, jfk, after])
    transcript = engine.transcribe(samples, word_timestamps=True)
    assert transcript.text.startswith("And so")
    assert transcript.text.endswith("for your country.")
    assert transcript.words[0].start > 39.5
    assert transcript.words[-1].end < 51.5


# --- the detector's own ----------------------------------------------------------------------


def test_the_stream_hears_what_the_whole_gives(jfk: Pcm) -> None:
    finder = SpeechFinder()
    whole = jfk[: len(jfk) // 512 * 512]
    stream = finder.stream()
    heard = [p for at in range(0, len(whole), 700) for p in stream.push(whole[at : at + 700])]
    assert heard == finder.probabilities(whole)
    assert stream.push(np.zeros(0, np.float32)) == []
    stream.reset()
    assert stream.push(whole[:512]) == heard[:1]


def test_any_rate_and_kind_of_audio(jfk: Pcm) -> None:
    finder = SpeechFinder()
    expected = finder.find(jfk)
    assert expected
    np.testing.assert_allclose(finder.find(encoded(jfk)), expected, atol=0.05)
    doubled = finder.find(np.repeat(jfk, 2), sample_rate=32000)
    np.testing.assert_allclose(doubled, expected, atol=0.1)


def test_settings_count_and_are_checked(jfk: Pcm) -> None:
    finder = SpeechFinder()
    heard = [sum(end - start for start, end in finder.find(jfk, threshold=t)) for t in (0.1, 0.9)]
    assert heard[0] > heard[1]
    assert len(finder.find(jfk, min_silence=0.05)) > len(finder.find(jfk, min_silence=3))
    for name in ("threshold", "padding", "min_silence", "min_speech"):
        settings: Any = {name: -1}
        with pytest.raises(earwitness.InvalidOptionError, match=name):
            finder.find(jfk, **settings)


def test_the_detector_can_be_stopped_and_refuses_what_is_no_audio(jfk: Pcm, tmp_path: Path) -> None:
    token = earwitness.CancelToken()
    token.cancel()
    with pytest.raises(earwitness.Cancelled):
        SpeechFinder().find(jfk, cancel=token)
    with pytest.raises(earwitness.AudioError):
        SpeechFinder().find(np.full(1600, np.nan, np.float32))
    damaged = tmp_path / "weights.bin"
    damaged.write_bytes(b"ggml")
    with pytest.raises(earwitness.ModelError, match=r"weights\.bin"):
        SpeechFinder(damaged)


# --- repetition ------------------------------------------------------------------------------


def test_a_ratio_above_the_threshold_is_decoded_again(engine: earwitness.Engine, jfk: Pcm) -> None:
    # What was said is decoded at 0. Told that it repeats itself, the engine tries them all, and
    # where none helps gives nothing.
    plain = engine.transcribe(jfk)
    ratio = compression_ratio(plain.text)
    assert {segment.temperature for segment in plain.segments} == {0.0}
    settings: Any = {"temperature_increment": 0.5, "best_of": 1, "vad": False}
    again = engine.transcribe(jfk, compression_ratio_threshold=0.5, **settings)
    assert again.segments == []
    below = engine.transcribe(jfk, vad=False, compression_ratio_threshold=ratio + 0.2)
    assert {segment.temperature for segment in below.segments} == {0.0}


@pytest.mark.parametrize(("start", "end"), [(8.3, 9.2), (9.9, 10.6)])
def test_a_loop_is_cut_to_its_first_run(
    start: float, end: float, engine: earwitness.Engine, jfk: Pcm
) -> None:
    """A few words of real speech again and again, which the decoder repeats without an end."""
    words = np.concatenate([jfk[int(start * RATE) : int(end * RATE)], np.zeros(1600, np.float32)])
    samples = np.tile(words, 20)
    # What a temperature draws, or a search by beams finds, is another text: none is tried.
    once: Any = {"temperature_increment": 0.0}
    endless = engine.transcribe(
        samples, compression_ratio_threshold=None, entropy_threshold=None, **once
    )
    assert compression_ratio(endless.text) > 10
    heard = engine.transcribe(samples, word_timestamps=True, **once)
    assert heard.text
    said = bare_words(heard.text)
    assert bare_words(endless.text)[: len(said)] == said
    assert compression_ratio(heard.text) < 2.4
    assert "".join(word.text for word in heard.words).strip() == heard.text
    record = Client(model="tiny.en").audio.transcriptions.create(
        file=encoded(samples), response_format="verbose_json"
    )
    assert record.text
    assert compression_ratio(record.text) < 2.4


def test_what_is_said_twice_is_written_twice(engine: earwitness.Engine, jfk: Pcm) -> None:
    """In one window, where the text's ratio passes the threshold."""
    twice = np.concatenate([jfk, jfk])
    plain = engine.transcribe(twice, vad=False, temperature_increment=0)  # so no attempt is left
    assert compression_ratio(plain.text) > 2.4
    assert word_errors(f"{demo.SPOKEN} {demo.SPOKEN}", plain.text) == 0
