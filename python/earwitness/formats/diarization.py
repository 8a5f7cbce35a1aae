"""Diarizations as text: who spoke when, without what was said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from earwitness.errors import InvalidOptionError
from earwitness.formats.rttm import rttm_lines

if TYPE_CHECKING:
    from earwitness._core import Diarization, Turn


def diarization_to_rttm(diarization: Diarization, recording: str = "recording") -> str:
    """RTTM as `earwitness.formats.to_rttm` has it; nobody heard = empty."""
    return rttm_lines(_named(diarization), recording)


def diarization_to_json(diarization: Diarization, recording: str = "recording") -> str:
    """Everything but the voices' vectors, on one line; seconds to the millisecond.

    `turns` may overlap, of `exclusive` only one is at a time; both have `start`, `end`, `speaker`
    and `confidence`. `speakers` have `label`, `seconds` of speech and `confidence`.
    """
    document = {
        "recording": recording,
        "duration": round(diarization.duration, 3),
        "speakers": [
            {
                "label": speaker.label,
                "seconds": round(speaker.seconds, 3),
                "confidence": round(speaker.confidence, 4),
            }
            for speaker in diarization.speakers
        ],
        "turns": _turns(diarization, diarization.turns),
        "exclusive": _turns(diarization, diarization.exclusive),
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def diarization_to_text(diarization: Diarization, recording: str = "recording") -> str:
    """One line for each turn: start and end in seconds, speaker; nobody heard = empty."""
    return "".join(
        f"{start:9.3f} {end:9.3f}  {speaker}\n" for start, end, speaker in _named(diarization)
    )


def _named(diarization: Diarization) -> list[tuple[float, float, str]]:
    labels = [speaker.label for speaker in diarization.speakers]
    return [(turn.start, turn.end, labels[turn.speaker]) for turn in diarization.turns]


def _turns(diarization: Diarization, turns: Sequence[Turn]) -> list[dict[str, Any]]:
    labels = [speaker.label for speaker in diarization.speakers]
    return [
        {
            "start": round(turn.start, 3),
            "end": round(turn.end, 3),
            "speaker": labels[turn.speaker],
            "confidence": round(turn.confidence, 4),
        }
        for turn in turns
    ]


DIARIZATION_FORMATS: Final[Mapping[str, Callable[[Diarization, str], str]]] = MappingProxyType(
    {"rttm": diarization_to_rttm, "json": diarization_to_json, "txt": diarization_to_text}
)
"""The writers by the names that `render_diarization` and the command take."""


def render_diarization(diarization: Diarization, name: str, recording: str = "recording") -> str:
    """The diarization in the format of that name.

    Args:
        recording: what the recording is called in the result.

    Raises:
        InvalidOptionError: no such format.
    """
    writer = DIARIZATION_FORMATS.get(name)
    if writer is None:
        known = ", ".join(DIARIZATION_FORMATS)
        raise InvalidOptionError(f"format {name!r} is unknown; there are {known}")
    return writer(diarization, recording)
