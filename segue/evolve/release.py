"""The gate: may a new part go live? It names what breaks, and lets nothing through that breaks more than the budget.

A *case* is a query with what it should find, or a labelled text; it is right where what it should find stands among the first
k. A better mean does not pass by itself: what counts is the share of cases that were right before and are wrong now, and how
sure that share is. Where there are too few cases to be sure, nothing passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.evolve.flips import Flips, broken, flips, negative_flip_rate
from segue.evolve.intervals import Interval, bootstrap

NOT_FOUND = 0
"""The rank of what was not found at all."""

Ranks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked, what should be found, and the group that it counts to: a kind of query, an intent, a domain."""

    text: str
    wanted: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """A case that was right before, at rank `before`, and is wrong now, at rank `after`, 0 for not found at all."""

    case: Case
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Group:
    """How one group of cases fares: how many, right before and after, and the share that broke."""

    cases: int
    before: float
    after: float
    negative: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found: `rate` is the negative flip rate, `right` the shares before and after, `gain` their difference."""

    passed: bool
    reason: str
    cases: int
    k: int
    budget: float
    rate: Interval
    flips: Flips
    right: tuple[float, float]
    gain: Interval
    groups: dict[str, Group]
    broken: tuple[Broken, ...]


def gate(
    cases: Sequence[Case],
    before: Ranks,
    after: Ranks,
    *,
    k: int = 10,
    budget: float = 0.015,
    draws: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Judge a new part by the ranks, [n], at which the old part and the new one found what each case wants, `NOT_FOUND` or from
    1 on.

    It passes where the upper end of the negative flip rate's 95 % interval is within `budget`. Raises `InvalidInput` for ranks
    that do not match the cases, none, or a budget that is no share.
    """
    if not len(cases) or before.shape != (len(cases),) or after.shape != (len(cases),):
        raise InvalidInput(
            f"There are {len(cases)} cases, and ranks of the shapes {before.shape} and {after.shape}.",
            expected="one rank a case before and after, at least one case",
        )
    if min(before.min(), after.min()) < 0 or k < 1 or not 0 <= budget <= 1:
        raise InvalidInput(
            f"The lowest rank is {min(before.min(), after.min())}, k {k}, the budget {budget}.",
            expected="ranks from 0 (not found), k from 1, and a budget from 0 to 1",
        )
    was, now = _within(before, k), _within(after, k)
    rate = negative_flip_rate(was, now, draws=draws, seed=seed)
    lost = broken(was, now).tolist()
    lost.sort(key=lambda place: (before[place], place))
    names, member = np.unique([case.group for case in cases], return_inverse=True)
    return Verdict(
        passed=rate.high <= budget,
        reason=_reason(rate, budget, len(cases), len(lost)),
        cases=len(cases),
        k=k,
        budget=budget,
        rate=rate,
        flips=flips(was, now),
        right=(float(was.mean()), float(now.mean())),
        gain=bootstrap(lambda old, new: new - old, was, now, draws=draws, seed=seed),
        groups={
            name: _group(was[member == number], now[member == number]) for number, name in enumerate(names.tolist())
        },
        broken=tuple(Broken(cases[place], int(before[place]), int(after[place])) for place in lost),
    )


def _within(ranks: Ranks, k: int) -> NDArray[np.bool_]:
    return np.asarray((ranks != NOT_FOUND) & (ranks <= k))


def _group(was: NDArray[np.bool_], now: NDArray[np.bool_]) -> Group:
    return Group(len(was), float(was.mean()), float(now.mean()), float((was & ~now).mean()))


def _reason(rate: Interval, budget: float, cases: int, lost: int) -> str:
    if rate.high <= budget:
        return f"at most {rate.high:.2%} of the cases break, within the budget of {budget:.2%}"
    if rate.value <= budget:
        return (
            f"{lost} of {cases:,} cases broke, {rate.value:.2%}; it may be up to {rate.high:.2%}, and the budget is "
            f"{budget:.2%}: more cases would tell"
        )
    return f"{lost} of {cases:,} cases broke, {rate.value:.2%}, and the budget is {budget:.2%}"
