"""BabyAI's missions: every wording is read as what it says, held-out wordings have no words of their own."""

from collections.abc import Iterator
from itertools import islice, product

import numpy as np
import pytest

from segue.act.worlds.missions import COLOURS, KINDS, Mission, Thing, parsed, plain, worded, wordings
from segue.errors import InvalidInput

THINGS = [
    Thing(*parts) for parts in product(KINDS, ("", *COLOURS), ("", "left", "right", "front", "behind"), (False, True))
]
VERBS = ("go", "pick", "open")


def _putting(number: int) -> Iterator[Mission]:
    generator = np.random.default_rng(0)
    for _ in range(number):
        one, other = generator.integers(len(THINGS), size=2)
        yield Mission("put", (THINGS[one], THINGS[other]))


@pytest.mark.parametrize("held_out", [False, True])
def test_every_wording_says_its_mission_and_no_other(held_out: bool) -> None:
    for verb, thing in product(VERBS, THINGS[::7]):
        mission = Mission(verb, (thing,))
        assert all(parsed(words) == mission for words in wordings(mission, held_out=held_out))
    generator = np.random.default_rng(1)
    for mission in _putting(500):
        assert parsed(worded(mission, generator, held_out=held_out)) == mission


def test_babyais_own_words_come_first() -> None:
    for text in (
        "go to the red ball",
        "pick up a key behind you",
        "open the door on your left",
        "put the grey box next to the blue key in front of you",
    ):
        assert plain(parsed(text)) == text


@pytest.mark.parametrize("verb", [*VERBS, "put"])
def test_held_out_wordings_are_other_wordings_in_the_same_words(verb: str) -> None:
    things = (Thing("ball", "red", "left"), Thing("box", "blue", "front"))
    mission = Mission(verb, things if verb == "put" else things[:1])
    common, held_out = set(wordings(mission)), set(wordings(mission, held_out=True))
    assert common.isdisjoint(held_out)
    assert len(common) >= 100
    assert len(held_out) >= 20
    assert {word for words in held_out for word in words.split()} <= {
        word for words in common for word in words.split()
    }


def test_drawn_wordings_are_among_those_listed_and_the_same_for_the_same_seed() -> None:
    mission = parsed("pick up the red ball on your left")
    drawn = [worded(mission, np.random.default_rng(seed)) for seed in range(40)]
    assert drawn == [worded(mission, np.random.default_rng(seed)) for seed in range(40)]
    assert set(drawn) <= set(wordings(mission))
    assert len(set(drawn)) > 25


def test_pairs_are_colours_and_kinds_named_together() -> None:
    assert parsed("put the red ball next to a key").pairs == {("red", "ball")}
    assert not parsed("pick up a box on your right").pairs


@pytest.mark.parametrize(
    "text", ["", "go to red ball", "go to the red ball, then open the red door", "eat the red ball"]
)
def test_other_words_are_no_mission(text: str) -> None:
    with pytest.raises(InvalidInput):
        parsed(text)


def test_both_things_of_a_mission_are_worded_freely() -> None:
    assert len(set(islice(wordings(parsed("put the red ball next to the blue key")), 200))) == 200
