"""Writes a WAV file of 16-bit mono samples at 16 kHz into a C++ source file.

    python embed_wav.py IN.wav OUT.cpp

The source defines what speech/known_sentence.h declares.
"""

from __future__ import annotations

import array
import sys
import wave
from pathlib import Path


def main() -> None:
    with wave.open(sys.argv[1], "rb") as wav:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (16000, 1, 2):
            sys.exit(f"{sys.argv[1]} is not 16-bit mono at 16 kHz")
        samples = array.array("h", wav.readframes(wav.getnframes()))
    if sys.byteorder == "big":
        samples.byteswap()
    numbers = [",".join(map(str, samples[i : i + 20])) for i in range(0, len(samples), 20)]
    Path(sys.argv[2]).write_text(
        '#include "speech/known_sentence.h"\n\n#include <cstdint>\n\n'
        "namespace earwitness::speech {\nnamespace {\n\n"
        f"constexpr std::int16_t kSamples[{len(samples)}] = {{\n"
        + ",\n".join(numbers)
        + "};\n\n}  // namespace\n\n"
        "std::vector<float> known_sentence() {\n"
        "  std::vector<float> out;\n"
        "  for (const std::int16_t s : kSamples) out.push_back(static_cast<float>(s) / 32768.0F);\n"
        "  return out;\n}\n\n}  // namespace earwitness::speech\n",
        encoding="ascii",
    )


if __name__ == "__main__":
    main()
