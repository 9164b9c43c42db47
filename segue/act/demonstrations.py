"""What an agent learns from: episodes, and for each the instructions that it carried out. Nothing else is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.act.episodes import Episodes, stacked
from segue.act.world import Task, World
from segue.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """`m` pairs of an instruction and an episode: `instructions[i]` was carried out by episode `shown[i]`, int64 [m]."""

    episodes: Episodes
    shown: NDArray[np.int64]
    instructions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.instructions)

    @property
    def edges(self) -> tuple[int, int]:
        """How many steps the shortest and the longest episode have before their last, which in houses is to stop."""
        before = self.episodes.lengths - 1
        return int(before.min()), int(before.max())

    def __getitem__(self, chosen: NDArray[np.int64]) -> "Demonstrations":
        said = tuple(self.instructions[at] for at in chosen.tolist())
        return Demonstrations(self.episodes, self.shown[chosen], said)


def demonstrations(pairs: Sequence[tuple[Sequence[tuple[Mapping[str, Any], int]], str]]) -> Demonstrations:
    """Demonstrations of your own: for each a trajectory, steps of (observation, action), and the instruction.

    Raises `InvalidInput` for none, an empty trajectory or instruction, fields or shapes that differ, or an action that its
    observation does not allow.

    >>> left, right = ({"choices": np.array([True, True])}, 0), ({"choices": np.array([True, True])}, 1)
    >>> shown = demonstrations([([left, right], "turn left, then right"), ([right], "turn right")])
    >>> len(shown), shown.episodes.lengths
    (2, array([2, 1]))
    """
    if not pairs:
        raise InvalidInput("There are no demonstrations.", expected="at least one trajectory with its instruction")
    for number, (steps, instruction) in enumerate(pairs):
        if not len(steps) or not isinstance(instruction, str) or not instruction.strip():
            raise InvalidInput(
                f"Demonstration {number} has {len(steps)} steps and the instruction {instruction!r}.",
                expected="at least one step and an instruction in words",
            )
    every = [step for steps, _ in pairs for step in steps]
    fields = sorted({field for seen, _ in every for field in seen})
    lengths = [len(steps) for steps, _ in pairs]
    episodes = Episodes(
        {field: _column(field, [seen for seen, _ in every]) for field in fields},
        np.asarray([action for _, action in every], np.int64),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.ones(len(pairs), bool),
    )
    return checked(Demonstrations(episodes, np.arange(len(pairs)), tuple(instruction for _, instruction in pairs)))


def checked(shown: Demonstrations) -> Demonstrations:
    """The same, or `InvalidInput`: `choices` must be there, and every action one of them."""
    choices, actions = shown.episodes.observations.get("choices"), shown.episodes.actions
    if choices is None or choices.dtype != bool or choices.ndim != 2:
        raise InvalidInput(
            "The observations have no field `choices` that says which actions can be taken.",
            expected="`choices`, bool [a] in every observation, all of one length",
        )
    right = (actions >= 0) & (actions < choices.shape[1])
    right[right] = choices[np.flatnonzero(right), actions[right]]
    if not right.all():
        step = int(np.flatnonzero(~right)[0])
        episode = int(np.searchsorted(shown.episodes.starts, step, "right")) - 1
        raise InvalidInput(
            f"Step {step - shown.episodes.starts[episode]} of episode {episode} takes action {actions[step]}, which it cannot.",
            expected="an action that is true in `choices` of the same step",
        )
    return shown


def _column(field: str, seen: Sequence[Mapping[str, Any]]) -> NDArray[np.generic]:
    try:
        return np.stack([np.asarray(one[field]) for one in seen])
    except (KeyError, ValueError) as error:
        raise InvalidInput(
            f"The field {field!r} is missing in some observations or differs in shape: {error}.",
            expected="the same fields and shapes in every observation",
        ) from None


def recorded(world: World[Any], tasks: Sequence[Task], actions: Sequence[Sequence[int]]) -> Demonstrations:
    """Take known actions in a world and record what is seen: demonstrations of tasks whose right actions are known.

    Each episode ends with the last of its actions, whether or not the world ends it there. Of several tasks that begin with one
    and the same object, each is recorded. Raises `InvalidInput` for an action that cannot be taken, or episodes without one.
    """
    lengths = np.asarray([len(one) for one in actions])
    if not len(tasks) or len(tasks) != len(actions) or not lengths.min():
        raise InvalidInput(
            f"There are {len(tasks)} tasks and {len(actions)} lists of actions, of lengths {sorted(set(lengths.tolist()))}.",
            expected="at least one task, and for each at least one action",
        )
    padded = np.zeros((len(tasks), lengths.max()), np.int64)
    steps = np.arange(padded.shape[1]) < lengths[:, None]
    padded[steps] = np.concatenate([np.asarray(one, np.int64) for one in actions])
    seen = [world.begin(tasks)]
    for column, going in zip(padded.T[:-1], steps.T[:-1], strict=True):
        anything = seen[-1]["choices"].argmax(1)
        seen.append(world.step(np.where(going, column, anything))[0])
    episodes = stacked(seen, list(padded.T), lengths, np.ones(len(tasks), bool))
    return checked(Demonstrations(episodes, np.arange(len(tasks)), tuple(task.instruction for task in tasks)))
