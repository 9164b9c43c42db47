"""Other ways to make products comparable, to compare re-rankers with: they look at the product alone and keep its order.

A calibrator is fitted from the logits of products (`features.product_logit`) [n] beside what was right [n], of one domain or
of all of them together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from scipy.optimize import isotonic_regression, minimize, minimize_scalar
from scipy.special import expit

from segue.errors import InvalidInput
from segue.understand.hypotheses import Flags, Floats
from segue.understand.objectives import cross_entropy


class Calibrator(Protocol):
    """Turns logits into calibrated confidences."""

    def confidences(self, logits: Floats) -> Floats:
        """float64 [n], never falling as the logits rise."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """σ(slope · logit + offset)."""

    slope: float
    offset: float

    def confidences(self, logits: Floats) -> Floats:
        return np.asarray(expit(self.slope * logits + self.offset), dtype=np.float64)


@dataclass(frozen=True)
class Isotonic:
    """Straight lines between `confidence` at `logits`, float64 [k] both, neither falling."""

    logits: Floats
    confidence: Floats

    def confidences(self, logits: Floats) -> Floats:
        return np.interp(logits, self.logits, self.confidence)


def keep(logits: Floats, right: Flags) -> Scaled:
    """The product as it is."""
    return Scaled(1, 0)


def fit_platt(logits: Floats, right: Flags) -> Scaled:
    """Source: Platt, "Probabilistic outputs for support vector machines" (1999): logistic regression on one score, to targets
    (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2), so that it is finite when the score tells all apart."""
    _refuse_unusable(logits, right)
    count = int(right.sum())
    targets = np.where(right, (count + 1) / (count + 2), 1 / (len(right) - count + 2))

    def loss(line: Floats) -> tuple[float, Floats]:
        value, slope = cross_entropy(line[0] * logits + line[1], targets, len(logits))
        return value, np.array([slope @ logits, slope.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-14})
    return Scaled(float(found.x[0]), float(found.x[1]))


def fit_temperature(logits: Floats, right: Flags) -> Scaled:
    """Source: Guo and others, "On calibration of modern neural networks" (ICML 2017): σ(logit / T)."""
    _refuse_unusable(logits, right)
    targets = right.astype(np.float64)

    def loss(log_slope: float) -> float:
        return cross_entropy(np.exp(log_slope) * logits, targets, len(logits))[0]

    return Scaled(float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x)), 0)


def fit_isotonic(logits: Floats, right: Flags) -> Isotonic:
    """Source: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates" (KDD 2002):
    the nearest function that never falls, by pool adjacent violators."""
    _refuse_unusable(logits, right)
    at, place, count = np.unique(logits, return_inverse=True, return_counts=True)
    shares = np.bincount(place, right) / count
    return Isotonic(at, np.asarray(isotonic_regression(shares, weights=count).x, dtype=np.float64))


CALIBRATIONS: Mapping[str, Callable[[Floats, Flags], Calibrator]] = MappingProxyType(
    {"product": keep, "Platt": fit_platt, "temperature": fit_temperature, "isotonic": fit_isotonic}
)


def _refuse_unusable(logits: Floats, right: Flags) -> None:
    if not len(logits) or logits.shape != right.shape or not np.isfinite(logits).all():
        raise InvalidInput(
            f"{logits.shape} logits and {right.shape} judgements cannot be used.",
            expected="as many, all of them finite",
        )
