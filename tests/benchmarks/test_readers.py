"""The benchmark of readers on requests made here: it runs, goes on where it was, and keeps hypotheses for re-rankers."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.folds import keep, kept
from benchmarks.quality.readers import one_run, run_file
from segue.understand.corpus import prepare
from segue.understand.out_of_fold import train_all
from segue.understand.readers import Readers
from tests.spoken import UTTERANCES, write

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [json.loads(line) for line in write(folder / "hwu64.jsonl").read_text().splitlines()]
    lines = [json.dumps(row | {"fold": place % 3 + 1}) + "\n" for place, row in enumerate(rows)]
    (folder / "hwu64.jsonl").write_text("".join(lines))
    return folder


def ran(module: str, *options: object) -> str:
    """What a benchmark printed."""
    words = [sys.executable, "-m", module, *map(str, options)]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def test_runs(data: Path, tmp_path: Path) -> None:
    """One fold is there already; the other is run, and both are gathered."""
    work, out = tmp_path / "work", tmp_path / "results"
    work.mkdir()
    before, line = one_run(("light", 1), Namespace(data=data, work=work))
    assert "SemER" in line
    run_file(("light", 1), Namespace(work=work)).write_text(json.dumps(before))
    options = ["--data", data, "--work", work, "--out", out, "--processes", "1", "--arms", "light", "--folds", "1", "2"]
    said = ran("benchmarks.quality.readers", *options)
    assert "1 of 1: light-2" in said
    found = json.loads((out / "readers.json").read_text())["arms"]["light"]
    assert found["folds"] == [1, 2]
    assert found["measures"]["domain accuracy"] > 0.7
    assert (out / "readers.png").stat().st_size > 1000
    hypotheses, places = kept(work / "hypotheses-light-2.npz")
    assert [one.domain for one in hypotheses] == ["chat", "music", "weather"]
    assert places.tolist() == list(range(1, len(UTTERANCES), 3))


def test_the_time_that_understanding_takes(data: Path, tmp_path: Path) -> None:
    options = ["--data", data / "hwu64.jsonl", "--requests", "3", "--most", "40", "--out", tmp_path / "results"]
    said = ran("benchmarks.speed.understanding", *options)
    found = json.loads((tmp_path / "results" / "understanding.json").read_text())
    assert found["domains"] == 3
    assert "| slowest re-ranker |" in said


def test_hypotheses_come_back_as_they_were(tmp_path: Path) -> None:
    read = Readers(train_all(prepare(UTTERANCES))).read(["play help by queen", "hello"])
    keep(tmp_path / "kept.npz", read, np.array([7, 9]))
    again, places = kept(tmp_path / "kept.npz")
    assert places.tolist() == [7, 9]
    for one, other in zip(read, again, strict=True):
        assert (one.domain, list(one.meanings), one.names) == (other.domain, other.meanings, other.names)
        assert one.logs.tobytes() == other.logs.tobytes()
        assert one.local.tobytes() == other.local.tobytes()
