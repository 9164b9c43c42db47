"""Pictures: reliability diagrams by domain, which domains are taken for which, and what an encoder knows of places."""

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput, Unavailable
from segue.understand.calibration import Reliability

_COLUMNS = 4


def draw_reliability(domains: Mapping[str, Mapping[str, Reliability]], file: Path) -> None:
    """A panel for each domain with a curve for each arm ("before", "after"), as PNG: how often hypotheses were right against
    the confidence in them, with 95 % intervals; the area of a dot grows with the number of cases.

    Raises `Unavailable` without matplotlib, `InvalidInput` when there is nothing to draw.
    """
    if not domains:
        raise InvalidInput("There is nothing to draw.", expected="the curves of at least one domain")
    columns = min(_COLUMNS, len(domains))
    rows = -(-len(domains) // columns)
    figure = _figure(2.7 * columns, 2.7 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for panel, (domain, arms) in zip(panels, domains.items(), strict=False):
        panel.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        for colour, (arm, curve) in enumerate(arms.items()):
            _curve(panel, curve, arm, f"C{colour}")
        panel.set_title(domain, fontsize=9)
        panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    for panel in panels[len(domains) :]:
        panel.set_axis_off()
    panels[0].legend(fontsize=7, loc="upper left")
    figure.supxlabel("confidence", fontsize=9)
    figure.supylabel("share that was right", fontsize=9)
    figure.savefig(file, dpi=110)


def draw_positions(features: Mapping[str, NDArray[np.float32]], table: int, file: Path) -> None:
    """A heat map [places, features] for each name, as PNG: places from left to right, a line where the learned table ends.

    Shades go to the largest size of each map. Raises `Unavailable` without matplotlib, `InvalidInput` with nothing to draw.
    """
    if not features:
        raise InvalidInput("There is nothing to draw.", expected="the features of at least one part of the model")
    figure = _figure(9, 1.7 * len(features) + 0.6)
    panels = figure.subplots(len(features), 1, squeeze=False, sharex=True).ravel()
    for panel, (name, values) in zip(panels, features.items(), strict=True):
        # What is largest at few features or places would hide the rest.
        most = max(float(np.percentile(np.abs(values), 99.5)), 1e-9)
        shown = panel.imshow(values.T, aspect="auto", cmap="RdBu", vmin=-most, vmax=most, interpolation="nearest")
        panel.axvline(table - 0.5, color="black", linewidth=0.8)
        panel.set_title(name, fontsize=9, loc="left")
        panel.set_yticks([])
        figure.colorbar(shown, ax=panel, pad=0.01)
    panels[-1].set_xlabel("place of the token", fontsize=9)
    figure.savefig(file, dpi=110)


def draw_confusion(names: Sequence[str], counts: NDArray[np.int64], file: Path) -> None:
    """Which domain requests were meant for (rows) and which they went to (columns), as PNG. `counts` int64 [d, d].

    Shades are shares of a row. Raises `Unavailable` without matplotlib, `InvalidInput` when names and counts do not fit.
    """
    if not len(names) or counts.shape != (len(names), len(names)):
        raise InvalidInput(
            f"There are {len(names)} names for counts {counts.shape}.", expected="a name a row and column"
        )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2 + 0.38 * len(names)
    figure = _figure(size, size)
    panel = figure.subplots()
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    panel.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    panel.set_yticks(range(len(names)), names, fontsize=8)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        panel.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=6, color=colour)
    panel.set(xlabel="went to", ylabel="meant for")
    figure.savefig(file, dpi=110)


def _curve(panel: Any, curve: Reliability, arm: str, colour: str) -> None:
    there = curve.count > 0
    at, accuracy = curve.confidence[there], curve.accuracy[there]
    # Where nothing or all was right, rounding may put the end of an interval past the dot by 1e−17.
    reach = np.maximum([accuracy - curve.low[there], curve.high[there] - accuracy], 0)
    panel.errorbar(at, accuracy, reach, color=colour, linewidth=1, elinewidth=0.6, label=arm)
    panel.scatter(at, accuracy, 60 * curve.count[there] / max(1, curve.count.max()), color=colour)


def _figure(width: float, height: float) -> Any:
    """A figure of its own: pyplot keeps all figures of a process, which a server must not."""
    return _library().Figure(figsize=(width, height), layout="constrained")


@cache
def _library() -> Any:
    try:
        return importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise Unavailable(
            f"matplotlib, which draws the pictures, cannot be loaded: {error}.",
            expected="the package matplotlib",
            fix="pip install matplotlib",
        ) from error
