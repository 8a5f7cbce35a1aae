"""One call under way: how it is started on the pool, waited for, followed and stopped."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from earwitness._core import CancelToken
from earwitness.api_errors import APITimeoutError
from earwitness.closing import Closing
from earwitness.errors import Cancelled

if TYPE_CHECKING:
    from typing_extensions import Self

    from earwitness.client.pool import Pool

T = TypeVar("T")
E = TypeVar("E")

# How often a call that waits for a worker looks whether its caller's token was used, in seconds.
_LOOK: Final = 0.05


class Call(Generic[T]):
    """Work on a pool that ends early when it takes too long or its caller's token is used.

    Args:
        work: takes the token that stops this call alone.
        timeout: seconds that it may take, waiting included; None = any number.
        token: the caller's, which may serve other calls, too.

    Raises:
        RateLimitError: the pool's queue is full.
    """

    def __init__(
        self,
        pool: Pool,
        work: Callable[[CancelToken], T],
        *,
        timeout: float | None,
        token: CancelToken | None,
    ) -> None:
        self._stop = CancelToken() if token is None else token.child()
        self._token = token
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._future: Future[T] = pool.submit(lambda: work(self._stop))

    def cancel(self) -> None:
        """Stop it; a call that waits is never begun."""
        self._stop.cancel()
        self._future.cancel()

    def result(self) -> T:
        """Wait for what the work gives."""
        try:
            while not self._future.done():
                wait_for_futures([self._future], timeout=self.patience())
                self.check()
            return self._future.result()
        except BaseException:
            self.cancel()
            raise

    async def async_result(self) -> T:
        """Wait for what the work gives without keeping the event loop from other tasks."""
        future = asyncio.wrap_future(self._future)
        try:
            while not future.done():
                await asyncio.wait([future], timeout=self.patience())
                self.check()
            return await future
        except BaseException:
            self.cancel()
            future.cancel()
            raise

    def when_done(self, then: Callable[[], object]) -> None:
        """Have `then` called, on any thread, when the work has ended or was given up."""
        self._future.add_done_callback(lambda _: then())

    def patience(self) -> float | None:
        """Seconds to wait before the next look."""
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        if self._token is None or self._future.running():
            return left  # work that has begun sees the token for itself
        return _LOOK if left is None else min(left, _LOOK)

    def check(self) -> None:
        """Raise if the call is to end although its work has not."""
        if self._future.done():
            return
        if self._token is not None and self._token.cancelled:
            raise Cancelled("cancelled")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise APITimeoutError(
                f"the call took longer than its timeout of {self._timeout:g} seconds"
            )


class _End:
    """What follows the last event."""


class EventStream(Closing, Generic[E]):
    """Iterates over the events of a call; a context manager, which stops a call left early."""

    def __init__(self, call: Call[Any], events: queue.SimpleQueue[E | _End]) -> None:
        self._call = call
        self._iterator = _events_of(call, events)

    def __iter__(self) -> Iterator[E]:
        return self

    def __next__(self) -> E:
        return next(self._iterator)

    def close(self) -> None:
        """Stop the call unless it has ended."""
        self._call.cancel()
        self._iterator.close()

    def __del__(self) -> None:
        self._call.cancel()


def _events_of(call: Call[Any], events: queue.SimpleQueue[E | _End]) -> Generator[E, None, None]:
    # No method of the stream: a generator that held the stream would keep it, and so the call,
    # alive when its owner has let it go.
    try:
        while True:
            try:
                event = events.get(timeout=call.patience())
            except queue.Empty:
                call.check()
                continue
            if isinstance(event, _End):
                call.result()
                return
            yield event
    finally:
        call.cancel()


def stream_events(start: Callable[[Callable[[E], None]], Call[Any]]) -> EventStream[E]:
    """The events that a call puts; `start` begins the call, given what takes each event."""
    events: queue.SimpleQueue[E | _End] = queue.SimpleQueue()
    call = start(events.put)
    call.when_done(lambda: events.put(_End()))
    return EventStream(call, events)


class AsyncEventStream(Generic[E]):
    """Iterates, in a coroutine, over the events of a call; stops a call that is left early."""

    def __init__(self, call: Call[Any], events: asyncio.Queue[E | _End]) -> None:
        self._call = call
        self._iterator = _async_events_of(call, events)

    def __aiter__(self) -> AsyncIterator[E]:
        return self

    async def __anext__(self) -> E:
        return await self._iterator.__anext__()

    async def close(self) -> None:
        """Stop the call unless it has ended."""
        self._call.cancel()
        await self._iterator.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        self._call.cancel()


async def _async_events_of(
    call: Call[Any], events: asyncio.Queue[E | _End]
) -> AsyncGenerator[E, None]:
    try:
        while True:
            try:
                event = await asyncio.wait_for(events.get(), call.patience())
            except asyncio.TimeoutError:
                call.check()
                continue
            if isinstance(event, _End):
                await call.async_result()
                return
            yield event
    finally:
        call.cancel()


def async_stream_events(start: Callable[[Callable[[E], None]], Call[Any]]) -> AsyncEventStream[E]:
    """As `stream_events`, for the running event loop."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[E | _End] = asyncio.Queue()

    def put(event: E | _End) -> None:
        # A loop that is closed has nobody left who reads.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(events.put_nowait, event)

    call = start(put)
    call.when_done(lambda: put(_End()))
    return AsyncEventStream(call, events)
