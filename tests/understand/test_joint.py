"""The joint ceiling: its gradient, its probabilities, and that it repairs what it is built for."""

from typing import Any

import numpy as np
import pytest

from benchmarks.made_up import Built, made_up
from segue.errors import InvalidInput
from segue.understand import joint as module
from segue.understand.calibration import calibration_floor, expected_calibration_error
from segue.understand.hypotheses import Floats
from segue.understand.joint import fit_joint
from segue.understand.measures import compared, errors_everywhere, outcomes
from segue.understand.merging import merge

DOMAINS = {"films": Built(), "books": Built(sure=3, shift=2), "songs": Built(sure=0.5, shift=-2)}
TRAINING = made_up(3000, DOMAINS, seed=0)
HELD_OUT = made_up(3000, DOMAINS, seed=1)
TABLES = [table for table, _ in HELD_OUT.tables]


@pytest.mark.parametrize("error", [0.0, 2.0])
def test_the_gradient_is_that_of_the_loss(error: float, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Result:
        x: Floats

    def minimize(function: Any, start: Floats, **_: Any) -> Result:
        asked["function"] = function
        Result.x = start
        return Result()

    monkeypatch.setattr(module, "minimize", minimize)
    small = made_up(50, DOMAINS, seed=2)
    errors = [errors_everywhere(table, small.utterances) for table, _ in small.tables]
    start = fit_joint(small.tables, error=error, errors=errors)
    size = sum(map(len, start.weights)) + start.offsets.size
    parameters = 0.2 * np.random.default_rng(0).standard_normal(size)
    _, gradient = asked["function"](parameters)
    steps = 1e-5 * np.eye(size)
    function = asked["function"]
    differences = [(function(parameters + step)[0] - function(parameters - step)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-8)


def test_it_is_calibrated_and_better_than_the_product() -> None:
    found = fit_joint(TRAINING.tables).confidences(TABLES)
    request = np.concatenate([table.request for table in TABLES])
    assert (np.bincount(request, np.concatenate(found)) < 1).all()
    product = [np.exp(table.logs.sum(axis=1)) for table in TABLES]
    arms = [
        outcomes(merge(list(zip(TABLES, arm, strict=True))), TABLES, HELD_OUT.utterances) for arm in (product, found)
    ]
    differences = compared(*arms, seed=0)
    assert differences["semantic error"].relative_interval[1] < 0
    assert differences["domain accuracy"].interval[0] > 0
    floor = calibration_floor(arms[1].confidence, seed=0)
    assert expected_calibration_error(arms[1].confidence, arms[1].right) < floor + 0.015


def test_what_cannot_be_used_is_refused() -> None:
    found = fit_joint(TRAINING.tables)
    with pytest.raises(InvalidInput, match="other domains"):
        found.confidences(TABLES[:2])
    with pytest.raises(InvalidInput, match="No hypothesis of any domain is right"):
        fit_joint([])
