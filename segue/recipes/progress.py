"""Progress bars for long work, on standard error."""

from types import TracebackType
from typing import Self

from tqdm import tqdm


class Steps:
    """One bar a step, in the order in which the steps report; each shows how many and how many a second."""

    def __init__(self, *, unit: str = " rows", total: int | None = None, quiet: bool = False) -> None:
        self._unit, self._total, self._quiet = unit, total, quiet
        self._bars: dict[str, tqdm[None]] = {}

    def __call__(self, step: str, done: int) -> None:
        if step not in self._bars:
            self._bars[step] = tqdm(
                desc=f"{step:>10}",
                unit=self._unit,
                total=self._total,
                disable=self._quiet,
                mininterval=0.2,
                unit_scale=True,
            )
        self._bars[step].update(done)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            bar.close()
