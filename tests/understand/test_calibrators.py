"""What re-rankers are compared with: against scikit-learn, and what each must do."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped,unused-ignore]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped,unused-ignore]

from segue.errors import InvalidInput
from segue.understand.calibration import calibration_floor, expected_calibration_error, negative_log_likelihood
from segue.understand.calibrators import (
    CALIBRATIONS,
    Calibrator,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)
from segue.understand.hypotheses import Flags, Floats

Fit = Callable[[Floats, Flags], Calibrator]


def drawn(slope: float, offset: float, count: int = 8000, seed: int = 0) -> tuple[Floats, Flags]:
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 2, count)
    return logits, random.random(count) < expit(slope * logits + offset)


def test_platt_is_the_logistic_regression_of_scikit_learn() -> None:
    logits, right = drawn(0.5, 1.0, count=300)
    found = fit_platt(logits, right)
    yes, no = right.sum(), (~right).sum()
    targets = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))
    twice = np.r_[logits, logits][:, None]  # each case once as right and once as wrong, by its target
    peer = LogisticRegression(C=1e12, tol=1e-10).fit(
        twice, np.repeat([1, 0], len(logits)), sample_weight=np.r_[targets, 1 - targets]
    )
    assert found.slope == pytest.approx(peer.coef_[0, 0], rel=1e-3)
    assert found.offset == pytest.approx(peer.intercept_[0], rel=1e-3)


def test_isotonic_is_that_of_scikit_learn() -> None:
    logits, right = drawn(0.5, 1.0, count=500)
    logits = logits.round(1)  # with ties
    peer = IsotonicRegression(out_of_bounds="clip").fit(logits, right)
    asked = np.linspace(-12, 12, 200)
    np.testing.assert_allclose(fit_isotonic(logits, right).confidences(asked), peer.predict(asked), atol=1e-12)


def test_temperature_is_the_best_of_many() -> None:
    logits, right = drawn(0.5, 0)
    found = fit_temperature(logits, right)
    assert found.slope == pytest.approx(0.5, abs=0.05)
    slopes = np.linspace(0.2, 1.0, 161)
    losses = [negative_log_likelihood(expit(slope * logits), right) for slope in slopes]
    assert negative_log_likelihood(found.confidences(logits), right) <= min(losses) + 1e-9


@pytest.mark.parametrize("fit", [fit_platt, fit_temperature, fit_isotonic])
def test_each_is_calibrated_where_it_can_be(fit: Fit) -> None:
    calibrator = fit(*drawn(0.4, 0))
    logits, right = drawn(0.4, 0, seed=1)
    confidence = calibrator.confidences(logits)
    floor = calibration_floor(confidence, seed=0)
    assert expected_calibration_error(confidence, right) < floor + 0.015
    assert expected_calibration_error(expit(logits), right) > 5 * floor


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_confidences_never_fall(name: str) -> None:
    confidence = CALIBRATIONS[name](*drawn(0.4, -1)).confidences(np.linspace(-40, 40, 400))
    assert (np.diff(confidence) >= 0).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()


@pytest.mark.parametrize("fit", [fit_platt, fit_temperature, fit_isotonic])
def test_what_is_told_apart_without_fail_is_finite(fit: Fit) -> None:
    logits = np.array([-1.0, -0.5, 0.5, 1.0])
    assert np.isfinite(fit(logits, logits > 0).confidences(logits)).all()


@pytest.mark.parametrize("fit", [fit_platt, fit_temperature, fit_isotonic])
def test_what_cannot_be_used_is_refused(fit: Fit) -> None:
    for logits, right in (([], []), ([1.0], [True, False]), ([np.inf], [True])):
        with pytest.raises(InvalidInput, match="cannot be used"):
            fit(np.array(logits), np.array(right, dtype=bool))
