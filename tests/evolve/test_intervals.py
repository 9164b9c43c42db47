"""Bootstrap intervals against a loop and against what is known of means."""

import numpy as np
import pytest

from segue.errors import InvalidInput
from segue.evolve.intervals import bootstrap


def test_it_equals_a_loop_over_draws() -> None:
    random = np.random.default_rng(0)
    old, new = random.random((30, 2)), random.random(30)
    found = bootstrap(lambda a, b: a.mean(axis=1) / b, old, new, draws=200, seed=4)
    assert found.value == pytest.approx(old.mean() / new.mean())
    again = np.random.default_rng(4).multinomial(30, np.full(30, 1 / 30), size=200)
    values = []
    for counts in again:
        chosen = np.repeat(np.arange(30), counts)
        values.append(old[chosen].mean() / new[chosen].mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    cases = np.random.default_rng(1).normal(3, 2, 2000)
    found = bootstrap(lambda mean: mean, cases)
    assert found.low == pytest.approx(cases.mean() - 1.96 * cases.std() / 2000**0.5, abs=0.02)
    assert found.high == pytest.approx(cases.mean() + 1.96 * cases.std() / 2000**0.5, abs=0.02)


def test_what_two_models_share_cancels() -> None:
    old = np.random.default_rng(2).random(500)
    found = bootstrap(lambda a, b: b - a, old, old + 0.1)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))


def test_cases_must_match() -> None:
    for cases in ((np.ones(3), np.ones(2)), (np.ones(0),), ()):
        with pytest.raises(InvalidInput, match="cases"):
            bootstrap(lambda *means: means[0], *cases)
    with pytest.raises(InvalidInput, match="not finite"):
        bootstrap(lambda mean: mean, np.array([1.0, np.nan]))
