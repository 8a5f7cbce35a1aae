"""Options: the defaults, what is refused and how, and that they never change."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from earwitness import CancelToken, EarwitnessError, InvalidOptionError, Options
from earwitness import options as options_module
from earwitness._core import TranscribeOptions
from earwitness.options import OptionValues

FIELDS = [field.name for field in dataclasses.fields(Options)]


def values(native: TranscribeOptions) -> dict[str, Any]:
    return {name: getattr(native, name) for name in FIELDS if hasattr(native, name)}


def test_every_decoding_option_is_native() -> None:
    ours = {"model", "vad", "sample_rate", "channels", "cancel", "on_progress", "on_segment"}
    ours |= {"diarize", "min_speakers", "max_speakers", "num_speakers"}
    assert set(FIELDS) - set(values(TranscribeOptions())) == ours


def test_defaults_are_the_native_ones() -> None:
    assert values(Options().native()) == values(TranscribeOptions())


def test_every_field_is_documented() -> None:
    tree = ast.parse(inspect.getsource(options_module))
    (body,) = (n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Options")
    documented = [
        node.target.id
        for node, following in itertools.pairwise(body)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
    ]
    assert documented == FIELDS


def test_overrides_know_every_field() -> None:
    assert list(OptionValues.__annotations__) == FIELDS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("language", "klingon"),
        ("language", ""),
        ("task", "sing"),
        ("temperature", -0.1),
        ("temperature", 1.1),
        ("temperature", math.nan),
        ("temperature_increment", -0.1),
        ("temperature_increment", math.inf),
        ("best_of", 0),
        ("best_of", 2**40),
        ("beam_size", 0),
        ("beam_size", -(2**70)),
        ("fallback_beam_size", 0),
        ("fallback_beam_size", 17),
        ("search_threshold", math.nan),
        ("logprob_threshold", math.nan),
        ("entropy_threshold", math.nan),
        ("compression_ratio_threshold", math.inf),
        ("vad", 1),
        ("no_speech_threshold", math.inf),
        ("prompt", "a" * 100_001),
        ("prompt", "half a pair \ud800"),
        ("language", "\udfff"),
        ("max_initial_timestamp", -1.0),
        ("max_initial_timestamp", math.nan),
        ("threads", -1),
        ("threads", 2**31 - 1),
        ("sample_rate", 2**40),
        ("channels", -(2**40)),
        ("spans", [(2.0, 1.0)]),
        ("spans", [(1.0, 1.0)]),
        ("spans", [(-1.0, 1.0)]),
        ("spans", [(0.0, 2.0), (1.0, 3.0)]),
        ("spans", [(0.0, math.nan)]),
    ],
)
def test_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(InvalidOptionError, match=field):
        Options(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", None),
        ("model", 3),
        ("language", 5),
        ("task", None),
        ("prompt", b"bytes"),
        ("temperature", "0.5"),
        ("temperature", True),
        ("temperature_increment", None),
        ("best_of", 2.5),
        ("beam_size", True),
        ("fallback_beam_size", None),
        ("search_threshold", "none"),
        ("logprob_threshold", "none"),
        ("entropy_threshold", [1]),
        ("no_speech_threshold", 1j),
        ("condition_on_previous_text", 1),
        ("suppress_non_speech", "yes"),
        ("max_initial_timestamp", None),
        ("word_timestamps", None),
        ("spans", 5),
        ("spans", [1.0, 2.0]),
        ("spans", [(1.0, 2.0, 3.0)]),
        ("spans", [("0", "1")]),
        ("threads", 1.0),
        ("sample_rate", "16 kHz"),
        ("channels", 1.5),
        ("cancel", True),
        ("on_progress", 1),
        ("on_segment", "print"),
    ],
)
def test_wrong_type(field: str, value: Any) -> None:
    with pytest.raises(InvalidOptionError, match=f"^{field} must be "):
        Options(**{field: value})


def test_an_invalid_option_is_also_a_value_error() -> None:
    with pytest.raises(ValueError, match="beam_size") as caught:
        Options(beam_size=0)
    assert isinstance(caught.value, EarwitnessError)


def test_the_extremes_are_accepted() -> None:
    Options(
        language="German",
        task="translate",
        temperature=1,
        temperature_increment=0,
        best_of=1,
        fallback_beam_size=1,
        search_threshold=None,
        logprob_threshold=None,
        entropy_threshold=None,
        compression_ratio_threshold=None,
        no_speech_threshold=None,
        max_initial_timestamp=0,
        threads=1,
        spans=((0, 1), (1, 2.5)),
        cancel=CancelToken(),
        on_progress=print,
        on_segment=print,
    )


def test_numbers_of_numpy_are_numbers() -> None:
    made = Options(
        beam_size=np.int64(2),
        temperature=np.float32(0.5),
        spans=np.array([[0.0, 1.0], [2.0, 3.0]]),  # type: ignore[arg-type]
    )
    assert values(made.native()) == values(
        TranscribeOptions(beam_size=2, temperature=0.5, spans=[(0.0, 1.0), (2.0, 3.0)])
    )


@pytest.mark.parametrize("language", [None, "auto", "Auto"])
def test_auto_means_detect(language: str | None) -> None:
    native = Options(language=language).native()
    assert values(native) == values(TranscribeOptions(language=None))


def test_options_never_change() -> None:
    options = Options(spans=[(0, 1)])  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.beam_size = 3  # type: ignore[misc]
    assert options.spans == ((0.0, 1.0),)
    assert hash(options) == hash(Options(spans=((0.0, 1.0),)))
    assert not hasattr(options, "__dict__")
    with pytest.raises(TypeError):
        Options("tiny.en")  # type: ignore[call-arg]


def test_replace_checks_what_it_changes() -> None:
    options = Options(model=Path("a.bin"), beam_size=3)
    assert options.replace(threads=2) == Options(model=Path("a.bin"), beam_size=3, threads=2)
    assert options.beam_size == 3
    with pytest.raises(InvalidOptionError, match="best_of"):
        options.replace(best_of=0)


def test_an_unknown_option_gets_a_hint() -> None:
    with pytest.raises(
        InvalidOptionError, match=r"word_timestamp .*did you mean word_timestamps\?"
    ):
        Options().replace(word_timestamp=True)  # type: ignore[call-arg]
    with pytest.raises(InvalidOptionError, match=r"xyzzy is not an option; there are model, "):
        Options().replace(xyzzy=True)  # type: ignore[call-arg]
