"""Engines: real speech, threads, stopping, callbacks, and the cache of the module's function."""

from __future__ import annotations

import _thread
import array
import io
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import earwitness
import numpy as np
import numpy.typing as npt
import pytest
from earwitness import demo
from earwitness import engine as engine_module
from standins import word_errors

Pcm = npt.NDArray[np.float32]


def spoken(transcript: earwitness.Transcript) -> int:
    """Word errors against what is said in the package's recording."""
    return word_errors(demo.SPOKEN, transcript.text)


# --- real speech -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["wav", "mp3", "flac", "ogg"])
@pytest.mark.parametrize("model", ["tiny_en", "base_model"])
def test_every_word_from_every_format(
    model: str, suffix: str, data: Path, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(model)
    source = demo.recording() if suffix == "wav" else data / f"jfk.{suffix}"
    transcript = earwitness.transcribe(source, model=path)
    assert spoken(transcript) == 0
    assert transcript.language == "en"
    assert transcript.duration == pytest.approx(11.0, abs=0.1)


def test_every_kind_of_source_hears_the_same(engine: earwitness.Engine, jfk: Pcm) -> None:
    wav = demo.recording()
    expected = engine.transcribe(jfk)
    assert spoken(expected) == 0
    sources: list[Any] = [
        wav,
        bytearray(wav),
        io.BytesIO(wav),
        jfk.data,
        array.array("f", jfk.tobytes()),
        jfk.reshape(-1, 1),
    ]
    for source in sources:
        assert same(engine.transcribe(source), expected)


def test_paths_may_be_strings(engine: earwitness.Engine, tmp_path: Path) -> None:
    path = tmp_path / "naïve name.dat"
    path.write_bytes(demo.recording())
    assert spoken(engine.transcribe(str(path))) == 0
    assert spoken(engine.transcribe(path)) == 0


def test_int16_other_rates_and_channels(engine: earwitness.Engine, jfk: Pcm) -> None:
    integers = (jfk * 32767).astype(np.int16)
    assert spoken(engine.transcribe(integers)) == 0
    stereo = np.repeat(jfk, 2)
    assert spoken(engine.transcribe(stereo, channels=2)) == 0
    doubled = np.repeat(jfk, 2)
    assert spoken(engine.transcribe(doubled, sample_rate=32000)) == 0
    backwards = jfk[::-1].copy()[::-1]
    assert not backwards.flags.c_contiguous
    assert spoken(engine.transcribe(backwards)) == 0


def test_segments_and_words_agree(engine: earwitness.Engine, jfk: Pcm) -> None:
    transcript = engine.transcribe(jfk, word_timestamps=True)
    assert "".join(segment.text for segment in transcript.segments).strip() == transcript.text
    assert "".join(word.text for word in transcript.words).strip() == transcript.text
    times = [time for word in transcript.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= transcript.duration
    assert all(0 <= word.confidence <= 1 for word in transcript.words)
    for segment in transcript.segments:
        assert 0 <= segment.start < segment.end <= transcript.duration
        assert all(segment.start <= w.start and w.end <= segment.end for w in segment.words)
        assert all(token.logprob <= 0 for token in segment.tokens)
        assert segment.avg_logprob <= 0
        assert 0 <= segment.no_speech_prob <= 1
    assert not engine.transcribe(jfk).words


def test_spans_leave_the_rest_out(engine: earwitness.Engine, jfk: Pcm) -> None:
    # The sentence's second half begins after 7.5 s.
    transcript = engine.transcribe(jfk, spans=[(7.5, 11.0)])
    assert "americans" not in transcript.text.lower()
    assert "for your country" in transcript.text.lower()
    assert all(segment.start >= 7.5 for segment in transcript.segments)


@pytest.mark.parametrize("vad", [False, True])
def test_no_spans_are_nothing_to_hear(vad: bool, engine: earwitness.Engine, jfk: Pcm) -> None:
    transcript = engine.transcribe(jfk, spans=[], vad=vad)
    assert (transcript.text, transcript.segments, transcript.duration) == ("", [], 11.0)


def test_beams_hear_the_words_too(engine: earwitness.Engine, jfk: Pcm) -> None:
    assert spoken(engine.transcribe(jfk, beam_size=5)) == 0


def test_a_multilingual_model_knows_the_language(base_model: Path, jfk: Pcm) -> None:
    with earwitness.Engine(base_model) as base:
        assert base.model.multilingual
        assert base.model.type == "base"
        transcript = base.transcribe(jfk)
        assert transcript.language == "en"
        assert 0.5 < transcript.language_probability <= 1
        assert base.transcribe(jfk, language="english").language_probability == 1


def test_an_english_model_refuses_other_languages(engine: earwitness.Engine, jfk: Pcm) -> None:
    assert not engine.model.multilingual
    with pytest.raises(earwitness.InvalidOptionError, match="language"):
        engine.transcribe(jfk, language="de")
    with pytest.raises(earwitness.InvalidOptionError, match="translate"):
        engine.transcribe(jfk, task="translate")


def test_timings_add_up(engine: earwitness.Engine, jfk: Pcm) -> None:
    timings = engine.transcribe(jfk).timings
    stages = timings.mel + timings.encode + timings.decode + timings.align
    assert min(timings.mel, timings.encode, timings.decode, timings.align) >= 0
    assert 0 < stages <= timings.total


def test_results_survive_pickling(engine: earwitness.Engine, jfk: Pcm) -> None:
    transcript = engine.transcribe(jfk, word_timestamps=True)
    for thing in (
        transcript,
        transcript.segments[0],
        transcript.words[0],
        transcript.segments[0].tokens[0],
        transcript.timings,
    ):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(thing, protocol)) == thing
    assert transcript.words[0] != transcript.words[1]


# --- threads, stopping, callbacks ------------------------------------------------------------


def same(a: earwitness.Transcript, b: earwitness.Transcript) -> bool:
    """Equal in all but how long it took."""
    return (a.segments, a.language, a.duration) == (b.segments, b.language, b.duration)


def test_eight_threads_hear_what_one_hears(engine: earwitness.Engine, jfk: Pcm) -> None:
    options = earwitness.Options(word_timestamps=True, threads=1)
    alone = engine.transcribe(jfk, options)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda _: engine.transcribe(jfk, options), range(8)))
    assert all(same(transcript, alone) for transcript in together)


@pytest.fixture(scope="session")
def long_speech(jfk: Pcm) -> Pcm:
    """Minutes of speech: far from done when something stops it."""
    return np.tile(jfk, 60)


class CallbackError(Exception):
    """Raised by callbacks here."""


def test_a_token_stops_the_call(engine: earwitness.Engine, long_speech: Pcm, jfk: Pcm) -> None:
    token = earwitness.CancelToken()
    threading.Timer(0.5, token.cancel).start()
    with pytest.raises(earwitness.Cancelled):
        engine.transcribe(long_speech, cancel=token)
    assert token.cancelled
    with pytest.raises(earwitness.Cancelled):
        engine.transcribe(jfk, cancel=token)
    assert spoken(engine.transcribe(jfk)) == 0


def test_one_call_is_stopped_and_the_other_not(
    engine: earwitness.Engine, long_speech: Pcm, jfk: Pcm
) -> None:
    token = earwitness.CancelToken()
    with ThreadPoolExecutor(2) as pool:
        stopped = pool.submit(engine.transcribe, long_speech, cancel=token)
        other = pool.submit(engine.transcribe, jfk)
        assert spoken(other.result()) == 0
        token.cancel()
        assert isinstance(stopped.exception(), earwitness.Cancelled)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_the_call(engine: earwitness.Engine, long_speech: Pcm, jfk: Pcm) -> None:
    returned = False
    timer = threading.Timer(0.5, _thread.interrupt_main)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the flag tells when it was raised
        timer.start()
        engine.transcribe(long_speech)
        returned = True
    assert not returned
    assert spoken(engine.transcribe(jfk)) == 0


@pytest.mark.parametrize("callback", ["on_progress", "on_segment"])
def test_what_a_callback_raises_leaves_the_call(
    callback: str, engine: earwitness.Engine, long_speech: Pcm, jfk: Pcm
) -> None:
    raised = CallbackError()
    calls = 0

    def fail(_: object) -> None:
        nonlocal calls
        calls += 1
        raise raised

    options = earwitness.Options().replace(**{callback: fail})  # type: ignore[arg-type]
    with pytest.raises(CallbackError) as caught:
        engine.transcribe(long_speech, options)
    assert caught.value is raised
    assert calls == 1
    assert spoken(engine.transcribe(jfk)) == 0


def test_callbacks_tell_how_far_it_is(engine: earwitness.Engine, jfk: Pcm) -> None:
    shares: list[float] = []
    segments: list[earwitness.Segment] = []
    transcript = engine.transcribe(
        np.tile(jfk, 4), on_progress=shares.append, on_segment=segments.append
    )
    assert segments == transcript.segments
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] == 1


def test_a_callback_may_call_the_engine(engine: earwitness.Engine, jfk: Pcm) -> None:
    inner: list[earwitness.Transcript] = []

    def again(_: object) -> None:
        inner.append(engine.transcribe(jfk))

    transcript = engine.transcribe(jfk, on_segment=again)
    assert spoken(transcript) == 0
    assert [spoken(transcript) for transcript in inner] == [0] * len(transcript.segments)


# --- closing ---------------------------------------------------------------------------------


def test_a_closed_engine_says_so(tiny_en: Path, jfk: Pcm) -> None:
    with earwitness.Engine(tiny_en) as short_lived:
        assert not short_lived.closed
        assert short_lived.device in repr(short_lived)
    assert short_lived.closed
    short_lived.close()
    assert "closed" in repr(short_lived)
    with pytest.raises(earwitness.EngineClosedError):
        short_lived.transcribe(jfk)


def test_the_model_of_an_engine_cannot_be_overridden(engine: earwitness.Engine, jfk: Pcm) -> None:
    with pytest.raises(earwitness.InvalidOptionError, match="another Engine"):
        engine.transcribe(jfk, model="base")
    assert spoken(engine.transcribe(jfk, earwitness.Options(model="base"))) == 0


# --- the cache of transcribe() ---------------------------------------------------------------


class Loads:
    """Stands in for the engine: counts what is loaded and closed."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.closed: list[str] = []
        self.during: Callable[[str], None] = lambda _: None

    def __call__(self, path: Path) -> Any:
        loads = self
        name = path.name
        loads.loaded.append(name)

        class Engine:
            closed = False

            def transcribe(self, audio: object, options: object) -> str:
                loads.during(name)
                assert not self.closed
                return name

            def close(self) -> None:
                self.closed = True
                loads.closed.append(name)

        return Engine()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Loads:
    counter = Loads()
    monkeypatch.setattr(engine_module, "Engine", counter)
    monkeypatch.setattr(engine_module, "_resolve", lambda model: tmp_path / str(model))
    monkeypatch.setattr(engine_module, "_cache", engine_module._EngineCache(2))
    for name in "abc":
        (tmp_path / name).write_bytes(b"model")
    return counter


def test_the_last_two_models_stay_loaded(loads: Loads) -> None:
    for name in "abab":
        earwitness.transcribe(b"", model=name)
    assert (loads.loaded, loads.closed) == (["a", "b"], [])
    earwitness.transcribe(b"", model="c")
    assert loads.closed == ["a"]
    earwitness.transcribe(b"", model="b")
    earwitness.transcribe(b"", model="a")
    assert loads.closed == ["a", "c"]
    earwitness.clear_cache()
    assert sorted(loads.closed) == ["a", "a", "b", "c"]


def test_a_replaced_file_is_loaded_again(loads: Loads, tmp_path: Path) -> None:
    earwitness.transcribe(b"", model="a")
    (tmp_path / "a").write_bytes(b"another model")
    earwitness.transcribe(b"", model="a")
    assert loads.loaded == ["a", "a"]


def test_a_model_in_use_is_closed_after_its_calls(loads: Loads) -> None:
    def clear(_: str) -> None:
        earwitness.clear_cache()
        assert loads.closed == []

    loads.during = clear
    earwitness.transcribe(b"", model="a")
    assert loads.closed == ["a"]


def test_threads_share_one_load(loads: Loads) -> None:
    barrier = threading.Barrier(8, timeout=60)

    def meet(_: str) -> None:
        barrier.wait()

    loads.during = meet
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(lambda _: earwitness.transcribe(b"", model="a"), range(8)))
    assert heard == ["a"] * 8
    assert loads.loaded == ["a"]


def test_a_model_that_does_not_load_is_tried_again(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise earwitness.ModelError("damaged")

    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "Engine", fail)
        with pytest.raises(earwitness.ModelError):
            earwitness.transcribe(b"", model="a")
    assert earwitness.transcribe(b"", model="a") == "a"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_afresh(tiny_en: Path) -> None:
    program = """
import os, sys, threading
import earwitness
from earwitness import demo, engine
model = sys.argv[1]
earwitness.transcribe(demo.recording(), model=model)
engine._cache._lock.acquire()  # as another thread may hold it at the moment of the fork
child = os.fork()
if child == 0:
    print(earwitness.transcribe(demo.recording(), model=model).text, flush=True)
    os._exit(0)
engine._cache._lock.release()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_en)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert word_errors(demo.SPOKEN, done.stdout) == 0


# --- importing -------------------------------------------------------------------------------


def test_importing_brings_nothing_heavy() -> None:
    program = (
        "import sys, earwitness; earwitness.Options(); "
        "print([m for m in ('numpy', 'requests', 'tqdm', 'pooch', 'av', 'urllib.request', 'ssl')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    for name in earwitness.__all__:
        assert getattr(earwitness, name) is not None
    assert set(earwitness.__all__) <= set(dir(earwitness))
    with pytest.raises(AttributeError, match="no attribute 'transcrbe'"):
        earwitness.transcrbe  # type: ignore[attr-defined]  # noqa: B018
