"""What an update breaks: answers that were right before and are wrong now.

Source: Yan et al., "Positive-Congruent Training: Towards Regression-Free Model Updates" (CVPR 2021); the impact: Cai et al.,
"Measuring and Reducing Model Update Regression in Structured Prediction for NLP" (NeurIPS 2022).

A case is a labelled text, or a query with the item that it should find: "right" then is that it stands among the first k.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from segue.errors import InvalidInput
from segue.evolve.intervals import Interval, bootstrap


@dataclass(frozen=True, slots=True)
class Flips:
    """Shares of the test cases: `negative` right before and wrong now, `positive` wrong before and right now.

    `relative` is the negative flip rate over what two independent models of the same accuracies would have,
    NFR / ((1 − error_old) · error_new); `impact` is which share of the new model's errors are new, NFR / error_new. 0 when
    a factor is 0.
    """

    negative: float
    positive: float
    relative: float
    impact: float


Right = NDArray[np.bool_]


def flips(old_right: Right, new_right: Right) -> Flips:
    """Compare two models on the same cases, [n] each. Raises `InvalidInput` when the cases do not match or there are none.

    >>> flips(np.array([True, True, False, True]), np.array([True, False, True, True]))
    Flips(negative=0.25, positive=0.25, relative=1.3333333333333333, impact=1.0)
    """
    _check(old_right, new_right)
    negative, error = float((old_right & ~new_right).mean()), float(1 - new_right.mean())
    by_chance = float(old_right.mean()) * error
    return Flips(
        negative,
        float((~old_right & new_right).mean()),
        negative / by_chance if by_chance else 0.0,
        negative / error if error else 0.0,
    )


def negative_flip_rate(old_right: Right, new_right: Right, *, draws: int = 1000, seed: int = 0) -> Interval:
    """The share of negative flips with its 95 % interval over cases. What never broke among n cases may still break in up to
    3 / n of them (Hanley and Lippman-Hand 1983): that is then the upper end. Raises what `flips` raises.

    >>> negative_flip_rate(np.ones(200, dtype=bool), np.ones(200, dtype=bool))
    Interval(value=0.0, low=0.0, high=0.015)
    """
    _check(old_right, new_right)
    broke = old_right & ~new_right
    found = bootstrap(lambda share: share, broke, draws=draws, seed=seed)
    return found if broke.any() else Interval(0.0, 0.0, min(1.0, 3 / len(broke)))


def highest_rate(old_right: Right, new_right: Right, *, tried: int = 1) -> float:
    """How high the rate of negative flips may be: the upper end of its exact 95 % interval (Clopper and Pearson 1934), of a model
    that is chosen out of so many that were `tried` on these cases (Bonferroni). Raises what `flips` raises.

    >>> right = np.ones(1000, dtype=bool)
    >>> [round(highest_rate(right, right, tried=tried), 4) for tried in (1, 50)]
    [0.0037, 0.0076]
    """
    _check(old_right, new_right)
    cases, broke = len(old_right), int((old_right & ~new_right).sum())
    return 1.0 if broke == cases else float(beta.ppf(1 - 0.025 / tried, broke + 1, cases - broke))


def broken(old_right: Right, new_right: Right) -> NDArray[np.intp]:
    """Which cases were right before and are wrong now, their places in ascending order. Raises what `flips` raises."""
    _check(old_right, new_right)
    return np.flatnonzero(old_right & ~new_right)


def _check(old_right: Right, new_right: Right) -> None:
    if old_right.shape != new_right.shape or old_right.ndim != 1 or not len(old_right):
        raise InvalidInput(
            f"The old model was judged on {old_right.shape} cases and the new one on {new_right.shape}.",
            expected="the same cases, at least one",
        )
