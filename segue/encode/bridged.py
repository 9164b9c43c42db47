"""An encoder that takes over from another while the other's vectors stay: queries by both, items by whichever embedded them.

score(query, item) = (1 − weight) · cos(old(q), old(i)) + weight · cos(new(q), new(i)), where new(i) is mapped from old(i) until
the item is embedded anew. Both sides are one unit vector, [√(1 − weight) · old, √weight · new], whose product is that sum:
whatever searches by cosine searches by it. With weight 1 only the new encoder is asked.

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

    def __init__(self, old: Encoder, new: Encoder, matrix: NDArray[np.float32], weight: float, *, name: str) -> None:
        """`matrix` [d_old, d_new] maps old vectors to the new space; `name` is of this bridge alone. Raises `InvalidInput` for
        a map of another shape, or a weight that is not above 0 and at most 1."""
        if matrix.shape != (old.dimensions, new.dimensions) or not np.isfinite(matrix).all():
            raise InvalidInput(
                f"The map has the shape {matrix.shape}.", expected=f"{(old.dimensions, new.dimensions)}, finite numbers"
            )
        if not 0 < weight <= 1:
            raise InvalidInput(f"The weight is {weight}.", expected="above 0, and 1 at most: the new encoder alone")
        self.old, self.new, self.weight = old, new, weight
        self._matrix = matrix
        self._halves = np.sqrt(1 - weight, dtype=np.float32), np.sqrt(weight, dtype=np.float32)
        self.name = name

    @property
    def dimensions(self) -> int:
        return self.new.dimensions + (0 if self.weight == 1 else self.old.dimensions)

    @property
    def fingerprint(self) -> str:
        return f"{self.name} {self.old.fingerprint[:16]} {self.new.fingerprint[:16]}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`n` texts → unit rows, float32 [n, dimensions]. Raises what the encoders raise."""
        new = self.new.encode(texts)
        return new if self.weight == 1 else self.joined(self.old.encode(texts), new)

    def joined(self, old: Vectors, new: Vectors) -> Vectors:
        """Both encoders' vectors of the same texts, [n, d_old] and [n, d_new], as one row each, [n, dimensions]."""
        if self.weight == 1:
            return new
        return np.concatenate([self._halves[0] * old, self._halves[1] * new], axis=1)

    def map(self, old: Vectors) -> Vectors:
        """Old vectors in the new space, [n, d_old] → [n, d_new], at unit length."""
        mapped = old @ self._matrix
        lengths = np.linalg.norm(mapped, axis=1, keepdims=True)
        return np.asarray(mapped / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def write(
    folder: Path,
    matrix: NDArray[np.float32],
    weight: float,
    calibrated: Mapping[str, NDArray[np.int64]],
    *,
    old: Encoder,
    new: Artifact,
    name: str,
    about: dict[str, object],
) -> Artifact:
    """Keep a bridge between the encoder `old` and the artifact of the one that takes over: `calibrated` are the numbers of the
    items that it was fitted on, by domain, and `about` is told with it. Raises what `artifact.write` raises."""
    meta = {
        "weight": weight,
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
        case {"encoder": str(name), "weight": float() | int(), "old": str(), "new": str()}:
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
    return BridgedEncoder(
        old, new, part.tensors()[_MATRIX], float(part.meta["weight"]), name=f"bridge-{part.hash[:16]}"
    )
