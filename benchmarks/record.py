"""What every result file says of its run: commit, machine, versions, time."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from segue.evolve.intervals import Interval
from segue.understand.measures import Difference

RESULTS = Path(__file__).parent / "results"
DATA = Path(__file__).parents[2] / "shared" / "data"
"""Where the public data sets are looked for unless --data says otherwise; benchmarks/README.md says where to get them."""


def about() -> dict[str, Any]:
    """Commit, machine, versions and load, for a result file."""
    return {
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load": [round(load, 2) for load in os.getloadavg()],
        },
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("tantivy", "faiss-cpu", "onnxruntime", "numpy", "torch")},
    }


def ends(interval: Interval) -> dict[str, float]:
    """An interval for a result file: its value, low and high."""
    return {name: round(getattr(interval, name), 4) for name in ("value", "low", "high")}


def with_interval(interval: Interval) -> dict[str, Any]:
    """An interval for a result file: its value, and both ends as one pair."""
    one = ends(interval)
    return {"value": one["value"], "interval": [one["low"], one["high"]]}


def save(name: str, result: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write `result` with `about()` as JSON; a file is replaced only when the new one is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps({**about(), **result}, indent=1, ensure_ascii=False) + "\n")
    temporary.replace(file)
    return file


def publish(
    name: str,
    result: Mapping[str, Any],
    folder: Path,
    *,
    table: Callable[[Mapping[str, Any]], str],
    draw: Callable[[Mapping[str, Any], Path], None],
) -> None:
    """Print the table, write the result, draw its figure beside it, and say where they are."""
    print(table(result))
    file = save(name, result, folder)
    draw(result, file.with_suffix(".png"))
    print(file)


def spread(values: Sequence[float], *, digits: int) -> dict[str, Any]:
    """Mean over seeds, half of its 95 % interval by Student's t (None with one seed), and every seed's value."""
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)) if len(values) > 1 else None
    return {
        "mean": round(float(np.mean(values)), digits),
        "±": None if half is None else round(half, digits),
        "by seed": [round(float(value), digits) for value in values],
    }


def plain(row: Difference) -> dict[str, Any]:
    """A difference between two ways, as a result file holds it."""
    return {
        "difference": round(row.difference, 4),
        "interval": [round(end, 4) for end in row.interval],
        "relative": round(row.relative, 4),
        "relative interval": [round(end, 4) for end in row.relative_interval],
    }


def _commit() -> str:
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
