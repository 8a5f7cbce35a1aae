"""Limits and errors: classes, codes, bodies; headers read before decoding; URLs."""

from __future__ import annotations

import io
import pickle
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import earwitness
import pytest
from earwitness import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    Client,
    InternalServerError,
    Limits,
    NotFoundError,
    RateLimitError,
    RequestEntityTooLargeError,
    UnprocessableEntityError,
    demo,
    engine,
    errors,
)
from earwitness.api_errors import from_error
from earwitness.client.headers import stated_duration
from hypothesis import given
from hypothesis import strategies as st
from replay import replaying

TRANSCRIBE = engine.transcribe


@pytest.fixture(scope="module")
def client(tiny_en: Path) -> Iterator[Client]:
    with replaying(tiny_en):
        yield Client(model=tiny_en)


def hear(client: Client, file: Any, **params: Any) -> Any:
    return client.audio.transcriptions.create(file=file, **params)


# --- classes ---------------------------------------------------------------------------------


def test_the_hierarchy_is_the_one_that_users_know() -> None:
    assert issubclass(APIError, earwitness.EarwitnessError)
    assert issubclass(APITimeoutError, APIConnectionError)
    assert issubclass(APIConnectionError, APIError)
    statuses = {
        BadRequestError: 400,
        AuthenticationError: 401,
        earwitness.PermissionDeniedError: 403,
        NotFoundError: 404,
        earwitness.ConflictError: 409,
        RequestEntityTooLargeError: 413,
        UnprocessableEntityError: 422,
        RateLimitError: 429,
        InternalServerError: 500,
    }
    for kind, status in statuses.items():
        assert issubclass(kind, APIStatusError)
        assert kind("x").status_code == status


def test_the_classes_have_the_names_of_both_hosted_clients() -> None:
    names = {name for name in dir(earwitness) if name.endswith("Error")}
    for module in ("openai", "together"):
        theirs = pytest.importorskip(module)
        for name in ("APIError", "APIStatusError", "APIConnectionError", "APITimeoutError"):
            assert name in names
            assert hasattr(theirs, name)
        for name, kind in list(vars(theirs).items()):
            if isinstance(kind, type) and isinstance(getattr(kind, "status_code", None), int):
                assert name == "OAuthError" or getattr(earwitness, name)("x").status_code == (
                    kind.status_code
                )


def test_an_error_carries_what_a_server_would_send() -> None:
    error = BadRequestError("language is wrong", param="language")
    assert error.body == {
        "error": {
            "message": "language is wrong",
            "type": "invalid_request_error",
            "param": "language",
            "code": "invalid_params",
        }
    }
    assert str(error) == error.message == "language is wrong"
    assert APIConnectionError("x").body is None


def test_errors_are_pickled() -> None:
    error = BadRequestError("m", code="audio_too_long", param="file")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is BadRequestError
    assert (again.message, again.code, again.param) == ("m", "audio_too_long", "file")


@pytest.mark.parametrize(
    ("error", "kind", "code", "param"),
    [
        (
            errors.InvalidOptionError("beam_size is 99"),
            BadRequestError,
            "invalid_params",
            "beam_size",
        ),
        (errors.InvalidOptionError("no such thing"), BadRequestError, "invalid_params", None),
        (errors.UnsupportedFormatError("x"), BadRequestError, "unsupported_format", "file"),
        (errors.AudioError("x"), UnprocessableEntityError, "processing_failed", "file"),
        (errors.ModelNotFoundError("x"), NotFoundError, "model_not_found", "model"),
        (errors.ModelError("x"), InternalServerError, "processing_failed", None),
        (errors.OfflineError("x"), InternalServerError, "processing_failed", None),
        (errors.EngineClosedError("x"), InternalServerError, "processing_failed", None),
        (errors.EarwitnessError("x"), InternalServerError, "processing_failed", None),
    ],
)
def test_the_engines_errors_become_the_apis(error: Any, kind: Any, code: str, param: Any) -> None:
    found = from_error(error)
    assert type(found) is kind
    assert isinstance(found, APIError)
    assert (found.code, found.param, found.message) == (code, param, str(error))
    assert from_error(found) is found


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"", UnprocessableEntityError, "processing_failed"),
        (b"this is no audio at all, but text", BadRequestError, "unsupported_format"),
        (b"RIFF\0\0\0\0WAVEfmt ", UnprocessableEntityError, "processing_failed"),
    ],
)
def test_files_that_are_no_use(client: Client, content: bytes, kind: Any, code: str) -> None:
    with pytest.raises(kind) as caught:
        hear(client, content)
    assert (caught.value.code, caught.value.param) == (code, "file")
    assert isinstance(caught.value.__cause__, earwitness.AudioError)


def test_missing_files_are_oserrors_as_with_the_hosted_clients(
    client: Client, tmp_path: Path
) -> None:
    for path in (tmp_path / "missing.wav", str(tmp_path / "missing.wav")):
        with pytest.raises(FileNotFoundError):
            hear(client, path)
    with pytest.raises(IsADirectoryError):
        hear(client, tmp_path)


def test_files_in_text_mode(client: Client) -> None:
    with pytest.raises(BadRequestError, match='"rb"'):
        hear(client, io.StringIO("text"))


def test_unknown_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "transcribe", TRANSCRIBE)
    client = Client(model="whisper-gigantic")
    with pytest.raises(NotFoundError, match="gigantic") as caught:
        hear(client, demo.recording())
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_uploads_over_the_limit(tiny_en: Path, tmp_path: Path) -> None:
    client = Client(model=tiny_en, limits=Limits(upload=1000))
    path = tmp_path / "large.wav"
    path.write_bytes(demo.recording())
    endless = Endless()
    for file in (path, demo.recording(), io.BytesIO(demo.recording()), endless):
        with pytest.raises(RequestEntityTooLargeError) as caught:
            hear(client, file)
        assert (caught.value.status_code, caught.value.code) == (413, "file_too_large")
    assert endless.given == 1001


class Endless:
    """A file without an end."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        return bytes(size)


# --- durations -------------------------------------------------------------------------------


def test_what_is_too_long_is_refused_before_it_is_decoded(
    tiny_en: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earwitness.audio.load_audio", lambda *_, **__: pytest.fail("decoded"))
    path = tmp_path / "hours.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 1000, 0, "NONE", ""))
        file.writeframes(bytes(4 * 3600 * 1000 + 1000))
    with pytest.raises(BadRequestError, match=r"4\.00 hours") as caught:
        hear(Client(model=tiny_en), path)
    assert (caught.value.code, caught.value.param) == ("audio_too_long", "file")


def test_what_says_nothing_is_refused_after_decoding(client: Client, data: Path) -> None:
    strict = Client(limits=Limits(duration=5.0))
    with pytest.raises(BadRequestError) as caught:
        hear(strict, data / "jfk.mp3")
    assert caught.value.code == "audio_too_long"


def test_durations_of_headers(data: Path) -> None:
    assert stated_duration(demo.recording()) == 11.0
    assert stated_duration(data / "jfk.flac") == 11.0
    assert stated_duration(data / "jfk3.m4a") == pytest.approx(3.0, abs=0.1)
    assert stated_duration(data / "jfk.mp3") is None
    assert stated_duration(b"") is None


def test_headers_that_claim_too_much_are_not_believed() -> None:
    content = bytearray(demo.recording())
    at = content.index(b"data") + 4
    for claim in (0xFFFFFFFF, 0xFFFFFFF0):
        content[at : at + 4] = struct.pack("<I", claim)
        assert stated_duration(bytes(content)) == 11.0


@given(st.sampled_from([b"RIFF\0\0\0\0WAVE", b"fLaC", b"\0\0\0\x10ftyp"]), st.binary(max_size=200))
def test_headers_may_hold_anything(head: bytes, rest: bytes) -> None:
    found = stated_duration(head + rest)
    assert found is None or found >= 0


@given(st.integers(0, 400), st.integers(0, 255))
def test_damaged_mp4_headers(at: int, value: int) -> None:
    content = bytearray(
        struct.pack(">I4s", 16, b"ftyp")
        + bytes(8)
        + struct.pack(">I4s", 116, b"moov")
        + struct.pack(">I4s4x8xII", 108, b"mvhd", 1000, 5000)
        + bytes(80)
    )
    assert stated_duration(bytes(content)) == 5.0
    content[at % len(content)] = value
    found = stated_duration(bytes(content))
    assert found is None or found >= 0
