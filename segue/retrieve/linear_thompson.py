"""Linear Thompson sampling: a Bayesian linear regression whose weights can be drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Floats = NDArray[np.float64]


@dataclass(slots=True)
class LinearThompson:
    """Posterior N(precision⁻¹ `pull`, `noise`² `precision`⁻¹) of the weights of E[y | x] = wᵀx, in natural parameters.

    Source: Agrawal and Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs" (ICML 2013). The prior's mean
    is where a new arm starts: the context-free estimate of its family (a hierarchical prior), not zero.
    """

    precision: Floats
    pull: Floats
    noise: float = 0.3
    """Standard deviation of a reward around its expectation; of a rare yes or no, √(p (1 − p))."""

    @classmethod
    def prior(cls, mean: Floats, deviation: Floats, noise: float = 0.3) -> "LinearThompson":
        """Independent weights with these means and standard deviations, both [dimensions]."""
        precision = np.diag((noise / np.asarray(deviation, dtype=np.float64)) ** 2)
        return cls(precision, precision @ np.asarray(mean, dtype=np.float64), noise)

    @property
    def mean(self) -> Floats:
        """Expected weights [dimensions]."""
        return np.asarray(np.linalg.solve(self.precision, self.pull), np.float64)

    def learn(self, features: Floats, rewards: Floats, weights: Floats | None = None) -> None:
        """Exact update with `features` [n, dimensions] and `rewards` [n]; `weights` [n] count a row for more or less than one."""
        weighted = features if weights is None else features * weights[:, None]
        self.precision = self.precision + weighted.T @ features
        self.pull = self.pull + weighted.T @ rewards

    def learn_one(self, features: Floats, square: Floats, reward: float) -> None:
        """`learn` of one row [dimensions], when its `square`, the product with itself, is at hand."""
        self.precision = self.precision + square
        if reward:
            self.pull = self.pull + reward * features

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        """Weights drawn from the posterior, [dimensions, count]."""
        lower = np.linalg.cholesky(self.precision)
        noise = random.standard_normal((len(self.pull), count))
        drawn: Floats = self.mean[:, None] + self.noise * solve_triangular(lower, noise, lower=True, trans="T")
        return drawn
