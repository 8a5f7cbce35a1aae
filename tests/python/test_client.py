"""The client's calls on real speech: inputs, parameters, formats, streaming, speakers."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import earwitness
import pytest
from diarizers import FakeDiarizer
from earwitness import (
    APIStatusError,
    BadRequestError,
    CancelToken,
    Client,
    Limits,
    OpenAI,
    Together,
    demo,
    engine,
)
from earwitness.client import sources
from earwitness.results import (
    AudioTranscription,
    AudioTranscriptionDiarized,
    AudioTranscriptionSegment,
    AudioTranscriptionVerbose,
)
from replay import replaying
from standins import word_errors
from test_results import agree

TRANSCRIBE = engine.transcribe


@pytest.fixture(scope="module")
def client(tiny_en: Path) -> Iterator[Client]:
    """Hears the package's recording at once: for all that does not depend on the engine."""
    with replaying(tiny_en), Client(model=tiny_en, diarizer=FakeDiarizer()) as made:
        yield made


@pytest.fixture
def real_client(tiny_en: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Hears what it is given."""
    monkeypatch.setattr(engine, "transcribe", TRANSCRIBE)
    return Client(model=tiny_en, diarizer=FakeDiarizer())


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "meeting.mp3"  # a WAV by another name, as users have them
    path.write_bytes(demo.recording())
    return path


def hear(client: Client, **params: Any) -> Any:
    params.setdefault("file", demo.recording())
    return client.audio.transcriptions.create(**params)


# --- what the documents show -----------------------------------------------------------------


def test_the_documented_calls(real_client: Client, recording: Path) -> None:
    response = real_client.audio.transcriptions.create(
        file=recording,
        response_format="verbose_json",
        diarize="true",
        min_speakers=1,
        max_speakers=5,
    )
    assert response.speaker_segments
    for word in response.words or ():
        assert f"'{word['word']}' [{word['start']:.2f}s - {word['end']:.2f}s]"
    for segment in response.segments:
        assert segment["start"] <= segment.end
        assert segment.text
    assert word_errors(demo.SPOKEN, response.text) == 0
    assert (response.language, response.duration) == ("en", 11.0)


def test_clients_of_hosted_services_are_made_as_they_are() -> None:
    assert Together is Client
    assert OpenAI is Client
    made = Together(api_key="none", base_url="https://example.invalid/v1", max_retries=2)
    assert made.audio.transcriptions is made.audio.transcriptions


# --- inputs ----------------------------------------------------------------------------------


def test_every_kind_of_file(recording: Path) -> None:
    content = demo.recording()
    with recording.open("rb") as opened:
        kinds: list[Any] = [
            recording,
            str(recording),
            content,
            bytearray(content),
            memoryview(content),
            io.BytesIO(content),
            opened,
            ("any name", content),
            ("any name", io.BytesIO(content), "audio/wav"),
            (None, recording, "audio/wav", {"x": "y"}),
        ]
        for kind in kinds:
            sources.check(kind)
            with sources.opened(kind, Limits(), CancelToken()) as source:
                assert content == (source if isinstance(source, bytes) else source.read_bytes())


def test_what_is_given_is_what_is_heard(real_client: Client, data: Path) -> None:
    assert word_errors(demo.SPOKEN, hear(real_client, file=str(data / "jfk.ogg")).text) == 0


# --- formats ---------------------------------------------------------------------------------


def test_each_format_has_its_type(client: Client) -> None:
    assert type(hear(client)) is AudioTranscription
    assert type(hear(client, response_format="verbose_json")) is AudioTranscriptionVerbose
    assert type(hear(client, response_format="diarized_json")) is AudioTranscriptionDiarized
    assert type(hear(client, diarize=True)) is AudioTranscriptionVerbose
    starts = {
        "text": "And so",
        "srt": "1\n00:00:0",
        "vtt": "WEBVTT\n\n00:00:0",
        "tsv": "start\tend\ttext\n",
        "markdown": "`00:00:0",
        "rttm": "SPEAKER recording 1 0.000 ",
    }
    for name, start in starts.items():
        text = hear(client, response_format=name)
        assert type(text) is str
        assert text.startswith(start)


def test_text_formats_name_the_speakers(client: Client) -> None:
    assert hear(client, response_format="text", diarize=True).startswith("SPEAKER_00: And so")
    assert "<v SPEAKER_01>" in hear(client, response_format="vtt", diarize=True)
    assert hear(client, response_format="tsv", diarize=True).startswith("start\tend\tspeaker\t")


def test_words_only_when_asked_for_but_times_always_exact(client: Client) -> None:
    plain = hear(client, response_format="verbose_json")
    assert "words" not in plain
    worded = hear(client, response_format="verbose_json", timestamp_granularities="word")
    assert worded.segments == plain.segments
    assert worded.segments[0].start == worded.words[0].start


def test_logprobs(client: Client) -> None:
    response = hear(client, include=["logprobs"])
    joined = b"".join(bytes(token.bytes) for token in response.logprobs)
    assert joined.decode().strip() == response.text
    assert all(token.logprob <= 0 for token in response.logprobs)


def test_silence_gives_empty_answers(real_client: Client, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(64000))
    assert hear(real_client, file=path).text == ""
    record = hear(
        real_client, file=path, response_format="verbose_json", timestamp_granularities="word"
    )
    assert (record.segments, record.words, record.duration) == ((), (), 2.0)
    assert hear(real_client, file=path, response_format="srt") == ""


# --- translations ----------------------------------------------------------------------------


def test_translations_are_into_english(real_client: Client, base_model: Path) -> None:
    create = real_client.audio.translations.create
    answer = create(file=demo.recording(), model=base_model, response_format="verbose_json")
    assert answer.task == "translate"
    assert answer.text
    with pytest.raises(BadRequestError, match="English only") as caught:
        create(file=demo.recording(), model=base_model, language="fr")
    assert caught.value.param == "language"


# --- following a call ------------------------------------------------------------------------


@pytest.mark.parametrize("diarize", [False, True])
def test_streaming(client: Client, diarize: bool) -> None:
    whole = hear(client, response_format="verbose_json", diarize=diarize)
    events = list(hear(client, stream=True, diarize=diarize))
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    segments = [event for event in events if event.type == "transcript.text.segment"]
    assert "".join(deltas) == events[-1].text == whole.text
    assert events[-1].type == "transcript.text.done"
    wanted = whole.speaker_segments if diarize else whole.segments
    assert [(s.text, s.start, s.end) for s in segments] == [
        (s.text, s.start, s.end) for s in wanted
    ]
    assert all(("speaker" in event) == diarize for event in segments)
    assert json.loads(events[0].model_dump_json())["type"] == "transcript.text.delta"


def test_segments_come_before_the_end(client: Client) -> None:
    heard: list[AudioTranscriptionSegment] = []
    shares: list[float] = []
    record = hear(
        client, response_format="verbose_json", on_segment=heard.append, on_progress=shares.append
    )
    assert heard == list(record.segments)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_a_callback_raises_leaves_the_call(client: Client) -> None:
    def stop(_: object) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        hear(client, on_segment=stop)
    with pytest.raises(LookupError, match="enough"):
        list(hear(client, stream=True, on_progress=stop))


# --- speakers --------------------------------------------------------------------------------


def test_bounds_reach_the_diarizer_and_words_their_speakers(client: Client) -> None:
    diarizer = FakeDiarizer(speakers=2, turns=2)
    client = Client(diarizer=diarizer)
    record = hear(client, diarize=True, min_speakers=2, max_speakers=4)
    assert diarizer.asked[0]["min_speakers"] == 2
    assert diarizer.asked[0]["max_speakers"] == 4
    for word in record.words:
        middle = (word.start + word.end) / 2
        assert word.speaker_id == ("SPEAKER_00" if middle < 5.5 else "SPEAKER_01")
    rttm = hear(client, response_format="rttm").splitlines()
    assert rttm == [
        "SPEAKER recording 1 0.000 5.500 <NA> <NA> SPEAKER_00 <NA> <NA>",
        "SPEAKER recording 1 5.500 5.500 <NA> <NA> SPEAKER_01 <NA> <NA>",
    ]


def test_words_have_a_speaker_even_where_nobody_was_heard(client: Client) -> None:
    client = Client(diarizer=FakeDiarizer(turns=0))
    record = hear(client, diarize=True)
    assert {word.speaker_id for word in record.words} == {"SPEAKER_00"}


def test_the_packages_own_diarizer(real_client: Client) -> None:
    """A real conversation of two people, one of whom is then known from a sample."""
    client = Client(model=real_client._settings.model)
    bounds = {"diarize": True, "min_speakers": 2, "max_speakers": 2}
    content = demo.conversation()
    record = hear(client, file=content, **bounds)
    agree(record)
    assert {part.speaker_id for part in record.speaker_segments} == {"SPEAKER_00", "SPEAKER_01"}
    samples = earwitness.load_audio(content)
    found = earwitness.Diarizer().diarize(samples, min_speakers=2, max_speakers=2)
    turn = max(found.exclusive, key=lambda turn: turn.end - turn.start)
    sample = samples[int(turn.start * 16000) : int(turn.end * 16000)]
    named = hear(
        client,
        file=content,
        known_speaker_names=["Ada"],
        known_speaker_references=[encoded(sample)],
        **bounds,
    )
    agree(named)
    names = {found.speakers[turn.speaker].label: "Ada"}
    assert [word.speaker_id for word in named.words] == [
        names.get(word.speaker_id, word.speaker_id) for word in record.words
    ]


def test_more_speakers_than_there_can_be_are_invalid(real_client: Client) -> None:
    client = Client(model=real_client._settings.model)
    with pytest.raises(BadRequestError) as caught:
        hear(client, file=clip(1), diarize=True, min_speakers=90)
    assert (caught.value.code, caught.value.param) == ("invalid_params", "min_speakers")


def encoded(samples: Any) -> bytes:
    """16 kHz samples as a file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("int16").tobytes())
    return out.getvalue()


@pytest.mark.parametrize("kind", ["data", "path", "bytes"])
def test_known_voices_bear_their_names(kind: str, client: Client, tmp_path: Path) -> None:
    sample = clip(seconds=4)
    path = tmp_path / "ada.wav"
    path.write_bytes(sample)
    reference = {
        "data": f"data:audio/wav;base64,{base64.b64encode(sample).decode()}",
        "path": path,
        "bytes": sample,
    }[kind]
    client = Client(diarizer=FakeDiarizer(voice=(0.1, 0.99, 0.1)))
    record = hear(
        client, diarize=True, known_speaker_names=["Ada"], known_speaker_references=[reference]
    )
    assert {word.speaker_id for word in record.words} == {"SPEAKER_00", "Ada"}


@pytest.mark.parametrize(
    "reference", [b"nothing", "data:audio/wav;base64,!", "data:audio/wav,abc", b"short", b"long"]
)
def test_samples_that_are_no_use_are_refused(reference: Any, client: Client) -> None:
    clips = {b"short": clip(1), b"long": clip(11)}
    with pytest.raises(APIStatusError) as caught:
        hear(
            client,
            diarize=True,
            known_speaker_names=["Ada"],
            known_speaker_references=[clips.get(reference, reference)],
        )
    assert caught.value.param == "known_speaker_references"


def clip(seconds: int) -> bytes:
    """The start of the package's recording, as a file."""
    with wave.open(io.BytesIO(demo.recording())) as whole:
        out = io.BytesIO()
        with wave.open(out, "wb") as part:
            part.setparams(whole.getparams())
            part.writeframes(whole.readframes(seconds * whole.getframerate()))
    return out.getvalue()


def test_nothing_heavy_is_imported(tiny_en: Path, tmp_path: Path) -> None:
    """Not by any of the ways to hear a file; the model is there."""
    path = tmp_path / "call.flac"
    path.write_bytes(demo.conversation())
    script = f"""
import asyncio, sys
import earwitness
from earwitness import AsyncTogether, Together
from earwitness.cli import main

model, path = {str(tiny_en)!r}, {str(path)!r}
create = Together(model=model).audio.transcriptions.create
create(file=path)
create(file=path, response_format="verbose_json", diarize=True).model_dump_json()
create(file=path, response_format="vtt")
list(create(file=path, stream=True))
asyncio.run(AsyncTogether(model=model).audio.transcriptions.create(file=path))
earwitness.transcribe(path, model=model, diarize=True)
assert main(["transcribe", path, "-m", model, "--diarize", "-f", "srt"]) == 0
assert main(["diarize", path]) == 0
heavy = {{"torch", "pydantic", "requests", "httpx", "httpx2", "urllib3", "aiohttp", "av"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
