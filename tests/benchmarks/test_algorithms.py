"""What the benchmark on algorithmic tasks makes of its runs."""

from typing import Any

import pytest

from benchmarks.quality.algorithms import FLOWING, LONGEST, RANDOM_FLOWING, TRAINED, Job, as_table, gathered


def _run(within: float, beyond: float) -> dict[str, Any]:
    return {"by length": [within] * TRAINED + [beyond] * (LONGEST - TRAINED)}


def _runs() -> dict[Job, dict[str, Any]]:
    values = {"sinusoidal": 0.5, "rotary": 0.68, FLOWING: 0.54, RANDOM_FLOWING: 0.67}
    found = {
        (seed, task, arm): _run(1.0, value + shift + 0.1 * seed)
        for seed in range(2)
        for task, shift in (("even pairs", 0.0), ("bucket sort", 0.1))
        for arm, value in values.items()
    }
    return found | {(2, "even pairs", "rotary"): _run(0.0, 0.0)}


def test_a_mean_is_of_seeds_that_have_every_task() -> None:
    result = gathered(_runs())
    assert result["tasks"]["even pairs"]["rotary"]["seeds"] == [0, 1, 2]
    row = result["mean"]["rotary"]
    assert row["seeds"] == [0, 1]
    assert row["beyond"]["values"] == pytest.approx([0.73, 0.83])
    assert row["within"]["mean"] == 1.0
    assert len(row["by length"]) == 25


def test_a_task_that_some_arm_has_not_run_is_left_out_of_the_mean() -> None:
    runs: dict[Job, dict[str, Any]] = {**_runs(), (0, "reverse string", "rotary"): _run(0.0, 0.0)}
    result = gathered(runs)
    assert result["mean of"] == ["even pairs", "bucket sort"]
    assert result["mean"] == gathered(_runs())["mean"]
    assert "| rotary | **78.0" in as_table(result)


def test_differences_are_of_the_same_seed() -> None:
    row = gathered(_runs())["mean"]["rotary"]["beyond, against sinusoidal"]
    assert row["values"] == pytest.approx([0.18, 0.18])
    assert row["±"] == pytest.approx(0, abs=1e-9)


def test_the_claims_stand_below_the_table() -> None:
    table = as_table(gathered(_runs()))
    assert f"| {FLOWING}, points above sinusoidal | ≥ 5 | +4.0 | **no** |" in table
    assert f"| {RANDOM_FLOWING}, points above sinusoidal | ≥ 10 | +17.0 | yes |" in table
    assert "| the same, points above the best peer (rotary) | ≥ −2 | -1.0 | yes |" in table
