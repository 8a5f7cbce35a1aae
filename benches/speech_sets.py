"""Sets of speech with exact transcripts, made from the recordings of a folder.

FOLDER/speech.jsonl names recordings of one speaker each, with `file`, `text` and `language`;
FOLDER/diarization holds NAME.wav beside NAME.words.json (a list of word, start) or NAME.stm:
conversations. Every set is the same in every run and on every machine: its chance is seeded by the
names of its clips.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from earwitness import load_audio

Samples = npt.NDArray[np.float32]

RATE = 16000


@dataclass(frozen=True)
class Clip:
    """Samples at 16 kHz with what is said in them; `name` is that of their recording."""

    name: str
    samples: Samples
    text: str
    language: str = "en"


def chance(*names: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(" ".join(map(str, names)).encode()))


def power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def stretched(samples: Samples, length: int) -> Samples:
    """To another number of samples through the spectrum, without aliasing."""
    spectrum = np.fft.rfft(samples)
    bins = length // 2 + 1
    wanted = np.zeros(bins, complex)
    wanted[: min(bins, len(spectrum))] = spectrum[:bins]
    return (np.fft.irfft(wanted, length) * (length / len(samples))).astype(np.float32)


def telephone(samples: Samples) -> Samples:
    """300 to 3400 Hz at 8 kHz, in the 8 bits of mu-law (ITU-T G.711's curve, mu = 255)."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    narrow = stretched(
        np.fft.irfft(spectrum, len(samples)).astype(np.float32), len(samples) // 2
    ).clip(-1, 1)
    companded = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    companded = np.round(companded * 127) / 127
    expanded = np.sign(companded) * np.expm1(np.abs(companded) * np.log(256)) / 255
    return stretched(expanded.astype(np.float32), len(samples))


def coloured(length: int, exponent: float, random: np.random.Generator) -> Samples:
    """Noise whose power falls with frequency to that exponent: 0 white, 1 pink."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (exponent / 2)
    return np.fft.irfft(spectrum, length).astype(np.float32)


def babble(length: int, others: Sequence[Samples], random: np.random.Generator) -> Samples:
    """Six voices at once, each equally loud, from anywhere in their recordings."""
    total = np.zeros(length, np.float32)
    for i in random.choice(len(others), min(6, len(others)), replace=False):
        voice = np.roll(others[i], random.integers(len(others[i])))
        total += np.resize(voice, length) / np.float32(np.sqrt(power(voice)))
    return total


def mixed(samples: Samples, noise: Samples, decibels: float) -> Samples:
    """With noise that many decibels below the mean power of the clip, and no sample above 1."""
    gain = np.sqrt(power(samples) / power(noise) * 10 ** (-decibels / 10))
    total: Samples = samples + np.float32(gain) * noise
    return (total / max(1.0, float(np.abs(total).max()))).astype(np.float32)


def reverberant(samples: Samples, seconds: float, random: np.random.Generator) -> Samples:
    """In a room whose sound dies by 60 dB in `seconds`: direct sound, and as much of it again in
    noise that decays exponentially (Polack's model)."""
    n = round(seconds * RATE)
    tail = random.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail /= np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    length = len(samples) + n
    wet = np.fft.irfft(np.fft.rfft(samples, length) * np.fft.rfft(tail, length), length)
    return (wet / max(1.0, float(np.abs(wet).max()))).astype(np.float32)


def quiet(samples: Samples) -> Samples:
    """30 dB down, in 16 bits."""
    return (np.round(samples * 10**-1.5 * 32768) / 32768).astype(np.float32)


def read_clips(folder: Path) -> list[Clip]:
    rows = (folder / "speech.jsonl").read_text(encoding="utf-8").splitlines()
    clips = []
    for row in map(json.loads, rows):
        samples = load_audio(folder / row["file"])
        clips.append(Clip(Path(row["file"]).stem, samples, row["text"], row["language"]))
    return clips


def conversations(folder: Path) -> list[Clip]:
    clips = []
    for path in sorted((folder / "diarization").glob("*.words.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))
        if rows and "start" in rows[0]:
            rows.sort(key=lambda row: row["start"])
        name = path.name.partition(".")[0]
        samples = load_audio(path.with_name(name + ".wav"))
        clips.append(Clip(name, samples, " ".join(row["word"] for row in rows)))
    for path in sorted((folder / "diarization").glob("*.stm")):
        lines = path.read_text(encoding="utf-8").splitlines()
        text = " ".join(line.split(maxsplit=5)[5] for line in lines)
        clips.append(Clip(path.stem, load_audio(path.with_suffix(".wav")), text))
    return clips


def long_files(clips: Sequence[Clip]) -> list[Clip]:
    """Of two to ten minutes: all clips in several orders, half a second to three between them."""
    files = []
    for i, minutes in enumerate((2, 2, 2, 3, 3, 4, 4, 5, 10)):
        random = chance("long", i)
        parts: list[Samples] = []
        texts: list[str] = []
        samples = 0
        while samples < (minutes - 0.5) * 60 * RATE:
            for at in random.permutation(len(clips)):
                pause = np.zeros(round(random.uniform(0.5, 3.0) * RATE), np.float32)
                parts += [clips[at].samples, pause]
                texts.append(clips[at].text)
                samples += len(clips[at].samples) + len(pause)
                if samples >= (minutes - 0.5) * 60 * RATE:
                    break
        files.append(Clip(f"long-{i}-{minutes}min", np.concatenate(parts), " ".join(texts)))
    return files


def nudged(clips: Iterable[Clip], times: int = 8) -> list[Clip]:
    """Each so many times, a little louder or softer and later: what is said stays, and what differs
    between two recognisers by chance falls another way each time."""
    result = []
    for clip in clips:
        for i in range(times):
            random = chance("nudged", clip.name, i)
            lead = np.zeros(random.integers(RATE // 2), np.float32)
            gain = np.float32(10 ** (random.uniform(-6, 0) / 20))
            result.append(replace(clip, samples=np.concatenate([lead, gain * clip.samples])))
    return result


def speech_sets(folder: Path) -> dict[str, Callable[[], list[Clip]]]:
    """What makes each set, by its name."""
    all_clips = read_clips(folder)
    clips = [clip for clip in all_clips if clip.language == "en"]
    foreign = [clip for clip in all_clips if clip.language != "en"]
    talks = conversations(folder)

    def each(change: Callable[[Samples], Samples], of: Sequence[Clip] = clips) -> list[Clip]:
        return [replace(clip, samples=change(clip.samples)) for clip in of]

    def noisy(colour: str, decibels: float, of: Sequence[Clip] = clips) -> list[Clip]:
        result = []
        for clip in of:
            random = chance(colour, clip.name)
            n = len(clip.samples)
            if colour == "babble":
                others = [other.samples for other in clips if other.name != clip.name]
                noise = babble(n, others, random)
            else:
                noise = coloured(n, {"white": 0.0, "pink": 1.0}[colour], random)
            result.append(replace(clip, samples=mixed(clip.samples, noise, decibels)))
        return result

    def rooms(seconds: float) -> list[Clip]:
        return [
            replace(clip, samples=reverberant(clip.samples, seconds, chance("room", clip.name)))
            for clip in clips
        ]

    def faster(speed: float) -> list[Clip]:
        return each(lambda samples: stretched(samples, round(len(samples) / speed)))

    def foreign_all() -> list[Clip]:
        return [
            *foreign,
            *each(telephone, foreign),
            *each(quiet, foreign),
            *(
                clip
                for db in (20, 10)
                for c in ("white", "babble")
                for clip in noisy(c, db, foreign)
            ),
        ]

    sets: dict[str, Callable[[], list[Clip]]] = {
        "clean": lambda: clips,
        "telephone": partial(each, telephone),
    }
    for colour in ("white", "pink", "babble"):
        for decibels in (20, 10, 5):
            sets[f"{colour} {decibels} dB"] = partial(noisy, colour, decibels)
    sets |= {
        "room 0.3 s": partial(rooms, 0.3),
        "room 0.8 s": partial(rooms, 0.8),
        "speed 0.9": partial(faster, 0.9),
        "speed 1.1": partial(faster, 1.1),
        "30 dB down": partial(each, quiet),
        "long files": partial(long_files, clips),
        "meetings": lambda: talks,
        "meetings nudged": partial(nudged, talks),
        "meetings telephone": partial(each, telephone, talks),
        "meetings pink 10 dB": partial(noisy, "pink", 10, talks),
        "es fr it ko": foreign_all,
    }
    return sets
