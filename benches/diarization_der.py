"""Diarization error rate, time and memory, beside senko and sherpa-onnx.

    python benches/diarization_der.py FOLDER [--num-speakers [MORE]] [--hop S] [--threads N ...]
        [--senko PYTHON] [--sherpa PYTHON SEGMENTATION.onnx EMBEDDING.onnx]

FOLDER holds 16 kHz mono NAME.wav beside NAME.rttm. DER has no collar and scores overlapped speech
(by pyannote.metrics, which this needs besides). The systems take turns file by file, each in a
process of its own that has its model loaded, so that all meet the same machine; PYTHON is the
interpreter of the environment that the peer is installed in. A peer that is not given, or does not
run, is named as skipped, with the reason. With `--threads 1 2` all is done with one thread, then
with two; with `--num-speakers` each is told the true number of speakers, or MORE than that.
Peak memory is that of the whole process, imports and models included; the line above it is the
process before its first file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

# Answers one line of JSON, a path, by one line: [[start, end, speaker] ...], seconds of CPU and of
# wall-clock time, and the largest resident size so far in MiB.
LOOP = """
import json, sys, time
answers, sys.stdout = sys.stdout, sys.stderr
def tell(**answer): print(json.dumps(answer), file=answers, flush=True)
try:
    scope = dict()
    exec({setup!r}, scope)
except BaseException as error:
    tell(error=f"{{type(error).__name__}}: {{error}}")
    sys.exit(1)
def peak():  # MiB; not that of getrusage, which begins with the parent's
    with open("/proc/self/status") as status:
        return next(int(row.split()[1]) / 1024 for row in status if row.startswith("VmHWM"))
tell(peak=peak())
for line in sys.stdin:
    request = json.loads(line)
    cpu, wall = time.process_time(), time.monotonic()
    try:
        turns = scope["diarize"](request["path"], request["speakers"])
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        tell(turns=turns, cpu=cpu, wall=wall, peak=peak())
    except Exception as error:
        tell(error=f"{{type(error).__name__}}: {{error}}")
"""

EARWITNESS = """
import earwitness
from earwitness.diarizer import Diarizer
model = Diarizer()
def diarize(path, speakers):
    found = model.diarize({audio}, num_speakers=speakers, threads={threads}, hop={hop})
    return [[t.start, t.end, str(t.speaker)] for t in found.turns]
"""

SENKO = """
import torch
torch.set_num_threads({threads})
import senko
model = senko.Diarizer(device="cpu", warmup=False, quiet=True)
def diarize(path, speakers):
    found = model.diarize(path) or dict(merged_segments=[])
    return [[s["start"], s["end"], s["speaker"]] for s in found["merged_segments"]]
"""

SHERPA = """
import sherpa_onnx, wave, numpy
def build(speakers):
    s = sherpa_onnx
    pyannote = s.OfflineSpeakerSegmentationPyannoteModelConfig(model={segmentation!r})
    return s.OfflineSpeakerDiarization(s.OfflineSpeakerDiarizationConfig(
        segmentation=s.OfflineSpeakerSegmentationModelConfig(
            pyannote=pyannote, num_threads={threads}),
        embedding=s.SpeakerEmbeddingExtractorConfig(
            model={embedding!r}, num_threads={threads}),
        clustering=s.FastClusteringConfig(num_clusters=speakers or -1, threshold=0.7)))
automatic = build(None)
def diarize(path, speakers):
    with wave.open(path) as file:
        samples = numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16)
    found = (build(speakers) if speakers else automatic).process(samples.astype("f4") / 32768)
    return [[s.start, s.end, str(s.speaker)] for s in found.sort_by_start_time()]
"""

Turns = list[tuple[float, float, str]]

PARTS = ("missed detection", "false alarm", "confusion")


class CannotMeasureError(Exception):
    """A system cannot be measured; the message says why."""


@dataclass
class System:
    """One diarizer in a process of its own."""

    name: str
    python: str
    setup: str
    process: subprocess.Popen[str] | None = None
    wrong: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    speech: float = 0.0
    cpu: float = 0.0
    wall: float = 0.0
    seconds: float = 0.0
    loaded: float = 0.0
    peak: float = 0.0
    exact: int = 0
    rows: list[str] = field(default_factory=list)

    def start(self) -> None:
        command = [self.python, "-c", LOOP.format(setup=self.setup)]
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
            )
        except OSError as error:
            raise CannotMeasureError(str(error)) from error
        self.loaded = self.answer()["peak"]

    def answer(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise CannotMeasureError(answer["error"])
        return answer

    def ask(self, path: Path, speakers: int | None) -> Turns:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"path": str(path), "speakers": speakers}) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.cpu += answer["cpu"]
        self.wall += answer["wall"]
        self.peak = answer["peak"]
        return [(float(t[0]), float(t[1]), str(t[2])) for t in answer["turns"]]

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.communicate()


def read_rttm(path: Path) -> Turns:
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [(float(r[3]), float(r[3]) + float(r[4]), r[7]) for r in rows if r and r[0] == "SPEAKER"]


def annotation(turns: Turns) -> Any:
    from pyannote.core import Annotation, Segment

    out = Annotation()
    for number, (start, end, speaker) in enumerate(turns):
        if end > start:
            out[Segment(start, end), number] = speaker
    return out


def measure(system: System, wav: Path, more: int | None) -> None:
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    with wave.open(str(wav)) as file:
        seconds = file.getnframes() / file.getframerate()
    reference = read_rttm(wav.with_suffix(".rttm"))
    speakers = len({speaker for _, _, speaker in reference})
    turns = system.ask(wav, None if more is None else max(speakers + more, 1))
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    parts = metric(
        annotation(reference),
        annotation(turns),
        uem=Timeline([Segment(0.0, seconds)]),
        detailed=True,
    )
    wrong = sum(parts[part] for part in PARTS)
    found = len({speaker for _, _, speaker in turns})
    for part in PARTS:
        system.wrong[part] += parts[part]
    system.speech += parts["total"]
    system.seconds += seconds
    system.exact += found == speakers
    system.rows.append(f"{100 * wrong / parts['total']:6.1f} {found:2d}/{speakers:<2d}")


def systems(arguments: argparse.Namespace, threads: int) -> list[System]:
    options = {"threads": threads, "hop": arguments.hop}
    out = [System("earwitness", sys.executable, EARWITNESS.format(audio="path", **options))]
    if arguments.senko:
        out.append(System("senko", arguments.senko, SENKO.format(**options)))
    else:
        print("senko: skipped, no --senko PYTHON")
    if arguments.sherpa:
        python, segmentation, embedding = arguments.sherpa
        setup = SHERPA.format(segmentation=segmentation, embedding=embedding, **options)
        out.append(System("sherpa-onnx", python, setup))
    else:
        print("sherpa-onnx: skipped, no --sherpa PYTHON SEGMENTATION.onnx EMBEDDING.onnx")
    return out


def compare(arguments: argparse.Namespace, files: list[Path], threads: int) -> bool:
    """Prints the table of all systems that run with so many threads; whether there are any."""
    running: list[System] = []
    for system in systems(arguments, threads):
        try:
            system.start()
            running.append(system)
        except CannotMeasureError as failure:
            print(f"{system.name}: skipped, {failure}")
    if arguments.num_speakers is not None and any(s.name == "senko" for s in running):
        print("senko: cannot be told the number of speakers")

    print(f"{f'{threads} threads: DER %, found/true':28s}" + titles(running))
    for wav in files:
        for system in list(running):
            try:
                measure(system, wav, arguments.num_speakers)
            except CannotMeasureError as failure:
                print(f"{system.name}: skipped from {wav.name} on, {failure}")
                running.remove(system)
        print(f"{wav.stem:28s}" + "".join(f"{s.rows[-1]:>14s}" for s in running))
    totals: dict[str, Callable[[System], str]] = {
        "all, by speech time": lambda s: f"{100 * sum(s.wrong.values()) / s.speech:.1f}",
        **{part: partial(share, part) for part in PARTS},
        "exact number of speakers": lambda s: f"{s.exact}/{len(files)}",
        "CPU s per s of audio": lambda s: f"{s.cpu / s.seconds:.3f}",
        "wall s per s of audio": lambda s: f"{s.wall / s.seconds:.3f}",
        "loaded, MiB": lambda s: f"{s.loaded:.0f}",
        "peak, MiB": lambda s: f"{s.peak:.0f}",
    }
    for label, value in totals.items():
        print(f"{label:28s}" + "".join(f"{value(s):>14s}" for s in running))
    for system in running:
        system.stop()
    return bool(running)


def share(part: str, system: System) -> str:
    return f"{100 * system.wrong[part] / system.speech:.2f}"


def titles(running: list[System]) -> str:
    return "".join(f"{s.name:>14s}" for s in running)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--num-speakers",
        type=int,
        nargs="?",
        const=0,
        metavar="MORE",
        help="tell each the true number, or so many more",
    )
    parser.add_argument("--hop", type=float, default=0.0)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--senko", metavar="PYTHON")
    parser.add_argument("--sherpa", nargs=3, metavar=("PYTHON", "SEGMENTATION", "EMBEDDING"))
    arguments = parser.parse_args()

    files = [w for w in sorted(arguments.folder.glob("*.wav")) if w.with_suffix(".rttm").exists()]
    if not files:
        parser.error(f"{arguments.folder} has no NAME.wav beside NAME.rttm")
    for threads in arguments.threads:
        if not compare(arguments, files, threads):
            parser.exit(1, "no system runs\n")


if __name__ == "__main__":
    main()
