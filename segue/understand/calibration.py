"""How far confidences can be taken at their word: measures of calibration, and how good a perfect one would look.

[n] confidences in 0 … 1 beside whether each was right, everywhere. Bins are of equal width.
"""

from dataclasses import dataclass

import numpy as np

from segue.errors import InvalidInput
from segue.understand.hypotheses import Flags, Floats, Places


def expected_calibration_error(confidence: Floats, right: Flags, *, bins: int = 10) -> float:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by how many fall into each.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015).

    >>> expected_calibration_error(np.array([.75, .75, .75, .75]), np.array([True, True, True, False]))
    0.0
    """
    place = _bins(confidence, bins)
    gap = np.abs(np.bincount(place, confidence, bins) - np.bincount(place, right, bins))
    return float(gap.sum() / max(1, len(confidence)))


def calibration_floor(confidence: Floats, *, seed: int, draws: int = 200, bins: int = 10) -> float:
    """The expected calibration error that these confidences would show if every one were true: the mean over `draws` of what is
    right, each with its own probability. Nothing with as few cases can be told from perfect below it."""
    random = np.random.default_rng([seed, _OWN_STREAM])
    errors = [
        expected_calibration_error(confidence, random.random(len(confidence)) < confidence, bins=bins)
        for _ in range(draws)
    ]
    return float(np.mean(errors))


def brier(confidence: Floats, right: Flags) -> float:
    """Mean squared distance from what was right. Source: Brier, "Verification of forecasts expressed in terms of probability"
    (1950), for two classes.

    >>> brier(np.array([0.5, 1.0]), np.array([True, True]))
    0.125
    """
    return float(np.mean((confidence - right) ** 2))


def negative_log_likelihood(confidence: Floats, right: Flags) -> float:
    """−mean log of the probability that was given to what happened; a confidence of 0 or 1 counts as within 1e−12 of it."""
    given = np.where(right, confidence, 1 - confidence)
    return float(-np.mean(np.log(np.maximum(given, 1e-12))))


def area_under_curve(scores: Floats, positive: Flags) -> float:
    """AUROC: how often a positive case has the higher score than a negative one; equal scores count half.

    Raises `InvalidInput` when all cases are alike.

    >>> area_under_curve(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        raise InvalidInput(f"{count} cases are positive and {others} negative.", expected="some of either")
    _, which, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[which]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


@dataclass(frozen=True, slots=True)
class Reliability:
    """What was right at which confidence, [bins]: how many cases (`count`), their mean `confidence`, the share that was right
    (`accuracy`), and its 95 % interval from `low` to `high`. Empty bins hold NaN."""

    count: Places
    confidence: Floats
    accuracy: Floats
    low: Floats
    high: Floats


def reliability(confidence: Floats, right: Flags, *, bins: int = 10) -> Reliability:
    """The curve of a reliability diagram.

    The interval is Wilson's: "Probable inference, the law of succession, and statistical inference" (1927).
    """
    place = _bins(confidence, bins)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = np.bincount(place, right, bins) / count
        spread = _Z**2 / count
        middle = (accuracy + spread / 2) / (1 + spread)
        half = _Z * np.sqrt(accuracy * (1 - accuracy) / count + spread / (4 * count)) / (1 + spread)
        return Reliability(count, np.bincount(place, confidence, bins) / count, accuracy, middle - half, middle + half)


_Z = 1.959964

_OWN_STREAM = 1
"""Confidences that were drawn with the same seed must not be what they are compared with."""


def _bins(confidence: Floats, bins: int) -> Places:
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)
