"""Measures of calibration, against what they are written out and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score  # type: ignore[import-untyped,unused-ignore]

from segue.errors import InvalidInput
from segue.understand.calibration import (
    area_under_curve,
    brier,
    calibration_floor,
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
)

Floats = NDArray[np.float64]


def brute(confidence: Floats, right: NDArray[np.bool_], bins: int) -> float:
    error = 0.0
    for place in range(bins):
        low, high = place / bins, (place + 1) / bins
        inside = (confidence >= low) & ((confidence < high) | (place == bins - 1))
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(error)


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 1024).map(lambda value: value / 1024), st.booleans()), max_size=60),
    bins=st.sampled_from([1, 2, 4, 8]),
)
def test_expected_calibration_error(pairs: list[tuple[float, bool]], bins: int) -> None:
    confidence = np.array([value for value, _ in pairs], dtype=np.float64)
    right = np.array([hit for _, hit in pairs], dtype=np.bool_)
    assert expected_calibration_error(confidence, right, bins=bins) == pytest.approx(brute(confidence, right, bins))


@pytest.mark.parametrize(("cases", "expected"), [(1_076, 0.030), (10_760, 0.0095)])
def test_the_floor_of_true_confidences(cases: int, expected: float) -> None:
    """Spread evenly, each bin's gap has mean √(2 p (1 − p) / (π n)): .030 and .0095."""
    confidence = np.random.default_rng(0).random(cases)
    assert calibration_floor(confidence, seed=0) == pytest.approx(expected, rel=0.05)
    assert calibration_floor(confidence, seed=0) == calibration_floor(confidence, seed=0)
    middles = np.linspace(0.05, 0.95, 10)
    within = np.mean(np.sqrt(2 * (middles * (1 - middles) - 1 / 1200) / np.pi / (cases / 10)))
    assert calibration_floor(confidence, seed=1, draws=400) == pytest.approx(within, rel=0.03)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40))
def test_as_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    right[:2] = True, False
    assert brier(confidence, right) == pytest.approx(brier_score_loss(right, confidence))
    inside = np.clip(confidence, 1e-9, 1 - 1e-9)
    assert negative_log_likelihood(inside, right) == pytest.approx(log_loss(right, inside))
    assert area_under_curve(confidence, right) == pytest.approx(roc_auc_score(right, confidence))


def test_a_certain_mistake_is_finite() -> None:
    assert negative_log_likelihood(np.array([1.0, 0.0]), np.array([False, True])) == pytest.approx(-np.log(1e-12))


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_no_curve_of_one_kind(positive: list[bool]) -> None:
    with pytest.raises(InvalidInput, match="some of either"):
        area_under_curve(np.array([0.1, 0.2]), np.array(positive))


def test_the_curve_of_a_diagram() -> None:
    random = np.random.default_rng(0)
    confidence = random.random(500) * 0.79
    right = random.random(500) < confidence
    curve = reliability(confidence, right)
    assert curve.count.sum() == 500
    assert np.isnan(curve.accuracy[8:]).all()
    for place in range(8):
        inside = (confidence >= place / 10) & (confidence < (place + 1) / 10)
        assert curve.count[place] == inside.sum()
        assert curve.confidence[place] == pytest.approx(confidence[inside].mean())
        found = binomtest(int(right[inside].sum()), int(inside.sum())).proportion_ci(0.95, method="wilson")
        assert (curve.low[place], curve.high[place]) == pytest.approx((found.low, found.high), abs=1e-6)
    errors = np.abs(curve.confidence - curve.accuracy)[:8] @ curve.count[:8] / 500
    assert errors == pytest.approx(expected_calibration_error(confidence, right))
