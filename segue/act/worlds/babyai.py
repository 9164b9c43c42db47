"""BabyAI: grids of rooms with coloured things, missions in words, and an expert that shows how they are carried out.

Chevalier-Boisvert et al., "BabyAI", ICLR 2019, through the package minigrid. Held out for evaluation: pairs of a colour and a
kind that no mission of the training tasks names together (they lie about there, unnamed), and wordings (see `missions`).
"""

from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import count
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from segue.act.demonstrations import Demonstrations, checked
from segue.act.episodes import Episodes, joined, stacked
from segue.act.worlds.environments import Environments, Reset
from segue.act.worlds.missions import Mission, parsed, worded
from segue.errors import InvalidInput, Unavailable

LEVELS = {
    "GoToObj": 64,
    "GoToLocal": 64,
    "PickupLoc": 64,
    "OpenDoor": 64,
    "PutNextLocal": 64,
    "GoTo": 256,
    "Open": 256,
}
"""Level → steps within which the expert was always done. `GoTo` and `Open` have nine rooms; the others play in one."""

HELD_OUT = frozenset({("red", "ball"), ("green", "box"), ("blue", "key"), ("purple", "door")})
"""Pairs of a colour and a kind; each colour and each kind is named in training in other pairs."""


CELLS = (11, 6, 4)
"""How many kinds, colours and states a cell of `image` can have."""
NAMES = (
    *("", "", "wall", "floor", "door", "key", "ball", "box", "goal", "lava", ""),
    *("red", "green", "blue", "purple", "yellow", "grey"),
    *("", "", "", ""),
)
"""What they are called, one behind the other; what is unseen or empty, the agent, and states have no names."""
DONE = 6
"""The action that ends an episode."""


@dataclass(frozen=True, slots=True)
class Split:
    """What is held out in a set of tasks: must its missions name a held-out pair, and are they worded in held-out ways?"""

    pairs: bool = False
    wordings: bool = False


SPLITS = {
    "train": Split(),
    "validation": Split(),
    "seen": Split(),
    "pairs": Split(pairs=True),
    "wordings": Split(wordings=True),
    "both": Split(pairs=True, wordings=True),
}
"""No two of them share a grid. `validation` and `seen` are like `train`: to choose settings by, and to be tested on."""

_APART = 10_000_000
"""Seeds of one split and one `seed` of the caller's."""
_PATIENCE = 500
"""Grids in a row without a fitting mission, after which there seems to be none."""


def world(levels: Sequence[str] = tuple(LEVELS), *, horizon: int | None = None) -> Environments:
    """BabyAI as a world; tasks of several levels are begun together.

    Observations are `image` int64 [b, 7, 7, 3], what lies before the agent, cell by cell its kind, colour and state,
    numbers below `CELLS`; `direction` int64 [b], where it looks: east, south, west, north; `choices` bool [b, 7], all true: left,
    right, forward, pick up, drop, toggle, done. It is the agent who says that it is `DONE`, and right if what it did just before
    accomplished the mission (what BabyAI calls done actions): otherwise the world would tell who wanders about when to stop.
    Raises `Unavailable` where minigrid is not installed.
    """
    steps = _horizon(levels) if horizon is None else horizon
    return Environments(lambda: _Levels(steps), horizon=steps)


def tasks(
    levels: Sequence[str],
    number: int,
    *,
    split: str = "train",
    seed: int = 0,
    held_out: Collection[tuple[str, str]] = HELD_OUT,
    progress: bool = True,
) -> list[Reset]:
    """So many tasks of a split, of each of the levels in turn. Fewer of them are the first of more.

    Raises `InvalidInput` for a level or split that is not there, or one whose missions never name a held-out pair.

    >>> for task in tasks(["GoToLocal", "PutNextLocal"], 2, split="wordings", progress=False):
    ...     task.instruction
    'move close to a box in the colour red'
    'take the box in the colour red to the ball in the colour yellow and drop it'
    """
    if split not in SPLITS:
        raise InvalidInput(f"There is no split {split!r}.", expected=f"one of {', '.join(SPLITS)}")
    grids = _Levels(_horizon(levels))
    first = (seed * len(SPLITS) + list(SPLITS).index(split)) * _APART
    seeds = {level: count(first + list(LEVELS).index(level) * (_APART // len(LEVELS))) for level in levels}
    found = []
    for at in tqdm(range(number), desc=f"tasks: {split}", unit=" tasks", disable=not progress):
        level = levels[at % len(levels)]
        for tried, grid in enumerate(seeds[level]):
            mission = grids.mission(level, grid)
            if mission.pairs.isdisjoint(held_out) != SPLITS[split].pairs:
                break
            if tried == _PATIENCE:
                raise InvalidInput(
                    f"None of {_PATIENCE} missions of {level} fits the split {split!r}.",
                    expected="levels that speak of the held-out pairs",
                )
        drawn = np.random.default_rng([grid, 1])  # not the grid's own numbers, or words would tell where things lie
        words = worded(mission, drawn, held_out=SPLITS[split].wordings)
        found.append(Reset(words, grid, {"level": level}))
    return found


def demonstrated(
    tasks: Sequence[Reset], *, horizon: int | None = None, progress: bool = True
) -> tuple[Demonstrations, list[Reset]]:
    """The expert carries out each task. → its demonstrations, and the tasks that it failed at, which are not among them.

    It seldom fails: the planner gives up where an assertion of its own does not hold, or is not done by the horizon.
    Raises `InvalidInput` where it did none.
    """
    steps = _horizon([task.options["level"] for task in tasks]) if horizon is None else horizon
    level = _Levels(steps)
    grid = Environments(lambda: level, horizon=steps)
    walked: list[tuple[Reset, Episodes]] = []
    failed = []
    for task in tqdm(tasks, desc="demonstrations", unit=" episodes", disable=not progress):
        if (episode := _shown(grid, level, task)) is None:
            failed.append(task)
        else:
            walked.append((task, episode))
    if not walked:
        raise InvalidInput(
            f"The expert did none of {len(tasks)} tasks.", expected="tasks, and a horizon that leaves time"
        )
    shown = Demonstrations(
        joined([episode for _, episode in walked]),
        np.arange(len(walked)),
        tuple(task.instruction for task, _ in walked),
    )
    return checked(shown), failed


def _shown(grid: Environments, levels: "_Levels", task: Reset) -> Episodes | None:
    from minigrid.utils.baby_ai_bot import BabyAIBot, DisappearedBoxError  # noqa: PLC0415

    seen = [grid.begin([task])]
    actions: list[NDArray[np.int64]] = []
    expert = BabyAIBot(levels.level)
    ended, action = False, None
    try:
        while not ended and len(actions) < grid.horizon:
            action = DONE if levels.earned else expert.replan(action)
            actions.append(np.asarray([action], np.int64))
            after, (ended,) = grid.step(actions[-1])
            seen.append(after)
    except (AssertionError, DisappearedBoxError):
        return None
    if not grid.measured()["success"][0]:
        return None
    return stacked(seen[:-1], actions, [len(actions)], [True])


class _Levels:
    """An environment that is reset to one level or another, says which it is in, and goes on until the agent is done."""

    def __init__(self, horizon: int) -> None:
        self._horizon, self._made = horizon, dict[str, Any]()
        self.level = self._level(next(iter(LEVELS)))
        self.observation_space, self.action_space = self.level.observation_space, self.level.action_space
        self.earned = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.level = self._level((options or {}).get("level"))
        with redirect_stdout(StringIO()):  # minigrid prints every grid that it makes and rejects
            seen, info = self.level.reset(seed=seed)
        self._last, self.earned = (seen, info), 0.0
        return seen, info

    def step(self, action: int) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        if action == DONE:
            seen, info = self._last
            return seen, self.earned, True, False, info
        seen, reward, accomplished, truncated, info = self.level.step(action)
        self._last, self.earned = (seen, info), float(reward) if accomplished else 0.0
        return seen, 0.0, False, truncated, info

    def close(self) -> None:
        for level in self._made.values():
            level.close()

    def mission(self, level: str, seed: int) -> Mission:
        return parsed(self.reset(seed=seed, options={"level": level})[0]["mission"])

    def _level(self, name: Any) -> Any:
        _horizon([name])
        if name not in self._made:
            self._made[name] = _made(name, self._horizon)
        return self._made[name]


def _made(level: str, horizon: int) -> Any:
    try:
        import gymnasium  # noqa: PLC0415
        import minigrid  # noqa: F401, PLC0415  it tells gymnasium its levels
    except ImportError as error:
        raise Unavailable(
            "BabyAI is not installed.", expected="the package minigrid", fix="pip install 'segue[act]'"
        ) from error
    return gymnasium.make(f"BabyAI-{level}-v0", max_steps=horizon, disable_env_checker=True).unwrapped


def _horizon(levels: Sequence[str]) -> int:
    if not levels or (unknown := set(levels) - set(LEVELS)):
        raise InvalidInput(
            f"Levels are named {sorted(map(str, unknown)) if levels else []}.", expected=f"some of {', '.join(LEVELS)}"
        )
    return max(LEVELS[level] for level in levels)
