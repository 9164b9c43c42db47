"""An encoder that takes over from another while the other's vectors stay: queries by both, items by whichever embedded them.

score(query, item) = (1 − w) · cos(old(q), old(i)) + w · cos(new(q), new(i)), where new(i) is mapped from old(i), and w is
`weight`, until the item is embedded anew; from then on w is `real`: a mapped vector is worth less. The score is one product,
[√(1 − weight) · old, √weight · new] of the query with a row of the item that makes it that sum, so that whatever searches by a
product searches by it. With weight 1 only the new encoder is asked.

`segue.evolve.bridges` fits the map, and says what others do. No torch here: serving imports this file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue import artifact
from segue.artifact import Artifact
from segue.encode.encoder import Encoder, Vectors
from segue.errors import Corrupt, InvalidInput

KIND = "bridge"
_MATRIX = "matrix"
_CALIBRATED = "calibrated-"


class BridgedEncoder:
    """Both encoders, and the map between them. May be shared by threads."""

    def __init__(
        self,
        old: Encoder,
        new: Encoder,
        matrix: NDArray[np.float32],
        weight: float,
        real: float | None = None,
        *,
        name: str,
    ) -> None:
        """`matrix` [d_old, d_new] maps old vectors to the new space; `real` is None for the same as `weight`; `name` is of this
        bridge alone. Raises `InvalidInput` for a map of another shape, or weights that are not above 0, 1 at most and
        ascending."""
        if matrix.shape != (old.dimensions, new.dimensions) or not np.isfinite(matrix).all():
            raise InvalidInput(
                f"The map has the shape {matrix.shape}.", expected=f"{(old.dimensions, new.dimensions)}, finite numbers"
            )
        real = weight if real is None else real
        if not 0 < weight <= real <= 1:
            raise InvalidInput(
                f"The weight is {weight} for mapped vectors and {real} for real ones.",
                expected="above 0, no less for real ones, and 1 at most: the new encoder alone",
            )
        self.old, self.new, self.weight, self.real = old, new, weight, real
        self._matrix = matrix
        self.name = name

    @property
    def dimensions(self) -> int:
        return self.new.dimensions + (0 if self.weight == 1 else self.old.dimensions)

    @property
    def fingerprint(self) -> str:
        return f"{self.name} {self.old.fingerprint[:16]} {self.new.fingerprint[:16]}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Queries: `n` texts → unit rows, float32 [n, dimensions]. Raises what the encoders raise."""
        new = self.new.encode(texts)
        if self.weight == 1:
            return new
        parts = [np.sqrt(1 - self.weight) * self.old.encode(texts), np.sqrt(self.weight) * new]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def rows(self, old: Vectors, new: Vectors, real: NDArray[np.bool_]) -> Vectors:
        """Items: both encoders' vectors of the same, [n, d_old] and [n, d_new], and which of the new ones are `real` [n], as
        rows [n, dimensions]: of unit length where they are mapped, so that both spaces are of use; longer where not."""
        if self.weight == 1:
            return new
        by_old, by_new = self.lengths(real)
        return np.concatenate([by_old[:, None] * old, by_new[:, None] * new], axis=1)

    def lengths(self, real: NDArray[np.bool_]) -> tuple[Vectors, Vectors]:
        """How long the two parts of rows are, [n] each."""
        weights = np.where(real, np.float32(self.real), np.float32(self.weight))
        return (1 - weights) / np.sqrt(np.float32(1 - self.weight)), weights / np.sqrt(np.float32(self.weight))

    def map(self, old: Vectors) -> Vectors:
        """Old vectors in the new space, [n, d_old] → [n, d_new], at unit length."""
        mapped = old @ self._matrix
        lengths = np.linalg.norm(mapped, axis=1, keepdims=True)
        return np.asarray(mapped / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def write(
    folder: Path,
    matrix: NDArray[np.float32],
    weights: tuple[float, float],
    calibrated: Mapping[str, NDArray[np.int64]],
    *,
    old: Encoder,
    new: Artifact,
    name: str,
    about: dict[str, object],
) -> Artifact:
    """Keep a bridge between the encoder `old` and the artifact of the one that takes over, with the weights of mapped and of
    real vectors: `calibrated` are the numbers of the items that it was fitted on, by domain, and `about` is told with it.
    Raises what `artifact.write` raises."""
    meta = {
        "weight": weights[0],
        "real": weights[1],
        "old": old.fingerprint,
        "new": new.hash,
        "encoder": new.folder.name,
        "about": about,
    }
    tensors: dict[str, NDArray[Any]] = {_MATRIX: matrix}
    tensors |= {f"{_CALIBRATED}{domain}": numbers for domain, numbers in calibrated.items()}
    return artifact.write(folder, kind=KIND, name=name, tensors=tensors, meta=meta, parent=old.fingerprint)


def encoder_of(part: Artifact) -> Path:
    """The folder of the encoder that takes over by the bridge `part`: it lies beside it. Raises `Corrupt`."""
    match dict(part.meta):
        case {"encoder": str(name), "weight": float() | int(), "real": float() | int(), "old": str(), "new": str()}:
            return part.folder.parent / Path(name).name
    raise Corrupt(f"{part.folder} does not say what it bridges.", fix="make it again: segue upgrade bridge")


def calibrated_of(part: Artifact) -> dict[str, NDArray[np.int64]]:
    """The numbers of the items that a bridge was fitted on, by domain."""
    return {
        name.removeprefix(_CALIBRATED): numbers
        for name, numbers in part.tensors().items()
        if name.startswith(_CALIBRATED)
    }


def bridged(part: Artifact, old: Encoder, new: Encoder) -> BridgedEncoder:
    """The encoder that a bridge makes of two. Raises `InvalidInput` for others than it was made for, and `Corrupt`."""
    encoder_of(part)
    if (part.meta["old"], part.meta["new"]) != (old.fingerprint, new.fingerprint):
        raise InvalidInput(
            f"The bridge {part.name!r} was made between other encoders.",
            expected=f"from {part.meta['old'][:12]} to {part.meta['new'][:12]}",
            fix="make it again between the store's encoder and the new one: segue upgrade bridge",
        )
    weight, real = float(part.meta["weight"]), float(part.meta["real"])
    return BridgedEncoder(old, new, part.tensors()[_MATRIX], weight, real, name=f"bridge-{part.hash[:16]}")
