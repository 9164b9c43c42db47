"""Runs of a long benchmark: each is made once, also by who has only what was kept beside the result."""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.runs import arguments, finished, run_all

Job = tuple[str, int]
_MADE: list[Job] = []


def _one(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    _MADE.append(job)
    return {"made": len(_MADE), "arm": job[0]}, "made"


def _file(job: Job, chosen: argparse.Namespace) -> Path:
    return Path(chosen.work) / f"seed-{job[1]}" / f"{job[0]}.json"


def _chosen(folder: Path, work: str, *more: str) -> argparse.Namespace:
    options = arguments(None, data=None, collections=(), work="/tmp/segue-runs")
    return options.parse_args(["--work", str(folder / work), "--out", str(folder / "out"), "--processes", "1", *more])


def _gathered(jobs: list[Job], chosen: argparse.Namespace) -> dict[Job, Any]:
    run_all(jobs, _one, _file, chosen)
    return dict(finished(jobs, _file, chosen))


def test_seeds_are_added_to_those_kept_beside_the_result(tmp_path: Path) -> None:
    _MADE.clear()
    first = _gathered([("a", 0), ("b", 0)], _chosen(tmp_path, "one"))
    more = _gathered([("a", 0), ("b", 0), ("a", 1)], _chosen(tmp_path, "another"))
    assert _MADE == [("a", 0), ("b", 0), ("a", 1)]
    assert {job: more[job] for job in first} == first
    lines = (tmp_path / "out" / "runs" / "runs.jsonl").read_text().splitlines()
    assert [json.loads(line)["run"] for line in lines] == ["seed-0/a.json", "seed-0/b.json", "seed-1/a.json"]


def test_gathering_runs_nothing_and_keeps_what_is_there(tmp_path: Path) -> None:
    _MADE.clear()
    _gathered([("a", 0)], _chosen(tmp_path, "one"))
    assert _gathered([("a", 0), ("a", 1)], _chosen(tmp_path, "another", "--gather")) == {
        ("a", 0): {"made": 1, "arm": "a"}
    }
    _gathered([("a", 1)], _chosen(tmp_path, "one"))
    assert _MADE == [("a", 0), ("a", 1)]
    assert len((tmp_path / "out" / "runs" / "runs.jsonl").read_text().splitlines()) == 2
