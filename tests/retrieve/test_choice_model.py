"""The conditional logit: its steps against finite differences, its mode against an optimiser, its draws against the posterior."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_softmax

from segue.retrieve.choice_model import ChoiceModel, Matrix, Page, maximum_a_posteriori, meant_by

SEEDS = st.integers(0, 2**32 - 1)


def some_pages(random: np.random.Generator, dimensions: int, count: int = 6) -> list[Page]:
    """Pages of one to six items, with something taken zero to three times each, of unequal weight."""
    return [
        Page(
            random.normal(size=(n, dimensions)),
            -0.5 * np.log(np.arange(1.0, n + 1)),
            random.integers(0, 4, n).astype(np.float64),
            float(random.uniform(0.2, 2)),
        )
        for n in random.integers(1, 7, count)
    ]


def some_prior(random: np.random.Generator, dimensions: int) -> tuple[Matrix, Matrix]:
    root = random.normal(size=(dimensions, dimensions))
    return random.normal(size=dimensions), root @ root.T + np.eye(dimensions)


def log_posterior(pages: Sequence[Page], mean: Matrix, precision: Matrix) -> Callable[[Matrix], float]:
    """What the mode is the mode of, page by page; without the constant."""

    def value(weights: Matrix) -> float:
        told = sum(
            page.weight * float(page.taken @ log_softmax(page.features @ weights + page.offsets)) for page in pages
        )
        return told - float((weights - mean) @ precision @ (weights - mean)) / 2

    return value


def slope(function: Callable[[Matrix], float], at: Matrix, step: float = 1e-5) -> Matrix:
    steps = np.eye(len(at)) * step
    return np.array([(function(at + one) - function(at - one)) / (2 * step) for one in steps])


def curvature(function: Callable[[Matrix], float], at: Matrix, step: float = 1e-3) -> Matrix:
    steps = np.eye(len(at)) * step
    return np.array([(slope(function, at + one, step) - slope(function, at - one, step)) / (2 * step) for one in steps])


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, dimensions=st.integers(1, 4))
def test_a_step_is_newtons_or_halved(seed: int, dimensions: int) -> None:
    """At the prior's mean, and one step away from it, where the prior pulls as well."""
    random = np.random.default_rng(seed)
    pages, (mean, precision) = some_pages(random, dimensions), some_prior(random, dimensions)
    function = log_posterior(pages, mean, precision)
    first, at_mean = maximum_a_posteriori(pages, mean, precision, steps=1)
    second, at_first = maximum_a_posteriori(pages, mean, precision, steps=2)
    for here, there, hessian in [(mean, first, at_mean), (first, second, at_first)]:
        np.testing.assert_allclose(hessian, -curvature(function, here), rtol=1e-3, atol=1e-3)
        whole = np.linalg.solve(hessian, slope(function, here))
        errors = [np.abs(there - here - 0.5**halvings * whole).max() for halvings in range(11)]
        assert min(errors) < 1e-4 * (1 + np.abs(whole).max())


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, dimensions=st.integers(1, 4))
def test_many_steps_reach_the_mode(seed: int, dimensions: int) -> None:
    random = np.random.default_rng(seed)
    pages, (mean, precision) = some_pages(random, dimensions), some_prior(random, dimensions)
    function = log_posterior(pages, mean, precision)
    weights, hessian = maximum_a_posteriori(pages, mean, precision, steps=50)
    expected = minimize(lambda weights: -function(weights), mean, method="BFGS").x
    np.testing.assert_allclose(weights, expected, atol=1e-3)
    assert function(weights) >= function(expected) - 1e-9
    np.testing.assert_allclose(hessian, -curvature(function, weights), rtol=1e-3, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([1.0, 5.0, 20.0]))
def test_two_steps_never_end_worse_than_they_began(seed: int, scale: float) -> None:
    """Where one item has all of the chance and others are taken, Newton's own step goes much too far."""
    random = np.random.default_rng(seed)
    mean, precision = np.array([1.0, 0.0]), np.diag([4.0, 400.0])
    pages = [replace(page, features=page.features * scale) for page in some_pages(random, 2, 25)]
    function = log_posterior(pages, mean, precision)
    one, _ = maximum_a_posteriori(pages, mean, precision, steps=1)
    two, _ = maximum_a_posteriori(pages, mean, precision, steps=2)
    assert function(mean) - 1e-9 <= function(one) <= function(two) + 1e-9


def test_a_batch_against_all_that_was_believed_is_learned_from() -> None:
    """The incumbent is sure of the first item of every page, and it is never taken: its weight falls with every batch."""
    random, learning = (
        np.random.default_rng(0),
        ChoiceModel(np.ones(1), np.full(1, 0.5), scale=1.0, draws=1, seed=0),
    )
    for _ in range(4):
        before = learning.belief.mean[0]
        pages = []
        for _ in range(25):
            features = np.concatenate([[5.0], random.uniform(0, 1.5, 9)])[:, None]
            pages.append(Page(features, np.zeros(10), np.eye(10)[random.integers(1, 10)]))
        learning.learn(pages)
        assert learning.belief.mean[0] < before or learning.belief.mean[0] < 0
    assert learning.belief.mean[0] < 0


@pytest.mark.parametrize("offset", [-1.0, 0.0, 2.0])
def test_one_page_of_two_items(offset: float) -> None:
    """w / σ² = 1 − 1 / (1 + exp(−w − offset)): how far the first item being taken moves its weight."""
    page = Page(np.array([[1.0], [0.0]]), np.array([offset, 0.0]), np.array([1.0, 0.0]))
    weights, hessian = maximum_a_posteriori([page], np.zeros(1), np.eye(1) / 4, steps=50)
    expected = brentq(lambda w: w / 4 - (1 - expit(w + offset)), -20, 20)
    assert weights[0] == pytest.approx(expected)
    chance = expit(expected + offset)
    assert hessian[0, 0] == pytest.approx(1 / 4 + chance * (1 - chance))


def learned(pages: Sequence[Page], dimensions: int = 3) -> tuple[Matrix, Matrix]:
    return maximum_a_posteriori(pages, np.zeros(dimensions), np.eye(dimensions))


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, shift=st.floats(-20, 20))
def test_what_is_the_same_for_all_items_of_a_page_cancels(seed: int, shift: float) -> None:
    pages = some_pages(np.random.default_rng(seed), 3)
    easier = [replace(page, offsets=page.offsets + shift) for page in pages]
    richer = [replace(page, features=page.features + shift) for page in pages]
    for other in (easier, richer):
        for one, two in zip(learned(pages), learned(other), strict=True):
            np.testing.assert_allclose(one, two, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, times=st.integers(1, 5))
def test_a_page_of_weight_n_counts_as_n_pages(seed: int, times: int) -> None:
    pages = some_pages(np.random.default_rng(seed), 3)
    heavier = [replace(page, weight=page.weight * times) for page in pages]
    oftener = [replace(page, taken=page.taken * times) for page in pages]
    for other in (heavier, oftener):
        for one, two in zip(learned(pages * times), learned(other), strict=True):
            np.testing.assert_allclose(one, two, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, order=st.permutations(range(6)))
def test_the_order_of_pages_in_a_batch_does_not_matter(seed: int, order: list[int]) -> None:
    pages = some_pages(np.random.default_rng(seed), 3)
    for one, two in zip(learned(pages), learned([pages[place] for place in order]), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)


@pytest.mark.parametrize(
    ("features", "taken"), [([[1.0, 2.0, 3.0]], [1.0]), ([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]], [0.0, 0.0])]
)
def test_a_page_without_a_choice_teaches_nothing(features: list[list[float]], taken: list[float]) -> None:
    """One item, or nothing taken."""
    page = Page(np.array(features), np.zeros(len(taken)), np.array(taken))
    mean, precision = learned([page])
    np.testing.assert_allclose(mean, np.zeros(3), atol=1e-12)
    np.testing.assert_allclose(precision, np.eye(3), atol=1e-12)


# -- the belief -----------------------------------------------------------------------------------------------------


def model(dimensions: int = 3, *, scale: float = 1.0, draws: int = 4, seed: int = 0) -> ChoiceModel:
    return ChoiceModel(np.zeros(dimensions), np.full(dimensions, 2.0), scale=scale, draws=draws, seed=seed)


@pytest.mark.parametrize("scale", [0.25, 1.0])
def test_draws_have_the_moments_of_the_posterior(scale: float) -> None:
    count = 40_000
    drawing = model(scale=scale, draws=count)
    drawing.learn(some_pages(np.random.default_rng(3), 3, 40))
    belief = drawing.belief
    covariance = scale**2 * np.linalg.inv(belief.precision)
    deviation = np.sqrt(np.diag(covariance))
    np.testing.assert_array_less(np.abs(belief.draws.mean(axis=1) - belief.mean), 5 * deviation / np.sqrt(count))
    np.testing.assert_array_less(np.abs(np.cov(belief.draws) - covariance), 0.05 * np.outer(deviation, deviation))


def test_without_scale_every_draw_is_the_mean() -> None:
    belief = model(scale=0.0).belief
    assert (belief.draws == belief.mean[:, None]).all()


def test_draws_depend_on_the_seed_and_the_batch_alone() -> None:
    pages = some_pages(np.random.default_rng(1), 3)
    silent = [replace(page, taken=np.zeros_like(page.taken)) for page in pages]
    one, same, other = model(seed=1), model(seed=1), model(seed=2)
    first = one.belief
    assert (first.draws == same.belief.draws).all()
    assert (first.draws != other.belief.draws).all()
    one.learn(silent)
    assert np.allclose(one.belief.mean, first.mean)
    assert (one.belief.draws != first.draws).all()
    assert one.belief.batches == 1
    one.learn(pages)
    same.learn(silent)
    same.learn(pages)
    for name in ("mean", "precision", "draws"):
        assert getattr(one.belief, name).tobytes() == getattr(same.belief, name).tobytes()


def test_a_belief_in_use_is_not_changed() -> None:
    """Readers hold on to a belief while the next is made."""
    learning = model()
    held = learning.belief
    before = [held.mean.copy(), held.precision.copy(), held.draws.copy()]
    learning.learn(some_pages(np.random.default_rng(1), 3))
    learning.widen(np.array([0]), 0.05)
    for now, then in zip([held.mean, held.precision, held.draws], before, strict=True):
        assert (now == then).all()


def simulated(random: np.random.Generator, truth: Matrix, count: int) -> list[Page]:
    """Pages of eight items from each of which one is taken as the model says."""
    pages = []
    for _ in range(count):
        features, offsets = random.normal(size=(8, len(truth))), -0.5 * np.log(np.arange(1.0, 9))
        chance = np.exp(log_softmax(features @ truth + offsets))
        pages.append(Page(features, offsets, random.multinomial(1, chance).astype(np.float64)))
    return pages


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_recovered_from_choices(seed: int) -> None:
    """Batch by batch: as near to the truth as the posterior says, and to the mode of all pages together."""
    random, truth = np.random.default_rng(seed), np.array([1.0, -0.5, 0.0, 0.3])
    pages = simulated(random, truth, 1000)
    learning = ChoiceModel(np.zeros(4), np.full(4, 1.0), scale=1.0, draws=1, seed=0)
    for start in range(0, 1000, 25):
        learning.learn(pages[start : start + 25])
    belief = learning.belief
    deviation = np.sqrt(np.diag(np.linalg.inv(belief.precision)))
    assert deviation.max() < 0.06
    np.testing.assert_array_less(np.abs(belief.mean - truth), 4 * deviation)
    together, _ = maximum_a_posteriori(pages, np.zeros(4), np.eye(4), steps=20)
    np.testing.assert_array_less(np.abs(belief.mean - together), deviation)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, share=st.floats(0.01, 0.99), places=st.sets(st.integers(0, 4), min_size=1))
def test_widening_forgets_some_weights_and_leaves_the_others(seed: int, share: float, places: set[int]) -> None:
    learning = ChoiceModel(np.full(5, 0.5), np.full(5, 0.7), scale=1.0, draws=2, seed=0)
    prior = learning.belief.precision
    learning.learn(some_pages(np.random.default_rng(seed), 5, 20))
    before = learning.belief
    forgotten = np.array(sorted(places))
    kept = np.setdiff1d(np.arange(5), forgotten)
    learning.widen(forgotten, share)
    after = learning.belief
    assert (after.mean[forgotten] == 0.5).all()
    assert (after.mean[kept] == before.mean[kept]).all()
    assert (after.precision[np.ix_(kept, kept)] == before.precision[np.ix_(kept, kept)]).all()
    inside = np.ix_(forgotten, forgotten)
    np.testing.assert_allclose(
        after.precision[inside], share * before.precision[inside] + (1 - share) * prior[inside], atol=1e-12
    )
    np.testing.assert_allclose(after.precision, after.precision.T, atol=1e-12)
    assert np.linalg.eigvalsh(after.precision)[0] > 0
    assert after.batches == before.batches
    before_deviation, after_deviation = (np.diag(np.linalg.inv(one.precision)) for one in (before, after))
    assert (after_deviation[forgotten] >= before_deviation[forgotten] - 1e-9).all()


def test_takes_without_a_reason_are_told_from_meant_ones() -> None:
    """A third of the takes is chance: who knows of such is nearer to the weights of the others, and says about how many."""
    random, truth = np.random.default_rng(5), np.array([2.0, -1.0, 0.0, 0.6])
    pages = simulated(random, truth, 3000)
    for place in range(0, len(pages), 3):
        looked = np.exp(pages[place].offsets)
        pages[place] = replace(pages[place], taken=random.multinomial(1, looked / looked.sum()).astype(np.float64))
    told, untold = (ChoiceModel(truth / 2, np.ones(4), scale=1.0, draws=1, seed=0, noise=noise) for noise in (0.2, 0.0))
    for start in range(0, len(pages), 25):
        told.learn(pages[start : start + 25])
        untold.learn(pages[start : start + 25])
    near, far = (np.abs(model.belief.mean - truth).max() for model in (told, untold))
    assert near < 0.7 * far
    assert 0.2 < told.noise < 0.4
    assert untold.noise == 0.0


def test_a_take_is_meant_as_far_as_the_weights_say_so() -> None:
    page = Page(np.array([[3.0], [0.0]]), np.log([0.5, 1.0]), np.ones(2))
    meant, chance = np.exp(log_softmax([3.0 + np.log(0.5), 0.0])), np.array([1 / 3, 2 / 3])
    expected = 0.8 * meant / (0.8 * meant + 0.2 * chance)
    np.testing.assert_allclose(meant_by(page, np.ones(1), 0.2), expected)
    np.testing.assert_allclose(meant_by(page, np.ones(1), 0.0), 1.0)
