"""A conditional logit learned online: which of the items on a page a person takes, with the uncertainty of every weight.

The utility of an item is linear in its features; the chance that it is taken is softmax over the page. What is the same
for all items of a page (an easy query, a page that nobody looked at) cancels, so pages of very different queries can be
learned from together. Some things are taken for no reason that the features know of; how many is learned as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from segue.state import State, cut_array, sizes

Matrix = NDArray[np.float64]

_STEPS = 2
"""Newton steps for each batch: the batch is small beside what is known, so the second already changes little."""

_HALVINGS = 10
"""How often a step that makes things worse is halved: far from the mode, where one item has all of the chance, a whole one
goes much too far."""


_BEGUN = 30.0
"""As many takes the first belief about the noise counts."""

_MOST_NOISE = 0.7


@dataclass(frozen=True, slots=True)
class Page:
    """One page that something was taken from: `features` [n, dimensions], `offsets` [n] (log chance that the place was looked
    at), how often each item was `taken` [n], and what the page counts for (`weight`)."""

    features: Matrix
    offsets: Matrix
    taken: Matrix
    weight: float = 1.0


def state_of(pages: Sequence[Page]) -> State:
    """Pages laid end to end."""
    if not pages:
        return State()
    return State(
        arrays={
            "sizes": sizes([page.offsets for page in pages]),
            "features": np.concatenate([page.features for page in pages]),
            "offsets": np.concatenate([page.offsets for page in pages]),
            "taken": np.concatenate([page.taken for page in pages]),
            "weights": np.array([page.weight for page in pages], dtype=np.float64),
        }
    )


def pages_of(state: State) -> list[Page]:
    """The pages of a `state_of` pages."""
    if not state.arrays:
        return []
    columns = (cut_array(state.arrays[name], state.arrays["sizes"]) for name in ("features", "offsets", "taken"))
    return [Page(*one) for one in zip(*columns, state.arrays["weights"].tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of the weights after `batches`: `mean` [dimensions], `precision` [dimensions, dimensions] and samples
    of the posterior, `draws` [dimensions, draws]."""

    mean: Matrix
    precision: Matrix
    draws: Matrix
    batches: int


class ChoiceModel:
    """Gaussian posterior over the weights, updated a batch of pages at a time.

    A take is one of two kinds: with probability `noise` any item that was looked at, else softmax of the utilities. Each
    take counts by the chance that it is of the second kind, as the weights were before the batch (a step of online
    expectation maximisation), and `noise` is the share of the first kind so far. Without this a few wild clicks move the
    weights more than many that agree with them.

    Source: McFadden, "Conditional logit analysis of qualitative choice behavior" (1973) for the model; the update is
    Laplace's approximation with the last posterior as the next prior, as in Chapelle and Li, "An Empirical Evaluation of
    Thompson Sampling" (2011), with the whole covariance instead of its diagonal; Cappé and Moulines, "On-line
    expectation–maximization algorithm for latent data models" (2009), for the noise.
    """

    def __init__(
        self, mean: Matrix, deviation: Matrix, *, scale: float, draws: int, seed: int, noise: float = 0.0
    ) -> None:
        """`mean` and `deviation` [dimensions] of the prior; `scale` multiplies the spread of the draws (0: no exploration);
        `noise` is the share of takes that are believed to be chance before any is seen (0: none ever)."""
        self._scale, self._draws, self._seed = scale, draws, seed
        self._prior = np.diag(1.0 / np.asarray(deviation, dtype=np.float64) ** 2)
        self._start = np.asarray(mean, dtype=np.float64)
        self._by_chance, self._takes = noise * _BEGUN, _BEGUN
        self.belief = self._believe(self._start, self._prior, 0)

    @property
    def noise(self) -> float:
        """Share of takes that are believed to be chance."""
        return min(self._by_chance / self._takes, _MOST_NOISE)

    def learn(self, pages: Sequence[Page]) -> None:
        """Take in a batch: the new belief replaces the old one as a whole, so that readers need no lock."""
        old = self.belief
        meant = [meant_by(page, old.mean, self.noise) for page in pages]
        mean, precision = maximum_a_posteriori(
            [replace(page, taken=page.taken * chances) for page, chances in zip(pages, meant, strict=True)],
            old.mean,
            old.precision,
        )
        for page, chances in zip(pages, meant, strict=True):
            self._by_chance += page.weight * float(page.taken @ (1 - chances))
            self._takes += page.weight * float(page.taken.sum())
        self.belief = self._believe(mean, precision, old.batches + 1)

    def state(self) -> State:
        """The belief, and what is believed of chance."""
        belief = self.belief
        return State(
            {"batches": belief.batches},
            {
                "mean": belief.mean,
                "precision": belief.precision,
                "draws": belief.draws,
                "chance": np.array([self._by_chance, self._takes], dtype=np.float64),
            },
        )

    def restore(self, state: State) -> None:
        """Believe what a `state` of a model with the same prior and seed believed."""
        arrays = state.arrays
        self._by_chance, self._takes = arrays["chance"].tolist()
        self.belief = Belief(arrays["mean"], arrays["precision"], arrays["draws"], state.data["batches"])

    def widen(self, places: NDArray[np.int64], share: float) -> None:
        """Forget most of what is known of some weights: their precision is cut to `share`, their mean goes back to the start."""
        mean, precision = self.belief.mean.copy(), self.belief.precision.copy()
        mean[places] = self._start[places]
        cut = np.ones(len(mean))
        cut[places] = np.sqrt(share)
        precision = precision * cut[:, None] * cut[None, :]
        precision[places, places] += (1 - share) * self._prior[places, places]
        self.belief = self._believe(mean, precision, self.belief.batches)

    def _believe(self, mean: Matrix, precision: Matrix, batches: int) -> Belief:
        noise = np.random.default_rng((self._seed, batches)).standard_normal((len(mean), self._draws))
        lower = np.linalg.cholesky(precision)
        draws = mean[:, None] + self._scale * solve_triangular(lower, noise, lower=True, trans="T")
        return Belief(mean, precision, draws, batches)


def meant_by(page: Page, weights: Matrix, noise: float) -> Matrix:
    """The chance that a take of each item [n] was meant, and not one of the share `noise` that take anything they look at."""
    meant, chance = (_softmax(logits) for logits in (page.features @ weights + page.offsets, page.offsets))
    chances: Matrix = (1 - noise) * meant / ((1 - noise) * meant + noise * chance)
    return chances


def _softmax(logits: Matrix) -> Matrix:
    odds = np.exp(logits - logits.max())
    chances: Matrix = odds / odds.sum()
    return chances


def maximum_a_posteriori(
    pages: Sequence[Page], mean: Matrix, precision: Matrix, *, steps: int = _STEPS
) -> tuple[Matrix, Matrix]:
    """The mode of N(`mean`, `precision`⁻¹) × Π_pages Π_taken softmax(features · w + offsets), and the precision there.

    Newton's method: the gradient of a page is Σ_i (taken_i − n p_i) f_i, its negated Hessian n (Σ_i p_i f_i f_iᵀ − f̄ f̄ᵀ),
    with n the number of times something was taken and f̄ = Σ p_i f_i. A step never makes the posterior smaller.
    """
    features = np.concatenate([page.features for page in pages])
    offsets = np.concatenate([page.offsets for page in pages])
    taken = np.concatenate([page.weight * page.taken for page in pages])
    sizes = np.array([len(page.offsets) for page in pages])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    times = np.add.reduceat(taken, starts)

    def log_chances(weights: Matrix) -> Matrix:
        utility = features @ weights + offsets
        utility -= np.repeat(np.maximum.reduceat(utility, starts), sizes)
        logs: Matrix = utility - np.repeat(np.log(np.add.reduceat(np.exp(utility), starts)), sizes)
        return logs

    def log_posterior(weights: Matrix) -> float:
        return float(taken @ log_chances(weights) - (weights - mean) @ precision @ (weights - mean) / 2)

    weights = mean
    hessian = precision
    for _ in range(steps):
        chance = np.exp(log_chances(weights))
        expected = chance * np.repeat(times, sizes)
        mean_features = np.add.reduceat(features * chance[:, None], starts, axis=0)
        gradient = features.T @ (taken - expected) - precision @ (weights - mean)
        hessian = (
            precision + (features * expected[:, None]).T @ features - (mean_features * times[:, None]).T @ mean_features
        )
        step, before = np.linalg.solve(hessian, gradient), log_posterior(weights)
        for _ in range(_HALVINGS):
            if log_posterior(weights + step) >= before:
                break
            step = step / 2
        weights = weights + step
    return weights, hessian
