"""The gate: what passes, what does not, and what it names."""

import numpy as np
import pytest

from segue.errors import InvalidInput
from segue.evolve.release import NOT_FOUND, Case, Ranks, gate

COUNT = 400
CASES = [Case(f"query {place}", f"item {place}", "titles" if place < 300 else "topics") for place in range(COUNT)]


def ranks(*, wrong: range = range(0), by: int = NOT_FOUND) -> Ranks:
    found = np.ones(COUNT, dtype=np.int64)
    found[list(wrong)] = by
    return found


def test_what_breaks_nothing_passes() -> None:
    verdict = gate(CASES, ranks(wrong=range(20)), ranks())
    assert verdict.passed
    assert verdict.rate.high == pytest.approx(3 / COUNT)
    assert verdict.broken == ()
    assert verdict.right == (0.95, 1.0)
    assert verdict.gain.value == pytest.approx(0.05)
    assert "within the budget" in verdict.reason


def test_a_better_mean_does_not_pay_for_what_broke() -> None:
    verdict = gate(CASES, ranks(wrong=range(200)), ranks(wrong=range(290, 310), by=11))
    assert verdict.gain.low > 0
    assert not verdict.passed
    assert verdict.rate.value == pytest.approx(20 / COUNT)
    assert [one.case.text for one in verdict.broken] == [f"query {place}" for place in range(290, 310)]
    assert (verdict.broken[0].before, verdict.broken[0].after) == (1, 11)
    assert verdict.groups["titles"].negative == pytest.approx(10 / 300)
    assert verdict.groups["topics"].negative == pytest.approx(10 / 100)
    assert verdict.groups["titles"].before == pytest.approx(100 / 300)
    assert "20 of 400 cases broke" in verdict.reason


def test_first_is_named_what_stood_first() -> None:
    before = ranks()
    before[:3] = (7, 2, 5)
    verdict = gate(CASES, before, ranks(wrong=range(3)))
    assert [one.before for one in verdict.broken] == [2, 5, 7]


def test_where_few_cases_leave_it_open_nothing_passes() -> None:
    verdict = gate(CASES[:50], ranks()[:50], ranks()[:50])
    assert not verdict.passed
    assert "more cases would tell" in verdict.reason
    assert gate(CASES[:50], ranks()[:50], ranks()[:50], budget=0.06).passed


def test_k_is_where_found_ends() -> None:
    assert gate(CASES, ranks(), ranks(wrong=range(9), by=4), k=3).broken
    assert not gate(CASES, ranks(), ranks(wrong=range(9), by=4), k=4).broken


@pytest.mark.parametrize("options", [{"budget": 1.5}, {"k": 0}])
def test_what_does_not_fit_is_said(options: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="budget"):
        gate(CASES, ranks(), ranks(), **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="one rank a case"):
        gate(CASES, ranks()[:3], ranks())
    with pytest.raises(InvalidInput, match="lowest rank is -1"):
        gate(CASES, ranks(wrong=range(1), by=-1), ranks())
