"""An encoder that also says what it knows of every piece of a text: its inner states. An int8 ONNX graph; no torch here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue import artifact
from segue.encode.encoder import Vectors, by_length, checked
from segue.encode.quantised import open_graph
from segue.encode.tokenizer import Tokenizer
from segue.errors import InvalidInput

KIND = "encoder with states"
FORMAT = "onnx-int8-states"

_TEXTS, _TOKENS = 64, 1_024


@dataclass(frozen=True, slots=True)
class States:
    """Of one text: its unit `vector` float32 [d], and of its n pieces the `states` float32 [n, d] and where they stand in the
    text, `spans` int64 [n, 2], in characters, the end exclusive. Special pieces stand nowhere and are left out."""

    vector: Vectors
    states: Vectors
    spans: NDArray[np.int64]


class StatesEncoder:
    """An opened artifact that `segue.encode.export.export_states` wrote. May be shared by threads."""

    def __init__(self, session: Any, tokenizer: Tokenizer, *, dimensions: int, fingerprint: str) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self.dimensions = dimensions
        self.fingerprint = fingerprint

    @classmethod
    def open(cls, folder: Path | str, *, threads: int = 1) -> "StatesEncoder":
        """Raises what `artifact.open` raises, and `InvalidInput` for another format."""
        part = artifact.open(folder, kind=KIND)
        wrong = InvalidInput(
            f"The encoder in {folder} does not give states.",
            expected=f"an artifact of format {FORMAT!r}",
            fix="make it with segue.encode.export.export_states",
        )
        session, tokenizer, dimensions = open_graph(part, FORMAT, threads, wrong)
        return cls(session, tokenizer, dimensions=dimensions, fingerprint=part.hash)

    def encode(self, texts: Sequence[str]) -> list[States]:
        """What is known of every text; a text does not depend on its neighbours. Raises `InvalidInput` for anything but texts."""
        pieces = self._tokenizer.pieces(checked(texts))
        found: dict[int, States] = {}
        for group in by_length([len(one.ids) for one in pieces], texts=_TEXTS, tokens=_TOKENS):
            ids = np.array([pieces[place].ids for place in group.tolist()], dtype=np.int64)
            vectors, states = self._session.run(["vectors", "states"], {"ids": ids})
            for row, place in enumerate(group.tolist()):
                spans = np.array(pieces[place].spans, dtype=np.int64).reshape(-1, 2)
                real = spans[:, 1] > spans[:, 0]
                found[place] = States(vectors[row], states[row][real], spans[real])
        return [found[place] for place in range(len(pieces))]
