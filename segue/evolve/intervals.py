"""How sure a measured figure is: bootstrap intervals over test cases."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput

Cases = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the ends between which it lies with the chosen probability."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[..., NDArray[np.float64]],
    *cases: NDArray[np.generic],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A `statistic` of means, and its percentile interval: cases are drawn again, with repetition, `draws` times.

    Each of `cases` [n, …] holds a number or truth value for every test case; what stands in one row stays together, so that a
    comparison of two models is paired and the seeds of one case are one case. `statistic` is given the mean of each
    of them over cases, float64 [draws, …], and returns [draws]. Source: Efron and Tibshirani, "An Introduction to the Bootstrap"
    (1993), chapter 13. Raises `InvalidInput` for cases that do not match, none, or not finite.

    >>> old, new = np.array([1, 1, 0, 1]), np.array([1, 1, 1, 1])
    >>> bootstrap(lambda a, b: b - a, old, new)
    Interval(value=0.25, low=0.0, high=0.75)
    """
    counts = {len(one) for one in cases}
    if len(counts) != 1 or not min(counts):
        raise InvalidInput(
            f"There are {' and '.join(str(len(one)) for one in cases) or 'no'} cases.",
            expected="as many of each, at least one",
        )
    values = [np.asarray(one, dtype=np.float64) for one in cases]
    if not all(np.isfinite(one).all() for one in values):
        raise InvalidInput(
            "A case's value is not finite.", expected="numbers or truth values", fix="leave the case out"
        )
    (count,) = counts
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws) / count
    value = statistic(*(one.mean(axis=0, keepdims=True) for one in values))
    again = statistic(*(np.tensordot(drawn, one, axes=1) for one in values))
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value[0]), float(low), float(high))
