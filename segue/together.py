"""Two hands for one request: what lets go of the interpreter (searches, the encoder) runs beside the rest on another core."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Task = TypeVar("Task")
Made = TypeVar("Made")


class Hands:
    """A second thread that helps whoever asks, when it is free; one who asks never waits for it to become free."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="segue-hand") if (os.cpu_count() or 1) > 1 else None

    def each(self, work: Callable[[Task], Made], tasks: Sequence[Task]) -> list[Made]:
        """`work` of every task, in their order; the last ones are begun first. An error of any is raised when all have ended.

        >>> hands = Hands()
        >>> hands.each(lambda number: number * number, [1, 2, 3])
        [1, 4, 9]
        >>> hands.close()
        """
        left = deque(range(len(tasks)))
        made: list[Any] = [None] * len(tasks)

        def go_on() -> None:
            while True:
                try:
                    place = left.pop()
                except IndexError:
                    return
                made[place] = work(tasks[place])

        pool = self._pool
        helper = pool.submit(go_on) if pool is not None and len(tasks) > 1 else None
        try:
            go_on()
        finally:
            if helper is not None and not helper.cancel():
                helper.result()
        return made

    def close(self) -> None:
        """From now on whoever asks does so alone."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
