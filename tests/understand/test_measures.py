"""Merged decisions against what was meant, counted by hand; and the bootstrap against one written out."""

import numpy as np
import pytest

from benchmarks.made_up import Built, made_up
from segue.errors import InvalidInput
from segue.understand.hypotheses import Hypotheses, Interpretation, Slot, Utterance
from segue.understand.measures import (
    Outcomes,
    compared,
    confusion,
    errors_elsewhere,
    errors_everywhere,
    figures,
    journeys,
    outcomes,
    pooled,
)
from segue.understand.merging import Merged, merge

TITLE, ARTIST = Slot("title", 0, 4), Slot("artist", 8, 12)
PLAY = Interpretation("play", (TITLE, ARTIST))
REQUESTS = [
    Utterance("a", "films", PLAY),  # right
    Utterance("b", "films", PLAY),  # a slot is missed
    Utterance("c", "films", PLAY),  # goes to books, whose "play" is another intent
    Utterance("d", "books", Interpretation("read", (TITLE,))),  # nobody has an idea
]


def by_hand() -> tuple[Merged, list[Hypotheses]]:
    meanings = [PLAY, Interpretation("play", (TITLE,)), PLAY]
    empty = np.zeros((3, 3))
    films = Hypotheses("films", np.arange(3), meanings, empty, empty[:, :0])
    books = Hypotheses("books", np.array([2]), [PLAY], empty[:1], empty[:1, :0])
    tables = [(films, np.array([0.9, 0.6, 0.3])), (books, np.array([0.4]))]
    return merge(tables, requests=4), [films, books]


def test_outcomes_by_hand() -> None:
    found = outcomes(*by_hand(), REQUESTS)
    assert found.domain.tolist() == [True, True, False, False]
    assert found.right.tolist() == [True, False, False, False]
    assert found.errors.tolist() == [0, 1, 1, 2]
    assert found.confidence.tolist() == [0.9, 0.6, 0.4, 0]
    values = figures(found)
    assert values["domain accuracy"] == 0.5
    assert values["domain error"] == 0.5
    assert values["interpretation error"] == 0.75
    assert values["semantic error"] == pytest.approx(4 / (3 + 3 + 3 + 2))
    assert values["calibration error"] == pytest.approx((0.1 + 0.6 + 0.4 + 0) / 4)
    assert values["brier"] == pytest.approx((0.01 + 0.36 + 0.16) / 4)


def test_errors_in_another_domain() -> None:
    assert errors_elsewhere(PLAY, PLAY) == 1
    assert errors_elsewhere(Interpretation("read", (TITLE,)), PLAY) == 2
    _, (films, books) = by_hand()
    assert errors_everywhere(films, REQUESTS).tolist() == [0, 1 / 3, 0]
    assert errors_everywhere(books, REQUESTS).tolist() == [1 / 3]


def test_confusion_by_hand() -> None:
    names, counts = confusion(by_hand()[0], REQUESTS)
    assert names == ("books", "films", "other")
    assert counts.tolist() == [[0, 0, 1], [1, 2, 0], [0, 0, 0]]
    _, counts = confusion(by_hand()[0], [*REQUESTS[:3], Utterance("x", "", Interpretation(""))])
    assert counts[2].tolist() == [0, 0, 1]
    _, counts = confusion(by_hand()[0], REQUESTS, least=0.5)  # of the third nothing is likely enough
    assert counts.tolist() == [[0, 0, 1], [0, 2, 1], [0, 0, 0]]
    names, meant, went = journeys(by_hand()[0], REQUESTS, least=0.5)
    assert [(names[row], names[column]) for row, column in zip(meant, went, strict=True)] == [
        ("films", "films"),
        ("films", "films"),
        ("films", "other"),
        ("books", "other"),
    ]


def drawn(seed: int) -> tuple[Outcomes, Outcomes]:
    made = made_up(400, {"films": Built(), "books": Built(sure=3, shift=2)}, seed=seed)
    tables = [table for table, _ in made.tables]
    product = [np.exp(table.logs.sum(axis=1)) for table in tables]
    old, new = (
        outcomes(merge(list(zip(tables, arm, strict=True))), tables, made.utterances) for arm in (product, made.truth)
    )
    return old, new


def test_the_bootstrap_is_paired() -> None:
    old, new = drawn(0)
    found = compared(old, new, seed=0, rounds=1000)
    random = np.random.default_rng(1)
    rounds = []
    for _ in range(600):
        rows = random.integers(0, len(old.right), len(old.right))
        pair = [Outcomes(*(getattr(one, name)[rows] for name in Outcomes.__dataclass_fields__)) for one in (old, new)]
        rounds.append([figures(one) for one in pair])
    for name, difference in found.items():
        assert difference.difference == pytest.approx(figures(new)[name] - figures(old)[name])
        expected = np.quantile([after[name] - before[name] for before, after in rounds], [0.025, 0.975])
        assert difference.interval == pytest.approx(expected, abs=0.006)
        relative = np.quantile([after[name] / before[name] - 1 for before, after in rounds], [0.025, 0.975])
        assert difference.relative_interval == pytest.approx(relative, abs=0.05)
    assert compared(old, new, seed=0)["brier"] == found["brier"]
    assert compared(new, new, seed=0)["brier"].interval == (0, 0)


def test_requests_that_belong_together_are_drawn_together() -> None:
    """A request twice says no more than once: only over groups does the interval stay as wide."""
    old, new = drawn(0)
    alone = compared(old, new, seed=0)["semantic error"].interval
    twice = (pooled([old, old]), pooled([new, new]))
    together = compared(*twice, seed=0, groups=np.tile(np.arange(400), 2))["semantic error"].interval
    apart = compared(*twice, seed=0)["semantic error"].interval
    assert together == pytest.approx(alone)
    assert apart[1] - apart[0] < 0.8 * (alone[1] - alone[0])


def test_folds_are_pooled() -> None:
    folds = [drawn(seed)[0] for seed in range(3)]
    both = pooled(folds)
    assert len(both.right) == 1200
    assert figures(both)["semantic error"] == pytest.approx(
        sum(fold.errors.sum() for fold in folds) / sum((1 + fold.slots).sum() for fold in folds)
    )


def test_what_does_not_belong_together_is_refused() -> None:
    old, new = drawn(0)
    with pytest.raises(InvalidInput, match="labelled"):
        outcomes(*by_hand(), REQUESTS[:2])
    with pytest.raises(InvalidInput, match="same"):
        compared(old, pooled([new, new]), seed=0)
