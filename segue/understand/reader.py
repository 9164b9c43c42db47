"""The reader of one domain, as tables: a weight for every feature it knows. It needs no other domain's reader.

Everything that was learned is a sum of weights looked up by a feature's name, with an encoder also a product with its vector;
so all domains' readers can be stacked and looked up at once (`segue.understand.readers`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue import artifact
from segue.errors import Corrupt
from segue.understand.seen import Seen

KIND = "reader"
_TEXT, _WORD, _SEEN = "features-of-texts.txt", "features-of-words.txt", "seen.json"

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Table:
    """Scores = sum of the rows of `weights` [f, c] that `names` picks + vector @ `dense` [d, c] + `bias` [c]; d is 0 without an
    encoder."""

    names: Sequence[str]
    weights: Weights
    dense: Weights
    bias: Weights


@dataclass(frozen=True, slots=True)
class Reader:
    """`texts` scores the domain (first column: P = σ) and its `intents` (the others: softmax); `words` scores the `tags` of every
    word, `start` [l] the first tag and `pairs` [l, l] one tag after another. `encoder` is the fingerprint of the encoder that it
    was trained with, None where it needs none."""

    domain: str
    intents: tuple[str, ...]
    tags: tuple[str, ...]
    texts: Table
    words: Table
    start: Weights
    pairs: Weights
    seen: Seen
    encoder: str | None = None

    def write(self, folder: Path | str, parent: str | None = None) -> artifact.Artifact:
        """Keep it as an artifact; raises what `artifact.write` raises."""
        return artifact.write(
            folder,
            kind=KIND,
            name=f"reader-{self.domain}",
            tensors={
                **{f"texts.{part}": getattr(self.texts, part) for part in ("weights", "dense", "bias")},
                **{f"words.{part}": getattr(self.words, part) for part in ("weights", "dense", "bias")},
                "start": self.start,
                "pairs": self.pairs,
            },
            files={
                _TEXT: "\n".join(self.texts.names).encode(),
                _WORD: "\n".join(self.words.names).encode(),
                _SEEN: json.dumps(self.seen.to_body(), sort_keys=True, ensure_ascii=False).encode(),
            },
            meta={
                "domain": self.domain,
                "intents": list(self.intents),
                "tags": list(self.tags),
                "encoder": self.encoder,
            },
            parent=parent,
        )

    @classmethod
    def open(cls, folder: Path | str) -> "Reader":
        """Open what `write` wrote; raises what `artifact.open` raises."""
        part = artifact.open(folder, kind=KIND)
        try:
            meta, tensors = part.meta, part.tensors()
            texts, words = (
                Table(_names(part.path(file)), *(tensors[f"{name}.{kind}"] for kind in ("weights", "dense", "bias")))
                for name, file in (("texts", _TEXT), ("words", _WORD))
            )
            return cls(
                meta["domain"],
                tuple(meta["intents"]),
                tuple(meta["tags"]),
                texts,
                words,
                tensors["start"],
                tensors["pairs"],
                Seen.from_body(json.loads(part.path(_SEEN).read_bytes())),
                meta["encoder"],
            )
        except (KeyError, TypeError) as error:
            raise Corrupt(f"The reader in {folder} lacks {error}.", fix="train the domain again") from error


def _names(path: Path) -> list[str]:
    content = path.read_bytes().decode()
    return content.split("\n") if content else []
