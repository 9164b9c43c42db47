"""The measures on hand-made answers."""

import numpy as np
import pytest

from segue.understand.hypotheses import Hypotheses, Interpretation, Slot, Utterance
from segue.understand.reading_measures import Read, count, first, measured

SONG, ARTIST = Slot("song", 5, 9), Slot("artist", 13, 17)
SAID = Utterance("play help by abba", "music", Interpretation("play", (SONG, ARTIST)))


def _measured(*read: Read) -> dict[str, float]:
    return dict(measured(count(read, [SAID] * len(read))))


def test_one_of_two_slots_missed_is_a_third() -> None:
    assert _measured(Read("music", Interpretation("play", (SONG,)), 0.9))["SemER"] == pytest.approx(1 / 3)


def test_another_domain_is_a_wrong_intent_though_it_has_the_same_name() -> None:
    found = _measured(Read("films", Interpretation("play", (SONG, ARTIST)), 0.9))
    assert found["SemER"] == pytest.approx(1 / 3)
    assert found["domain accuracy"] == found["intent F1"] == 0
    assert found["entity F1"] == 1
    assert found["interpretation error rate"] == 1


def test_pooled_before_dividing() -> None:
    right = Read("music", SAID.meaning, 1.0)
    wrong = Read("music", Interpretation("stop", (Slot("artist", 5, 9),)), 0.0)
    found = _measured(right, wrong)
    assert found["SemER"] == pytest.approx(3 / 6)
    assert found["entity precision"] == pytest.approx(2 / 3)
    assert found["entity recall"] == pytest.approx(2 / 4)
    assert found["entity F1"] == pytest.approx(4 / 7)
    assert found["intent F1"] == 0.5
    assert found["ECE"] == found["Brier"] == 0


def test_the_first_is_the_largest_product_over_all_domains() -> None:
    def table(domain: str, request: list[int], logs: list[list[float]]) -> Hypotheses:
        meanings = [Interpretation(f"{domain}{place}") for place in range(len(request))]
        return Hypotheses(domain, np.array(request), meanings, np.array(logs), np.zeros((len(request), 0)))

    one = table("a", [0, 0, 1], [[-1, -1, -1], [-1, -2, -1], [-1, 0, 0]])
    other = table("b", [0, 1], [[-1, -1, -0.5], [-2, 0, 0]])
    found = first([one, other], 2)
    assert [(read.domain, read.meaning.intent) for read in found] == [("b", "b0"), ("a", "a2")]
    assert found[1].confidence == pytest.approx(np.exp(-1))
