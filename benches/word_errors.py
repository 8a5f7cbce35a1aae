"""Word errors on speech with exact transcripts: earwitness beside faster-whisper.

    python benches/word_errors.py FOLDER [--model tiny.en] [--sets NAME ...] [--rows NAME ...]
        [--times N] [--faster-whisper PYTHON --ct2-model DIR] [--keep FOLDER] [--differences]

FOLDER and the sets made from it are described in benches/speech_sets.py. Both engines hear the same
samples with the language given, without the text before as a prompt, and two threads; every engine
hears every set in a process of its own. Text is compared in lower case, without marks, hyphens
taken for spaces, numbers as they fall. For each set: its words; errors (substituted + deleted +
inserted) and their rate for each engine; the difference of the rates, with the interval that holds
95 % of bootstrap draws of recordings. The sets of all recordings together follow.

The rows, each a pair of engines or settings:
    greedy  no VAD, greedy                  | the same, int8
    beam    no VAD, 5 beams                 | the same, int8
    vad     as by default                   | its VAD, greedy, int8
    full    greedy, full windows            | greedy, int8
    float   greedy, weights not rounded     | greedy, float32
    peer    faster-whisper greedy, float32  | greedy, int8: what rounding alone does to it
`--times` has each clip heard so often, each time a little louder or softer and later: what one set
says by chance, several such do not. How often one hearing of a set has over 0.2 more errors in 100
words than another by the same engine, which is chance alone, is printed last. `--keep` holds
transcripts from one run to the next: what is there is not heard again. `--differences` prints the
clips whose errors differ most. A peer whose interpreter is not named, or that fails, is skipped and
said to be.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from edit_path import edit_path
from speech_sets import Clip, nudged, speech_sets

# Each takes the file of a job and prints a JSON string for each clip: its text.
PREAMBLE = """
import json, sys
import numpy as np
with open(sys.argv[1], encoding="utf-8") as file:
    job = json.load(file)
"""

EARWITNESS = """
import earwitness as ew
with ew.Engine(job["model"], precision=job["precision"]) as engine:
    for path, language in job["clips"]:
        t = engine.transcribe(np.load(path), language=language, threads=2, **job["options"])
        print(json.dumps(t.text))
"""

FASTER_WHISPER = """
from faster_whisper import WhisperModel
whisper = WhisperModel(job["model"], device="cpu", compute_type=job["precision"], cpu_threads=2)
for path, language in job["clips"]:
    segments, _ = whisper.transcribe(np.load(path), language=language,
                                     condition_on_previous_text=False, **job["options"])
    print(json.dumps("".join(segment.text for segment in segments).strip()))
"""


class Hearer(NamedTuple):
    """An engine with its settings."""

    peer: bool
    precision: str
    beam_size: int = 1
    vad: bool = False
    full_windows: bool = False

    @property
    def name(self) -> str:
        parts = ["faster-whisper" if self.peer else "earwitness", self.precision]
        parts += [f"beams{self.beam_size}"]
        parts += ["vad"] * self.vad + ["full"] * self.full_windows
        return "-".join(parts)

    @property
    def options(self) -> dict[str, object]:
        if self.peer:
            return {"beam_size": self.beam_size, "vad_filter": self.vad}
        full = self.full_windows
        return {"beam_size": self.beam_size, "vad": self.vad, "full_windows": full}


ROWS = {
    "greedy": (Hearer(False, "int8"), Hearer(True, "int8")),
    "beam": (Hearer(False, "int8", beam_size=5), Hearer(True, "int8", beam_size=5)),
    "vad": (Hearer(False, "int8", vad=True), Hearer(True, "int8", vad=True)),
    "full": (Hearer(False, "int8", full_windows=True), Hearer(True, "int8")),
    "float": (Hearer(False, "float"), Hearer(True, "float32")),
    "peer": (Hearer(True, "float32"), Hearer(True, "int8")),
}


@dataclass(frozen=True)
class Errors:
    substituted: int = 0
    deleted: int = 0
    inserted: int = 0

    @property
    def all(self) -> int:
        return self.substituted + self.deleted + self.inserted

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.substituted + other.substituted,
            self.deleted + other.deleted,
            self.inserted + other.inserted,
        )


def words_of(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    text = re.sub(r"[-\u2010-\u2015]", " ", text)
    words = (re.sub(r"[^\w']", "", word).strip("'_") for word in text.split())
    return [word for word in words if word]


def count_errors(reference: Sequence[str], heard: Sequence[str]) -> Errors:
    path = edit_path(reference, heard)
    return Errors(
        sum(i is not None and j is not None and reference[i] != heard[j] for i, j in path),
        sum(j is None for _, j in path),
        sum(i is None for i, _ in path),
    )


class Bench:
    """Hears each set with each engine once."""

    def __init__(self, model: str, python: str | None, ct2_model: str | None, keep: Path):
        self.model, self.python, self.ct2_model, self.keep = model, python, ct2_model, keep

    def hear(self, hearer: Hearer, name: str, clips: Sequence[Clip]) -> list[str] | None:
        """The text of each clip; None, and the reason on standard error, where there is none."""
        kept = self.keep / f"{Path(self.model).name} {hearer.name} {name}.json"
        if kept.exists():
            texts: list[str] = json.loads(kept.read_text(encoding="utf-8"))
            return texts
        python, model = sys.executable, self.model
        if hearer.peer:
            if not self.python or not self.ct2_model:
                return None
            python, model = self.python, self.ct2_model
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for i, clip in enumerate(clips):
                path = Path(folder, f"{i}.npy")
                np.save(path, clip.samples)
                paths.append((str(path), clip.language))
            job = {
                "model": model,
                "precision": hearer.precision,
                "options": hearer.options,
                "clips": paths,
            }
            job_file = Path(folder, "job.json")
            job_file.write_text(json.dumps(job), encoding="utf-8")
            code = PREAMBLE + (FASTER_WHISPER if hearer.peer else EARWITNESS)
            command = [python, "-c", code, str(job_file)]
            try:
                result = subprocess.run(command, capture_output=True, text=True, check=False)
            except OSError as error:
                print(f"{hearer.name}: {name}: skipped: {error}", file=sys.stderr)
                return None
        if result.returncode != 0:
            reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"{hearer.name}: {name}: skipped: {reason}", file=sys.stderr)
            return None
        texts = [json.loads(line) for line in result.stdout.splitlines()]
        kept.write_text(json.dumps(texts, ensure_ascii=False, indent=1), encoding="utf-8")
        return texts


def more_than_again(words: Sequence[int], errors: Sequence[Errors], times: int) -> list[float]:
    """By how many of 100 words one hearing of a set has more wrong than another, for each two in
    both orders. `words` and `errors` are of its clips, the `times` hearings of each in a row."""
    rates = [
        100 * sum(e.all for e in errors[i::times]) / max(1, sum(words[i::times]))
        for i in range(times)
    ]
    return [a - b for a, b in permutations(rates, 2)]


class Scores:
    """Words, and errors of the two of a row, by recording."""

    def __init__(self) -> None:
        self.words: defaultdict[str, int] = defaultdict(int)
        self.errors: defaultdict[str, list[Errors]] = defaultdict(lambda: [Errors(), Errors()])

    def add(self, recording: str, words: int, errors: Sequence[Errors]) -> None:
        self.words[recording] += words
        self.errors[recording] = [
            a + b for a, b in zip(self.errors[recording], errors, strict=False)
        ]

    def include(self, other: Scores) -> None:
        for recording, words in other.words.items():
            self.add(recording, words, other.errors[recording])

    def interval(self) -> tuple[float, float]:
        """Of the difference of the error rates, in per cent."""
        names = list(self.words)
        words = np.array([self.words[name] for name in names])
        more = np.array([self.errors[name][0].all - self.errors[name][1].all for name in names])
        draws = np.random.default_rng(1).integers(len(names), size=(10_000, len(names)))
        rates = 100 * more[draws].sum(1) / words[draws].sum(1)
        low, high = np.percentile(rates, [2.5, 97.5])
        return float(low), float(high)

    def line(self, set_name: str, row: str, peer: bool) -> str:
        total = sum(self.words.values())
        text = f"{set_name:20} {total:6} {row:7}"
        rates = []
        for side in range(1 + peer):
            errors = sum((pair[side] for pair in self.errors.values()), Errors())
            rates.append(100 * errors.all / max(1, total))
            counts = f"{errors.substituted}+{errors.deleted}+{errors.inserted}"
            text += f"{counts:>16} {rates[-1]:6.2f}"
        if peer:
            low, high = self.interval()
            text += f"  {rates[0] - rates[1]:+6.2f}  [{low:+.2f}, {high:+.2f}]"
        return text


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--sets", nargs="*", metavar="NAME")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=["greedy", "beam", "vad"])
    parser.add_argument("--times", type=int, default=1, metavar="N")
    parser.add_argument("--faster-whisper", metavar="PYTHON")
    parser.add_argument("--ct2-model", metavar="DIR", help="the same model, for faster-whisper")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--differences", action="store_true")
    args = parser.parse_args()
    sets = speech_sets(args.folder)
    if args.model.endswith(".en"):
        del sets["es fr it ko"]
    unknown = set(args.sets or []) - set(sets)
    if unknown:
        parser.error(f"no such sets: {', '.join(unknown)}; there are: {', '.join(sets)}")
    if not args.faster_whisper or not args.ct2_model:
        print(
            "faster-whisper: skipped: --faster-whisper and --ct2-model not given", file=sys.stderr
        )

    with tempfile.TemporaryDirectory() as folder:
        keep: Path = args.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        bench = Bench(args.model, args.faster_whisper, args.ct2_model, keep)
        print(
            f"{'set':20} {'words':>6} {'row':7}{'S+D+I':>16} {'%':>6}{'S+D+I':>16} {'%':>6}  differ"
        )
        pooled: dict[tuple[str, bool], Scores] = defaultdict(Scores)
        again: dict[Hearer, list[float]] = defaultdict(list)
        for name in args.sets or sets:
            clips = sets[name]()
            if args.times > 1:
                clips = nudged(clips, args.times)
                name = f"{name} x {args.times}"
            references = [words_of(clip.text) for clip in clips]
            counted: dict[Hearer, list[Errors]] = {}
            texts: dict[Hearer, list[str]] = {}
            for row in args.rows:
                for hearer in ROWS[row]:
                    if hearer in counted:
                        continue
                    heard = bench.hear(hearer, name, clips)
                    if heard is None:
                        continue
                    texts[hearer] = heard
                    counted[hearer] = [
                        count_errors(reference, words_of(text))
                        for reference, text in zip(references, heard, strict=True)
                    ]
                    again[hearer] += more_than_again(
                        [len(reference) for reference in references], counted[hearer], args.times
                    )
                present = [hearer for hearer in ROWS[row] if hearer in counted]
                if ROWS[row][0] not in present:
                    continue
                scores = Scores()
                for clip, reference, *errors in zip(
                    clips, references, *(counted[hearer] for hearer in present), strict=True
                ):
                    scores.add(clip.name, len(reference), errors + errors[:1] * (2 - len(errors)))
                pair = len(present) == 2
                print(scores.line(name, row, pair), flush=True)
                pooled[row, pair].include(scores)
                if args.differences and pair:
                    print_differences(clips, [(counted[h], texts[h]) for h in present])
        for (row, pair), scores in pooled.items():
            print(scores.line("all", row, pair))
        for hearer, more in again.items():
            if more:
                share = 100 * sum(x > 0.2 for x in more) / len(more)
                print(f"{hearer.name}: over 0.2 above itself in {share:.0f} % of {len(more)} pairs")


def print_differences(
    clips: Sequence[Clip], heard: Sequence[tuple[list[Errors], list[str]]]
) -> None:
    def more(i: int) -> int:
        return heard[0][0][i].all - heard[1][0][i].all

    for i in sorted(range(len(clips)), key=lambda i: -abs(more(i)))[:8]:
        if more(i):
            print(f"    {more(i):+} {clips[i].name}: {clips[i].text}")
            for _, texts in heard:
                print(f"        {texts[i]}")


if __name__ == "__main__":
    main()
