"""How long an answer and each of its steps took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Milliseconds since the start, and of each step; steps of one name add up."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.laps[step] = round(self.laps.get(step, 0.0) + (now - self._last) * 1000, 3)
        self._last = now

    @contextmanager
    def beside(self, step: str) -> Iterator[None]:
        """Time a step that runs within another, and maybe beside others of its kind; it ends no lap."""
        start = time.perf_counter()
        yield
        self.laps[step] = round(self.laps.get(step, 0.0) + (time.perf_counter() - start) * 1000, 3)

    def total(self) -> float:
        return (time.perf_counter() - self._start) * 1000
