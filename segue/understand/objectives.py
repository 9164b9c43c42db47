"""What a re-ranker is fitted to: the error to expect of its choice (R1), cross-entropy (R2), or both (R3). With gradients.

Source: Su and others (SLT 2018). Where we differ: nothing is sampled, and the fit is pulled a little towards the
product's weights (`ridge`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from segue.understand.features import segments
from segue.understand.hypotheses import Floats, Judged, Places

Loss = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True, slots=True)
class Objective:
    """`error` · R1 + `cross_entropy` · R2."""

    error: float
    cross_entropy: float


R1 = Objective(1, 0)
"""Expected semantic error. It learns an order and no probability: it does not change when all scores grow alike."""
R2 = Objective(0, 1)
"""Cross-entropy of σ(score) against whether the hypothesis is entirely right."""
R3 = Objective(1, 30)
"""Both. A request of another domain counts in R2 alone, so R2 is a mean over many requests and R1 over the few of its own: at
10 to 20 each of those counts about as much in one as in the other when there are ten to twenty domains. Chosen by
cross-validation on the nine training folds of HWU64's first, for light readers and those beside the encoder: SemER .210, .167
and calibration error .044, .041 at 3; .209, .168 and .032, .029 at 10; .209, .168 and .028, .023 at 30; .209, .168 and .026, .022
at 100."""


def expected_error(scores: Floats, starts: Places, errors: Floats) -> tuple[float, Floats]:
    """R1, the mean over requests of Σ_h softmax_h(s) · SemER(h), and its gradient float64 [n] by the scores [n].

    Hypotheses of one request stand together and begin at `starts`; `errors` is the SemER of each.

    >>> value, gradient = expected_error(np.array([0.0, 0.0, 5.0]), np.array([0, 2]), np.array([0.0, 1.0, 0.5]))
    >>> value, gradient.round(3).tolist()
    (0.5, [-0.125, 0.125, 0.0])
    """
    shares, of = softmax(scores, starts)
    mean = np.add.reduceat(shares * errors, starts)
    return float(mean.mean()), shares * (errors - mean[of]) / len(starts)


def softmax(scores: Floats, starts: Places) -> tuple[Floats, Places]:
    """Of each request by itself, float64 [n]; and which of the requests each hypothesis belongs to, int64 [n]."""
    of = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(scores)]))
    powers = np.exp(scores - np.maximum.reduceat(scores, starts)[of])
    shares: Floats = powers / np.add.reduceat(powers, starts)[of]
    return shares, of


def cross_entropy(scores: Floats, right: Floats, requests: int) -> tuple[float, Floats]:
    """R2, −Σ_h [z log q + (1 − z) log(1 − q)] / requests with q = σ(s) and z = `right`, and its gradient by the scores."""
    small = np.exp(-np.abs(scores))
    value = np.maximum(scores, 0).sum() + np.log1p(small).sum() - right @ scores
    return float(value / requests), (np.where(scores >= 0, 1, small) / (1 + small) - right) / requests


def loss(
    objective: Objective,
    features: Floats,
    request: Places,
    judged: Judged,
    *,
    baseline: Floats,
    ridge: Floats,
) -> Loss:
    """The function of the weights [f] that a fit minimises, and its gradient [f].

    `features` [n, f] and `request` [n] describe the hypotheses of the domain; `ridge` [f] pulls each weight to `baseline` [f]
    by ridge/2 · (w − baseline)².
    """
    requests = len(segments(request))
    own = features[judged.own]
    starts, errors = segments(request[judged.own]), judged.semantic_error[judged.own]
    right = judged.right.astype(np.float64)

    def value_and_gradient(weights: Floats) -> tuple[float, Floats]:
        away = weights - baseline
        value, gradient = float(ridge @ away**2 / 2), ridge * away
        if objective.error:
            error, slope = expected_error(own @ weights, starts, errors)
            value, gradient = value + objective.error * error, gradient + objective.error * (slope @ own)
        if objective.cross_entropy:
            entropy, slope = cross_entropy(features @ weights, right, requests)
            value, gradient = (
                value + objective.cross_entropy * entropy,
                gradient + objective.cross_entropy * (slope @ features),
            )
        return value, gradient

    return value_and_gradient
