"""Words given to the wrong speaker, by transcription and diarization together.

    python benches/diarization_words.py FOLDER [--model tiny.en] [--num-speakers]

FOLDER holds NAME.wav beside NAME.words.json: a list of {"word", "speaker"} in the order spoken.
Words that were heard are aligned with those by the longest common runs; the rate is the share of
aligned reference words whose speaker is wrong under the best one-to-one naming of speakers, so that
words missed or misheard, which are the recognizer's errors, do not count. `heard` is the share of
reference words that are aligned. Also prints what transcription, diarization, and both at once take
in seconds of wall-clock time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import time
from difflib import SequenceMatcher
from pathlib import Path

from earwitness import Diarizer, Engine

Spoken = list[tuple[str, str]]  # word, speaker


def plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def read(path: Path) -> Spoken:
    rows = json.loads(path.read_text(encoding="utf-8"))
    if rows and "start" in rows[0]:
        rows.sort(key=lambda row: row["start"])
    return [(plain(r["word"]), str(r["speaker"])) for r in rows if plain(r["word"])]


def wrong_words(reference: Spoken, heard: Spoken) -> tuple[int, int]:
    """Words with the wrong speaker, and words aligned."""
    matcher = SequenceMatcher(
        None, [w for w, _ in reference], [w for w, _ in heard], autojunk=False
    )
    pairs = [
        (reference[block.a + i][1], heard[block.b + i][1])
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    ]
    truths = sorted({truth for truth, _ in pairs})
    found: list[str | None] = sorted({speaker for _, speaker in pairs})
    found += [None] * max(0, len(truths) - len(found))
    right = max(
        (
            sum(
                dict(zip(truths, naming, strict=True))[truth] == speaker for truth, speaker in pairs
            )
            for naming in itertools.permutations(found, len(truths))
        ),
        default=0,
    )
    return len(pairs) - right, len(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--num-speakers", action="store_true", help="tell the true number")
    arguments = parser.parse_args()

    files = sorted(arguments.folder.glob("*.words.json"))
    if not files:
        parser.error(f"{arguments.folder} has no NAME.words.json")
    engine = Engine(arguments.model)
    diarizer = Diarizer()
    spent = {"transcription": 0.0, "diarization": 0.0, "both": 0.0}
    all_wrong = all_aligned = all_words = 0
    print(f"{'':24s} wrong speaker    heard  speakers")
    for file in files:
        name = file.name.removesuffix(".words.json")
        wav = file.with_name(name + ".wav")
        reference = read(file)
        people = len({speaker for _, speaker in reference})
        told = people if arguments.num_speakers else None
        clock = [time.monotonic()]
        engine.transcribe(wav, word_timestamps=True, threads=arguments.threads)
        clock.append(time.monotonic())
        diarizer.diarize(wav, num_speakers=told, threads=arguments.threads)
        clock.append(time.monotonic())
        both = engine.transcribe(wav, diarize=True, num_speakers=told, threads=arguments.threads)
        clock.append(time.monotonic())
        for key, start, end in zip(spent, clock, clock[1:], strict=False):
            spent[key] += end - start
        heard = [(plain(w.text), str(w.speaker)) for w in both.words if plain(w.text)]
        wrong, aligned = wrong_words(reference, heard)
        speakers = len({speaker for _, speaker in heard})
        all_wrong, all_aligned = all_wrong + wrong, all_aligned + aligned
        all_words += len(reference)
        print(
            f"{name:24s} {100 * wrong / max(aligned, 1):9.1f} %"
            f"  {100 * aligned / len(reference):5.1f} %  {speakers}/{people}"
        )
    print(
        f"{'all':24s} {100 * all_wrong / max(all_aligned, 1):9.1f} %"
        f"  {100 * all_aligned / all_words:5.1f} %"
    )
    for key, seconds in spent.items():
        print(f"{key:24s} {seconds:9.2f} s")
    slower = max(spent["transcription"], spent["diarization"])
    print(f"{'both / the slower':24s} {spent['both'] / slower:9.2f}")


if __name__ == "__main__":
    main()
