"""How well and how cheaply speech is told from the rest.

    python benches/spans.py FOLDER [--threads N] [--down DECIBELS]

FOLDER holds 16 kHz mono NAME.wav beside NAME.rttm; --down has the recordings heard so much softer.
Speech is where anybody speaks in the RTTM. For the detector (Silero) with its defaults and with
Silero's own, and for the turns of the diarizer, whose segmentation network hears speech too: speech
missed and other sound taken for speech, in per cent of the speech, by frames of 10 ms without a
collar; and CPU seconds for a second of audio. The diarizer's cost is that of all its stages.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from diarization_der import read_rttm
from earwitness import Diarizer, SpeechFinder, load_audio

Spans = Sequence[tuple[float, float]]


def frames(spans: Spans, count: int) -> Any:
    mask = np.zeros(count, bool)
    for start, end in spans:
        mask[round(start * 100) : round(end * 100)] = True
    return mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--down", type=float, default=0.0)
    args = parser.parse_args()
    finder, diarizer = SpeechFinder(), Diarizer()
    silero = {"threshold": 0.5, "padding": 0.03, "min_silence": 0.1, "min_speech": 0.25}

    def turns(pcm: Any) -> Spans:
        found = diarizer.diarize(pcm, threads=args.threads).turns
        return [(turn.start, turn.end) for turn in found]

    systems: dict[str, Callable[[Any], Spans]] = {
        "detector": finder.find,
        "detector, Silero's settings": lambda pcm: finder.find(pcm, **silero),
        "diarizer's turns": turns,
    }
    totals = {name: np.zeros(3) for name in systems}  # missed, false, CPU seconds
    speech = seconds = 0.0
    for path in sorted(args.folder.glob("*.rttm")):
        pcm = load_audio(path.with_suffix(".wav")) * np.float32(10 ** (-args.down / 20))
        count = len(pcm) // 160
        wanted = frames([turn[:2] for turn in read_rttm(path)], count)
        speech += wanted.sum()
        seconds += len(pcm) / 16000
        for name, find in systems.items():
            began = time.process_time()
            spans = find(pcm)
            cpu = time.process_time() - began
            heard = frames(spans, count)
            row = np.array([(wanted & ~heard).sum(), (heard & ~wanted).sum(), cpu])
            totals[name] += row
            missed, wrong = 100 * row[:2] / max(1, wanted.sum())
            print(f"{path.stem:24} {name:28} missed {missed:5.1f} %  false {wrong:5.1f} %")
    if not speech:
        raise SystemExit(f"there is no RTTM with speech in {args.folder}")
    print()
    for name, (missed, wrong, cpu) in totals.items():
        print(
            f"{'all':24} {name:28} missed {100 * missed / speech:5.1f} %  "
            f"false {100 * wrong / speech:5.1f} %  sum {100 * (missed + wrong) / speech:5.1f} %  "
            f"CPU {cpu / seconds:.4f} s/s"
        )


if __name__ == "__main__":
    main()
