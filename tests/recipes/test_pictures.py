"""Pictures are drawn as PNG, of anything that can be drawn, and say so when they cannot."""

import sys
from pathlib import Path

import numpy as np
import pytest

from segue.errors import InvalidInput, Unavailable
from segue.recipes import pictures
from segue.recipes.pictures import draw_confusion, draw_reliability
from segue.understand.calibration import reliability

PNG = b"\x89PNG"
CONFIDENCE = np.linspace(0, 1, 200)
CURVE = reliability(CONFIDENCE, np.random.default_rng(0).random(200) < CONFIDENCE)


@pytest.mark.parametrize("domains", [1, 3, 6])
def test_reliability(domains: int, tmp_path: Path) -> None:
    sure = reliability(np.full(3, 0.95), np.ones(3, dtype=bool))  # a single bin, all of it right
    draw_reliability({f"domain {n}": {"before": sure, "after": CURVE} for n in range(domains)}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_confusion(tmp_path: Path) -> None:
    draw_confusion(["films", "books", "other"], np.array([[5, 1, 0], [0, 9, 0], [0, 0, 0]]), tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(PNG)


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing to draw"):
        draw_reliability({}, tmp_path / "none.png")
    with pytest.raises(InvalidInput, match="names"):
        draw_confusion(["films"], np.zeros((2, 2), dtype=np.int64), tmp_path / "none.png")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    pictures._library.cache_clear()
    with pytest.raises(Unavailable, match="pip install matplotlib"):
        draw_reliability({"films": {"before": CURVE}}, tmp_path / "curves.png")
    pictures._library.cache_clear()
