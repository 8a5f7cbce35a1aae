"""Reads our JSON with an installed client, as that client does: `read.py PACKAGE SAMPLES`.

Runs where only the client is installed.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def together(samples: dict[str, str]) -> None:
    parsed = {kind: json.loads(text) for kind, text in samples.items()}
    try:
        types = import_module("together.types.audio_speech")  # 1.x: the format chooses the class
    except ImportError:
        types = import_module("together.types.audio.transcription_create_response")
        construct = import_module("together._models").construct_type
        union = types.TranscriptionCreateResponse
        plain = construct(type_=union, value=parsed["json"])
        verbose = construct(type_=union, value=parsed["verbose_json"])
        assert type(plain).__name__ == "AudioTranscriptionJsonResponse"
        assert type(verbose).__name__ == "AudioTranscriptionVerboseJsonResponse"
    else:
        plain = types.AudioTranscriptionResponse(**parsed["json"])
        verbose = types.AudioTranscriptionVerboseResponse(**parsed["verbose_json"])
    assert plain.text == verbose.text
    compare(verbose, parsed["verbose_json"], ("language", "duration", "text"))
    for theirs, ours in zip(verbose.segments, parsed["verbose_json"]["segments"], strict=True):
        compare(theirs, ours, ("id", "start", "end", "text"))
    for theirs, ours in zip(verbose.words, parsed["verbose_json"]["words"], strict=True):
        compare(theirs, ours, ("id", "word", "start", "end", "speaker_id"))
    for theirs, ours in zip(
        verbose.speaker_segments, parsed["verbose_json"]["speaker_segments"], strict=True
    ):
        compare(theirs, ours, ("id", "speaker_id", "start", "end", "text"))
        assert [word.word for word in theirs.words] == [word["word"] for word in ours["words"]]


def openai(samples: dict[str, str]) -> None:
    audio = import_module("openai.types.audio")
    parsed = {kind: json.loads(text) for kind, text in samples.items()}
    assert audio.Transcription.model_validate(parsed["json"]).text
    # Strictly: the client itself would take anything.
    verbose = audio.TranscriptionVerbose.model_validate(parsed["verbose_json"])
    for theirs, ours in zip(verbose.segments, parsed["verbose_json"]["segments"], strict=True):
        compare(theirs, ours, tuple(ours))
    for theirs, ours in zip(verbose.words, parsed["verbose_json"]["words"], strict=True):
        compare(theirs, ours, ("word", "start", "end"))
    if hasattr(audio, "TranscriptionDiarized"):
        read = audio.TranscriptionDiarized.model_validate(parsed["diarized_json"])
        for theirs, ours in zip(read.segments, parsed["diarized_json"]["segments"], strict=True):
            compare(theirs, ours, tuple(ours))


def compare(theirs: Any, ours: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        assert getattr(theirs, name) == ours[name], (name, getattr(theirs, name), ours[name])


if __name__ == "__main__":
    {"together": together, "openai": openai}[sys.argv[1]](
        json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    )
