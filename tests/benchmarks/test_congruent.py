"""The benchmark of updates: its sums, its splits, and its smallest run, twice."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.__main__ import SMOKE
from benchmarks.classifiers import images
from benchmarks.quality.congruent import measured

ROOT = Path(__file__).parents[2]
MODULE = "benchmarks.quality.congruent"


def _images(folder: Path) -> None:
    """Ten kinds of pictures: a bright row at a height of their own, in noise."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 240), ("t10k", 60)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pixels = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        pixels[np.arange(count), 2 * labels + 3] = 250
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0" * 16 + pixels.tobytes()))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0" * 8 + labels.tobytes()))


def _intents(folder: Path) -> None:
    said = ("play the song", "wake me at", "how is the weather in", "turn on the lamp")
    for version, counts in (("old", (24, 8)), ("updated", (36, 12))):
        (folder / version).mkdir(parents=True)
        for part, count in zip(("train", "dev", "test"), (*counts, 20), strict=True):
            rows = [
                {"id": str(n), "label": n % len(said), "text": f"{said[n % len(said)]} {part} {n}"}
                for n in range(count)
            ]
            (folder / version / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _requests(folder: Path) -> None:
    folder.mkdir(parents=True)
    rows = []
    for n in range(100):
        value = f"number {n % 7}"
        for domain, intent, text in (("music", "play", f"play {value} now"), ("alarm", "set", f"wake me at {value}")):
            start = text.index(value)
            slot = {"name": "what", "start": start, "end": start + len(value)}
            rows.append({"text": text, "domain": domain, "intent": intent, "slots": [slot], "fold": 1 + n % 10})
    (folder / "hwu64.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_its_smallest_run_goes_on_where_it_was(tmp_path: Path) -> None:
    _images(tmp_path / "evolve" / "fashion-mnist")
    _intents(tmp_path / "evolve" / "massive_updates")
    _requests(tmp_path / "understand")
    arguments = [*SMOKE[MODULE], *("--data", str(tmp_path), "--work", str(tmp_path / "work"), "--out", str(tmp_path))]
    tables = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-m", MODULE, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr[-3000:]
        tables.append(run.stdout)
    assert "1 of 2: " in tables[0]
    assert "1 of " not in tables[1]
    assert tables[0].endswith(tables[1])
    result = json.loads((tmp_path / "congruent.json").read_text())
    assert result["tasks"].keys() == {"intents", "images", "slots"}
    assert (tmp_path / "congruent.png").exists()


def test_sums_are_loops() -> None:
    random = np.random.default_rng(0)
    old, none, right = (random.random((3, 200)) < share for share in (0.7, 0.8, 0.75))
    found = measured(right, old, (none, old))
    flips = [
        sum(bool(a and not b) for a, b in zip(old.ravel(), one.ravel(), strict=True)) / 600 for one in (right, none)
    ]
    assert found["negative"]["value"] == pytest.approx(flips[0], abs=1e-4)
    assert found["of untreated"]["value"] == pytest.approx(flips[0] / flips[1], abs=1e-4)
    assert found["more error"]["value"] == pytest.approx(none.mean() - right.mean(), abs=1e-4)
    nfi = [flip / (1 - one.mean()) for flip, one in zip(flips, (right, none), strict=True)]
    assert found["NFI"]["value"] == pytest.approx(nfi[0], abs=1e-4)
    assert found["NFI of untreated"]["value"] == pytest.approx(nfi[0] / nfi[1], abs=1e-4)
    low, high = found["negative"]["interval"]
    assert low < found["negative"]["value"] < high


def test_images_to_choose_by_are_nobodys_to_learn_from(tmp_path: Path) -> None:
    _images(tmp_path / "data")
    choosing, other = (images(tmp_path / "data", seed=seed, judge_test=False, most=200, epochs=1) for seed in (0, 1))
    seen = {one.numpy().tobytes() for one in choosing.new.inputs}
    assert not seen & {one.numpy().tobytes() for one in choosing.judged.inputs}
    assert {one.numpy().tobytes() for one in choosing.old.inputs} < seen
    assert torch.equal(choosing.judged.inputs, other.judged.inputs)
    assert not torch.equal(choosing.new.inputs, other.new.inputs)
