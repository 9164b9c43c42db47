"""Readers' tables are read back as they were kept."""

from pathlib import Path

import numpy as np

from benchmarks.folds import Read, load_fold, save_fold
from benchmarks.made_up import Built, made_up


def test_a_fold_is_read_back(tmp_path: Path) -> None:
    made = made_up(20, {"films": Built(), "books": Built(sure=2)}, seed=0)
    kept = {"train": Read(made.utterances, [table for table, _ in made.tables]), "test": Read([], [])}
    save_fold(tmp_path / "folds" / "alike-0.npz", kept)
    read = load_fold(tmp_path / "folds" / "alike-0.npz")
    assert list(read) == ["test", "train"]
    assert list(read["train"].utterances) == list(made.utterances)
    for old, new in zip(kept["train"].tables, read["train"].tables, strict=True):
        assert (new.domain, new.names, list(new.meanings)) == (old.domain, old.names, list(old.meanings))
        for name in ("request", "logs", "local"):
            np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
    assert [file.name for file in (tmp_path / "folds").iterdir()] == ["alike-0.npz"]


def test_made_up_truth_is_true() -> None:
    """Hypotheses are right as often as they are said to be."""
    made = made_up(4000, {"films": Built(), "books": Built(sure=2), "songs": Built(shift=-1)}, seed=0)
    for (_, judged), truth in zip(made.tables, made.truth, strict=True):
        spread = np.sqrt((truth * (1 - truth)).sum())
        assert abs(judged.right.sum() - truth.sum()) < 4 * spread
