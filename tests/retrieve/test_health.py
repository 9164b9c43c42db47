"""Health: what falls is named soon, what is merely noisy never, and what is well again is taken back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.retrieve.health import SIGNALS, ArmHealth, Average, Signal

SIGNAL = st.sampled_from(sorted(SIGNALS))


def seen(signal: Signal, values: list[float]) -> ArmHealth:
    health = ArmHealth()
    for value in values:
        health.observe(signal, value)
    return health


def until_changed(health: ArmHealth, signal: Signal, values: list[float]) -> int:
    """After how many of the values the verdict changes; more than there are, if it does not."""
    return next((n for n, value in enumerate(values, 1) if health.observe(signal, value)), len(values) + 1)


def noise(rate: float, count: int, seed: int = 0) -> list[float]:
    return [float(drawn < rate) for drawn in np.random.default_rng(seed).random(count)]


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_averages_begin_as_plain_means(values: list[float]) -> None:
    """As long as a plain mean moves faster than the exponential average would."""
    average = Average()
    for value in values:
        average.observe(value, frozen=False)
    assert average.count == len(values)
    assert average.long == pytest.approx(np.mean(values))
    assert -1e-9 <= average.variance <= 1
    if len(values) <= 33:
        assert average.short == pytest.approx(np.mean(values))


def test_the_short_average_forgets_sooner() -> None:
    average = Average()
    for value in [1.0] * 1000 + [0.0] * 100:
        average.observe(value, frozen=False)
    assert average.short == pytest.approx(0.97**100)
    assert average.long > 0.8


@pytest.mark.parametrize("signal", sorted(SIGNALS))
@pytest.mark.parametrize("rate", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_signal_that_falls_to_zero_is_named_soon(signal: Signal, rate: float, seed: int) -> None:
    health = seen(signal, noise(rate, 5000, seed))
    assert not health.demoted
    assert until_changed(health, signal, [0.0] * 100) <= 100
    assert health.broken == (signal,)
    assert health.demoted
    assert health.alarms == 1
    described = health.describe()
    assert described["healthy"] is False
    assert described["why"] == [SIGNALS[signal]]


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(2))
def test_noise_is_no_alarm(rate: float, seed: int) -> None:
    health = seen("credit", noise(rate, 20_000, seed))
    assert health.alarms == 0
    assert health.averages["credit"].long == pytest.approx(rate, abs=0.08)


@settings(max_examples=30, deadline=None)
@given(well=st.integers(0, 99))
def test_nothing_is_said_before_enough_was_seen(well: int) -> None:
    assert not seen("answers", [1.0] * well + [0.0] * (99 - well)).demoted


@settings(max_examples=30, deadline=None)
@given(signal=SIGNAL, start=st.floats(0.1, 1), share=st.floats(0.4, 1))
def test_a_fall_to_less_than_half_is_still_no_break(signal: Signal, start: float, share: float) -> None:
    assert seen(signal, [start] * 300 + [start * share] * 500).alarms == 0


@pytest.mark.parametrize("rate", [0.4, 1.0])
def test_it_is_taken_back_and_every_alarm_counts(rate: float) -> None:
    health, well = seen("agreement", noise(rate, 500)), []
    for alarm in range(1, 4):
        assert until_changed(health, "agreement", [0.0] * 200) <= 100
        usual = health.averages["agreement"].long
        seen_broken = [0.0] * 2000
        assert until_changed(health, "agreement", seen_broken) > 2000
        assert health.averages["agreement"].long == usual  # what is normal does not follow while it is broken
        assert health.alarms == alarm
        well.append(until_changed(health, "agreement", noise(rate, 500, alarm)))
        assert not health.demoted
        assert health.describe()["healthy"] is True
        assert health.describe()["why"] == []
        for value in noise(rate, 500, 10 + alarm):
            assert not health.observe("agreement", value)
    assert max(well) <= 100


def test_other_signals_do_not_excuse_the_one_that_fell() -> None:
    health = seen("answers", [1.0] * 200)
    for value in [1.0] * 200 + [0.0] * 100:
        health.observe("credit", value)
    assert health.broken == ("credit",)
    for _ in range(300):
        assert not health.observe("answers", 1.0)
    assert health.broken == ("credit",)
    assert until_changed(health, "credit", [1.0] * 100) <= 100
    assert not health.demoted


def test_strategies_share_nothing() -> None:
    one, other = ArmHealth(), ArmHealth()
    one.observe("answers", 1.0)
    assert other.averages["answers"].count == 0
    assert other.averages is not one.averages
