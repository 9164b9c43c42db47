"""The frozen encoder over a whole data set, once: what it says of every text is kept, and every run looks it up."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from segue.encode.export import export_states
from segue.encode.pretrained import minilm
from segue.encode.states import States, StatesEncoder
from segue.recipes.train_reader import BLOCK

FOLDER = "encoder"
"""Where the encoder itself lies in the folder of finished runs."""


class Remembered:
    """An encoder whose answers for known texts are looked up: many runs encode each text once."""

    def __init__(self, known: Mapping[str, States], fingerprint: str) -> None:
        self._known, self.fingerprint = known, fingerprint

    def encode(self, texts: Sequence[str]) -> list[States]:
        """As `StatesEncoder.encode`."""
        return [self._known[text] for text in texts]


def remembered(texts: Sequence[str], work: Path) -> Remembered:
    """What the encoder says of every one of `texts`, which are always the same; kept in `work`."""
    file, folder = work / "states.npz", work / FOLDER
    if not folder.exists():
        export_states(minilm(), folder, name="minilm-states", block=BLOCK)
    encoder = StatesEncoder.open(folder)
    texts = sorted(set(texts))
    if not file.exists():
        found = encoder.encode(texts)
        new = file.with_suffix(".new.npz")
        np.savez(
            new,
            vectors=np.stack([one.vector for one in found]),
            states=np.concatenate([one.states for one in found]),
            spans=np.concatenate([one.spans for one in found]),
            counts=np.array([len(one.spans) for one in found]),
        )
        new.replace(file)
    with np.load(file) as kept:
        ends = np.cumsum(kept["counts"])[:-1]
        parts = zip(kept["vectors"], np.split(kept["states"], ends), np.split(kept["spans"], ends), strict=True)
        known = {text: States(*part) for text, part in zip(texts, parts, strict=True)}
    return Remembered(known, encoder.fingerprint)
