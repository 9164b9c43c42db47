"""Matched scores keep their order and are spread as the old ones were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import InvalidInput
from segue.understand.hypotheses import Floats
from segue.understand.matching import match


def test_quantiles_are_those_of_the_old_scores() -> None:
    random = np.random.default_rng(0)
    new, old = random.normal(2, 0.5, 20_000), random.gamma(2, 2, 20_000) - 6
    matched = match(new, old)(new)
    at = np.linspace(0.01, 0.99, 99)
    np.testing.assert_allclose(np.quantile(matched, at), np.quantile(old, at), rtol=0.02, atol=0.05)
    np.testing.assert_array_equal(np.argsort(matched), np.argsort(new))


def test_scores_that_did_not_change_stay() -> None:
    scores = np.random.default_rng(0).normal(0, 2, 1000)
    np.testing.assert_allclose(match(scores, scores)(scores), scores, atol=1e-9)


numbers = st.lists(st.integers(-40, 40).map(lambda value: value / 4), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(new=numbers, old=numbers)
def test_the_order_is_kept_strictly(new: list[float], old: list[float]) -> None:
    """Also of equal scores, of old scores that are all alike, and outside what was seen."""
    found = match(np.array(new), np.array(old))
    asked = np.unique(np.array([*new, min(new) - 5, max(new) + 5, *np.linspace(-12, 12, 49)]))
    assert (np.diff(found(asked)) > 0).all()
    assert found(asked[:1]).shape == (1,)


@pytest.mark.parametrize(("new", "old"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([0.0], [np.inf])])
def test_what_cannot_be_matched_is_refused(new: Floats, old: Floats) -> None:
    with pytest.raises(InvalidInput, match="matched"):
        match(np.array(new), np.array(old))
