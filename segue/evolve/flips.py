"""What an update breaks: answers that were right before and are wrong now.

Source: Yan et al., "Positive-Congruent Training: Towards Regression-Free Model Updates" (CVPR 2021).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Flips:
    """Shares of the test cases: `negative` right before and wrong now, `positive` wrong before and right now.

    `relative` is the negative flip rate over what two independent models of the same accuracies would have,
    NFR / ((1 − error_old) · error_new); 0 when either factor is 0.
    """

    negative: float
    positive: float
    relative: float


def flips(old_right: NDArray[np.bool_], new_right: NDArray[np.bool_]) -> Flips:
    """Compare two models on the same cases, [n] each. Raises `InvalidInput` when the cases do not match or there are none.

    >>> flips(np.array([True, True, False, True]), np.array([True, False, True, True]))
    Flips(negative=0.25, positive=0.25, relative=1.3333333333333333)
    """
    if old_right.shape != new_right.shape or old_right.ndim != 1 or not len(old_right):
        raise InvalidInput(
            f"The old model was judged on {old_right.shape} cases and the new one on {new_right.shape}.",
            expected="the same cases, at least one",
        )
    negative = float((old_right & ~new_right).mean())
    by_chance = float(old_right.mean() * (1 - new_right.mean()))
    return Flips(negative, float((~old_right & new_right).mean()), negative / by_chance if by_chance else 0.0)
