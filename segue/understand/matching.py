"""Keep the scores of a retrained re-ranker as those of the old one were spread, so that thresholds set on them still hold.

Score-distribution matching is due to Wang and others, "Optimizing NLU Reranking Using Entity Resolution Signals in
Multi-domain Dialog Systems" (NAACL 2021, industry papers). Here it is a map of quantiles to quantiles, and made from the
domain's own requests alone.
"""

from dataclasses import dataclass

import numpy as np

from segue.errors import InvalidInput
from segue.understand.hypotheses import Floats

_KNOTS = 129
_FLATTEST = 1e-3
"""Least slope of the map: what differed before differs afterwards, and the order stays."""


@dataclass(frozen=True)
class Matching:
    """A strictly increasing, piecewise linear map of scores: `new` float64 [k], ascending, to `old` float64 [k]. Outside the
    knots it goes on in parallel to the identity."""

    new: Floats
    old: Floats

    def __call__(self, scores: Floats) -> Floats:
        """float64, of the shape of `scores`."""
        beyond = scores - np.clip(scores, self.new[0], self.new[-1])
        mapped: Floats = np.interp(scores, self.new, self.old) + beyond
        return mapped


def match(new: Floats, old: Floats) -> Matching:
    """The map after which scores `new` [n] are spread like `old` [m], at some 130 quantiles, evenly spaced in the logit.

    Both are scores of the same requests. Raises `InvalidInput` where one is empty or not finite.
    """
    for scores in (new, old):
        if not len(scores) or not np.isfinite(scores).all():
            raise InvalidInput("Scores cannot be matched.", expected="some scores of either re-ranker, all finite")
    at = 1 / (1 + np.exp(-np.linspace(-9, 9, _KNOTS)))
    at = np.r_[0, at, 1]
    knots, first = np.unique(np.quantile(new, at), return_index=True)
    targets = np.asarray(np.quantile(old, at), dtype=np.float64)
    last = np.r_[first[1:] - 1, len(at) - 1]
    values = (targets[first] + targets[last]) / 2  # many equal scores cover a stretch of quantiles: its middle
    rises = np.maximum(np.diff(values), _FLATTEST * np.diff(knots))
    return Matching(knots, np.r_[values[0], values[0] + rises.cumsum()])
