"""Models and recordings that several tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import earwitness
import numpy as np
import numpy.typing as npt
import pytest
from earwitness import demo, models
from earwitness.cli import transcribe as transcribe_command
from earwitness.diarizer import shared_diarizer
from hypothesis import HealthCheck, settings
from listeners import Listener

Pcm = npt.NDArray[np.float32]

# The same cases in every run, and no verdict on the speed of the machine.
settings.register_profile(
    "earwitness",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("earwitness")


@pytest.fixture(scope="session")
def tiny_en() -> Path:
    """The file of the model tiny.en, fetched the first time."""
    return models.resolve("tiny.en")


@pytest.fixture(scope="session")
def base_model() -> Path:
    """The file of the multilingual model base, fetched the first time."""
    return models.resolve("base")


@pytest.fixture(scope="session")
def engine(tiny_en: Path) -> Iterator[earwitness.Engine]:
    """One engine of tiny.en for all tests: what one does to it must not show in another."""
    with earwitness.Engine(tiny_en) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def jfk() -> Pcm:
    """The package's recording: 16 kHz mono float32."""
    samples = earwitness.load_audio(demo.recording())
    samples.flags.writeable = False
    return samples


@pytest.fixture(scope="session")
def conversation() -> Pcm:
    """The package's conversation of two people: 16 kHz mono float32."""
    samples = earwitness.load_audio(demo.conversation())
    samples.flags.writeable = False
    return samples


@pytest.fixture(scope="session")
def diarizer() -> earwitness.Diarizer:
    """The diarizer that the package keeps for all callers."""
    return shared_diarizer()


@pytest.fixture(scope="session")
def diarization(conversation: Pcm) -> earwitness.Diarization:
    """Who speaks when in the conversation."""
    return earwitness.Diarizer().diarize(conversation)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, here and in subprocesses; background jobs ignore it."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the tests' files."""
    return Path(__file__).parent.parent / "data"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """What `earwitness transcribe` has for an engine."""
    made = Listener()
    monkeypatch.setattr(transcribe_command, "_open_engine", lambda *_: made)
    return made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder for results, which does not exist yet."""
    return tmp_path / "out"
