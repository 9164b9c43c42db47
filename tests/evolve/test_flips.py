"""Negative flips against a loop over the cases."""

from math import comb

import numpy as np
import pytest

from segue.errors import InvalidInput
from segue.evolve.flips import broken, flips, highest_rate, negative_flip_rate


def test_flips_equal_a_loop_over_the_cases() -> None:
    random = np.random.default_rng(0)
    old, new = random.random(500) < 0.8, random.random(500) < 0.9
    negative = sum(bool(before and not after) for before, after in zip(old, new, strict=True)) / 500
    positive = sum(bool(after and not before) for before, after in zip(old, new, strict=True)) / 500
    found = flips(old, new)
    assert found.negative == pytest.approx(negative)
    assert found.positive == pytest.approx(positive)
    assert found.relative == pytest.approx(negative / (old.mean() * (1 - new.mean())))
    assert found.impact == pytest.approx(negative / (1 - new.mean()))
    assert broken(old, new).tolist() == [case for case in range(500) if old[case] and not new[case]]


def test_independent_models_have_a_relative_rate_of_one() -> None:
    random = np.random.default_rng(1)
    found = flips(random.random(200_000) < 0.7, random.random(200_000) < 0.7)
    assert found.relative == pytest.approx(1.0, abs=0.02)


def test_the_same_model_breaks_nothing() -> None:
    right = np.array([True, False, True])
    assert flips(right, right).negative == 0
    assert flips(right, np.ones(3, dtype=bool)).impact == 0


def test_the_rate_has_an_interval() -> None:
    random = np.random.default_rng(2)
    old, new = random.random(2000) < 0.8, random.random(2000) < 0.9
    found, rate = negative_flip_rate(old, new), flips(old, new).negative
    spread = 1.96 * (rate * (1 - rate) / 2000) ** 0.5
    assert found.value == rate
    assert (found.low, found.high) == pytest.approx((rate - spread, rate + spread), abs=0.003)


def test_what_never_broke_may_still_break() -> None:
    """0 of n: with 95 % probability the rate is below 3 / n (the rule of three)."""
    found = negative_flip_rate(np.ones(300, dtype=bool), np.ones(300, dtype=bool))
    assert found.value == 0
    assert found.high == pytest.approx(0.01)
    assert (1 - found.high) ** 300 == pytest.approx(0.05, abs=0.002)
    assert negative_flip_rate(np.array([True]), np.array([True])).high == 1


@pytest.mark.parametrize(("old", "new"), [([True], [True, False]), ([], [])])
def test_cases_must_match(old: list[bool], new: list[bool]) -> None:
    with pytest.raises(InvalidInput, match="cases"):
        flips(np.array(old, dtype=bool), np.array(new, dtype=bool))


def test_the_highest_rate_is_the_exact_binomial_bound() -> None:
    old, new = np.ones(400, dtype=bool), np.ones(400, dtype=bool)
    new[:5] = False
    for tried in (1, 20):
        high = highest_rate(old, new, tried=tried)
        few = sum(comb(400, broke) * high**broke * (1 - high) ** (400 - broke) for broke in range(6))
        assert few == pytest.approx(0.025 / tried, rel=1e-6)  # so few flips would be as unlikely, were the rate higher
    assert highest_rate(old, ~old) == 1.0
