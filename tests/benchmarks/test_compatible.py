"""The benchmark of compatible training: its measure, its splits, its data, and its smallest run, twice."""

import gzip
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.__main__ import SMOKE
from benchmarks.generations import CLOTHES, GROUPS, Against, Split, trained
from benchmarks.labelled import GALLERY, TEST, TRAIN, VALIDATION, Labelled, characters, clothes, intents
from benchmarks.quality.compatible import TRAINED, Pooled, average_precision

ROOT = Path(__file__).parents[2]
MODULE = "benchmarks.quality.compatible"


def _characters(folder: Path) -> None:
    """Two sets of an alphabet of their own, and one alphabet that is in both: strokes at a place of the character's own."""
    folder.mkdir(parents=True)
    for name, alphabets in (
        ("images_background_small1", ("One", "Both")),
        ("images_background_small2", ("Both", "Two")),
    ):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for alphabet in alphabets:
                for character in range(4):
                    for drawer in range(1, 21):
                        paper = np.full((105, 105), 255, dtype=np.uint8)
                        paper[10 + 20 * character + drawer % 3, 10:95] = 0
                        paper[10:95, 15 * len(alphabet) + drawer % 5] = 0
                        file = io.BytesIO()
                        Image.fromarray(paper).convert("1").save(file, "png")
                        place = f"{name}/{alphabet}/character{character + 1:02}/0001_{drawer:02}.png"
                        archive.writestr(place, file.getvalue())


def _clothes(folder: Path) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 4000), ("t10k", 300)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        pixels = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        pixels[np.arange(count), 2 * labels + 3] = 250
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0" * 16 + pixels.tobytes()))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0" * 8 + labels.tobytes()))


def _intents(folder: Path) -> None:
    folder.mkdir(parents=True)
    names = ("play", "stop", "wake", "sleep", "buy", "sell", "open", "close", "send", "read")
    made = {
        part: [(f"{name} the {part} thing number {n}", name) for name in names for n in range(count)]
        for part, count in (("train", 8), ("val", 3), ("test", 3))
    }
    (folder / "clinc150.json").write_text(json.dumps(made))


def test_precision_equals_a_loop() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 12, (20, 15)).astype(np.float32)  # with equal ones
    right = random.random((20, 15)) < 0.3
    right[:, 0] = True
    precision, first = average_precision(scores, right)
    for row in range(20):
        ordered = sorted(range(15), key=lambda item: (-scores[row, item], right[row, item]))
        of_equals = [
            max(place for place in range(15) if scores[row, ordered[place]] == scores[row, item]) for item in ordered
        ]
        found = [of_equals[place] + 1 for place, item in enumerate(ordered) if right[row, item]]
        assert precision[row] == pytest.approx(np.mean([(n + 1) / rank for n, rank in enumerate(found)]))
        assert first[row] == (found[0] == 1)
    ahead, _ = average_precision(np.array([[3, 2, 1, 0]], dtype=np.float32), np.array([[True, False, True, False]]))
    assert ahead[0] == pytest.approx((1 + 2 / 3) / 2)


def test_a_query_of_several_seeds_is_one_case() -> None:
    runs = [
        {"queries": {"unseen": [4, 7]}, "runs": {"old": {"cross": {"unseen": [0.2, 0.6]}}}},
        {"queries": {"unseen": [7, 9]}, "runs": {"old": {"cross": {"unseen": [0.8, 0.4]}}}},
    ]
    pooled = Pooled(runs)
    np.testing.assert_allclose(pooled.cases("old", "unseen"), [[0.2, 1], [1.4, 2], [0.4, 1]])
    assert pooled.mean("old", "unseen")["value"] == pytest.approx(0.5)
    assert pooled.by_seed("old", "unseen") == [0.4, 0.6]


def _made_up() -> Labelled:
    labels = torch.arange(10).repeat(16)
    inputs = 4 * torch.eye(10)[labels].repeat(1, 2) + torch.randn(160, 20, generator=torch.Generator().manual_seed(0))
    return Labelled(inputs, labels, (torch.arange(160) // 10) % 4)


@pytest.mark.parametrize("choose", [True, False])
def test_nobody_learns_what_is_asked_or_stored(choose: bool) -> None:
    split = Split(_made_up(), CLOTHES, 3, choose=choose)
    learned = {name: set(rows.tolist()) for name, rows in split.rows.items()}
    assert learned["middle"] <= learned["new"]
    assert learned["old"] < learned["middle"]
    kinds = {name: set(split.labels[rows].tolist()) for name, rows in split.rows.items()}
    assert (kinds["old"], kinds["middle"], kinds["new"]) == (set(range(3)), set(range(4)), set(range(6)))
    for name in GROUPS:
        asked, held = set(split.queries[name].tolist()), set(split.galleries[name].tolist())
        assert asked
        assert not asked & held
        assert not (asked | held) & learned["new"]
        assert set(split.data.parts[split.queries[name]].tolist()) == {VALIDATION if choose else TEST}
        assert set(split.labels[split.queries[name]].tolist()) <= set(split.labels[split.galleries[name]].tolist())
    assert set(split.labels[split.queries["unseen"]].tolist()) == ({6, 7} if choose else {8, 9})


def test_every_arm_brings_new_queries_to_old_vectors() -> None:
    split = Split(_made_up(), CLOTHES, 0, choose=False)
    old = trained(split, "old", 40, 0)
    rows = split.rows["new"][split.labels[split.rows["new"]] < split.classes["old"]]

    def near(vectors: torch.Tensor) -> float:
        return float((vectors[rows, :64] * old.vectors[rows]).sum(dim=1).mean())

    free = near(trained(split, "new", 40, 0).vectors)
    for terms, settings in TRAINED.values():
        extra = Against(split, old, "new", 0).extra(terms, settings[1])
        assert near(trained(split, "new", 40, 0, extra).vectors) > free + 0.1, terms


def test_data_in_parts(tmp_path: Path) -> None:
    _characters(tmp_path / "evolve" / "omniglot_small")
    _clothes(tmp_path / "evolve" / "fashion-mnist")
    found = characters(tmp_path, tmp_path)
    assert found.classes == 12  # the alphabet in both sets is one
    assert torch.bincount(found.parts).tolist() == [120, 48, 24, 48]
    assert found.inputs.shape == (240, 1, 28, 28)
    assert 0 <= float(found.inputs.min()) < float(found.inputs.max()) <= 1
    again = characters(tmp_path, tmp_path, most=5)
    assert torch.equal(again.inputs, found.inputs[:100])
    worn = clothes(tmp_path, tmp_path)
    assert torch.bincount(worn.parts).tolist() == [2000, 1000, 1000, 300]


def test_requests_in_parts(tmp_path: Path) -> None:
    _intents(tmp_path / "understand")
    np.save(tmp_path / "clinc150-10.npy", np.zeros((140, 4)))  # as an encoder would have left it
    found = intents(tmp_path, tmp_path, most=10)
    assert found.classes == 10
    assert {part: int((found.parts == part).sum()) for part in (TRAIN, GALLERY, VALIDATION, TEST)} == {
        TRAIN: 40,
        GALLERY: 40,
        VALIDATION: 30,
        TEST: 30,
    }
    names = sorted({text.split()[0] for text in found.texts})
    assert [names[label] for label in found.labels] == [text.split()[0] for text in found.texts]


def test_its_smallest_run_goes_on_where_it_was(tmp_path: Path) -> None:
    _intents(tmp_path / "understand")
    _characters(tmp_path / "evolve" / "omniglot_small")
    command = [sys.executable, "-m", MODULE, *SMOKE[MODULE], "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    command += ["--out", str(tmp_path / "results")]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr[-3000:]
    result = json.loads((tmp_path / "results" / "compatible.json").read_text())
    assert result["commit"]
    assert result["machine"]["cores"]
    for about in result["tasks"].values():
        assert set(about["arms"]) > set(TRAINED)
        assert about["arms"]["old"]["unseen"]["of old"]["value"] == 1
    assert set(result["tasks"]) == {"intents, other encoder", "characters"}
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr[-3000:]
    assert " of " not in again.stdout.split("**")[0]  # nothing was left to do
