"""The events of a call that is under way.

For each segment that is finished: `transcript.text.delta` with its text, whose deltas join to the
whole, and `transcript.text.segment` with its times. Who spoke is known only when all is heard: with
`diarize` the segment events come at the end, one for each speaker segment. At last
`transcript.text.done` with the whole text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from earwitness.answers import number, token_logprobs
from earwitness.results import (
    TranscriptTextDeltaEvent,
    TranscriptTextDoneEvent,
    TranscriptTextSegmentEvent,
)

if TYPE_CHECKING:
    from earwitness.client.parameters import Request
    from earwitness.spoken import SpokenSegment, SpokenTranscript

TranscriptionEvent: TypeAlias = (
    "TranscriptTextDeltaEvent | TranscriptTextSegmentEvent | TranscriptTextDoneEvent"
)


class EventWriter:
    """Turns the segments of one call into its events."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._begun = False

    def segment(self, part: SpokenSegment) -> Iterator[TranscriptionEvent]:
        """The events of a finished segment."""
        # As the whole text, the first delta begins without a space.
        delta = part.text if self._begun else part.text.lstrip()
        self._begun = self._begun or bool(delta)
        logprobs = token_logprobs([part]) if self._request.logprobs else None
        yield TranscriptTextDeltaEvent(delta, logprobs=logprobs)
        if not self._request.diarize:
            start, end = number(part.start, 3), number(part.end, 3)
            yield TranscriptTextSegmentEvent(f"seg_{part.id}", start, end, part.text)

    def done(self, transcript: SpokenTranscript) -> Iterator[TranscriptionEvent]:
        """The events after the last segment."""
        for index, part in enumerate(transcript.speaker_segments):
            start, end = number(part.start, 3), number(part.end, 3)
            yield TranscriptTextSegmentEvent(f"seg_{index}", start, end, part.text, part.speaker)
        logprobs = token_logprobs(transcript.segments) if self._request.logprobs else None
        yield TranscriptTextDoneEvent(transcript.text.strip(), logprobs=logprobs)
