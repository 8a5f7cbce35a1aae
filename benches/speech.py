"""Transcription: real-time factor, first segment, load time, import time, memory; beside the peers.

    python benches/speech.py AUDIO [--model tiny.en] [--threads 1] [--beams 1] [--rounds 5]
        [--faster-whisper PYTHON --ct2-model DIR [--batched]]

"full windows" is earwitness with the silence after short audio encoded in full, as all others do;
"with VAD" is earwitness as it is by default: stretches of speech, several decoded at a time.
Every run is a process of its own, engines take turns in each round, and medians are printed with
the median of the per-round ratios to faster-whisper int8 where that is given. A peer runs in the
interpreter that its flag names; one that is not named, or fails, is skipped and said to be.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Each prints one JSON object; `say` keeps what is measured, in seconds and MB.
PREAMBLE = """
import json, resource, sys, time
audio, model, threads, beams = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
began = time.perf_counter()
def say(imported, decoded, loaded, first, done, duration, text):
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(dict(
        imported=imported - began, load=loaded - decoded, first=first - loaded,
        wall=done - loaded, rtf=(done - loaded) / duration,
        cpu=usage.ru_utime + usage.ru_stime, rss=usage.ru_maxrss / 1024, text=text)))
"""

EARWITNESS = """
import earwitness as ew
imported = time.perf_counter()
samples = ew.load_audio(audio)
decoded = time.perf_counter()
engine = ew.Engine(model)
loaded = time.perf_counter()
first = []
def on_segment(segment):
    first.append(time.perf_counter())
t = engine.transcribe(samples, threads=threads, beam_size=beams, full_windows=FULL, vad=VAD,
                      on_segment=on_segment)
done = time.perf_counter()
say(imported, decoded, loaded, first[0] if first else done, done, t.duration, t.text)
"""

FASTER_WHISPER = """
from faster_whisper import WhisperModel, decode_audio
imported = time.perf_counter()
samples = decode_audio(audio)
decoded = time.perf_counter()
whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=threads)
loaded = time.perf_counter()
segments, info = whisper.transcribe(samples, beam_size=beams, condition_on_previous_text=False)
first, texts = None, []
for segment in segments:
    first = first or time.perf_counter()
    texts.append(segment.text)
done = time.perf_counter()
say(imported, decoded, loaded, first or done, done, info.duration, "".join(texts).strip())
"""

# Several chunks of a long file at a time; it finds speech first, as it must.
BATCHED = FASTER_WHISPER.replace(
    "import WhisperModel,", "import BatchedInferencePipeline, WhisperModel,"
).replace(
    "whisper.transcribe(samples, ",
    "BatchedInferencePipeline(whisper).transcribe(samples, batch_size=8, ",
)


@dataclass(frozen=True)
class Contender:
    """An engine, the interpreter that has it, and the model as it knows it."""

    name: str
    python: str
    code: str
    model: str


def measure(
    contender: Contender, audio: str, threads: int, beams: int
) -> dict[str, float | str] | None:
    """One run; None, and the reason on standard error, where it failed."""
    command = [contender.python, "-c", PREAMBLE + contender.code]
    command += [audio, contender.model, str(threads), str(beams)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{contender.name}: skipped: {reason}", file=sys.stderr)
        return None
    measured: dict[str, float | str] = json.loads(result.stdout.strip().splitlines()[-1])
    return measured


def report(runs: Mapping[str, Sequence[Mapping[str, float | str]]], yardstick: str) -> None:
    columns = ("rtf", "wall", "cpu", "first", "load", "imported", "rss")
    print(f"{'engine':16}" + "".join(f"{column:>10}" for column in columns) + "  wall ratio")
    for name, rows in runs.items():
        medians = [statistics.median(float(row[column]) for row in rows) for column in columns]
        ratio = ""
        if yardstick in runs:
            ratios = [
                float(row["wall"]) / float(base["wall"])
                for row, base in zip(rows, runs[yardstick], strict=True)
            ]
            ratio = f"{statistics.median(ratios):10.2f}"
        print(f"{name:16}" + "".join(f"{value:10.3f}" for value in medians) + ratio)
    for name, rows in runs.items():
        print(f"\n{name}: {rows[-1]['text']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("audio")
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--beams", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--faster-whisper", metavar="PYTHON")
    parser.add_argument("--ct2-model", metavar="DIR", help="the same model, for faster-whisper")
    parser.add_argument("--batched", action="store_true", help="also its batched pipeline")
    args = parser.parse_args()

    contenders = [
        Contender(
            name,
            sys.executable,
            EARWITNESS.replace("FULL", str(full)).replace("VAD", str(vad)),
            args.model,
        )
        for name, full, vad in (
            ("earwitness", False, False),
            ("full windows", True, False),
            ("with VAD", False, True),
        )
    ]
    if args.faster_whisper and args.ct2_model:
        contenders.append(
            Contender("faster-whisper", args.faster_whisper, FASTER_WHISPER, args.ct2_model)
        )
        if args.batched:
            contenders.append(
                Contender("its batches", args.faster_whisper, BATCHED, args.ct2_model)
            )
    else:
        print(
            "faster-whisper: skipped: --faster-whisper and --ct2-model not given", file=sys.stderr
        )

    runs: dict[str, list[dict[str, float | str]]] = {c.name: [] for c in contenders}
    for _ in range(args.rounds + 1):
        for contender in contenders:
            if contender.name in runs:
                measured = measure(contender, args.audio, args.threads, args.beams)
                if measured is None:
                    del runs[contender.name]
                else:
                    runs[contender.name].append(measured)
    # The first round warms the file cache.
    report({name: rows[1:] for name, rows in runs.items()}, "faster-whisper")


if __name__ == "__main__":
    main()
