"""Off-policy evaluation: what a new policy would have earned, from a log made by another one that wrote down its propensities.

Shapes: `n` logged rows. `rewards` of what was shown; `propensities`, the probability that the logging policy gave to what
was shown; `targets`, the probability that the new policy gives to the same. All are float64 [n], or [n, slots] for slates.

The estimators `ips`, `snips` and `doubly_robust` are for one action a row; `pseudo_inverse` and `independent_ips` for slates.
Each says how far it can be trusted: an interval, the effective sample size, and warnings in plain words.

Intervals: 95 %, two-sided, of a mean of independent rows, corrected for skewness in closed form. Source: Hall, "On the removal
of skewness by transformation" (JRSS B 1992), the cubic transformation. Importance weights are skewed to the right, so that an
interval by the normal or t distribution ends too early on the upper side; in simulations with 200 to 2,000 rows this
correction covered as the studentised bootstrap did, and better than BCa where tails were heavy, without resampling: the same
rows give the same interval in any order. Rows that are not independent, as many of one person, make it too narrow. No
interval can know of a large weight that was not drawn; that is what the warnings are for.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit, ndtri

from segue.errors import InvalidInput

Values = NDArray[np.float64]
Indices = NDArray[np.int64]

_NORMAL = float(ndtri(0.975))

_ROUNDING = 1e-9

_FEW, _SMALL_SHARE, _LARGE_SHARE = 100, 0.01, 0.1

_OFF, _ERRORS = 0.05, 4.0
"""A mean weight is called wrong when it is off 1 by more than both: so much, and so many standard errors."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The `value` of a policy: expected reward a row (a slate), with a 95 % interval from `low` to `high`.

    `effective_sample_size`: how many rows drawn by the new policy itself would carry as much, by Kish, (Σw)² / Σw², of the
    `samples` rows in the log.
    """

    value: float
    low: float
    high: float
    effective_sample_size: float
    samples: int
    warnings: tuple[str, ...] = ()


def ips(rewards: ArrayLike, propensities: ArrayLike, targets: ArrayLike, *, clip: float | None = None) -> Estimate:
    """Inverse propensity scoring, mean of w·r with w = target / propensity. Unbiased when the propensities are right.

    Source: Horvitz and Thompson, "A Generalization of Sampling Without Replacement" (1952). With `clip`, w becomes
    min(w, clip), which lowers the variance and biases the estimate by -E[(w - clip)₊ r]: downwards for rewards above 0.
    The interval is then of the clipped expectation.

    >>> ips([1, 0, 1, 0], [.5, .5, .5, .5], [.9, .1, .9, .1]).value
    0.9
    """
    earned = _values("rewards", rewards, dimensions=1)
    weights, warnings = _weights(propensities, targets, earned.shape, clip)
    return _estimate(weights * earned, weights, warnings)


def snips(rewards: ArrayLike, propensities: ArrayLike, targets: ArrayLike, *, clip: float | None = None) -> Estimate:
    """Self-normalised IPS, Σw·r / Σw: never outside the range of the rewards, consistent, with a bias of order 1/n.

    Source: Swaminathan and Joachims, "The Self-Normalized Estimator for Counterfactual Learning" (NIPS 2015). The interval is
    of the linearised terms v + w·(r - v) / mean w (delta method). `clip` as in `ips`.

    >>> snips([3, 3, 3], [.5, .2, .9], [.1, .9, .2]).value
    3.0
    """
    earned = _values("rewards", rewards, dimensions=1)
    weights, warnings = _weights(propensities, targets, earned.shape, clip)
    if not weights.any():
        raise InvalidInput(
            "The new policy never takes what was logged: every target probability is 0, so nothing can be averaged.",
            expected="a target probability above 0 in some row",
            fix="log with a policy that sometimes does what the new one would do",
        )
    value = (weights @ earned) / weights.sum()
    return _estimate(value + weights * (earned - value) / weights.mean(), weights, warnings)


def doubly_robust(
    rewards: ArrayLike,
    propensities: ArrayLike,
    targets: ArrayLike,
    predicted: ArrayLike,
    expected: ArrayLike,
    *,
    clip: float | None = None,
) -> Estimate:
    """Mean of expected + w·(reward - predicted): unbiased when either the propensities or the predictions are right.

    `predicted` [n]: a model's reward of the logged action; `expected` [n]: its mean over the actions of the new policy. Take
    both from `fit_reward_model`, whose predictions never saw their own row; else the interval is too narrow.

    Source: Dudík, Langford and Li, "Doubly Robust Policy Evaluation and Learning" (ICML 2011), equation 1. With `clip` the
    bias is -E[(w - clip)₊ (r - predicted)], which is none where the model is right. A low effective sample size means that
    the estimate rests on the model.

    >>> doubly_robust([1, 0], [.5, .5], [.9, .1], predicted=[1, 0], expected=[.9, .9]).value
    0.9
    """
    earned = _values("rewards", rewards, dimensions=1)
    of_logged = _values("predicted", predicted, shape=earned.shape)
    of_target = _values("expected", expected, shape=earned.shape)
    weights, warnings = _weights(propensities, targets, earned.shape, clip)
    return _estimate(of_target + weights * (earned - of_logged), weights, warnings)


def pseudo_inverse(rewards: ArrayLike, propensities: ArrayLike, targets: ArrayLike) -> Estimate:
    """The value of slates from one reward a slate: mean of r · (1 - slots + Σ_slots target / propensity).

    `rewards` [n]; `propensities` and `targets` [n, slots], the probability of the shown item *at its slot* under each policy.

    Source: Swaminathan and others, "Off-policy evaluation for slate recommendation" (NIPS 2017), PI; this is its closed form
    for a logging policy that fills every slot independently of the others (an item may stand in two of them). Unbiased when
    the reward is a sum of what the slots contribute, each by its own item. Slates drawn without repeating an item need the
    general form, with the pseudo-inverse of the policy's second moments, which is not built.
    """
    earned = _values("rewards", rewards, dimensions=1)
    shown = _values("propensities", propensities, dimensions=2)
    ratios, warnings = _weights(shown, targets, (len(earned), shown.shape[1]))
    weights = 1 - shown.shape[1] + ratios.sum(axis=1)
    return _estimate(weights * earned, weights, warnings)


def independent_ips(rewards: ArrayLike, propensities: ArrayLike, targets: ArrayLike) -> Estimate:
    """The value of slates from a reward in each slot: mean of Σ_slots r · target / propensity. All are [n, slots].

    `propensities` and `targets` are marginals, of the shown item *at its slot*; slots need not be filled independently. The
    reward of a slot must depend on no other slot, as in position-based clicks; with clicks that stop after the first one it
    is biased. The effective sample size is that of the worst slot.

    Source: Li and others, "Offline Evaluation of Ranking Policies with Click Models" (KDD 2018), item-position model;
    called IIPS in McInerney and others, "Counterfactual Evaluation of Slate Recommendations" (KDD 2020).
    """
    earned = _values("rewards", rewards, dimensions=2)
    weights, warnings = _weights(propensities, targets, earned.shape)
    return _estimate((weights * earned).sum(axis=1), weights, warnings)


def fit_reward_model(
    contexts: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    *,
    action_count: int | None = None,
    folds: int = 5,
    penalty: float = 1.0,
    seed: int = 0,
) -> Values:
    """Predicted reward of every action in every row, [n, actions], by regressions fitted without the row's own fold.

    `contexts` is [n, features], for one regression an action; or [n, actions, features] when actions have features of their
    own, for one regression shared by all. Features should be on about the same scale. `actions` [n], whole numbers from 0,
    and `rewards` [n] are what was logged. `action_count` is needed when the highest action never occurs and contexts do not
    tell. Folds are drawn with `seed`.

    Rewards that are all 0 or 1 get a logistic regression, others a linear one. Both are fitted around the mean reward outside
    the fold: `penalty`·|coefficients|² / 2, intercept included, is added to half the squared error or to the logistic loss
    and draws towards that mean, which is what an action that was never tried is given.

    Source: cross-fitting as in Chernozhukov and others, "Double/debiased machine learning" (2018).
    """
    features, taken, earned = _logged(contexts, actions, rewards, action_count)
    n, shared = len(earned), features.ndim == 3
    if not 2 <= folds <= n or penalty <= 0:
        raise InvalidInput(
            f"{n} rows were to be cut into {folds} folds, with a penalty of {penalty:g}.",
            expected="2 to n folds and a penalty above 0",
        )
    fit = _fit_logistic if np.isin(earned, (0, 1)).all() else _fit_linear
    used = features[np.arange(n), taken] if shared else features
    count = features.shape[1] if shared else _count(taken, action_count)
    fold = np.random.default_rng(seed).permutation(np.arange(n) % folds)
    predictions = np.empty((n, count))
    for held_out in range(folds):
        own, others = fold == held_out, fold != held_out
        mean = float(earned[others].mean())
        if shared:
            predictions[own] = fit(used[others], earned[others], mean, penalty)(features[own])
        else:
            for action in range(count):
                rows = others & (taken == action)
                predictions[own, action] = fit(used[rows], earned[rows], mean, penalty)(features[own])
    return predictions


def _fit_linear(used: Values, earned: Values, mean: float, penalty: float) -> Callable[[Values], Values]:
    squares = used.T @ used + penalty * np.eye(used.shape[1])
    coefficients = np.linalg.solve(squares, used.T @ (earned - mean))
    return lambda features: mean + features @ coefficients


def _fit_logistic(used: Values, earned: Values, mean: float, penalty: float) -> Callable[[Values], Values]:
    around = float(logit(np.clip(mean, _ROUNDING, 1 - _ROUNDING)))

    def loss(coefficients: Values) -> tuple[float, Values]:
        scores = around + used @ coefficients
        value = np.logaddexp(0, scores).sum() - earned @ scores + penalty / 2 * coefficients @ coefficients
        return float(value), used.T @ (expit(scores) - earned) + penalty * coefficients

    found = minimize(loss, np.zeros(used.shape[1]), jac=True, method="L-BFGS-B")
    return lambda features: np.asarray(expit(around + features @ found.x), dtype=np.float64)


def _logged(
    contexts: ArrayLike, actions: ArrayLike, rewards: ArrayLike, action_count: int | None
) -> tuple[Values, Indices, Values]:
    """Checked, with a column of ones added to the features for the intercept."""
    earned = _values("rewards", rewards, dimensions=1)
    features = _values("contexts", contexts, dimensions=3 if np.ndim(contexts) == 3 else 2)
    taken = np.asarray(actions)
    if taken.shape != earned.shape or len(features) != len(earned) or not np.issubdtype(taken.dtype, np.integer):
        raise InvalidInput(
            f"Contexts {features.shape}, actions {taken.shape} of {taken.dtype} and rewards {earned.shape} do not fit.",
            expected="the same number of rows in each, and actions as whole numbers",
        )
    known = features.shape[1] if features.ndim == 3 else _count(taken, action_count)
    if taken.min() < 0 or taken.max() >= known or (action_count is not None and action_count != known):
        raise InvalidInput(
            f"Actions run from {taken.min()} to {taken.max()}, with {action_count or known} actions in all.",
            expected=f"actions from 0 to {known - 1}, as many as contexts or action_count say",
        )
    return np.concatenate([features, np.ones((*features.shape[:-1], 1))], axis=-1), taken.astype(np.int64), earned


def _count(taken: Indices, action_count: int | None) -> int:
    return int(taken.max()) + 1 if action_count is None else action_count


def _weights(
    propensities: ArrayLike, targets: ArrayLike, shape: tuple[int, ...], clip: float | None = None
) -> tuple[Values, list[str]]:
    """target / propensity, clipped, and what is odd about the log."""
    shown = _values("propensities", propensities, shape=shape)
    wanted = _values("targets", targets, shape=shape)
    if shown.min() <= 0:
        raise InvalidInput(
            f"{int((shown <= 0).sum())} of the propensities are 0 or below.",
            expected="the probability, above 0, with which the logging policy chose what it did choose",
            fix="log the propensity at the moment of the decision",
        )
    if wanted.min() < 0 or wanted.max() > 1 + _ROUNDING:
        raise InvalidInput(
            f"Target probabilities run from {wanted.min():g} to {wanted.max():g}.", expected="probabilities from 0 to 1"
        )
    if clip is not None and not clip > 0:
        raise InvalidInput(f"clip is {clip:g}.", expected="a largest weight above 0, or None")
    weights = wanted / shown
    warnings = _oddities(shown, wanted, weights)
    if clip is not None and (over := weights > clip).any():
        lost = 1 - np.minimum(weights, clip).sum() / weights.sum()
        warnings.append(
            f"{over.mean():.1%} of the weights were clipped to {clip:g}, {lost:.1%} of the total weight: the estimate is biased."
        )
    return np.minimum(weights, np.inf if clip is None else clip), warnings


def _oddities(shown: Values, wanted: Values, weights: Values) -> list[str]:
    warnings = []
    if shown.max() > 1 + _ROUNDING:
        warnings.append(f"Propensities up to {shown.max():g} were logged: a probability cannot be above 1.")
    if (untried := (np.abs(shown - 1) < _ROUNDING) & (wanted < 1 - _ROUNDING)).any():
        warnings.append(
            f"{untried.mean():.1%} of the choices were logged with propensity 1 where the new policy may choose otherwise: "
            "nothing can be said about actions that were never tried."
        )
    means = weights.mean(axis=0)
    error = weights.std(axis=0) / np.sqrt(len(weights))
    if np.any(off := np.abs(means - 1) > np.maximum(_OFF, _ERRORS * error)):
        worst = float(np.max(np.abs(means - 1), where=off, initial=0))
        warnings.append(
            f"The mean weight is off 1 by {worst:.2f}: the propensities look wrong, "
            "or the new policy does what was hardly ever logged."
        )
    return warnings


def _estimate(terms: Values, weights: Values, warnings: list[str]) -> Estimate:
    """The mean of `terms` [n] and its interval; `weights` [n] or [n, slots]."""
    n = len(terms)
    size = float(np.min(_effective_sample_size(weights)))
    low, high = _interval(terms)
    total = np.abs(weights).sum(axis=0)
    largest = float(np.max(np.abs(weights).max(axis=0) / np.where(total > 0, total, 1)))
    concerns = [*warnings]
    if size < max(_FEW, _SMALL_SHARE * n):
        concerns.append(
            f"The effective sample size is {size:.0f} of {n:,} rows: the log says little about this policy."
        )
    if largest > _LARGE_SHARE:
        concerns.append(f"One row holds {largest:.0%} of the total weight: the estimate hangs on it.")
    if low == high:
        concerns.append("Every row says the same: the log does not tell how far off this may be, and low equals high.")
    return Estimate(float(terms.mean()), low, high, size, n, tuple(concerns))


def _effective_sample_size(weights: Values) -> Values:
    """Kish, "Survey Sampling" (1965), for each slot."""
    squares = np.square(weights).sum(axis=0)
    return np.asarray(np.square(weights.sum(axis=0)) / np.where(squares > 0, squares, 1), dtype=np.float64)


def _interval(terms: Values) -> tuple[float, float]:
    """Hall (1992): the studentised mean t through t + γt²/3 + γ²t³/27 + γ/6n is nearly normal with variance 1/n."""
    n, mean, deviation = len(terms), float(terms.mean()), float(terms.std(ddof=1))
    if deviation <= _ROUNDING * abs(mean):
        return mean, mean
    scaled = (terms - mean) / deviation
    skewness = float(np.mean(scaled * scaled * scaled)) * n * n / ((n - 1) * max(n - 2, 1))
    quantiles = np.array([_NORMAL, -_NORMAL]) / np.sqrt(n)
    if abs(skewness) > 1e-6:
        quantiles = 3 / skewness * (np.cbrt(1 + skewness * (quantiles - skewness / (6 * n))) - 1)
    low, high = (mean - deviation * quantiles).tolist()
    return low, high


def _values(
    name: str, given: ArrayLike, *, dimensions: int | None = None, shape: tuple[int, ...] | None = None
) -> Values:
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} is not a table of numbers.", expected="float64, no ragged rows") from error
    if (shape is not None and values.shape != shape) or (dimensions is not None and values.ndim != dimensions):
        wanted = str(list(shape)) if shape is not None else f"{dimensions} dimensions"
        raise InvalidInput(f"{name} has the shape {list(values.shape)}.", expected=wanted)
    if len(values) < 2 or values.size == 0 or not np.isfinite(values).all():
        raise InvalidInput(f"{name} has fewer than two rows, no columns, NaN or infinity.", expected="finite numbers")
    return values
