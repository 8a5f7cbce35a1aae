"""Makes conversations whose truth is known, for benches/diarization_der.py.

    python benches/simulate_conversations.py OUT --clips FOLDER --meetings FOLDER
        [--count 10] [--speakers 2 8] [--minutes 5 10] [--seed 0]

A file in the clips folder, or a folder in it, is one voice, so that all files of one person belong
in one folder; so is what somebody says alone in the meetings folder's recordings (NAME.wav beside
NAME.rttm). Voices with less than --least seconds are left out. Turns are 0.6 to 14 s with pauses
between or overlaps; every third conversation has an echo, and all have noise. The same seed makes
the same conversations.
"""

from __future__ import annotations

import argparse
import wave
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from diarization_der import Turns, read_rttm
from earwitness.audio import load_audio

Samples = npt.NDArray[np.float32]

RATE: Final = 16000
LEVEL: Final = 0.05  # root mean square of speech
AUDIO: Final = {".wav", ".flac", ".mp3", ".ogg"}


def read(path: Path) -> Samples:
    return np.array(load_audio(path), np.float32)


def alone(turns: Turns, speaker: str) -> Turns:
    """Where the speaker is the only one, with a margin to all others."""
    left = [(start, end) for start, end, name in turns if name == speaker]
    for start, end, name in turns:
        if name == speaker:
            continue
        cut = []
        for a, b in left:
            if a < start:
                cut.append((a, min(b, start - 0.05)))
            if b > end:
                cut.append((max(a, end + 0.05), b))
        left = cut
    return [(a, b, speaker) for a, b in left if b - a >= 1.2]


def voices(clips: Path | None, meetings: Path | None, least: float) -> dict[str, list[Samples]]:
    found: dict[str, list[Samples]] = {}
    for entry in sorted(clips.iterdir()) if clips else []:
        files = sorted(entry.iterdir()) if entry.is_dir() else [entry]
        for file in files:
            if file.suffix in AUDIO:
                found.setdefault(entry.stem, []).append(read(file))
    for rttm in sorted(meetings.glob("*.rttm")) if meetings else []:
        turns = read_rttm(rttm)
        samples = read(rttm.with_suffix(".wav"))
        for name in sorted({speaker for _, _, speaker in turns}):
            key = name if len(name) > 2 else f"{rttm.stem}_{name}"
            for start, end, _ in alone(turns, name):
                piece = samples[int(start * RATE) : int(end * RATE)]
                found.setdefault(key, []).append(piece)
    return {k: v for k, v in found.items() if sum(map(len, v)) >= least * RATE}


def moving_sum(values: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    """Of the `width` values around each."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    middle = np.arange(len(values))
    first = np.clip(middle - width // 2, 0, len(values))
    end = np.clip(middle + (width + 1) // 2, 0, len(values))
    return np.asarray(total[end] - total[first])


def loud(samples: Samples, level: float) -> Turns:
    """The stretches of a turn that are not pauses of 0.3 s and more."""
    power = moving_sum(samples.astype(np.float64) ** 2, 800) / 800
    speech = moving_sum((power > 1e-3 * level**2).astype(np.float64), 4800) > 0.5
    edges = np.diff(np.concatenate([[0], speech.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(a / RATE, b / RATE, "") for a, b in zip(begins, ends, strict=True)]


def converse(
    pool: dict[str, list[Samples]], people: int, seconds: float, echo: bool, seed: int
) -> tuple[Samples, Turns]:
    random = np.random.default_rng(seed)
    names = [str(n) for n in random.choice(sorted(pool), people, replace=False)]
    level = {n: LEVEL * 10 ** (random.uniform(-4, 4) / 20) for n in names}
    rms = {n: float(np.sqrt(np.mean(np.concatenate(pool[n]) ** 2))) for n in names}
    share = random.dirichlet(np.full(people, 3.0)) * 0.7 + 0.3 / people
    out = np.zeros(int(seconds * RATE), np.float32)
    turns: Turns = []
    now, last = 0.5, -1
    while True:
        weight = share.copy()
        if last >= 0 and people > 1:
            weight[last] = 0.0
        last = int(random.choice(people, p=weight / weight.sum()))
        name = names[last]
        source = pool[name][int(random.integers(len(pool[name])))]
        length = min(int(np.clip(random.gamma(1.6, 2.2), 0.6, 14.0) * RATE), len(source))
        first = int(random.integers(len(source) - length + 1))
        piece = source[first : first + length] * np.float32(level[name] / rms[name])
        fade = min(160, length // 2)
        piece[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        piece[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        overlaps = bool(turns) and random.random() < 0.25
        start = now - random.uniform(0.2, 1.5) if overlaps else now + random.exponential(0.5)
        at = int(max(start, 0.0) * RATE)
        if at + length > len(out):
            break
        out[at : at + length] += piece
        turns += [(at / RATE + a, at / RATE + b, name) for a, b, _ in loud(piece, level[name])]
        now = max(now, (at + length) / RATE)
    if echo:
        tail = int(0.3 * RATE)
        response = random.standard_normal(tail) * 10 ** (-3 * np.arange(tail) / tail)
        response *= 0.35 / np.sqrt(np.sum(response**2))
        response[0] = 1.0
        size = 1 << (len(out) + tail).bit_length()
        spectrum = np.fft.rfft(out, size) * np.fft.rfft(response, size)
        out = np.fft.irfft(spectrum, size)[: len(out)].astype(np.float32)
    out += (LEVEL * 10 ** (-random.uniform(20, 40) / 20) * random.standard_normal(len(out))).astype(
        np.float32
    )
    return out, sorted(turns)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--meetings", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--speakers", type=int, nargs=2, default=[2, 8], metavar=("LOW", "HIGH"))
    parser.add_argument("--minutes", type=float, nargs=2, default=[5, 10], metavar=("LOW", "HIGH"))
    parser.add_argument("--least", type=float, default=8.0, help="seconds of a voice")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    pool = voices(arguments.clips, arguments.meetings, arguments.least)
    low, high = arguments.speakers
    if len(pool) < high:
        parser.error(f"only {len(pool)} voices, for up to {high} speakers")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.count):
        people = low + number % (high - low + 1)
        share = number / max(arguments.count - 1, 1)
        minutes = arguments.minutes[0] + (arguments.minutes[1] - arguments.minutes[0]) * share
        samples, turns = converse(
            pool, people, 60 * minutes, number % 3 == 2, arguments.seed + number
        )
        stem = arguments.out / f"{number:02d}_{people}speakers"
        with wave.open(str(stem.with_suffix(".wav")), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            pcm = np.clip(samples, -0.99, 0.99) * 32767
            file.writeframes(pcm.astype("<i2").tobytes())
        rows = [
            f"SPEAKER {stem.name} 1 {start:.3f} {end - start:.3f} <NA> <NA> {name} <NA> <NA>"
            for start, end, name in turns
        ]
        stem.with_suffix(".rttm").write_text("\n".join(rows) + "\n", encoding="utf-8")
        print(f"{stem.name}: {minutes:.1f} min, {len({name for _, _, name in turns})} speakers")


if __name__ == "__main__":
    main()
