"""Negative flips against a loop over the cases."""

import numpy as np
import pytest

from segue.errors import InvalidInput
from segue.evolve.flips import flips


def test_flips_equal_a_loop_over_the_cases() -> None:
    random = np.random.default_rng(0)
    old, new = random.random(500) < 0.8, random.random(500) < 0.9
    negative = sum(bool(before and not after) for before, after in zip(old, new, strict=True)) / 500
    positive = sum(bool(after and not before) for before, after in zip(old, new, strict=True)) / 500
    found = flips(old, new)
    assert found.negative == pytest.approx(negative)
    assert found.positive == pytest.approx(positive)
    assert found.relative == pytest.approx(negative / (old.mean() * (1 - new.mean())))


def test_independent_models_have_a_relative_rate_of_one() -> None:
    random = np.random.default_rng(1)
    found = flips(random.random(200_000) < 0.7, random.random(200_000) < 0.7)
    assert found.relative == pytest.approx(1.0, abs=0.02)


def test_the_same_model_breaks_nothing() -> None:
    right = np.array([True, False, True])
    assert flips(right, right).negative == 0


@pytest.mark.parametrize(("old", "new"), [([True], [True, False]), ([], [])])
def test_cases_must_match(old: list[bool], new: list[bool]) -> None:
    with pytest.raises(InvalidInput, match="cases"):
        flips(np.array(old, dtype=bool), np.array(new, dtype=bool))
