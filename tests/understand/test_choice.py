"""The choice between domains: a conditional logit, against finite differences and a model that is known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax

from segue.understand import choice as module
from segue.understand.calibration import expected_calibration_error
from segue.understand.choice import CUES, Choice, features, fit, untrained
from segue.understand.language import listen

Floats = NDArray[np.float64]


def drawn(weights: Floats, count: int, domains: int, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Examples from a known model: standard normal features, and a domain drawn with its probability."""
    random = np.random.default_rng(seed)
    examples = random.standard_normal((count, domains, len(weights)))
    shares = softmax(examples @ weights, axis=1)
    right = (shares.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    return examples, right.astype(np.int64)


TRUE = np.array([1.5, -1.0, 0.5, 0.0])


def loss(weights: Floats, examples: Floats, right: NDArray[np.int64]) -> float:
    """−Σ log P(right) / n + ridge ‖w‖² / 2, written out."""
    total = 0.0
    for example, place in zip(examples, right, strict=True):
        scores = [float(row @ weights) for row in example]
        total -= scores[place] - np.log(sum(np.exp(score) for score in scores))
    return float(total / len(right) + module._RIDGE * (weights @ weights) / 2)


def differences(weights: Floats, examples: Floats, right: NDArray[np.int64], step: float = 1e-5) -> Floats:
    steps = np.eye(len(weights)) * step
    return np.array(
        [(loss(weights + s, examples, right) - loss(weights - s, examples, right)) / (2 * step) for s in steps]
    )


def test_the_gradient_is_that_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    examples, right = drawn(TRUE, 40, 3)
    asked: dict[str, Any] = {}

    class Result:
        x = TRUE

    def minimize(function: Any, start: Floats, **options: Any) -> Result:
        asked.update(options, start=start, function=function)
        return Result()

    monkeypatch.setattr(module, "minimize", minimize)
    fit(examples, right)
    assert asked["jac"] is True
    for seed in range(3):
        weights = np.random.default_rng(seed).standard_normal(4)
        value, gradient = asked["function"](weights)
        assert value == pytest.approx(loss(weights, examples, right))
        np.testing.assert_allclose(gradient, differences(weights, examples, right), atol=1e-7)


def test_fit_ends_where_the_gradient_vanishes() -> None:
    examples, right = drawn(TRUE, 300, 3)
    fitted = fit(examples, right).weights
    np.testing.assert_allclose(differences(fitted, examples, right), 0, atol=1e-4)
    other = fit(examples, right, parent=Choice(np.array([5.0, 5.0, -5.0, 3.0]))).weights
    np.testing.assert_allclose(fitted, other, atol=1e-3)  # convex: the start does not matter


def test_a_known_model_is_found_again_and_calibrated() -> None:
    fitted = fit(*drawn(TRUE, 4_000, 4))
    np.testing.assert_allclose(fitted.weights, TRUE, atol=0.15)
    examples, right = drawn(TRUE, 4_000, 4, seed=1)
    shares = np.stack([fitted.probabilities(one) for one in examples])
    error = expected_calibration_error(shares.max(axis=1), shares.argmax(axis=1) == right)
    assert error < 0.03
    too_sure = np.stack([Choice(3 * TRUE).probabilities(one) for one in examples])
    assert expected_calibration_error(too_sure.max(axis=1), too_sure.argmax(axis=1) == right) > 3 * error


def test_what_is_told_apart_without_fail_does_not_run_away() -> None:
    """The ridge keeps weights finite when one feature gives the answer away."""
    right = np.arange(50) % 2
    examples = np.zeros((50, 2, 1))
    examples[np.arange(50), right, 0] = 1
    weights = fit(examples, right).weights
    assert np.isfinite(weights).all()
    assert Choice(weights).probabilities(np.array([[1.0], [0.0]]))[0] > 0.95


@settings(max_examples=60, deadline=None)
@given(
    table=st.integers(1, 6).flatmap(
        lambda domains: st.lists(
            st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=domains, max_size=domains
        )
    ),
    weights=st.lists(st.floats(-20, 20), min_size=3, max_size=3),
)
def test_probabilities_are_a_distribution(table: list[list[float]], weights: list[float]) -> None:
    shares = Choice(np.array(weights)).probabilities(np.array(table))
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()
    assert np.isfinite(shares).all()
    swapped = Choice(np.array(weights)).probabilities(np.array(table[::-1]))
    np.testing.assert_allclose(shares[::-1], swapped)


def test_features_add_what_the_request_says_of_the_domains() -> None:
    evidence = [np.array([0.5, 1.0]), np.array([0.2, 0.0]), np.array([0.1, 0.1])]
    table = features(evidence, ["films", "books", "recipes"], listen("the movie mary poppins"))
    assert table.shape == (3, 2 + CUES)
    assert table[:, :2].tolist() == [one.tolist() for one in evidence]
    assert table[:, 2].tolist() == [1, 0, 0]  # named itself
    assert table[:, 3].tolist() == [0, 1, 1]  # another one is named
    alone = features(evidence[:1], ["films"], listen("the movie"))
    assert alone[0, 2:].tolist() == [1, 0]


def test_before_it_is_fitted_a_named_domain_counts() -> None:
    start = untrained(2)
    assert start.weights.shape == (2 + CUES,)
    table = features([np.zeros(2), np.zeros(2)], ["films", "books"], listen("the movie"))
    assert start.probabilities(table)[0] > 0.9
