"""Off-policy evaluation: closed forms, expectations by counting every case, coverage by simulation, and what it warns of."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.retrieve.off_policy import (
    Estimate,
    doubly_robust,
    fit_reward_model,
    independent_ips,
    ips,
    pseudo_inverse,
    snips,
)

Values = NDArray[np.float64]

COUNTS = st.lists(st.integers(1, 4), min_size=2, max_size=3)
SEEDS = st.integers(0, 2**32 - 1)


def exact_log(counts: list[int]) -> tuple[NDArray[np.int64], Values]:
    """Every action as often as its propensity says, so that the mean of this log is the expectation over all logs."""
    actions = np.repeat(np.arange(len(counts)), counts)
    return actions, np.asarray(counts)[actions] / sum(counts)


def exact_slates(counts: list[list[int]]) -> tuple[NDArray[np.int64], Values]:
    """The same for slates [n, slots] whose slots are filled independently, and the marginal of each shown item."""
    slots = [exact_log(own) for own in counts]
    slates = np.array(list(product(*(actions for actions, _ in slots))))
    marginals = np.array(list(product(*(propensities for _, propensities in slots))))
    return slates, marginals


def distribution(random: np.random.Generator, size: int) -> Values:
    return random.dirichlet(np.full(size, 0.5))


def mixture_of_two(random: np.random.Generator, counts: list[list[int]]) -> Values:
    """Target marginals [slots, items] of a policy whose slots depend on each other: with chance 1/2 one slate or another."""
    marginals = np.zeros((len(counts), max(len(own) for own in counts)))
    for _ in range(2):
        for slot, own in enumerate(counts):
            marginals[slot, random.integers(len(own))] += 0.5
    return marginals


@given(
    rewards=st.lists(st.floats(-5, 5), min_size=2, max_size=30),
    propensity=st.floats(0.05, 1),
)
def test_the_logging_policy_is_worth_what_it_earned(rewards: list[float], propensity: float) -> None:
    p = np.full(len(rewards), propensity)
    constant = np.full(len(rewards), 0.3)
    for estimate in (
        ips(rewards, p, p),
        snips(rewards, p, p),
        doubly_robust(rewards, p, p, constant, constant),
        pseudo_inverse(rewards, p[:, None], p[:, None]),
        independent_ips(np.array(rewards)[:, None], p[:, None], p[:, None]),
    ):
        assert estimate.value == pytest.approx(np.mean(rewards), abs=1e-9)
        assert estimate.effective_sample_size == pytest.approx(len(rewards))
        assert estimate.samples == len(rewards)
        assert estimate.low <= estimate.value <= estimate.high


def test_two_arms_by_hand() -> None:
    """Arm A shown with .8, three times, rewards 1, 0, 1; arm B with .2, once, reward 1. The new policy takes B with .6."""
    rewards, shown, wanted = [1, 0, 1, 1], [0.8, 0.8, 0.8, 0.2], [0.4, 0.4, 0.4, 0.6]  # weights .5, .5, .5, 3
    assert ips(rewards, shown, wanted).value == pytest.approx((0.5 + 0.5 + 3) / 4)
    assert snips(rewards, shown, wanted).value == pytest.approx(4 / 4.5)
    predicted, expected = [0.5, 0.5, 0.5, 0.75], [0.4 * 0.5 + 0.6 * 0.75] * 4
    robust = doubly_robust(rewards, shown, wanted, predicted, expected)
    assert robust.value == pytest.approx(0.65 + (0.25 - 0.25 + 0.25 + 3 * 0.25) / 4)
    assert robust.effective_sample_size == pytest.approx(4.5**2 / 9.75)
    assert ips(rewards, shown, wanted, clip=2).value == pytest.approx((0.5 + 0.5 + 2) / 4)
    assert snips(rewards, shown, wanted, clip=2).value == pytest.approx(3 / 3.5)
    clipped = doubly_robust(rewards, shown, wanted, predicted, expected, clip=2)
    assert clipped.value == pytest.approx(0.65 + (0.25 - 0.25 + 0.25 + 2 * 0.25) / 4)


def test_slates_by_hand() -> None:
    """Two slots; ratios 2 and .5 in the first slate, 1 and 1 in the second."""
    shown, wanted = [[0.25, 0.5], [0.75, 0.5]], [[0.5, 0.25], [0.75, 0.5]]
    assert pseudo_inverse([4, 1], shown, wanted).value == pytest.approx((4 * 1.5 + 1) / 2)
    assert independent_ips([[1, 1], [0, 1]], shown, wanted).value == pytest.approx((2.5 + 1) / 2)


@given(counts=st.lists(COUNTS, min_size=1, max_size=4), seed=SEEDS)
def test_ips_and_doubly_robust_expect_the_truth(counts: list[list[int]], seed: int) -> None:
    """Over several contexts; doubly robust with a model that is plainly wrong."""
    random = np.random.default_rng(seed)
    truth, value, robust = 0.0, 0.0, 0.0
    for own in counts:
        actions, shown = exact_log(own)
        target, reward, model = (
            distribution(random, len(own)),
            random.normal(size=len(own)),
            random.normal(size=len(own)),
        )
        truth += float(target @ reward) / len(counts)
        value += ips(reward[actions], shown, target[actions]).value / len(counts)
        expected = np.full(len(actions), target @ model)
        robust += doubly_robust(reward[actions], shown, target[actions], model[actions], expected).value / len(counts)
    assert value == pytest.approx(truth, abs=1e-9)
    assert robust == pytest.approx(truth, abs=1e-9)


@given(counts=COUNTS, seed=SEEDS)
def test_doubly_robust_with_a_perfect_model_is_exact_whatever_the_propensities(counts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    target, reward = distribution(random, len(counts)), random.normal(size=len(counts))
    actions = random.integers(len(counts), size=20)
    estimate = doubly_robust(
        reward[actions], random.uniform(0.01, 1, 20), target[actions], reward[actions], np.full(20, target @ reward)
    )
    assert estimate.value == pytest.approx(target @ reward, abs=1e-9)


@settings(deadline=None)
@given(counts=st.lists(COUNTS, min_size=2, max_size=3), seed=SEEDS)
def test_slate_estimators_expect_the_truth(counts: list[list[int]], seed: int) -> None:
    """Rewards are what each slot's item is worth there; the new policy's slots depend on each other."""
    random = np.random.default_rng(seed)
    slates, shown = exact_slates(counts)
    target = mixture_of_two(random, counts)
    worth = random.normal(size=target.shape)
    slots = np.arange(len(counts))
    earned, wanted = worth[slots, slates], target[slots, slates]
    truth = (worth * target).sum()
    assert pseudo_inverse(earned.sum(axis=1), shown, wanted).value == pytest.approx(truth, abs=1e-9)
    assert independent_ips(earned, shown, wanted).value == pytest.approx(truth, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(COUNTS, min_size=1, max_size=3), seed=SEEDS)
def test_the_closed_form_is_the_pseudo_inverse_of_the_second_moments(counts: list[list[int]], seed: int) -> None:
    """Swaminathan and others (2017), equation 3: weight = E_target[1_s]ᵀ E_logging[1_s 1_sᵀ]⁺ 1_s, for every slate."""
    slates, shown = exact_slates(counts)
    target = mixture_of_two(np.random.default_rng(seed), counts)
    slots, items = target.shape
    shows = np.zeros((len(slates), slots, items))
    shows[np.arange(len(slates))[:, None], np.arange(slots), slates] = 1
    indicators = shows.reshape(len(slates), slots * items)
    weights = indicators @ np.linalg.pinv(indicators.T @ indicators / len(slates)) @ target.ravel()
    wanted = target[np.arange(slots), slates]
    for row in np.unique(slates, axis=0, return_index=True)[1]:
        closed = pseudo_inverse([1, 1], shown[[row, row]], wanted[[row, row]]).value
        assert closed == pytest.approx(weights[row], abs=1e-8)


def any_log(seed: int, n: int = 40, slots: int = 3) -> dict[str, Values]:
    random = np.random.default_rng(seed)
    return {
        "rewards": random.normal(size=(n, slots)),
        "propensities": random.uniform(0.1, 0.9, (n, slots)),
        "targets": random.uniform(0.1, 0.9, (n, slots)),
        "predicted": random.normal(size=n),
        "expected": random.normal(size=n),
    }


def all_estimates(log: dict[str, Values], rows: Any = slice(None), scale: float = 1.0) -> dict[str, Estimate]:
    rewards, shown, wanted = scale * log["rewards"][rows], log["propensities"][rows], log["targets"][rows]
    first = rewards[:, 0], shown[:, 0], wanted[:, 0]
    return {
        "ips": ips(*first),
        "clipped": ips(*first, clip=1.5),
        "snips": snips(*first),
        "robust": doubly_robust(*first, scale * log["predicted"][rows], scale * log["expected"][rows]),
        "slates": pseudo_inverse(rewards.sum(axis=1), shown, wanted),
        "slots": independent_ips(rewards, shown, wanted),
    }


@given(seed=SEEDS)
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    log = any_log(seed)
    shuffled = np.random.default_rng(seed).permutation(40)
    for before, after in zip(all_estimates(log).values(), all_estimates(log, shuffled).values(), strict=True):
        assert [after.value, after.low, after.high] == pytest.approx([before.value, before.low, before.high], abs=1e-9)
        assert after.effective_sample_size == pytest.approx(before.effective_sample_size)
        assert after.warnings == before.warnings


@given(seed=SEEDS, scale=st.floats(-100, 100).filter(lambda scale: abs(scale) > 0.01))
def test_scaling_the_rewards_scales_the_estimate_and_its_interval(seed: int, scale: float) -> None:
    log = any_log(seed)
    for before, after in zip(all_estimates(log).values(), all_estimates(log, scale=scale).values(), strict=True):
        ends = sorted([scale * before.low, scale * before.high])
        assert [after.value, after.low, after.high] == pytest.approx([scale * before.value, *ends], abs=1e-7)
        assert after.effective_sample_size == before.effective_sample_size


@given(seed=SEEDS)
def test_snips_stays_within_the_rewards_and_does_not_move_with_them(seed: int) -> None:
    log = any_log(seed)
    rewards, shown, wanted = (log[name][:, 0] for name in ("rewards", "propensities", "targets"))
    found = snips(rewards, shown, wanted)
    assert rewards.min() <= found.value <= rewards.max()
    moved = snips(rewards + 7, shown, wanted)
    assert [moved.value, moved.low, moved.high] == pytest.approx([found.value + 7, found.low + 7, found.high + 7])


@given(seed=SEEDS, clip=st.floats(0.05, 20))
def test_clipping_only_ever_lowers_an_estimate_of_rewards_above_zero(seed: int, clip: float) -> None:
    log = any_log(seed)
    rewards, shown, wanted = np.abs(log["rewards"][:, 0]), log["propensities"][:, 0], log["targets"][:, 0]
    whole, clipped = ips(rewards, shown, wanted), ips(rewards, shown, wanted, clip=clip)
    lost = (np.maximum(wanted / shown - clip, 0) * rewards).mean()
    assert clipped.value == pytest.approx(whole.value - lost)
    assert any("clipped" in warning for warning in clipped.warnings) == bool((wanted / shown > clip).any())


def test_the_interval_of_terms_without_skewness_is_the_normal_one() -> None:
    rewards, ones = np.tile([0.0, 1.0], 50), np.ones(100)
    found = ips(rewards, ones, ones)
    half = 1.959964 * rewards.std(ddof=1) / math.sqrt(100)
    assert [found.low, found.high] == pytest.approx([0.5 - half, 0.5 + half])


def test_the_interval_of_terms_with_a_long_tail_reaches_further_to_that_side() -> None:
    rewards, ones = np.array([1.0] * 5 + [0.0] * 95), np.ones(100)
    found, mirrored = ips(rewards, ones, ones), ips(-rewards, ones, ones)
    assert found.high - found.value > found.value - found.low
    assert [mirrored.low, mirrored.high] == pytest.approx([-found.high, -found.low])


def arms(random: np.random.Generator, n: int) -> tuple[float, list[Estimate]]:
    """Ten arms; the logging policy gives .1 to what the new one gives .7, so weights run from .08 to 7."""
    logging = np.array([0.5, 0.1, *[0.05] * 8])
    target = np.array([0.04, 0.7, *[0.0325] * 8])
    worth = np.linspace(0.6, 0.1, 10)
    actions = random.choice(10, size=n, p=logging)
    rewards = (random.random(n) < worth[actions]).astype(float)
    shown, wanted = logging[actions], target[actions]
    model = np.clip(worth + 0.1 * np.cos(np.arange(10)), 0, 1)  # a model that is somewhat wrong
    expected = np.full(n, target @ model)
    found = [
        ips(rewards, shown, wanted),
        snips(rewards, shown, wanted),
        doubly_robust(rewards, shown, wanted, model[actions], expected),
    ]
    return float(target @ worth), found


def heavy_tailed(random: np.random.Generator, n: int) -> tuple[float, list[Estimate]]:
    """Lognormal weights of mean 1, as for many contexts: the largest of 300 is about 20 times the median."""
    shown = 1 / (20 * (1 + random.random(n)))
    wanted = shown * np.minimum(random.lognormal(-0.5, 1, n), 20)
    rewards = (random.random(n) < 0.3).astype(float)
    return 0.3, [ips(rewards, shown, wanted), snips(rewards, shown, wanted)]


def slates_of_three(random: np.random.Generator, n: int) -> tuple[float, list[Estimate]]:
    logging, target = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
    worth = np.array([0.1, 0.2, 0.3, 0.5])[:, None] / np.arange(1, 4)
    slates = random.choice(4, size=(n, 3), p=logging)
    clicks = (random.random((n, 3)) < worth[slates, np.arange(3)]).astype(float)
    found = [
        pseudo_inverse(clicks.sum(axis=1), logging[slates], target[slates]),
        independent_ips(clicks, logging[slates], target[slates]),
    ]
    return float((target @ worth).sum()), found


@pytest.mark.parametrize("simulate", [arms, heavy_tailed, slates_of_three])
def test_intervals_cover_what_they_promise(
    simulate: Callable[[np.random.Generator, int], tuple[float, list[Estimate]]],
) -> None:
    """Within 91.5 to 98.5 % in 600 rounds of 300 rows, which is ±3.9 standard errors of a share; and no bias to speak of."""
    random = np.random.default_rng(7)
    rounds = [simulate(random, 300) for _ in range(600)]
    for place in range(len(rounds[0][1])):
        covered = np.mean([found[place].low <= truth <= found[place].high for truth, found in rounds])
        assert 0.915 <= covered <= 0.985, (simulate.__name__, place, covered)
        errors = np.array([found[place].value - truth for truth, found in rounds])
        assert abs(errors.mean()) < 4 * errors.std() / math.sqrt(len(rounds)) + 0.005


def outside_folds(contexts: Values, rewards: Values, changed: Values, row: int) -> tuple[Values, NDArray[np.bool_]]:
    """The predictions, and which rows are outside the fold of `row`: those that move when its reward does."""
    actions = np.arange(len(rewards)) % 3
    found, moved = (fit_reward_model(contexts, actions, own, folds=3, penalty=0.7) for own in (rewards, changed))
    same = np.all(np.abs(moved - found) < 1e-12, axis=1)
    assert same[row]
    assert same.sum() == len(rewards) // 3
    return found, ~same


@pytest.mark.parametrize("shared", [False, True])
def test_the_linear_regression_of_each_fold_is_that_of_the_rows_outside_it(shared: bool) -> None:
    """By least squares, with the penalty as more rows."""
    random = np.random.default_rng(3)
    n, width, actions, rewards = 30, 4, np.arange(30) % 3, random.normal(size=30)
    contexts = random.normal(size=(n, 3, width) if shared else (n, width))
    for row in range(n):
        found, outside = outside_folds(contexts, rewards, rewards + 10.0 * (np.arange(n) == row), row)
        mean = rewards[outside].mean()
        for action in range(3):
            rows = outside if shared else outside & (actions == action)
            used = contexts[rows, actions[rows]] if shared else contexts[rows]
            left = np.vstack([np.column_stack([used, np.ones(len(used))]), np.sqrt(0.7) * np.eye(width + 1)])
            right = np.concatenate([rewards[rows] - mean, np.zeros(width + 1)])
            fitted = np.linalg.lstsq(left, right, rcond=None)[0]
            own = contexts[row, action] if shared else contexts[row]
            assert found[row, action] == pytest.approx(mean + own @ fitted[:-1] + fitted[-1], abs=1e-9)


@pytest.mark.parametrize("shared", [False, True])
def test_the_logistic_regression_of_each_fold_is_that_of_the_rows_outside_it(shared: bool) -> None:
    """By Newton's method, on rewards of 0 and 1."""
    random = np.random.default_rng(4)
    n, actions, rewards = 30, np.arange(30) % 3, random.integers(0, 2, 30).astype(float)
    contexts = random.normal(size=(n, 3, 2) if shared else (n, 2))
    for row in range(n):
        changed = np.where(np.arange(n) == row, 1 - rewards, rewards)
        found, outside = outside_folds(contexts, rewards, changed, row)
        mean = rewards[outside].mean()
        for action in range(3):
            rows = outside if shared else outside & (actions == action)
            used = contexts[rows, actions[rows]] if shared else contexts[rows]
            left, fitted = np.column_stack([used, np.ones(len(used))]), np.zeros(3)
            around = math.log(mean / (1 - mean))
            for _ in range(30):
                chance = 1 / (1 + np.exp(-around - left @ fitted))
                slope = left.T @ (chance - rewards[rows]) + 0.7 * fitted
                fitted -= np.linalg.solve((left.T * chance * (1 - chance)) @ left + 0.7 * np.eye(3), slope)
            own = contexts[row, action] if shared else contexts[row]
            chance_here = 1 / (1 + math.exp(-around - own @ fitted[:2] - fitted[2]))
            assert found[row, action] == pytest.approx(chance_here, abs=1e-4)


def test_rewards_that_are_all_nought_or_all_one_are_learned() -> None:
    for reward in (0.0, 1.0):
        found = fit_reward_model(np.ones((10, 1)), np.arange(10) % 2, np.full(10, reward))
        np.testing.assert_allclose(found, reward, atol=1e-6)


def test_cross_fitting_does_not_learn_noise() -> None:
    """With as many features as rows an ordinary fit knows the rewards by heart; here they must stay unknown."""
    random = np.random.default_rng(5)
    contexts, rewards = random.normal(size=(400, 100)), random.normal(size=400)
    actions = random.integers(4, size=400)
    own = fit_reward_model(contexts, actions, rewards, penalty=1e-3)[np.arange(400), actions]
    assert abs(np.corrcoef(own, rewards)[0, 1]) < 0.2
    rows = actions == 0
    by_heart = contexts[rows] @ np.linalg.lstsq(contexts[rows], rewards[rows], rcond=None)[0]
    assert np.corrcoef(by_heart, rewards[rows])[0, 1] > 0.9


def test_a_linear_world_is_learned_and_makes_doubly_robust_precise() -> None:
    random = np.random.default_rng(11)
    contexts, worth = random.normal(size=(2000, 3)), random.normal(size=(3, 4))
    actions = random.integers(4, size=2000)
    means = contexts @ worth + np.arange(4)
    rewards = means[np.arange(2000), actions] + 0.1 * random.normal(size=2000)
    target = random.dirichlet(np.ones(4), size=2000)
    model = fit_reward_model(contexts, actions, rewards)
    np.testing.assert_allclose(model, means, atol=0.1)
    chosen, shown = target[np.arange(2000), actions], np.full(2000, 0.25)
    robust = doubly_robust(rewards, shown, chosen, model[np.arange(2000), actions], (target * model).sum(axis=1))
    plain = ips(rewards, shown, chosen)
    assert robust.value == pytest.approx((target * means).sum(axis=1).mean(), abs=0.02)
    assert robust.high - robust.low < (plain.high - plain.low) / 1.3


def test_an_action_that_was_never_tried_is_given_the_mean_reward() -> None:
    rewards = np.array([0.0, 1.0, 2.0, 3.0])
    found = fit_reward_model(np.ones((4, 1)), [0, 1, 0, 1], rewards, action_count=3, folds=4)
    np.testing.assert_allclose(found[:, 2], [(6 - own) / 3 for own in rewards])


def test_a_healthy_log_gives_no_warning() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        actions = random.choice(2, size=1000, p=[0.3, 0.7])
        shown, wanted = np.array([0.3, 0.7])[actions], np.array([0.6, 0.4])[actions]
        assert snips(random.random(1000), shown, wanted).warnings == ()


def only_warning(found: Estimate) -> str:
    (warning,) = found.warnings
    return warning


def test_warnings_say_what_is_wrong() -> None:
    random = np.random.default_rng(0)
    rewards, even = random.random(1000), np.full(1000, 0.5)
    assert "effective sample size is 50 of 50" in only_warning(ips(rewards[:50], even[:50], even[:50]))

    high = np.where(np.arange(1000) == 0, 1.5, 0.5)
    assert "up to 1.5" in only_warning(ips(rewards, high, even))

    certain = ips(rewards, np.ones(1000), even).warnings
    assert any("never tried" in warning and "100.0%" in warning for warning in certain)
    assert not any("never tried" in warning for warning in ips(rewards, np.ones(1000), np.ones(1000)).warnings)
    one_context = np.where(np.arange(1000) < 250, 1.0, 0.5)
    assert any("25.0%" in warning for warning in snips(rewards, one_context, even).warnings)

    assert "off 1 by 0.40" in only_warning(ips(rewards, even, even * 1.4 * random.uniform(0.9, 1.1, 1000).round(1)))

    heavy = np.where(np.arange(1000) == 0, 0.001, 0.5)
    assert any("holds 33%" in warning for warning in ips(rewards, heavy, even).warnings)

    assert "same" in only_warning(ips(np.zeros(1000), even, even))
    assert "10.0% of the weights were clipped to 1" in only_warning(
        ips(rewards, np.where(np.arange(1000) < 100, 0.49, 0.5), even, clip=1)
    )


def test_a_small_share_of_a_large_log_is_warned_of() -> None:
    shown, wanted = np.full(100_000, 0.5), np.zeros(100_000)
    wanted[:500] = 0.5
    assert any("500 of 100,000" in warning for warning in ips(np.ones(100_000), shown, wanted).warnings)


def test_slates_are_warned_of_by_their_worst_slot() -> None:
    shown = np.full((1000, 2), 0.5)
    wanted = shown.copy()
    wanted[:, 1] = np.where(np.arange(1000) < 50, 1.0, 0.0)
    found = independent_ips(np.random.default_rng(0).random((1000, 2)), shown, wanted)
    assert found.effective_sample_size == pytest.approx(50)
    assert any("effective sample size" in warning for warning in found.warnings)
    assert any("off 1 by 0.90" in warning for warning in found.warnings)


GOOD = [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("ask", "names"),
    [
        (lambda: ips([1, 0], GOOD, GOOD), "propensities"),
        (lambda: ips(GOOD, GOOD, [0.5, 0.5]), "targets"),
        (lambda: ips([[1, 0, 1]], GOOD, GOOD), "rewards"),
        (lambda: ips([1, math.nan, 0], GOOD, GOOD), "rewards"),
        (lambda: ips(GOOD, [0.5, math.inf, 0.5], GOOD), "propensities"),
        (lambda: ips(GOOD, [0.5, 0.0, 0.5], GOOD), "propensities are 0 or below"),
        (lambda: ips(GOOD, [0.5, -0.1, 0.5], GOOD), "propensities are 0 or below"),
        (lambda: ips(GOOD, GOOD, [0.5, -0.1, 0.5]), "Target probabilities"),
        (lambda: ips(GOOD, GOOD, [0.5, 1.1, 0.5]), "Target probabilities"),
        (lambda: ips(GOOD, GOOD, GOOD, clip=0), "clip"),
        (lambda: ips(GOOD, GOOD, GOOD, clip=math.nan), "clip"),
        (lambda: ips([], [], []), "fewer than two"),
        (lambda: ips([1], [1], [1]), "fewer than two"),
        (lambda: ips(["a", "b", "c"], GOOD, GOOD), "table of numbers"),
        (lambda: snips(GOOD, GOOD, [0, 0, 0]), "never takes"),
        (lambda: doubly_robust(GOOD, GOOD, GOOD, [1, 2], GOOD), "predicted"),
        (lambda: doubly_robust(GOOD, GOOD, GOOD, GOOD, [1, 2, math.nan]), "expected"),
        (lambda: pseudo_inverse(GOOD, GOOD, GOOD), "propensities"),
        (lambda: pseudo_inverse([1, 0], [[0.5], [0.5]], [[0.5, 0.5], [0.5, 0.5]]), "targets"),
        (lambda: pseudo_inverse([1, 0], np.ones((2, 0)), np.ones((2, 0))), "propensities"),
        (lambda: independent_ips(GOOD, GOOD, GOOD), "rewards"),
        (lambda: independent_ips([[1, 0], [1]], GOOD, GOOD), "table of numbers"),
        (lambda: fit_reward_model([[1.0]] * 3, [0, 1], GOOD), "do not fit"),
        (lambda: fit_reward_model([[1.0]] * 3, [0.0, 1.0, 0.0], GOOD), "do not fit"),
        (lambda: fit_reward_model([[1.0]] * 3, [0, -1, 0], GOOD), "Actions run"),
        (lambda: fit_reward_model([[1.0]] * 3, [0, 2, 0], GOOD, action_count=2), "Actions run"),
        (lambda: fit_reward_model(np.ones((3, 2, 1)), [0, 2, 0], GOOD), "Actions run"),
        (lambda: fit_reward_model(np.ones((3, 2, 1)), [0, 1, 0], GOOD, action_count=4), "Actions run"),
        (lambda: fit_reward_model(np.ones(3), [0, 1, 0], GOOD), "contexts"),
        (lambda: fit_reward_model([[1.0]] * 3, [0, 1, 0], GOOD), "5 folds"),
        (lambda: fit_reward_model([[1.0]] * 3, [0, 1, 0], GOOD, folds=1), "1 folds"),
        (lambda: fit_reward_model([[1.0]] * 3, [0, 1, 0], GOOD, folds=3, penalty=0), "penalty"),
    ],
)
def test_what_cannot_be_used_is_said(ask: Callable[[], object], names: str) -> None:
    with pytest.raises(InvalidInput, match=names):
        ask()
