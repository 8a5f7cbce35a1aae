"""Word times on real speech: what holds for all, and how near they come to an aligner's."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import earwitness
import numpy as np
import pytest
from conftest import Pcm

RATE = 16000

# The words of the recording by PocketSphinx 5.1.1 (benches/align_speech.py): seconds.
JFK = [
    ("and", 0.29, 0.63),
    ("so", 0.63, 0.97),
    ("my", 0.97, 1.24),
    ("fellow", 1.24, 1.63),
    ("americans", 1.63, 2.16),
    ("ask", 3.25, 3.85),
    ("not", 3.99, 4.3),
    ("what", 5.37, 5.61),
    ("your", 5.61, 5.86),
    ("country", 5.86, 6.42),
    ("can", 6.42, 6.66),
    ("do", 6.66, 6.91),
    ("for", 6.91, 7.05),
    ("you", 7.05, 7.67),
    ("ask", 8.15, 8.53),
    ("what", 8.53, 8.82),
    ("you", 8.82, 9.17),
    ("can", 9.2, 9.37),
    ("do", 9.37, 9.63),
    ("for", 9.63, 9.78),
    ("your", 9.78, 9.99),
    ("country", 9.99, 10.46),
]


def hear(engine: earwitness.Engine, samples: Pcm, **options: object) -> earwitness.Transcript:
    return engine.transcribe(samples, word_timestamps=True, language="en", **options)


def bare(word: earwitness.Word) -> str:
    return word.text.strip(" .,;!?").lower()


def faint_noise(seconds: float) -> Pcm:
    noise = np.random.default_rng(5).standard_normal(int(seconds * RATE))
    return (0.002 * noise).astype(np.float32)


def twice(samples: Pcm) -> Pcm:
    return np.concatenate([samples, samples])


def clipped(samples: Pcm) -> Pcm:
    return samples[RATE // 2 :]  # within the first word


def then_silence(samples: Pcm) -> Pcm:
    return np.concatenate([samples, faint_noise(6.0)])


def start_alone(samples: Pcm) -> Pcm:
    return samples[: int(0.8 * RATE)]


CHANGES = [np.array, twice, clipped, then_silence, start_alone]


@pytest.mark.parametrize("vad", [True, False])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["jfk", "conversation"])
def test_every_word_has_a_time_of_its_own(
    request: pytest.FixtureRequest,
    engine: earwitness.Engine,
    name: str,
    change: Callable[[Pcm], Pcm],
    vad: bool,
) -> None:
    transcript = hear(engine, change(request.getfixturevalue(name)), vad=vad)
    before = 0.0
    for segment in transcript.segments:
        # Nothing that was written is without a time, numbers and marks included.
        assert "".join(word.text for word in segment.words) == segment.text
        assert segment.words
        for word in segment.words:
            assert word.start >= before - 1e-9
            assert word.end - word.start >= 0.019
            assert segment.start <= word.start
            assert word.end <= segment.end
            assert 0.0 < word.confidence <= 1.0
            before = word.end
    assert before <= transcript.duration + 1e-9


@pytest.mark.parametrize("name", ["tiny_en", "base_model"])
def test_words_are_where_an_aligner_puts_them(
    request: pytest.FixtureRequest, name: str, jfk: Pcm
) -> None:
    with earwitness.Engine(request.getfixturevalue(name)) as engine:
        words = hear(engine, jfk).words
    assert [bare(word) for word in words] == [text for text, _, _ in JFK]
    starts = [abs(w.start - start) for w, (_, start, _) in zip(words, JFK, strict=True)]
    ends = [abs(w.end - end) for w, (_, _, end) in zip(words, JFK, strict=True)]
    # A hundredth or two is what two aligners differ by; issue 6 asks for 0.06 on read speech.
    assert statistics.median(starts) <= 0.06
    assert statistics.median(ends) <= 0.06


def test_pauses_are_no_part_of_words(engine: earwitness.Engine, jfk: Pcm) -> None:
    for pause in (2.9, 4.9, 7.9):
        assert not [w for w in hear(engine, jfk).words if w.start < pause < w.end]


@pytest.mark.parametrize("vad", [True, False])
def test_the_last_word_ends_with_its_sound(engine: earwitness.Engine, jfk: Pcm, vad: bool) -> None:
    transcript = hear(engine, then_silence(jfk), vad=vad)
    country = [w for w in transcript.words if bare(w) == "country"]
    assert country[-1].end == pytest.approx(10.6, abs=0.3)


def test_what_is_said_again_is_timed_again(engine: earwitness.Engine, jfk: Pcm) -> None:
    once, again = hear(engine, jfk).words[-20:], hear(engine, twice(jfk)).words[-20:]
    assert [bare(w) for w in again] == [bare(w) for w in once]
    late = [abs(w.start - o.start - jfk.size / RATE) for o, w in zip(once, again, strict=True)]
    assert statistics.median(late) <= 0.03
    assert max(late) <= 0.25


def test_a_clipped_beginning_does_not_move_the_rest(engine: earwitness.Engine, jfk: Pcm) -> None:
    whole, rest = hear(engine, jfk).words, hear(engine, clipped(jfk)).words
    assert [bare(w) for w in rest[-18:]] == [bare(w) for w in whole[-18:]]
    for w, r in zip(whole[-18:], rest[-18:], strict=True):
        assert r.start + 0.5 == pytest.approx(w.start, abs=0.1)


def test_words_beside_a_loop_that_was_cut_do_not_stretch_over_it(
    engine: earwitness.Engine, jfk: Pcm
) -> None:
    """One word again and again, of which the first run is kept, and then other speech."""
    country = np.concatenate([jfk[int(9.9 * RATE) : int(10.6 * RATE)], np.zeros(1600, np.float32)])
    rest = 20 * country.size / RATE
    samples = np.concatenate(
        [np.tile(country, 20), np.zeros(RATE // 2, np.float32), jfk[: 8 * RATE]]
    )
    # What a temperature draws is another text on each kind of processor: none is tried.
    words = hear(engine, samples, temperature_increment=0.0).words
    assert [bare(w) for w in words][:3] == ["country", "and", "so"]
    assert max(w.end - w.start for w in words) <= 1.41  # twice 0.7 s
    assert all(w.start > rest - 1.41 for w in words[1:])


def test_two_threads_give_the_same_words(engine: earwitness.Engine, conversation: Pcm) -> None:
    one = hear(engine, conversation, threads=1)
    assert hear(engine, conversation, threads=2).words == one.words


@pytest.fixture
def trained_on(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A model that differs in one bit: its heads are another's, to be found."""
    content = bytearray(request.getfixturevalue(request.param).read_bytes())
    name = b"decoder.ln.bias"
    content[content.index(name) + len(name)] ^= 1
    changed = tmp_path / "trained-on.bin"
    changed.write_bytes(content)
    return changed


@pytest.mark.parametrize(
    ("name", "trained_on"),
    [("tiny_en", "tiny_en"), ("base_model", "base_model")],
    indirect=["trained_on"],
)
def test_heads_that_are_found_point_as_the_measured_do(
    request: pytest.FixtureRequest, name: str, trained_on: Path, conversation: Pcm
) -> None:
    with earwitness.Engine(request.getfixturevalue(name)) as engine:
        measured = hear(engine, conversation).words
    with earwitness.Engine(trained_on) as engine:
        found = hear(engine, conversation).words
    assert [word.text for word in found] == [word.text for word in measured]
    assert found != measured  # by other heads, or by others' lags
    for edge in ("start", "end"):
        apart = [
            abs(getattr(f, edge) - getattr(m, edge)) for f, m in zip(found, measured, strict=True)
        ]
        # Each is within 0.02 s of the truth in the median.
        assert statistics.median(apart) <= 0.02
        assert sum(a <= 0.1 for a in apart) >= 0.9 * len(apart)


@pytest.mark.parametrize("trained_on", ["tiny_en"], indirect=True)
def test_calls_at_a_time_find_the_same_heads(trained_on: Path, jfk: Pcm) -> None:
    with earwitness.Engine(trained_on) as engine, ThreadPoolExecutor(4) as pool:
        token = earwitness.CancelToken()
        stopped = pool.submit(hear, engine, jfk, cancel=token)
        calls = [pool.submit(hear, engine, jfk, threads=n) for n in (1, 2, 1)]
        token.cancel()
        assert stopped.exception() is None or isinstance(stopped.exception(), earwitness.Cancelled)
        words = [call.result().words for call in calls]
        assert words[0] == words[1] == words[2] == hear(engine, jfk).words
