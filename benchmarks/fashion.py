"""Fashion-MNIST from its files: 28 × 28 grey images of ten kinds of clothes."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_MEAN, _DEVIATION = 0.2860, 0.3530
"""Of the training part's pixels, from 0 to 1."""


def load(folder: Path, part: str, classes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Images [n, 1, 28, 28] of the `classes`, in the file's order, and each one's place in `classes`; part: train or t10k."""
    pixels = _array(folder / f"{part}-images-idx3-ubyte.gz", header=16).reshape(-1, 1, 28, 28)
    labels = torch.from_numpy(_array(folder / f"{part}-labels-idx1-ubyte.gz", header=8)).long()
    places = torch.full((256,), -1)
    places[torch.tensor(classes)] = torch.arange(len(classes))
    rows = places[labels] >= 0
    return (torch.from_numpy(pixels)[rows].float() / 255 - _MEAN) / _DEVIATION, places[labels][rows]


def _array(file: Path, *, header: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    with gzip.open(file) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header).copy()
