"""Eight files through one client: all at once against one after another.

    python benches/client.py [--model tiny.en] [--rounds 5]

The two ways take turns, so that both meet the same machine; a ratio below 1 means that all at once
is faster.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from earwitness import AsyncClient, demo
from earwitness.client.pool import cores

FILES = 8


async def together(client: AsyncClient) -> float:
    start = time.perf_counter()
    recording = demo.recording()
    await asyncio.gather(
        *[client.audio.transcriptions.create(file=recording) for _ in range(FILES)]
    )
    return time.perf_counter() - start


async def in_turn(client: AsyncClient) -> float:
    start = time.perf_counter()
    recording = demo.recording()
    for _ in range(FILES):
        await client.audio.transcriptions.create(file=recording)
    return time.perf_counter() - start


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    client = AsyncClient(model=options.model)
    await in_turn(client)  # loads the model
    pairs = [(await together(client), await in_turn(client)) for _ in range(options.rounds)]
    at_once, alone = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(first / second for first, second in pairs)
    print(f"{FILES} files of 11 s, {options.model}, {cores()} cores, {options.rounds} rounds")
    print(f"all at once         {at_once:7.2f} s")
    print(f"one after another   {alone:7.2f} s")
    print(f"ratio               {ratio:7.2f}")


if __name__ == "__main__":
    asyncio.run(main())
