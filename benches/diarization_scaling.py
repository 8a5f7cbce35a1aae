"""How time and memory of diarization grow with the length of a recording.

    python benches/diarization_scaling.py FOLDER [--hours 1 2 4] [--threads 1]

FOLDER holds 16 kHz mono WAV files (of simulate_conversations.py), which are joined end to end,
again and again, to each length. Each is diarized by a process of its own, by its path and as
samples. Peak memory is that above the process with the models loaded; as samples, the audio itself,
of which each hour is 220 MiB of float32, is part of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import wave
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Final

from diarization_der import EARWITNESS, System

RATE: Final = 16000
GIVEN: Final = {"path": "path", "samples": "earwitness.load_audio(path)"}


def pieces(files: list[Path], seconds: float) -> Iterator[bytes]:
    left = round(seconds * RATE)
    for file in cycle(files):
        with wave.open(str(file)) as source:
            if (source.getframerate(), source.getnchannels(), source.getsampwidth()) != (
                RATE,
                1,
                2,
            ):
                raise SystemExit(f"{file} is not 16 kHz mono of 16 bits")
            block = source.readframes(left)
        yield block
        left -= len(block) // 2
        if left <= 0:
            return


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    files = sorted(arguments.folder.glob("*.wav"))
    if not files:
        parser.error(f"{arguments.folder} has no WAV files")
    print("  hours  given as   CPU s  CPU s/s  wall s/s  peak MiB  speakers")
    for hours in arguments.hours:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "joined.wav"
            with wave.open(str(path), "wb") as joined:
                joined.setnchannels(1)
                joined.setsampwidth(2)
                joined.setframerate(RATE)
                for block in pieces(files, 3600 * hours):
                    joined.writeframes(block)
            for given, audio in GIVEN.items():
                system = System(
                    "earwitness",
                    sys.executable,
                    EARWITNESS.format(audio=audio, threads=arguments.threads, hop=0.0),
                )
                system.start()
                turns = system.ask(path, None)
                system.stop()
                peak = system.peak - system.loaded
                print(
                    f"{hours:7.2f}  {given:8} {system.cpu:7.1f} {system.cpu / hours / 3600:8.4f}"
                    f" {system.wall / hours / 3600:9.4f} {peak:9.0f}"
                    f" {len({speaker for _, _, speaker in turns}):9d}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
