"""Coroutines, threads, queues and stopping: what a client does with several calls at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diarizers import FakeDiarizer
from earwitness import (
    APITimeoutError,
    AsyncClient,
    AsyncOpenAI,
    AsyncTogether,
    Cancelled,
    CancelToken,
    Client,
    RateLimitError,
    UnprocessableEntityError,
    demo,
)
from earwitness.client.pool import Pool, cores
from replay import Replay, replaying
from standins import word_errors


@pytest.fixture
def replay(tiny_en: Path) -> Iterator[Replay]:
    with replaying(tiny_en) as made:
        yield made


@pytest.fixture
def long_recording(jfk: Any, tmp_path: Path) -> Path:
    """Five minutes of speech."""
    import wave

    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((np.tile(jfk, 27) * 32767).astype(np.int16).tobytes())
    return path


def create(client: AsyncClient, **params: Any) -> Any:
    params.setdefault("file", demo.recording())
    return client.audio.transcriptions.create(**params)


def test_clients_of_hosted_services_are_made_as_they_are() -> None:
    assert AsyncTogether is AsyncOpenAI is AsyncClient


# --- the engine itself -----------------------------------------------------------------------


def test_eight_at_once_hear_what_one_hears_alone(tiny_en: Path, data: Path) -> None:
    async def all_at_once() -> list[Any]:
        client = AsyncClient(model=tiny_en)
        files = [demo.recording(), data / "jfk.flac"] * 4
        return await asyncio.gather(
            *[
                create(client, file=file, response_format="verbose_json", diarize=False)
                for file in files
            ]
        )

    answers = asyncio.run(all_at_once())
    with Client(model=tiny_en, max_workers=1) as client:
        alone = [
            client.audio.transcriptions.create(file=file, response_format="verbose_json")
            for file in (demo.recording(), data / "jfk.flac")
        ]
    assert answers == alone * 4
    assert word_errors(demo.SPOKEN, answers[0].text) == 0


def test_a_cancelled_task_stops_the_engine(tiny_en: Path, long_recording: Path) -> None:
    shares: list[float] = []
    begun = threading.Event()

    def follow(share: float) -> None:
        shares.append(share)
        begun.set()

    async def cancelled() -> None:
        async with AsyncClient(model=tiny_en, max_workers=1) as client:
            task = asyncio.create_task(create(client, file=long_recording, on_progress=follow))
            await asyncio.to_thread(begun.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        # Leaving the client waits for its workers: what is running there has ended.

    asyncio.run(cancelled())
    assert shares[-1] < 0.5


def test_a_timeout_stops_the_engine(tiny_en: Path, long_recording: Path) -> None:
    shares: list[float] = []

    async def late() -> None:
        async with AsyncClient(model=tiny_en, max_workers=1) as client:
            await create(client, file=long_recording, timeout=0.5, on_progress=shares.append)

    with pytest.raises(APITimeoutError, match=r"0\.5 seconds"):
        asyncio.run(late())
    assert not shares or shares[-1] < 0.5


# --- what depends on no engine ---------------------------------------------------------------


def test_a_stream_left_early_stops(replay: Replay) -> None:
    async def leave() -> None:
        async with AsyncClient(max_workers=1) as client:
            stream = await create(client, stream=True, file=demo.recording())
            async with stream:
                async for event in stream:
                    assert event.type == "transcript.text.delta"
                    break
            again = await create(client)
            assert word_errors(demo.SPOKEN, again.text) == 0

    asyncio.run(leave())


def test_async_events_are_those_of_the_other_client(replay: Replay) -> None:
    async def events() -> list[Any]:
        client = AsyncClient(diarizer=FakeDiarizer())
        return [event async for event in await create(client, stream=True, diarize=True)]

    with Client(diarizer=FakeDiarizer()) as client:
        expected = list(
            client.audio.transcriptions.create(file=demo.recording(), stream=True, diarize=True)
        )
    assert asyncio.run(events()) == expected


def test_a_stream_that_nobody_reads_ends_with_its_owner(replay: Replay) -> None:
    replay.hold.set()
    client = Client(max_workers=1)
    stream = client.audio.transcriptions.create(file=demo.recording(), stream=True)
    replay.holding.acquire(timeout=60)
    del stream
    client.close()  # would wait for ever if the call went on
    assert replay.hold.is_set()


def test_closing_a_stream_ends_it(replay: Replay) -> None:
    client = Client()
    stream = client.audio.transcriptions.create(file=demo.recording(), stream=True)
    next(stream)
    stream.close()
    assert list(stream) == []


def test_an_error_ends_the_stream(replay: Replay) -> None:
    with Client() as client, pytest.raises(UnprocessableEntityError):
        list(client.audio.transcriptions.create(file=b"RIFF1234WAVEfmt ", stream=True))


def test_a_full_queue(replay: Replay) -> None:
    replay.hold.set()
    with Client(max_workers=1, max_queue=1) as client, ThreadPoolExecutor(2) as threads:
        calls = [
            threads.submit(client.audio.transcriptions.create, file=demo.recording())
            for _ in range(2)
        ]
        replay.holding.acquire(timeout=60)
        while client._settings.pool._calls < 2:
            time.sleep(0.01)
        with pytest.raises(RateLimitError, match="max_queue") as caught:
            client.audio.transcriptions.create(file=demo.recording())
        assert caught.value.status_code == 429
        assert caught.value.body["error"]["code"] == "rate_limit_exceeded"
        with pytest.raises(RateLimitError):
            client.audio.transcriptions.create(file=demo.recording(), stream=True)
        replay.hold.clear()
        assert all(word_errors(demo.SPOKEN, call.result().text) == 0 for call in calls)
        # Once there is room, there is no error.
        assert client.audio.transcriptions.create(file=demo.recording()).text


def test_a_call_that_waits_can_be_cancelled_before_it_begins(replay: Replay) -> None:
    async def main() -> None:
        replay.hold.set()
        async with AsyncClient(max_workers=1) as client:
            first = asyncio.create_task(create(client))
            await asyncio.to_thread(replay.holding.acquire)
            second = asyncio.create_task(create(client))
            await asyncio.sleep(0.05)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            replay.hold.clear()
            await first
        assert len(replay.calls) == 1

    asyncio.run(main())


def test_a_corrupt_file_among_good_ones_fails_alone(replay: Replay) -> None:
    async def main() -> list[Any]:
        client = AsyncClient()
        files = [demo.recording(), b"RIFF\0\0\0\0WAVEfmt nonsense", demo.recording()]
        return await asyncio.gather(
            *[create(client, file=file) for file in files], return_exceptions=True
        )

    first, second, third = asyncio.run(main())
    assert first == third
    assert isinstance(second, UnprocessableEntityError)
    assert second.param == "file"


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_the_callers_token_stops_its_calls_and_stays_its_own(
    replay: Replay, timeout: float | None
) -> None:
    replay.hold.set()
    token = CancelToken()
    with Client(max_workers=2) as client, ThreadPoolExecutor(2) as threads:
        calls = [
            threads.submit(
                client.audio.transcriptions.create,
                file=demo.recording(),
                cancel=token,
                timeout=timeout,
            )
            for _ in range(2)
        ]
        replay.holding.acquire(timeout=60)
        token.cancel()
        for call in calls:
            with pytest.raises(Cancelled):
                call.result()
    # A timeout of one call is no reason to cancel a token that others share.
    token = CancelToken()
    with Client(max_workers=1) as client, pytest.raises(APITimeoutError):
        client.audio.transcriptions.create(file=demo.recording(), cancel=token, timeout=0.05)
    assert not token.cancelled


def test_one_client_serves_all_threads(replay: Replay) -> None:
    client = Client()
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda _: client.audio.transcriptions.create(file=demo.recording()), range(32)
            )
        )
    assert len(set(answers)) == 1


def test_the_event_loop_is_never_kept_waiting(replay: Replay) -> None:
    async def main() -> int:
        replay.hold.set()
        client = AsyncClient()
        task = asyncio.create_task(create(client))
        await asyncio.to_thread(replay.holding.acquire)
        turns = 0
        for _ in range(20):
            await asyncio.sleep(0)
            turns += 1
        replay.hold.clear()
        await task
        return turns

    assert asyncio.run(main()) == 20


def test_context_variables_reach_callbacks(replay: Replay) -> None:
    import contextvars

    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")
    name.set("ada")
    seen: list[str] = []
    Client().audio.transcriptions.create(
        file=demo.recording(), on_segment=lambda _: seen.append(name.get())
    )
    assert set(seen) == {"ada"}


# --- the pool --------------------------------------------------------------------------------


def test_calls_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earwitness.client.pool.cores", lambda: 4)
    pool = Pool(workers=4)
    assert pool.threads() == 4
    release = threading.Event()
    waiting = [pool.submit(release.wait) for _ in range(3)]
    assert pool.threads() == 1
    release.set()
    assert all(future.result() for future in waiting)
    pool.close()
    assert cores() >= 1


def test_bounds_are_checked() -> None:
    from earwitness import BadRequestError

    with pytest.raises(BadRequestError, match="max_workers"):
        Client(max_workers=0)
    with pytest.raises(BadRequestError, match="max_queue"):
        AsyncClient(max_queue=-1)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this platform cannot fork")
def test_a_forked_child_has_workers_of_its_own(tiny_en: Path) -> None:
    import subprocess
    import sys

    script = """
import os
from earwitness.client.pool import shared_pool
assert shared_pool().submit(lambda: 1).result() == 1
child = os.fork()
if child == 0:
    os._exit(0 if shared_pool().submit(lambda: 2).result(timeout=60) == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)
