"""Cross-test, update gain and backfilling curves, by hand."""

import numpy as np
import pytest

from segue.errors import InvalidInput
from segue.evolve.bridges import unit
from segue.evolve.compatibility import BackfillingCurve, cross_test, is_compatible, update_gain


def test_every_model_asks_every_gallery() -> None:
    random = np.random.default_rng(0)
    queries = {
        "old": random.normal(size=(4, 3)).astype(np.float32),
        "new": random.normal(size=(4, 5)).astype(np.float32),
    }
    galleries = {
        "old": random.normal(size=(6, 3)).astype(np.float32),
        "new": random.normal(size=(6, 5)).astype(np.float32),
    }
    found = cross_test(queries, galleries, lambda scores: float(scores[1, 2]))
    for asking, width in (("old", 3), ("new", 5)):
        for holding, held in (("old", 3), ("new", 5)):
            both = min(width, held)
            one, other = queries[asking][1:2, :both], galleries[holding][2:3, :both]
            assert found[asking][holding] == pytest.approx(float(unit(one)[0] @ unit(other)[0]))


def test_gain_is_the_share_of_what_there_is_to_gain() -> None:
    assert update_gain(0.5, old=0.5, paragon=0.9) == 0
    assert update_gain(0.9, old=0.5, paragon=0.9) == pytest.approx(1)
    assert update_gain(0.4, old=0.5, paragon=0.9) == pytest.approx(-0.25)
    assert is_compatible(0.51, 0.5)
    assert not is_compatible(0.5, 0.5)
    with pytest.raises(InvalidInput, match="The paragon reaches"):
        update_gain(0.5, old=0.9, paragon=0.9)


def test_the_area_is_that_of_the_trapezoids() -> None:
    curve = BackfillingCurve([0, 0.25, 1], [0.4, 0.8, 0.9])
    assert curve.area() == pytest.approx(0.25 * 0.6 + 0.75 * 0.85)
    assert curve.gain() == pytest.approx((curve.area() - 0.4) / 0.5)
    assert curve.falls() == 0
    assert BackfillingCurve([0, 0.5, 1], [0.4, 0.6, 0.8]).gain() == pytest.approx(0.5)
    assert BackfillingCurve([0, 0.5, 0.7, 1], [0.4, 0.3, 0.6, 0.55]).falls() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("share", "quality"),
    [([0, 1], [1]), ([0], [1]), ([0, 0.5], [1, 1]), ([0.1, 1], [1, 1]), ([0, 0.5, 0.5, 1], [1] * 4)],
)
def test_a_curve_goes_from_nothing_to_all(share: list[float], quality: list[float]) -> None:
    with pytest.raises(InvalidInput, match="The curve"):
        BackfillingCurve(share, quality)
