"""What a world is: tasks with instructions are begun, many at once, and stepped through until each has ended.

An observation is a dictionary of arrays, one row an episode. The field `choices`, bool [b, a], is always there: which of the
actions can be taken; it differs from state to state where the world has it so. What the other fields mean, a `View` of the
world knows. Nothing here is a reward: whether an episode did what was asked is measured at its end, for evaluation alone.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Observation = Mapping[str, NDArray[np.generic]]
"""Field → array [b, …]; `choices` is bool [b, a]."""

Actions = NDArray[np.int64]
Ended = NDArray[np.bool_]
Measures = dict[str, NDArray[np.float64]]


class Task(Protocol):
    """One thing to do: what the world needs to begin it, and what is asked in plain words."""

    @property
    def instruction(self) -> str: ...


T = TypeVar("T", bound=Task, contravariant=True)


class World(Protocol[T]):
    """Where instructions are followed. An episode that has not ended after `horizon` steps is broken off."""

    horizon: int

    def begin(self, tasks: Sequence[T]) -> Observation:
        """Forget the episodes before, and begin one for each task."""

    def step(self, actions: Actions) -> tuple[Observation, Ended]:
        """Take one action [b] in each episode; those that have ended stay as they are. → what is seen now, and which have
        ended."""

    def measured(self) -> Measures:
        """How each of the episodes begun last went, by the world's own measures, [b] each: `success` in [0, 1], and others."""
