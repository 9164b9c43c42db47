"""R1, R2 and R3 against what they are written out, and their gradients against finite differences."""

from math import exp, log1p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_up import Built, made_up
from segue.understand.features import extended, segments
from segue.understand.hypotheses import Floats, Hypotheses, Judged
from segue.understand.objectives import R1, R2, R3, Objective, cross_entropy, expected_error, loss, softmax

HYPOTHESES, JUDGED = made_up(60, {"films": Built(), "books": Built(sure=2)}, seed=3).tables[0]
FEATURES = extended(HYPOTHESES).raw(HYPOTHESES)


def written_out(
    objective: Objective, weights: Floats, hypotheses: Hypotheses, judged: Judged, features: Floats
) -> float:
    """The article's formulas, a hypothesis at a time."""
    scores = [float(row @ weights) for row in features]
    requests = sorted(set(hypotheses.request.tolist()))
    of = {one: [n for n, request in enumerate(hypotheses.request.tolist()) if request == one] for one in requests}
    own = [one for one in requests if judged.own[of[one][0]]]
    error = sum(
        exp(scores[n]) / sum(exp(scores[m]) for m in of[one]) * judged.errors[n] / (1 + judged.slots[n])
        for one in own
        for n in of[one]
    )
    entropy = sum(log1p(exp(-scores[n])) if judged.right[n] else log1p(exp(scores[n])) for n in range(len(scores)))
    return float(objective.error * error / len(own) + objective.cross_entropy * entropy / len(requests))


@pytest.mark.parametrize("objective", [R1, R2, R3, Objective(2, 0.5)])
@pytest.mark.parametrize("seed", range(3))
def test_values_and_gradients(objective: Objective, seed: int) -> None:
    weights = 0.3 * np.random.default_rng(seed).standard_normal((FEATURES.shape[1],))
    nothing = np.zeros(len(weights))
    function = loss(objective, FEATURES, HYPOTHESES.request, JUDGED, baseline=nothing, ridge=nothing)
    value, gradient = function(weights)
    assert value == pytest.approx(written_out(objective, weights, HYPOTHESES, JUDGED, FEATURES), rel=1e-12)
    steps = 1e-5 * np.eye(len(weights))
    differences = np.array([(function(weights + step)[0] - function(weights - step)[0]) / 2e-5 for step in steps])
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-9)


def test_the_ridge_pulls_to_the_baseline() -> None:
    size = FEATURES.shape[1]
    weights, baseline, ridge = np.arange(size) / 10, np.ones(size), np.linspace(0, 1, size)
    bare = loss(R3, FEATURES, HYPOTHESES.request, JUDGED, baseline=baseline, ridge=np.zeros(size))(weights)
    pulled = loss(R3, FEATURES, HYPOTHESES.request, JUDGED, baseline=baseline, ridge=ridge)(weights)
    assert pulled[0] - bare[0] == pytest.approx(sum(r * (w - 1) ** 2 / 2 for r, w in zip(ridge, weights, strict=True)))
    np.testing.assert_allclose(pulled[1] - bare[1], ridge * (weights - 1))


def test_r1_says_nothing_of_the_bias() -> None:
    """The softmax of a request does not change when all its scores do: why R1 alone is badly calibrated."""
    weights = np.random.default_rng(0).standard_normal((FEATURES.shape[1],))
    nothing = np.zeros(len(weights))
    function = loss(R1, FEATURES, HYPOTHESES.request, JUDGED, baseline=nothing, ridge=nothing)
    value, gradient = function(weights)
    assert abs(gradient[3]) < 1e-15
    weights[3] += 7
    assert function(weights)[0] == pytest.approx(value, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    lists=st.lists(st.lists(st.floats(-800, 800), min_size=1, max_size=5), min_size=1, max_size=6),
    seed=st.integers(0, 9),
)
def test_the_softmax_of_each_request(lists: list[list[float]], seed: int) -> None:
    scores = np.concatenate([np.array(one) for one in lists])
    request = np.repeat(np.arange(len(lists)) * 3, [len(one) for one in lists])
    errors = np.random.default_rng(seed).random(len(scores))
    shares, of = softmax(scores, segments(request))
    start = 0
    expected = 0.0
    for place, one in enumerate(lists):
        powers = np.exp(np.array(one) - max(one))
        rows = slice(start, start + len(one))
        np.testing.assert_allclose(shares[rows], powers / powers.sum(), atol=1e-15)
        assert (of[rows] == place).all()
        expected += float(powers @ errors[rows] / powers.sum()) / len(lists)
        start += len(one)
    value, gradient = expected_error(scores, segments(request), errors)
    assert value == pytest.approx(expected)
    assert np.isfinite(gradient).all()


def test_cross_entropy_is_finite_for_the_surest_mistakes() -> None:
    value, gradient = cross_entropy(np.array([1e4, -1e4]), np.array([0.0, 1.0]), 2)
    assert value == 1e4
    assert gradient.tolist() == [0.5, -0.5]
