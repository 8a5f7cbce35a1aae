"""The writers: golden files, and properties checked by readers written from the formats' rules."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from earwitness import InvalidOptionError
from earwitness.formats import (
    FORMATS,
    FORMATS_OF_SPEAKERS,
    Layout,
    TranscriptLike,
    render,
    to_json,
    to_markdown,
    to_rttm,
    to_srt,
    to_text,
    to_tsv,
    to_verbose_json,
    to_vtt,
)
from earwitness.formats.json_formats import compression_ratio
from earwitness.formats.layout import cues, width, wrap
from earwitness.spoken import SpokenTranscript
from hypothesis import given
from hypothesis import strategies as st
from spoken_samples import conversation, conversations
from standins import Segment, Token, Transcript, Word, segment_of_words

TRANSCRIPTS: dict[str, TranscriptLike] = {
    "plain": Transcript(
        [
            Segment(0, 0.0, 1.2344, " Fish & chips <hot>,", [Token(50364), Token(7)], seek=0),
            Segment(1, 1.2344, 1.2344, " 5 --> 6\tand\na second line.", seek=300),
            Segment(2, 3661.5, 3666.0, "  "),
            Segment(
                3,
                3666.0,
                3670.25,
                " A sentence without word times that is too long for one line, and for two "
                "lines as well, so that it has three.",
                temperature=0.2,
                avg_logprob=-0.1 - 1e-9,
            ),
        ],
        duration=3671.0004,
    ),
    "words": Transcript(
        [
            segment_of_words(
                " And so, my fellow Americans, ask not what your country can do for you, ask "
                "what you can do for your country.",
                0.3,
                0.42,
            ),
            segment_of_words(" Thank you.", 10.5, 0.0, 1),
        ]
    ),
    "japanese": Transcript(
        [
            Segment(
                0,
                0.0,
                6.0,
                "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
            )
        ],
        language="ja",
    ),
    "silence": Transcript([], duration=5.0),
    "conversation": conversation(),
}


def of_speakers(name: str) -> bool:
    return name == "conversation"


@pytest.mark.parametrize(
    ("name", "style"),
    [
        (name, style)
        for name in TRANSCRIPTS
        for style in FORMATS
        if of_speakers(name) or style not in FORMATS_OF_SPEAKERS
    ],
)
def test_golden(name: str, style: str, data: Path) -> None:
    golden = (data / "golden" / f"{name}.{style}").read_bytes().decode("utf-8")
    assert without_ratios(render(TRANSCRIPTS[name], style)) == without_ratios(golden)


def test_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(InvalidOptionError, match=r"'docx'.*txt, json"):
        render(TRANSCRIPTS["silence"], "docx")


@pytest.mark.parametrize("style", sorted(FORMATS_OF_SPEAKERS))
def test_formats_of_speakers_need_some(style: str) -> None:
    with pytest.raises(InvalidOptionError, match=f"{style} says who spoke"):
        render(TRANSCRIPTS["plain"], style)


def test_a_registry_cannot_be_changed_by_accident() -> None:
    with pytest.raises(TypeError):
        FORMATS["txt"] = to_srt  # type: ignore[index]


# --- properties ------------------------------------------------------------------------------

texts = st.text(max_size=200) | st.text("->&<;\n\t \u2028ab日。", max_size=80)
times = st.floats(min_value=0, max_value=4 * 3600)
numbers = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    words = draw(st.lists(st.builds(Word, texts, times, times, numbers), max_size=12))
    text = "".join(word.text for word in words) if words else draw(texts)
    return Segment(
        id=draw(st.integers(0, 10**6)),
        start=draw(times),
        end=draw(times),
        text=text,
        tokens=draw(st.lists(st.builds(Token, st.integers(0, 51865)), max_size=5)),
        words=words,
        seek=draw(st.integers(0, 10**7)),
        temperature=draw(numbers),
        avg_logprob=draw(numbers),
        no_speech_prob=draw(numbers),
    )


transcripts = st.builds(Transcript, st.lists(segments(), max_size=4), times)

_LINE_BREAKS = re.compile(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def read_cues(body: str, decimal: str, *, numbered: bool) -> list[tuple[int, int, list[str]]]:
    """A strict reader of SubRip and WebVTT cues: anything out of place is an assertion error."""
    time = rf"(\d\d+):([0-5]\d):([0-5]\d){re.escape(decimal)}(\d\d\d)"
    blocks = body.split("\n\n")
    assert blocks.pop() == ""
    found = []
    for number, block in enumerate(blocks, start=1):
        lines = block.split("\n")
        if numbered:
            assert lines.pop(0) == str(number)
        match = re.fullmatch(f"{time} --> {time}", lines.pop(0))
        assert match
        fields = [int(part) for part in match.groups()]
        start, end = (
            ((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (fields[:4], fields[4:])
        )
        assert end > start
        assert lines
        for line in lines:
            assert line
            assert line == line.strip(" ")
            assert not _LINE_BREAKS.search(line)
            assert "-->" not in line
        found.append((start, end, lines))
    return found


@given(transcripts)
def test_srt_is_what_a_strict_reader_takes(transcript: Transcript) -> None:
    read_cues(to_srt(transcript), ",", numbered=True)


@given(transcripts)
def test_vtt_is_what_a_strict_reader_takes(transcript: Transcript) -> None:
    document = to_vtt(transcript)
    assert document.startswith("WEBVTT\n\n")
    for _, _, lines in read_cues(document.removeprefix("WEBVTT\n\n"), ".", numbered=False):
        for line in lines:
            assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", line)


@given(transcripts)
def test_srt_and_vtt_say_the_same(transcript: Transcript) -> None:
    srt = read_cues(to_srt(transcript), ",", numbered=True)
    vtt = read_cues(to_vtt(transcript).removeprefix("WEBVTT\n\n"), ".", numbered=False)
    assert [cue[:2] for cue in srt] == [cue[:2] for cue in vtt]


@given(transcripts)
def test_cues_lose_no_character(transcript: Transcript) -> None:
    shown = "".join(line for cue in cues(transcript) for line in cue.lines)
    assert squeeze(shown) == squeeze(transcript.text)


@given(transcripts, st.integers(10, 60), st.integers(1, 4))
def test_cues_keep_to_their_layout(transcript: Transcript, columns: int, lines: int) -> None:
    layout = Layout(line_width=columns, lines=lines)
    for cue in cues(transcript, layout):
        for line in cue.lines:
            assert width(line) <= columns or len(wrap(line, Layout(line_width=1))) == 1


words_of_speech = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=14), min_size=1, max_size=60
)


@given(words_of_speech, st.floats(0, 1000), st.floats(0.02, 1))
def test_cues_of_timed_words_keep_the_limits(words: list[str], start: float, step: float) -> None:
    segment = segment_of_words("".join(f" {word}" for word in words), start, step)
    made = list(cues(Transcript([segment])))
    assert all(len(cue.lines) <= 2 and max(map(width, cue.lines)) <= 42 for cue in made)
    assert all(cue.end - cue.start <= 7001 for cue in made)
    assert all(after.start - before.end >= 80 for before, after in itertools.pairwise(made))
    assert made[0].start == round(segment.start * 1000)
    last = made[-1]
    assert last.end == max(round(segment.words[-1].end * 1000), last.start + 1000)


@given(words_of_speech, st.floats(0.02, 1))
def test_limits_of_cues_can_be_set(words: list[str], step: float) -> None:
    segment = segment_of_words("".join(f" {word}" for word in words), 0.0, step)
    layout = Layout(line_width=20, lines=1, longest=3.0, shortest=0.5, gap=0.0)
    made = list(cues(Transcript([segment]), layout))
    assert all(len(cue.lines) == 1 and width(cue.lines[0]) <= 20 for cue in made)
    assert all(cue.end - cue.start <= 3001 for cue in made)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("line_width", 0), ("line_width", 2.5), ("lines", 0), ("lines", True)),
        *(("longest", 0), ("longest", math.inf), ("longest", "7"), ("shortest", -1)),
        *(("shortest", 8), ("gap", -0.1), ("gap", math.nan)),
    ],
)
def test_limits_that_leave_no_room_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidOptionError, match=f"^{name} "):
        Layout(**{name: value})


def test_limits_go_through_render() -> None:
    transcript = Transcript([segment_of_words(" one two three four five six", 0.0, 0.5)])
    narrow = Layout(line_width=5, lines=1, gap=0.0)
    for name, writer in (("srt", to_srt), ("vtt", to_vtt)):
        assert render(transcript, name, narrow) == writer(transcript, narrow)
        assert len(render(transcript, name, narrow)) > len(render(transcript, name))
    assert render(transcript, "tsv", narrow) == render(transcript, "tsv")


def test_short_cues_stay_to_be_read_unless_the_next_is_due() -> None:
    def segment(number: int, start: float, end: float) -> Segment:
        return Segment(number, start, end, f" {number}.", words=[Word(f" {number}.", start, end)])

    made = cues(Transcript([segment(0, 0.0, 0.2), segment(1, 0.6, 0.8), segment(2, 5.0, 5.2)]))
    assert [(cue.start, cue.end) for cue in made] == [(0, 520), (600, 1600), (5000, 6000)]


@given(conversations())
def test_a_cue_has_one_speaker(transcript: SpokenTranscript) -> None:
    spoken = "".join(f"{word.speaker}{squeeze(word.text)}" for word in transcript.words)
    shown = list(cues(transcript))
    assert {cue.speaker for cue in shown} == {word.speaker for word in transcript.words}
    for speaker in {word.speaker for word in transcript.words}:
        assert "".join(
            squeeze("".join(cue.lines)) for cue in shown if cue.speaker == speaker
        ) == "".join(squeeze(word.text) for word in transcript.words if word.speaker == speaker)
    assert len(spoken) >= len(shown)
    document = to_vtt(transcript)
    assert document.count("<v SPEAKER_") == len(shown)
    read_cues(to_srt(transcript), ",", numbered=True)


@given(conversations())
def test_rttm_is_what_a_strict_reader_takes(transcript: SpokenTranscript) -> None:
    rows = to_rttm(transcript, "a file; really").splitlines()
    for row, turn in zip(rows, transcript.turns or (), strict=True):
        kind, name, channel, start, length, *rest = row.split(" ")
        assert (kind, name, channel) == ("SPEAKER", "a_file_really", "1")
        assert float(start) == pytest.approx(turn.start, abs=0.0005001)
        assert float(length) == pytest.approx(turn.end - turn.start, abs=0.0005001)
        assert rest == ["<NA>", "<NA>", turn.speaker, "<NA>", "<NA>"]


@given(conversations())
def test_markdown_shows_the_text_and_means_nothing_else_by_it(transcript: SpokenTranscript) -> None:
    text = to_markdown(transcript)
    bare = re.sub(r"^`\d\d:\d\d:\d\d` \*\*SPEAKER\\_\d\d:\*\* ", "", text, flags=re.M)
    assert not re.search(r"(?<!\\)[<>&*_`|]", bare)
    assert squeeze(re.sub(r"\\(.)", r"\1", bare)) == squeeze(transcript.text)


@given(transcripts)
def test_tsv_has_three_fields_a_line(transcript: Transcript) -> None:
    head, *rows = to_tsv(transcript).removesuffix("\n").split("\n")
    assert head == "start\tend\ttext"
    assert len(rows) == len(transcript.segments)
    for row, segment in zip(rows, transcript.segments, strict=True):
        start, end, text = row.split("\t")
        assert (int(start), int(end)) == (round(segment.start * 1000), round(segment.end * 1000))
        assert squeeze(text) == squeeze(segment.text)
        assert not _LINE_BREAKS.search(text)


@given(transcripts)
def test_txt_is_one_line_for_each_segment_that_says_something(transcript: Transcript) -> None:
    text = to_text(transcript)
    spoken = [s for s in transcript.segments if squeeze(s.text)]
    assert text.count("\n") == len(spoken)
    assert squeeze(text) == squeeze(transcript.text)


@given(transcripts)
def test_json_is_the_text_alone(transcript: Transcript) -> None:
    assert json.loads(to_json(transcript)) == {"text": transcript.text.strip()}


@given(transcripts)
def test_verbose_json_is_complete_and_finite(transcript: Transcript) -> None:
    line = to_verbose_json(transcript)
    assert line.endswith("\n")
    assert "\n" not in line[:-1]
    document = json.loads(line, parse_constant=pytest.fail)
    keys = ["task", "language", "duration", "text", "segments"]
    keys += ["words", "usage"] if transcript.words else ["usage"]
    assert list(document) == keys
    assert None not in document.values()
    for shown, segment in zip(document["segments"], transcript.segments, strict=True):
        assert list(shown) == [
            "id",
            "seek",
            "start",
            "end",
            "text",
            "tokens",
            "temperature",
            "avg_logprob",
            "compression_ratio",
            "no_speech_prob",
        ]
        assert None not in shown.values()
        assert shown["text"] == segment.text
        assert shown["tokens"] == [token.id for token in segment.tokens]
        assert math.isclose(shown["start"], segment.start, abs_tol=0.0005001)
    for shown, word in zip(document.get("words", []), transcript.words, strict=True):
        assert list(shown) == ["word", "start", "end", "id", "confidence"]
        assert shown["word"] == word.text.strip()


def test_text_that_repeats_itself_has_a_high_compression_ratio() -> None:
    assert compression_ratio(" the same again" * 20) > 2.4
    assert compression_ratio(" Four score and seven years ago") < 1.5
    assert compression_ratio("") == 0.0


def test_two_lines_are_about_equally_long() -> None:
    assert wrap("The quick brown fox jumps over the lazy dog today") == [
        "The quick brown fox jumps",
        "over the lazy dog today",
    ]


def test_wide_characters_take_two_columns_and_closing_ones_stay_behind() -> None:
    lines = wrap("「" + "あ" * 20 + "」" + "い" * 5)
    assert all(width(line) <= 42 for line in lines)
    assert not any(line.startswith("」") for line in lines)


def without_ratios(document: str) -> str:
    """Implementations of zlib differ in how well they compress."""
    return re.sub(r'(?<="compression_ratio": )[\d.]+', "0", document)


def squeeze(text: str) -> str:
    """What the writers may not change: all but spaces and control characters."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]", "", text)
