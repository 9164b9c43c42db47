"""Any Gymnasium environment with a text field as a world: the text is the instruction, everything else is what is seen."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from segue.act.world import Actions, Ended, Measures, Observation
from segue.act.worlds.spaces import at, fields, leaves, numbered, text
from segue.errors import InvalidInput


class Environment(Protocol):
    """What is used of a `gymnasium.Env`."""

    observation_space: Any
    action_space: Any

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]: ...

    def step(self, action: Any, /) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reset:
    """A task: what an environment is reset with, and the instruction that it gives there, or other words for it."""

    instruction: str
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an episode went: `reward`, the sum over its `steps`; did the environment end it; and the last `info` it gave."""

    reward: float
    steps: int
    ended: bool
    info: Mapping[str, Any]


class Environments:
    """Environments side by side in this process, as many as there are tasks; see `segue.act.world.World`.

    `make` makes one. Its observations are Dict spaces, nested or not, of Box, Discrete, MultiBinary and MultiDiscrete. Each
    leaf is a field, named `outer.inner` where nested: whole numbers as int64 counted from 0, real ones as float32, bits as
    bool. The text field called `instruction` is no field, nor are those in `without`. `choices` is what the environment calls
    `mask` in its observation or its info; where there is none, all its actions, which are Discrete. `success` judges an
    episode, by default whether its rewards come to more than 0; rewards are used for nothing else.

    An environment's own time limit, where it is shorter than `horizon`, counts as an end. Where an episode has ended, every
    action can be taken, and changes nothing. Raises `InvalidInput` for spaces
    that cannot be handled, `Unavailable` where gymnasium is not installed.

    >>> import gymnasium, minigrid
    >>> world = Environments(lambda: gymnasium.make("BabyAI-GoToObj-v0"), horizon=20)
    >>> tasks = world.tasks(range(2))
    >>> [task.instruction for task in tasks]
    ['go to the green key', 'go to the yellow key']
    >>> {field: values.shape for field, values in world.begin(tasks).items()}
    {'direction': (2,), 'image': (2, 7, 7, 3), 'choices': (2, 7)}
    """

    def __init__(
        self,
        make: Callable[[], Environment],
        *,
        horizon: int,
        instruction: str = "mission",
        mask: str = "action_mask",
        without: Collection[str] = (),
        success: Callable[[Outcome], float] | None = None,
    ) -> None:
        self.horizon = horizon
        self.environments: list[Environment] = []
        """That of each episode, in order; there may be more of them, from a larger batch before."""
        self._make, self._success = make, success or (lambda outcome: outcome.reward > 0)
        self._asked = make()
        found = leaves(self._asked.observation_space)
        self._text = text(found, instruction)
        self._mask, self._mask_seen = mask, found[mask].path if mask in found else None
        self.spaces = {name: leaf.space for name, leaf in found.items() if name not in {instruction, mask, *without}}
        """Field → its space: what a network needs to know of it."""
        self._fields = fields({name: found[name] for name in self.spaces})
        self._first, self._actions = numbered(self._asked.action_space)
        self._start([])

    def tasks(self, seeds: Iterable[int], *, options: Mapping[str, Any] | None = None) -> list[Reset]:
        """A task for each seed, with the instruction that the environment gives when it is reset so."""
        options, found = options or {}, []
        for seed in seeds:
            words = at(self._asked.reset(seed=seed, options=dict(options))[0], self._text)
            if not isinstance(words, str) or not words.strip():
                raise InvalidInput(
                    f"With seed {seed} the field {'.'.join(map(str, self._text))!r} is {words!r}.",
                    expected="an instruction in words",
                )
            found.append(Reset(words, seed, options))
        return found

    def begin(self, tasks: Sequence[Reset]) -> Observation:
        self._start(tasks)
        while len(self.environments) < len(tasks):
            self.environments.append(self._make())
        for row, task in enumerate(tasks):
            self._look(row, *self.environments[row].reset(seed=task.seed, options=dict(task.options)))
        return self._observed()

    def step(self, actions: Actions) -> tuple[Observation, Ended]:
        """Act in each episode that has neither ended nor reached the horizon. Raises `InvalidInput` for an action that cannot
        be taken there."""
        going = np.flatnonzero(~self._ended & (self._steps < self.horizon))
        self._check(np.asarray(actions), going)
        for row in going.tolist():
            seen, reward, ended, truncated, info = self.environments[row].step(self._first + int(actions[row]))
            self._steps[row] += 1
            self._rewards[row] += float(reward)
            self._terminated[row] = ended
            self._ended[row] = ended or (truncated and self._steps[row] < self.horizon)
            self._look(row, seen, info)
        return self._observed(), self._ended.copy()

    def measured(self) -> Measures:
        """`success`; `return`, the sum of the environment's rewards; `steps` taken."""
        outcomes = map(Outcome, self._rewards.tolist(), self._steps.tolist(), self._terminated.tolist(), self._infos)
        return {
            "success": np.asarray([self._success(outcome) for outcome in outcomes], np.float64),
            "return": self._rewards.copy(),
            "steps": self._steps.astype(np.float64),
        }

    def close(self) -> None:
        """Close every environment."""
        for environment in (self._asked, *self.environments):
            environment.close()

    def _start(self, tasks: Sequence[Reset]) -> None:
        b = len(tasks)
        self._seen = {name: np.zeros((b, *one.shape), one.dtype) for name, one in self._fields.items()}
        self._seen["choices"] = np.ones((b, self._actions), bool)
        self._rewards, self._steps = np.zeros(b), np.zeros(b, np.int64)
        self._ended, self._terminated = np.zeros(b, bool), np.zeros(b, bool)
        self._infos: list[Mapping[str, Any]] = [{}] * b

    def _look(self, row: int, seen: Any, info: Mapping[str, Any]) -> None:
        for name, one in self._fields.items():
            value = at(seen, one.path)
            self._seen[name][row] = value if one.start is None else value - one.start
        over = self._ended[row] or self._steps[row] >= self.horizon
        self._seen["choices"][row] = over or self._choices(seen, info)
        self._infos[row] = info

    def _choices(self, seen: Any, info: Mapping[str, Any]) -> NDArray[np.bool_]:
        mask = info.get(self._mask) if self._mask_seen is None else at(seen, self._mask_seen)
        if mask is None:
            return np.ones(self._actions, bool)
        choices = np.asarray(mask).astype(bool)
        if choices.shape != (self._actions,) or not choices.any():
            raise InvalidInput(
                f"The environment's {self._mask!r} is {mask}.",
                expected=f"one number for each of {self._actions} actions, at least one of them true until the episode ends",
            )
        return choices

    def _observed(self) -> Observation:
        return {name: values.copy() for name, values in self._seen.items()}

    def _check(self, actions: Actions, going: NDArray[np.int64]) -> None:
        if actions.shape != self._ended.shape:
            raise InvalidInput(
                f"Actions have the shape {actions.shape}.", expected=f"one for each of {len(self._ended)} tasks"
            )
        taken = actions[going]
        right = (taken >= 0) & (taken < self._actions)
        right[right] = self._seen["choices"][going[right], taken[right]]
        if not right.all():
            raise InvalidInput(
                f"One of the actions {np.unique(taken[~right]).tolist()} cannot be taken.",
                expected="an action that is true in `choices`",
            )
