"""Which strategies are worth asking: what adds nothing is given up, what adds is kept, and only the first is credited."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from segue.records import Candidates
from segue.retrieve.union import Floats
from segue.retrieve.worth import COSTLY, Worth, features, seen

NAMES = ("text", "grams", "dense", "sparse")
CHEAP, DEAR = ["text", "grams"], ["sparse", "dense"]
NOTHING = np.zeros(4)


def listed(name: str, numbers: Sequence[int], scores: Sequence[float] | None = None) -> Candidates:
    values = np.linspace(1, 0.5, len(numbers)) if scores is None else np.array(scores)
    return Candidates(name, np.array(numbers, np.int64), values.astype(np.float32))


def worth() -> Worth:
    return Worth(NAMES, 2)


def some_context(random: np.random.Generator) -> Floats:
    return random.uniform(-1, 1, 2)


def shares(judged: Worth, context: Floats | None = None, found: Sequence[Candidates] = ()) -> dict[str, float]:
    """How often each strategy is chosen for one request, or for many."""
    random, counts, times = np.random.default_rng(9), dict.fromkeys(NAMES, 0), 200
    for _ in range(times):
        told = some_context(random) if context is None else context
        for brought in (None, found):
            for name, _ in judged.choose(told, NAMES, brought, random, explore=0.0):
                counts[name] += 1
    return {name: count / times for name, count in counts.items()}


def taught(held: Sequence[Sequence[bool]], pages: int = 6000, asked: Sequence[str] = NAMES) -> Worth:
    """After pages on which the lists held what was taken as in `held` [taken, asked]."""
    judged, random = worth(), np.random.default_rng(0)
    for page in range(pages):
        judged.learn(some_context(random), NOTHING, asked, np.array(held))
        if page % 25 == 24:
            judged.redraw(page)
    return judged


def one_of(taken: int, *names: str) -> NDArray[np.bool_]:
    """So much was taken; the first of it was held by these strategies, the rest by none."""
    held = np.zeros((taken, len(NAMES)), dtype=bool)
    held[0] = [name in names for name in NAMES]
    return held


def test_every_strategy_starts_as_worth_asking() -> None:
    assert min(shares(worth()).values()) > 0.9


def test_the_cheap_are_asked_first_and_the_costly_afterwards() -> None:
    random, context = np.random.default_rng(0), np.zeros(2)
    first = [name for name, _ in worth().choose(context, NAMES, None, random, explore=1.0)]
    then = [name for name, _ in worth().choose(context, NAMES, [], random, explore=1.0)]
    assert first == [name for name in NAMES if name not in COSTLY]
    assert then == [name for name in NAMES if name in COSTLY]
    assert worth().choose(context, [], None, random, explore=1.0) == []
    assert [name for name, _ in worth().choose(context, ["grams"], None, random, explore=1.0)] == ["grams"]


def test_what_never_adds_anything_is_given_up() -> None:
    """Grams holds what was taken as well as text does; it comes after text, so it was not needed."""
    judged = taught([[True, True, False, True]])
    asked = shares(judged)
    assert asked["text"] > 0.95
    assert max(asked[name] for name in ("grams", "dense", "sparse")) < 0.25
    assert judged.expected()["text"] > 0.5
    assert max(judged.expected()[name] for name in ("grams", "dense", "sparse")) < 0.01


def test_what_alone_finds_what_is_wanted_stays() -> None:
    """Each of two things that were taken is held by one strategy alone."""
    asked = shares(taught([[True, False, False, False], [False, False, True, False]]))
    assert min(asked["text"], asked["dense"]) > 0.95
    assert max(asked["grams"], asked["sparse"]) < 0.25


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_only_the_first_of_the_family_is_credited_in_whatever_order_they_were_asked(order: tuple[int, ...]) -> None:
    held = np.array([[False, True, True, True], [True, True, False, False], [False, False, True, True]])
    once, names = worth(), [NAMES[place] for place in order]
    for _ in range(2000):
        once.learn(np.zeros(2), NOTHING, names, held[:, order])
    expected = {"text": 1 / 3, "grams": 1 / 3, "dense": 1 / 3, "sparse": 0.0}
    assert once.expected() == pytest.approx(expected, abs=0.03)


def test_cheap_ones_come_before_costly_ones_whatever_the_familys_order() -> None:
    judged = Worth(("dense", "text"), 2)
    for _ in range(2000):
        judged.learn(np.zeros(2), NOTHING, ("dense", "text"), np.array([[True, True]]))
    assert judged.expected() == pytest.approx({"dense": 0.0, "text": 1.0}, abs=0.03)


def test_strategies_that_were_not_asked_are_not_blamed() -> None:
    judged = taught([[True, True]], asked=("text", "grams"))
    assert judged.expected()["dense"] == worth().expected()["dense"]
    assert shares(judged)["dense"] > 0.9


def test_it_depends_on_the_request() -> None:
    judged, random = worth(), np.random.default_rng(0)
    for page in range(10_000):
        digits = page % 2
        context = np.array([float(digits), random.uniform(-1, 1)])
        judged.learn(context, NOTHING, NAMES, one_of(10, "grams" if digits else "text"))
    judged.redraw(1)
    for told, name, other in [([0.0, 0.0], "text", "grams"), ([1.0, 0.0], "grams", "text")]:
        asked = shares(judged, context=np.array(told))
        assert asked[name] > 0.95
        assert asked[other] < 0.25


def test_a_costly_one_depends_on_what_the_cheap_ones_brought() -> None:
    judged = worth()
    agreed = [listed("text", [1, 2, 3]), listed("grams", [1, 2, 3])]
    apart = [listed("text", [1, 2, 3]), listed("grams", [4, 5, 6])]
    for page in range(10_000):
        found, held = (agreed, one_of(25)) if page % 2 else (apart, one_of(25, "dense"))
        judged.learn(np.zeros(2), seen(found), NAMES, held)
    judged.redraw(1)
    assert shares(judged, context=np.zeros(2), found=apart)["dense"] > 0.95
    assert shares(judged, context=np.zeros(2), found=agreed)["dense"] < 0.5


def test_somebody_is_always_asked_at_first() -> None:
    """Even when nobody seems worth it, or nobody cheap is there; but not when something was found."""
    judged = taught([[False, False, False, False]])
    asked = shares(judged)
    assert min(asked["text"], asked["grams"]) > 0.75
    assert max(asked["dense"], asked["sparse"]) < 0.25
    random = np.random.default_rng(0)
    for _ in range(50):
        assert judged.choose(np.zeros(2), NAMES, None, random, explore=0.0)
        assert judged.choose(np.zeros(2), DEAR, None, random, explore=0.0)


@pytest.mark.parametrize("explore", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("held", [[True, True, False, False], [False, False, False, True]])
@pytest.mark.parametrize("pages", [0, 40, 3000])
def test_what_is_chosen_is_chosen_as_often_as_is_said(explore: float, pages: int, held: list[bool]) -> None:
    judged, random, times = taught([held], pages), np.random.default_rng(1), 3000
    counts = dict.fromkeys(NAMES, 0)
    said: dict[str, set[float]] = {name: set() for name in NAMES}
    context = np.array([0.3, -0.2])
    for _ in range(times):
        for name, propensity in judged.choose(context, NAMES, None, random, explore=explore):
            counts[name] += 1
            said[name].add(propensity)
    for name in CHEAP:
        assert len(said[name]) <= 1
        assert counts[name] / times == pytest.approx(min(said[name], default=0.0), abs=0.04)


def test_the_same_seed_redraws_the_same() -> None:
    one, other, third = (taught([[True, False, False, False]], 5) for _ in range(3))
    for judged, seed in ((one, 7), (other, 7), (third, 8)):
        judged.redraw(seed)
    assert shares(one) == shares(other)
    context = np.random.default_rng(0)
    odds = [judged.choose(np.zeros(2), NAMES, None, context, explore=1.0) for judged in (one, other)]
    assert odds[0] == odds[1]


# -- what the cheap ones brought ------------------------------------------------------------------------------------


def test_what_is_told_of_the_cheap_lists() -> None:
    found = [
        listed("text", [1, 2, 3, 4], [8.0, 6.0, 1.0, 1.0]),
        listed("grams", [3, 1, 9, 7]),
        listed("structured", [5], [0.7]),
        listed("misspelt", [6], [0.9]),
    ]
    assert seen(found) == pytest.approx([np.log1p(8) / 4, 1 - 6 / 8, 0.9, 0.25], abs=1e-4)
    assert features(np.array([0.5, 0.6]), found) == pytest.approx([1.0, 0.5, 0.6, *seen(found)])


@pytest.mark.parametrize(
    "found", [None, [], [listed("text", [])], [listed("text", [1]), listed("structured", [])], [listed("text", [1, 2], [0, 0])]]
)  # fmt: skip
def test_little_or_nothing_brought(found: list[Candidates] | None) -> None:
    told = seen(found)
    assert told.shape == (4,)
    assert np.isfinite(told).all()
    assert told[1:].tolist() == [0.0, 0.0, 0.0]
