"""Evolution over a space of architectures under a cost cap.

Source: Duggal et al. 2021, section 3.3 (CMP-NAS), whose rewards for a query model q on a gallery model g are R1 = M(q, q),
R2 = M(q, g) and R1 · R2, M being the accuracy of search; evolution as in Guo et al. 2020 and Real et al. 2019.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator

from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture, Space

Reward = Callable[[Architecture], float]
Cost = Callable[[Architecture], float]

_TRIES = 500


@dataclass(frozen=True, slots=True)
class Found:
    """The best architecture, its reward, and the reward of each one that was looked at."""

    best: Architecture
    reward: float
    seen: Mapping[Architecture, float]


def evolve(
    space: Space,
    reward: Reward,
    *,
    cost: Cost,
    cap: float,
    random: Generator,
    population: int = 24,
    generations: int = 8,
    parents: int = 8,
    rate: float = 0.2,
) -> Found:
    """The architecture of the largest `reward` that costs at most `cap`, in any unit, as far as evolution finds it.

    A generation is `population` new architectures: half of them children of two of the `parents` best so far, half of one of them
    with each choice drawn anew with probability `rate`. Each architecture is looked at once; where few are left that are new,
    a generation is smaller, and where none is, the search ends. Raises `InvalidInput` where no architecture is cheap enough.
    """
    if not 1 <= parents <= population or generations < 1 or not 0 < rate <= 1:
        raise InvalidInput(
            f"{parents} parents, {population} a generation, {generations} generations, rate {rate}.",
            expected="1 to `population` parents, 1 or more generations, a rate above 0 and at most 1",
        )
    seen: dict[Architecture, float] = {}
    costs: dict[Architecture, float] = {}

    def affordable(one: Architecture) -> bool:
        if one not in costs:
            costs[one] = cost(one)
        return costs[one] <= cap

    def look(draw: Callable[[], Architecture], most: int) -> None:
        new: list[Architecture] = []
        for _ in range(_TRIES):
            if len(new) == most:
                break
            one = draw()
            if one not in seen and one not in new and affordable(one):
                new.append(one)
        seen.update({one: _finite(reward(one), one) for one in new})

    def bred(best: list[Architecture]) -> Architecture:
        first, second = (best[int(random.integers(len(best)))] for _ in range(2))
        return space.cross(first, second, random)

    def mutated(best: list[Architecture]) -> Architecture:
        return space.mutate(best[int(random.integers(len(best)))], random, rate=rate)

    look(lambda: space.sample(random), population)
    if not seen:
        raise InvalidInput(
            f"None of {_TRIES} architectures costs at most {cap:g}.",
            expected=f"a cap above the cheapest, {min(costs.values()):g}",
            fix="raise the cap or offer smaller ones",
        )
    for _ in range(generations - 1):
        before = len(seen)
        best = _ranked(seen)[:parents]
        look(partial(bred, best), population // 2)
        look(partial(mutated, best), population - population // 2)
        if len(seen) == before:
            break
    first = _ranked(seen)[0]
    return Found(first, seen[first], seen)


def _ranked(seen: Mapping[Architecture, float]) -> list[Architecture]:
    """By falling reward; of equal ones the first by name, so that a seed decides all."""
    return sorted(seen, key=lambda one: (-seen[one], one))


def _finite(value: float, of: Architecture) -> float:
    if not np.isfinite(value):
        raise InvalidInput(f"The reward of {of} is {value}.", expected="a finite number")
    return float(value)
