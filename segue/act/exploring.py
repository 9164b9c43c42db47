"""Examples of an agent's own making in a new place: it walks there without a goal, and the generator names what it did.

Zhou and Small (AAAI 2021), section on self-supervision: the explorer is a goal-agnostic policy learned from the demonstrations
("do not walk into closed doors"); its episodes with their names are then treated as demonstrations of the new place.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import trange

from segue.act.demonstrations import Demonstrations
from segue.act.episodes import Episodes
from segue.act.examples import Examples, padded, together, trimmed
from segue.act.follower import Follower
from segue.act.goals import Believed, GoalGenerator, names
from segue.act.language import BEGIN
from segue.act.policy import walk
from segue.act.world import Task, World
from segue.errors import InvalidInput


def no_goal(count: int) -> Tensor:
    """The words of nothing in particular, int64 [count, 1]: what an explorer is told."""
    return torch.full((count, 1), BEGIN)


def explored(
    explorer: Follower,
    goals: GoalGenerator,
    world: World[Any],
    tasks: Sequence[Task],
    *,
    words: Tensor | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    believed: Believed | None = None,
    tries: int = 4,
    ways: int = 8,
    share: float = 1.0,
    least: int = 2,
    batch: int = 64,
    progress: bool = False,
) -> Examples:
    """Walk from where the tasks begin, whatever they ask, or told the `words` [m, n] of each, and name each walk as is
    `believed` most in so many `ways` (`goals.names`). Kept are those that the explorer ended itself, of at least `least` steps;
    where somebody is asked, of `tries` walks from each task's beginning the one that is believed most (an explorer that has no
    goal wanders, and a reward that knows how demonstrators go knows it), and of these the `share` that is believed most. Raises
    `InvalidInput` where none is left.
    """
    noise, made, beliefs = torch.Generator().manual_seed(seed), list[Examples](), list[NDArray[np.floating[Any]]]()
    explorer.eval()
    goals.eval()
    tries = tries if believed else 1
    told = no_goal(len(tasks)) if words is None else words
    for first in trange(0, len(tasks), batch, desc="practising", unit="batch", disable=None if progress else True):
        some = np.repeat(np.arange(first, min(first + batch, len(tasks))), tries)
        asked, said = [tasks[at] for at in some.tolist()], trimmed(told[torch.from_numpy(some)])
        episodes = walk(explorer, world, asked, said, generator=noise, temperature=temperature)
        kept = np.flatnonzero(episodes.ended & (episodes.lengths >= least))
        if not len(kept):
            continue
        called, belief = names(goals, episodes[kept], believed=believed, ways=ways, generator=noise)
        best = _best(belief.numpy(), kept // tries)
        made.append(Examples(episodes[kept], called)[best])
        beliefs.append(belief.numpy()[best])
    if not made:
        raise InvalidInput(
            f"None of {len(tasks)} walks without a goal ended by itself after {least} steps or more.",
            expected="an explorer that was trained in such a world",
            fix="train it for longer, or walk more often",
        )
    found = together(made)
    return found[np.argsort(-np.concatenate(beliefs), kind="stable")[: max(1, round(share * len(found)))]]


def named(
    goals: GoalGenerator,
    episodes: Episodes,
    *,
    believed: Believed | None = None,
    seed: int = 0,
    batch: int = 512,
    progress: bool = False,
) -> Examples:
    """Every episode by the name that is `believed` most (`goals.names`), a batch at a time."""
    noise, rows, said = torch.Generator().manual_seed(seed), np.arange(len(episodes)), list[Tensor]()
    for first in trange(0, len(rows), batch, desc="naming", unit="batch", disable=None if progress else True):
        said.append(names(goals, episodes[rows[first : first + batch]], believed=believed, generator=noise)[0])
    return Examples(episodes, padded(said))


def _best(belief: NDArray[np.floating[Any]], task: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the walks of each task the one that is believed most."""
    order = np.lexsort((-belief, task))
    return order[np.unique(task[order], return_index=True)[1]]


def shuffled(examples: Examples, *, seed: int = 0) -> Examples:
    """The same episodes with each other's goals: a control, which learns the place and not the language."""
    order = np.random.default_rng(seed).permutation(len(examples))
    return Examples(examples.episodes, examples.words[torch.from_numpy(order)])


def without_goals(shown: Demonstrations) -> Examples:
    """What an explorer learns from: each episode once, with no goal."""
    return Examples(shown.episodes, no_goal(len(shown.episodes)))
