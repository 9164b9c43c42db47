"""Bayesian linear regression against ridge regression in closed form, and its draws against the posterior."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.retrieve.linear_thompson import Floats, LinearThompson

SEEDS = st.integers(0, 2**32 - 1)
MEAN, DEVIATION, NOISE = np.array([0.1, -0.2, 0.0]), np.array([0.5, 0.1, 2.0]), 0.3


def regression() -> LinearThompson:
    return LinearThompson.prior(MEAN, DEVIATION, NOISE)


def told(seed: int, rows: int = 20) -> tuple[Floats, Floats, Floats]:
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, 3)), random.normal(size=rows), random.uniform(0.1, 3, rows)


def test_before_anything_is_seen_it_believes_the_prior() -> None:
    np.testing.assert_allclose(regression().mean, MEAN, atol=1e-12)
    covariance = NOISE**2 * np.linalg.inv(regression().precision)
    np.testing.assert_allclose(covariance, np.diag(DEVIATION**2), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, rows=st.integers(1, 20))
def test_it_is_weighted_ridge_regression_around_the_prior(seed: int, rows: int) -> None:
    """Least squares over the rows, and over a row for each weight that says it is its prior mean."""
    features, rewards, weights = told(seed, rows)
    stacked = np.concatenate([features * np.sqrt(weights)[:, None], np.diag(NOISE / DEVIATION)])
    wanted = np.concatenate([rewards * np.sqrt(weights), MEAN * NOISE / DEVIATION])
    expected = np.linalg.lstsq(stacked, wanted, rcond=None)[0]
    learned = regression()
    learned.learn(features, rewards, weights)
    np.testing.assert_allclose(learned.mean, expected, atol=1e-9)
    np.testing.assert_allclose(learned.precision, stacked.T @ stacked, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, cut=st.integers(1, 19), order=st.permutations(range(20)))
def test_neither_the_order_of_rows_nor_of_batches_matters(seed: int, cut: int, order: list[int]) -> None:
    features, rewards, weights = told(seed)
    one, other = regression(), regression()
    one.learn(features, rewards, weights)
    for part in (order[:cut], order[cut:]):
        other.learn(features[part], rewards[part], weights[part])
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-9)
    np.testing.assert_allclose(one.precision, other.precision, atol=1e-9)


def test_no_weights_are_weights_of_one_and_a_weight_of_two_is_a_row_twice() -> None:
    features, rewards, _ = told(0)
    plain, ones, twice, two = (regression() for _ in range(4))
    plain.learn(features, rewards)
    ones.learn(features, rewards, np.ones(20))
    np.testing.assert_allclose(plain.mean, ones.mean)
    twice.learn(np.repeat(features, 2, axis=0), np.repeat(rewards, 2))
    two.learn(features, rewards, np.full(20, 2.0))
    np.testing.assert_allclose(twice.mean, two.mean)


def test_weights_are_recovered() -> None:
    random, truth = np.random.default_rng(0), np.array([0.4, -0.1, 1.0])
    learned = regression()
    features = random.normal(size=(2000, 3))
    learned.learn(features, features @ truth + NOISE * random.normal(size=2000))
    deviation = NOISE * np.sqrt(np.diag(np.linalg.inv(learned.precision)))
    assert deviation.max() < 0.01
    np.testing.assert_array_less(np.abs(learned.mean - truth), 4 * deviation)


@pytest.mark.parametrize("rows", [0, 20])
def test_draws_have_the_moments_of_the_posterior(rows: int) -> None:
    features, rewards, weights = told(1, rows)
    learned, count = regression(), 40_000
    learned.learn(features, rewards, weights)
    drawn = learned.draw(np.random.default_rng(0), count)
    covariance = NOISE**2 * np.linalg.inv(learned.precision)
    deviation = np.sqrt(np.diag(covariance))
    assert drawn.shape == (3, count)
    np.testing.assert_array_less(np.abs(drawn.mean(axis=1) - learned.mean), 5 * deviation / np.sqrt(count))
    np.testing.assert_array_less(np.abs(np.cov(drawn) - covariance), 0.05 * np.outer(deviation, deviation))


def test_the_same_seed_draws_the_same() -> None:
    one, other = (regression().draw(np.random.default_rng(5), 8) for _ in range(2))
    assert one.tobytes() == other.tobytes()
