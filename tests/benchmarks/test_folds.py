"""Readers' tables are read back as they were kept, and folds are put together in the order of the data."""

from pathlib import Path

import numpy as np

from benchmarks.folds import joined, keep, kept
from benchmarks.made_up import Built, made_up
from segue.understand.hypotheses import Hypotheses

MADE = made_up(20, {"films": Built(), "books": Built(sure=2)}, seed=0)
TABLES = [table for table, _ in MADE.tables]


def same(old: Hypotheses, new: Hypotheses) -> bool:
    arrays = (np.array_equal(getattr(old, name), getattr(new, name)) for name in ("request", "logs", "local"))
    return all(arrays) and (old.domain, old.names, [*old.meanings]) == (new.domain, new.names, [*new.meanings])


def rows(table: Hypotheses, requests: range) -> Hypotheses:
    """The table of some requests only, which count from 0."""
    chosen = np.flatnonzero(np.isin(table.request, requests))
    request = np.searchsorted(np.array(requests), table.request[chosen])
    meanings = [table.meanings[place] for place in chosen.tolist()]
    return Hypotheses(table.domain, request, meanings, table.logs[chosen], table.local[chosen], table.names)


def test_a_fold_is_read_back(tmp_path: Path) -> None:
    keep(tmp_path / "folds" / "light-1.npz", TABLES, np.arange(20))
    read, places = kept(tmp_path / "folds" / "light-1.npz")
    assert places.tolist() == list(range(20))
    assert all(same(old, new) for old, new in zip(TABLES, read, strict=True))
    assert [file.name for file in (tmp_path / "folds").iterdir()] == ["light-1.npz"]


def test_folds_are_put_together_in_the_order_of_the_data() -> None:
    parts = [range(1, 20, 3), range(0, 20, 3), range(2, 20, 3)]
    read, places = joined([([rows(table, part) for table in TABLES], np.array(part)) for part in parts])
    assert places.tolist() == list(range(20))
    assert all(same(old, new) for old, new in zip(TABLES, read, strict=True))
    _, some = joined([(TABLES, np.array(range(100, 140, 2)))])
    assert some.tolist() == list(range(100, 140, 2))


def test_made_up_truth_is_true() -> None:
    """Hypotheses are right as often as they are said to be."""
    made = made_up(4000, {"films": Built(), "books": Built(sure=2), "songs": Built(shift=-1)}, seed=0)
    for (_, judged), truth in zip(made.tables, made.truth, strict=True):
        spread = np.sqrt((truth * (1 - truth)).sum())
        assert abs(judged.right.sum() - truth.sum()) < 4 * spread
