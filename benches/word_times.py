"""Word times against references: earwitness beside the peers.

    python benches/word_times.py FOLDER [--model tiny.en]
        [--faster-whisper PYTHON --ct2-model DIR] [--whispercpp PYTHON --ggml-model FILE]
        [--stable-ts PYTHON]

FOLDER is searched for WAV files beside a TextGrid of the same name (tier `words`) or a
`.words.json` (a list of word, start, end; benches/align_speech.py writes such): each kind is one
set. Hypothesis words are matched to reference words by edit distance on normalised text, and the
errors of the matched words are printed for each set: mean and median of starts and ends, and the
share of all starts and ends within 50, 100 and 200 ms. Beside them: what word times cost, as a
share of the time that transcribing takes, and whether 1 and 2 threads give the same words. A peer
runs in the interpreter that its flag names; one that is not named, or fails, is skipped and said
to be. stable-ts runs on faster-whisper's model. The last table tells how often words of each
confidence are right.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edit_path import edit_path

EARWITNESS = """
import json, sys
import earwitness as ew
align = total = 0.0
same = True
with ew.Engine(sys.argv[1]) as engine:
    def hear(path, threads):
        return engine.transcribe(path, threads=threads, word_timestamps=True, language="en")
    for path in sys.argv[2:]:
        t = hear(path, 1)
        align, total = align + t.timings.align, total + t.timings.total
        same = same and hear(path, 2).words == t.words
        print(json.dumps([(w.text, w.start, w.end, w.confidence) for w in t.words]))
print(f"word times cost {align / total:.1%} of the time, 1 and 2 threads give "
      + ("the same words" if same else "DIFFERENT words"), file=sys.stderr)
"""

FASTER_WHISPER = """
import json, sys
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=1)
for path in sys.argv[2:]:
    segments, _ = model.transcribe(path, beam_size=1, word_timestamps=True, language="en",
                                   condition_on_previous_text=False)
    print(json.dumps([(w.word, w.start, w.end, w.probability)
                      for s in segments for w in s.words]))
"""

STABLE_TS = """
import json, sys
import stable_whisper
from faster_whisper import decode_audio
model = stable_whisper.load_faster_whisper(sys.argv[1], device="cpu", compute_type="int8",
                                           cpu_threads=1)
for path in sys.argv[2:]:
    result = model.transcribe(decode_audio(path), beam_size=1, language="en", verbose=None,
                              condition_on_previous_text=False)
    print(json.dumps([(w.word, float(w.start), float(w.end), float(w.probability))
                      for s in result.segments for w in s.words]))
"""

# whisper.cpp's token heuristic, one word a segment.
WHISPER_CPP = """
import json, sys
from pywhispercpp.model import Model
model = Model(sys.argv[1], print_progress=False, print_realtime=False, n_threads=1)
for path in sys.argv[2:]:
    segments = model.transcribe(path, token_timestamps=True, max_len=1, split_on_word=True,
                                language="en")
    print(json.dumps([(s.text, s.t0 / 100, s.t1 / 100, 1.0) for s in segments]))
"""

# whisper.cpp's DTW gives one time a token, its end: a word lasts from the token before it to its
# own last one that is no mark. The preset of heads is told by the file's name.
WHISPER_CPP_DTW = """
import json, re, sys
import _pywhispercpp as core
from pywhispercpp.model import Model
name = re.search(r"ggml-(.+?)(-q\\w+)?\\.bin$", sys.argv[1]).group(1)
preset = "WHISPER_AHEADS_" + name.upper().replace(".", "_").replace("-", "_")
model = Model(sys.argv[1], print_progress=False, print_realtime=False, n_threads=1,
              context_params={"dtw_token_timestamps": True, "flash_attn": False,
                  "dtw_aheads_preset": getattr(core.whisper_alignment_heads_preset, preset)})
for path in sys.argv[2:]:
    segments = model.transcribe(path, token_timestamps=True, language="en")
    words = []
    for i, segment in enumerate(segments):
        before = segment.t0
        for k in range(core.whisper_full_n_tokens(model._ctx, i)):
            text = core.whisper_full_get_token_text(model._ctx, i, k)
            at = core.whisper_full_get_token_data(model._ctx, i, k).t_dtw
            if isinstance(text, bytes):
                text = text.decode("utf-8", "replace")
            if at < 0:
                continue
            if text.startswith(" ") or not words:
                words.append([text, before / 100, at / 100, 1.0])
            else:
                words[-1][0] += text
                if any(c.isalnum() for c in text):
                    words[-1][2] = at / 100
            before = at
    print(json.dumps(words))
"""

NOT_A_WORD = re.compile(r"[^a-z0-9']")


class Word(NamedTuple):
    text: str
    start: float
    end: float
    confidence: float = 1.0


def normalised(words: Sequence[Sequence[object]]) -> list[Word]:
    """Lower case, without punctuation; what has no letter or digit is no word."""
    kept = []
    for text, *times in words:
        bare = NOT_A_WORD.sub("", str(text).lower().replace("\u2019", "'")).strip("'")
        if bare:
            kept.append(Word(bare, *(float(str(t)) for t in times)))
    return kept


def textgrid(path: Path) -> list[Word]:
    """The intervals of the tier `words` of a TextGrid in the short format."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = lines.index('"words"') + 3
    rows = lines[at + 1 : at + 1 + 3 * int(lines[at])]
    triples = zip(rows[0::3], rows[1::3], rows[2::3], strict=True)
    return normalised([(text, start, end) for start, end, text in triples])


def word_list(path: Path) -> list[Word]:
    entries = json.loads(path.read_text(encoding="utf-8"))
    timed = [(e["word"], e["start"], e["end"]) for e in entries if "start" in e]
    return sorted(normalised(timed), key=lambda word: word.start)


def matched(reference: Sequence[Word], heard: Sequence[Word]) -> list[tuple[int, int]]:
    """Pairs of equal words on a cheapest edit path."""
    path = edit_path([word.text for word in reference], [word.text for word in heard])
    return [
        (i, j)
        for i, j in path
        if i is not None and j is not None and reference[i].text == heard[j].text
    ]


def run(name: str, python: str, code: str, model: str, files: Sequence[Path]) -> list[list[Word]]:
    """The words that an engine hears in each file; none at all, with the reason, if it fails."""
    command = [python, "-c", code, model, *map(str, files)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{name}: skipped: {reason}", file=sys.stderr)
        return []
    if python == sys.executable:
        print(f"{name}: {result.stderr.strip().splitlines()[-1]}")
    lines = [line for line in result.stdout.splitlines() if line.startswith("[")]
    return [normalised(json.loads(line)) for line in lines]


def report(
    label: str, references: Sequence[Sequence[Word]], heard: Sequence[Sequence[Word]]
) -> None:
    starts, ends, total = [], [], 0
    for reference, words in zip(references, heard, strict=True):
        total += len(reference)
        for i, j in matched(reference, words):
            starts.append(1000 * abs(reference[i].start - words[j].start))
            ends.append(1000 * abs(reference[i].end - words[j].end))
    if not starts:
        print(f"{label:32} no word matched")
        return
    row = "".join(
        f"{value:8.0f}"
        for errors in (starts, ends)
        for value in (statistics.mean(errors), statistics.median(errors))
    )
    for limit in (50, 100, 200):
        row += f"{sum(e <= limit for e in starts + ends) / (2 * len(starts)):8.1%}"
    print(f"{label:32}{row}   {len(starts)}/{total}")


def reliability(references: Sequence[Sequence[Word]], heard: Sequence[Sequence[Word]]) -> None:
    print("\nconfidence   words   right")
    right: list[list[bool]] = [[] for _ in range(5)]
    for reference, words in zip(references, heard, strict=True):
        found = {j for _, j in matched(reference, words)}
        for j, word in enumerate(words):
            right[min(4, int(5 * word.confidence))].append(j in found)
    for i, flags in enumerate(right):
        if flags:
            print(f"{i / 5:.1f} to {(i + 1) / 5:.1f}{len(flags):8}{sum(flags) / len(flags):8.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--faster-whisper", metavar="PYTHON")
    parser.add_argument("--ct2-model", metavar="DIR", help="the same model, for faster-whisper")
    parser.add_argument("--whispercpp", metavar="PYTHON", help="an interpreter with pywhispercpp")
    parser.add_argument("--stable-ts", metavar="PYTHON", help="with faster-whisper beside it")
    parser.add_argument("--ggml-model", metavar="FILE", help="the same model, for whisper.cpp")
    args = parser.parse_args()

    engines = [("earwitness", sys.executable, EARWITNESS, args.model)]
    for name, python, code, model in (
        ("faster-whisper", args.faster_whisper, FASTER_WHISPER, args.ct2_model),
        ("stable-ts", args.stable_ts, STABLE_TS, args.ct2_model),
        ("whisper.cpp tokens", args.whispercpp, WHISPER_CPP, args.ggml_model),
        ("whisper.cpp DTW", args.whispercpp, WHISPER_CPP_DTW, args.ggml_model),
    ):
        if python and model:
            engines.append((name, python, code, model))
        else:
            print(f"{name}: skipped: its interpreter or model is not given", file=sys.stderr)

    sets = []
    for kind, suffix, read in (
        ("TextGrid", ".TextGrid", textgrid),
        ("words.json", ".words.json", word_list),
    ):
        found = [
            (p.with_name(p.name.removesuffix(suffix) + ".wav"), read(p))
            for p in sorted(args.folder.rglob(f"*{suffix}"))
        ]
        found = [(wav, words) for wav, words in found if words and wav.exists()]
        if found:
            sets.append((kind, [wav for wav, _ in found], [words for _, words in found]))
    if not sets:
        parser.error(f"{args.folder}: no WAV beside a .TextGrid or .words.json with times")

    print(f"{'errors in ms':32}   start    med     end     med   <=50   <=100   <=200   matched")
    for kind, files, references in sets:
        ours: list[list[Word]] = []
        for name, python, code, model in engines:
            heard = run(name, python, code, model, files)
            if not heard:
                continue
            report(f"{kind}: {name}", references, heard)
            if name == "earwitness":
                ours = heard
        if ours:
            reliability(references, ours)


if __name__ == "__main__":
    main()
