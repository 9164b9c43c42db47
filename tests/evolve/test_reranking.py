"""The old model's choice among the new one's candidates, against a loop."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from segue.errors import InvalidInput
from segue.evolve.reranking import backward_congruent

NONE = -math.inf


def test_it_is_a_loop() -> None:
    random = np.random.default_rng(0)
    old, new = np.log(random.random((200, 6))), np.log(random.random((200, 6)))
    old[random.random(old.shape) < 0.3] = NONE
    for trust in (0.0, 0.5, 2.0):
        found = backward_congruent(old, new, trust=trust)
        for row, place in enumerate(found.tolist()):
            scores = [a + trust * b for a, b in zip(old[row].tolist(), new[row].tolist(), strict=True)]
            assert place == (scores.index(max(scores)) if max(old[row]) > NONE else 0)


def test_the_old_answer_wins_where_the_new_model_holds_it_possible() -> None:
    old = np.array([[-3.0, -0.1, -5.0], [-3.0, -4.0, -5.0]])
    assert backward_congruent(old).tolist() == [1, 0]


def test_what_the_old_model_does_not_know_stays_the_new_models() -> None:
    assert backward_congruent(np.full((2, 3), NONE)).tolist() == [0, 0]
    assert backward_congruent(np.full((2, 3), NONE), np.array([[-3.0, -1.0, -2.0]] * 2), trust=1).tolist() == [0, 0]


def test_much_trust_is_the_new_model() -> None:
    random = np.random.default_rng(1)
    old = np.log(random.random((50, 4)))
    new = np.sort(np.log(random.random((50, 4))), axis=1)[:, ::-1]
    assert not backward_congruent(old, new, trust=1e9).any()


def test_places_without_a_candidate_are_never_taken() -> None:
    old, new = np.array([[-2.0, NONE, NONE]]), np.array([[-9.0, NONE, NONE]])
    assert backward_congruent(old, new, trust=0.5).tolist() == [0]


def test_what_cannot_be_used_is_refused() -> None:
    good = np.zeros((2, 3))
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: backward_congruent(np.zeros(3)), "shape"),
        (lambda: backward_congruent(np.zeros((2, 0))), "shape"),
        (lambda: backward_congruent(good * math.nan), "NaN"),
        (lambda: backward_congruent(good + math.inf), "NaN"),
        (lambda: backward_congruent(good, np.zeros((2, 2)), trust=1), "Old scores"),
        (lambda: backward_congruent(good, trust=1), "trust"),
        (lambda: backward_congruent(good, good, trust=-1), "trust"),
    ]
    for wrong, match in refused:
        with pytest.raises(InvalidInput, match=match):
            wrong()
