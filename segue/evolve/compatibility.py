"""Is a new encoder compatible with the old one's vectors, and how much of its gain comes through?

Sources: Shen et al., BCT (CVPR 2020): cross-test, empirical criterion and update gain; backfilling curves: Zhang
et al. (ICLR 2022) and Su et al., "Privacy-preserving model upgrades with bidirectional compatible training" (2022). Quality is
any measure where more is better: mean average precision, nDCG, recall.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.evolve.bridges import unit

Matrix = dict[str, dict[str, float]]


def cross_test(
    queries: Mapping[str, NDArray[np.float32]],
    galleries: Mapping[str, NDArray[np.float32]],
    quality: Callable[[NDArray[np.float32]], float],
) -> Matrix:
    """M(q, g), quality with queries by model q and gallery by model g: {q: {g: value}}.

    `queries` {model: [b, d_q]} and `galleries` {model: [n, d_g]}, at unit length; of pairs of different width the components
    that both have are compared. `quality` is given scores [b, n].
    """
    found: Matrix = {}
    for asking, asked in queries.items():
        found[asking] = {}
        for holding, held in galleries.items():
            width = min(asked.shape[1], held.shape[1])
            found[asking][holding] = quality(unit(asked[:, :width]) @ unit(held[:, :width]).T)
    return found


def is_compatible(cross: float, old: float) -> bool:
    """The criterion: new queries among old vectors do better than old queries did, M(new, old) > M(old, old)."""
    return cross > old


def update_gain(value: float, old: float, paragon: float) -> float:
    """How much of what a free new model with all vectors anew would gain has come through: 0 none, 1 all, below 0 a loss.

    Raises `InvalidInput` where the paragon is no better than the old model: then there is nothing to gain.

    >>> round(update_gain(0.83, old=0.77, paragon=0.91), 3)
    0.429
    """
    if paragon <= old:
        raise InvalidInput(
            f"The paragon reaches {paragon:.4f} and the old model {old:.4f}.",
            expected="a new model that is better when everything is embedded anew",
            fix="keep the old one",
        )
    return (value - old) / (paragon - old)


@dataclass(frozen=True, slots=True)
class BackfillingCurve:
    """Quality while a gallery is embedded anew: `share` of it that is done, ascending from 0 to 1, and the `quality` there."""

    share: Sequence[float]
    quality: Sequence[float]

    def __post_init__(self) -> None:
        steps = np.diff(np.asarray(self.share, dtype=np.float64))
        if len(self.share) != len(self.quality) or len(steps) < 1 or (steps <= 0).any():
            raise InvalidInput(
                f"The curve has {len(self.share)} shares and {len(self.quality)} qualities.",
                expected="as many of each, two or more, the shares ascending",
            )
        if self.share[0] != 0 or self.share[-1] != 1:
            raise InvalidInput(
                f"The curve goes from {self.share[0]} to {self.share[-1]}.",
                expected="from 0 to 1, nothing done to all done",
            )

    def area(self) -> float:
        """Under the curve, by trapezoids: mean quality over the whole backfill."""
        return float(np.trapezoid(self.quality, self.share))

    def gain(self) -> float:
        """The area as an update gain between the curve's own ends: how early the gain comes, ½ where it comes evenly."""
        return update_gain(self.area(), self.quality[0], self.quality[-1])

    def falls(self) -> float:
        """The deepest that quality falls below where it was before, 0 where it never does: hot refresh wants no step down."""
        values = np.asarray(self.quality, dtype=np.float64)
        return float(np.maximum(np.maximum.accumulate(values) - values, 0).max())
