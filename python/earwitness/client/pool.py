"""Where the work of the clients is done: a bounded number of threads and a bounded queue."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from earwitness.api_errors import RateLimitError

T = TypeVar("T")

# More threads than this gain a call little (`earwitness.Options.threads` says the same).
_MOST_THREADS: Final = 4


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """Runs calls on threads of its own, several at once, the others in the order they came.

    Args:
        workers: calls that run at once; as many as there are cores, 4 at most, when None.
        queue: calls that may wait; any number when None.
    """

    def __init__(self, *, workers: int | None = None, queue: int | None = None) -> None:
        self._workers = workers or min(_MOST_THREADS, cores())
        self._queue = queue
        self._lock = threading.Lock()
        self._calls = 0  # that run or wait
        self._executor = ThreadPoolExecutor(self._workers, thread_name_prefix="earwitness")

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done in the caller's context; gives its future.

        Raises:
            RateLimitError: all threads are busy and the queue is full.
        """
        with self._lock:
            if self._queue is not None and self._calls >= self._workers + self._queue:
                raise RateLimitError(
                    f"{self._workers} calls are running and {self._queue} wait, which is all that "
                    "the client was made for; try again later or give it a larger max_queue"
                )
            self._calls += 1
        try:
            future = self._executor.submit(contextvars.copy_context().run, work)
        except BaseException:
            self._release()
            raise
        future.add_done_callback(lambda _: self._release())
        return future

    def threads(self) -> int:
        """Threads that a call starting now should use, so that those beside it have their share."""
        with self._lock:
            together = min(max(self._calls, 1), self._workers)
        return max(1, min(_MOST_THREADS, cores() // together))

    def close(self) -> None:
        """Take no more calls; those taken are done first."""
        self._executor.shutdown(wait=True)

    def _release(self) -> None:
        with self._lock:
            self._calls -= 1


_shared_lock = threading.Lock()
_shared: Pool | None = None


def shared_pool() -> Pool:
    """The pool of all clients that ask for no bounds of their own."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Pool()
        return _shared


def _forget_after_fork() -> None:
    """The threads of the parent's pool do not exist in a forked child."""
    global _shared, _shared_lock
    _shared_lock = threading.Lock()
    _shared = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
