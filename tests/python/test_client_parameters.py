"""The parameters of a call: every spelling that is meant well, and a named error for the rest."""

from __future__ import annotations

from typing import Any

import pytest
from earwitness import BadRequestError, Client, demo
from earwitness.client import parameters
from earwitness.formats import Layout


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(model="tiny.en")


def hear(client: Client, **params: Any) -> Any:
    params.setdefault("file", demo.recording())
    return client.audio.transcriptions.create(**params)


def test_spellings_of_the_wire(client: Client) -> None:
    for diarize in ("true", "True", "1", True, 1):
        assert parse(diarize=diarize, min_speakers="2").diarize
    for diarize in ("false", "False", 0, False, None):
        assert not parse(diarize=diarize).diarize
    for words in ("word", ["word"], ("segment", "word"), "segment,word"):
        request = parse(response_format="verbose_json", timestamp_granularities=words)
        assert request.words
    assert parse(language="auto").options.native() is not None
    assert parse(min_speakers="2", max_speakers=3, diarize=True).min_speakers == 2


def parse(**params: Any) -> parameters.Request:
    return parameters.parse(params, task="transcribe", model="tiny.en", timeout=9.0)


def test_parameters_that_are_none_are_not_given() -> None:
    names = [n for n in parameters.TranscriptionParams.__annotations__ if n != "timeout"]
    plain, nothing = parse(), parse(**dict.fromkeys(n for n in names if "threshold" not in n))
    assert plain == nothing
    assert plain.timeout == 9.0
    assert parse(timeout=None).timeout is None
    assert parse(logprob_threshold=None).options.logprob_threshold is None


def test_hotwords_come_before_the_prompt() -> None:
    assert parse(hotwords=["Ada", "Bob"], prompt="Earlier.").options.prompt == "Ada, Bob. Earlier."
    assert parse(hotwords="Ada").options.prompt == "Ada."


def test_options_beyond_the_hosted_ones_reach_the_engine() -> None:
    options = parse(beam_size=3, no_speech_threshold=0.9, threads=1, temperature=0.4).options
    assert (options.beam_size, options.no_speech_threshold) == (3, 0.9)
    assert (options.threads, options.temperature) == (1, 0.4)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("response_format", {"response_format": "xml"}),
    ("response_format", {"response_format": 3}),
    ("diarize", {"diarize": "maybe"}),
    ("diarize", {"diarize": False, "response_format": "rttm"}),
    ("min_speakers", {"min_speakers": 3, "max_speakers": 2, "diarize": True}),
    ("min_speakers", {"min_speakers": 2}),
    ("max_speakers", {"max_speakers": 2, "diarize": False}),
    ("max_speakers", {"max_speakers": 0, "diarize": True}),
    ("max_speakers", {"max_speakers": "many", "diarize": True}),
    ("timestamp_granularities", {"timestamp_granularities": "word", "response_format": "srt"}),
    ("timestamp_granularities", {"timestamp_granularities": ["word"]}),
    ("timestamp_granularities", {"timestamp_granularities": ["letter"]}),
    ("timestamp_granularities", {"timestamp_granularities": 5}),
    ("temperature", {"temperature": 1.5}),
    ("temperature", {"temperature": "hot"}),
    ("language", {"language": "klingon"}),
    ("prompt", {"prompt": 7}),
    ("include", {"include": ["everything"]}),
    ("include", {"include": ["logprobs"], "response_format": "srt"}),
    ("chunking_strategy", {"chunking_strategy": "never"}),
    ("chunking_strategy", {"chunking_strategy": {"type": "server_vad", "threshold": 2}}),
    ("chunking_strategy", {"chunking_strategy": {"type": "server_vad", "pitch": 2}}),
    ("chunking_strategy", {"chunking_strategy": {"type": "server_vad"}, "vad": False}),
    ("vad", {"vad": "maybe"}),
    ("known_speaker_names", {"known_speaker_names": ["Ada"], "known_speaker_references": [b""]}),
    ("known_speaker_references", {"known_speaker_names": ["Ada"], "diarize": True}),
    (
        "known_speaker_names",
        {
            "known_speaker_names": ["Ada", "Ada"],
            "known_speaker_references": [b"", b""],
            "diarize": True,
        },
    ),
    ("known_speaker_names", {"known_speaker_names": "Ada", "diarize": True}),
    ("hotwords", {"hotwords": [1]}),
    ("stream", {"stream": "perhaps"}),
    ("stream", {"stream": True, "response_format": "srt"}),
    ("layout", {"layout": 42, "response_format": "srt"}),
    ("layout", {"layout": Layout(lines=1), "response_format": "verbose_json"}),
    ("timeout", {"timeout": 0}),
    ("timeout", {"timeout": "soon"}),
    ("threads", {"threads": -1}),
    ("beam_size", {"beam_size": 100}),
    ("fallback_beam_size", {"fallback_beam_size": 100}),
    ("cancel", {"cancel": 3}),
    ("on_segment", {"on_segment": 3}),
    ("on_progress", {"on_progress": 3}),
    ("file", {"file": None}),
    ("file", {"file": 3}),
    ("file", {"file": ("only a name",)}),
    ("file", {"file": ("name", 3)}),
    ("langauge", {"langauge": "en"}),
    ("spans", {"spans": [(0, 1)]}),
]


@pytest.mark.parametrize(("param", "params"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_parameters_are_named(param: str, params: dict[str, Any], client: Client) -> None:
    with pytest.raises(BadRequestError) as caught:
        hear(client, **params)
    assert (caught.value.code, caught.value.param) == ("invalid_params", param)
    assert caught.value.status_code == 400


def test_a_misspelt_parameter_gets_a_hint(client: Client) -> None:
    with pytest.raises(BadRequestError, match="did you mean language"):
        hear(client, langauge="en")
