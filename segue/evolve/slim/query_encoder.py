"""A trained tower as an artifact: its weights, to go on from, and a float32 ONNX graph that serves without torch's weight."""

import tempfile
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from segue import artifact
from segue.artifact import Artifact
from segue.encode.encoder import Ids, Vectors, encode_by_length
from segue.encode.quantised import GRAPH, TOKENIZER, open_graph
from segue.encode.tokenizer import Tokenizer
from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture
from segue.evolve.slim.tower import Tower

KIND = "query tower"
FORMAT = "onnx-float32"
_OPSET = 18


def export(
    tower: Tower, tokenizer: Tokenizer, folder: Path | str, *, name: str, gallery: str, parent: str | None = None
) -> Artifact:
    """Write `tower` to a new folder. `gallery` is the fingerprint of the encoder whose index it is for, without which its vectors
    mean nothing; `parent` is the content hash of the artifact that it replaces. Raises what `artifact.write` raises, and
    `InvalidInput` for a tokenizer of another vocabulary or of longer texts."""
    if tokenizer.vocabulary != tower.vocabulary or tokenizer.longest > tower.longest:
        raise InvalidInput(
            f"The tokenizer has {tokenizer.vocabulary:,} ids and texts of {tokenizer.longest} tokens.",
            expected=f"the tower's {tower.vocabulary:,} ids and at most {tower.longest} tokens",
        )
    return artifact.write(
        folder,
        kind=KIND,
        name=name,
        tensors={key: tensor.detach().numpy() for key, tensor in tower.state_dict().items()},
        files={
            GRAPH: to_onnx(tower).SerializeToString(deterministic=True),
            TOKENIZER: tokenizer.definition.encode(),
        },
        meta={
            "format": FORMAT,
            "architecture": asdict(tower.architecture),
            "vocabulary": tower.vocabulary,
            "dimensions": tower.dimensions,
            "longest": tokenizer.longest,
            "positions": tower.longest,
            "buckets": tower.buckets,
            "gallery": gallery,
        },
        parent=parent,
    )


def load(folder: Path | str) -> tuple[Tower, Tokenizer]:
    """The tower with its weights, to go on training, and its tokenizer; raises what `artifact.open` raises."""
    part = artifact.open(folder, kind=KIND)
    meta = part.meta
    tower = Tower(
        Architecture(**meta["architecture"]),
        vocabulary=meta["vocabulary"],
        dimensions=meta["dimensions"],
        longest=meta["positions"],
        buckets=meta["buckets"],
    )
    tower.load_state_dict({key: torch.from_numpy(array) for key, array in part.tensors().items()})
    return tower.eval(), Tokenizer.open(part.path(TOKENIZER), longest=meta["longest"])


class QueryEncoder:
    """An opened tower: encodes queries for the index of the encoder whose fingerprint `gallery` is. May be shared by threads."""

    def __init__(self, session: Any, tokenizer: Tokenizer, part: Artifact) -> None:
        self._session, self._tokenizer = session, tokenizer
        self.dimensions: int = part.meta["dimensions"]
        self.gallery: str = part.meta["gallery"]
        self.fingerprint = part.hash

    @classmethod
    def open(cls, folder: Path | str, *, threads: int = 1) -> "QueryEncoder":
        """Open what `export` wrote; raises what `artifact.open` raises."""
        part = artifact.open(folder, kind=KIND)
        wrong = InvalidInput(f"The tower in {folder} cannot be served.", expected=f"an artifact of format {FORMAT!r}")
        session, tokenizer, _ = open_graph(part, FORMAT, threads, wrong)
        return cls(session, tokenizer, part)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`n` texts → unit rows, float32 [n, dimensions]. Raises `InvalidInput` for anything but texts."""
        return encode_by_length(texts, self._tokenizer, self._embed, dimensions=self.dimensions)

    def _embed(self, ids: Ids) -> Vectors:
        vectors: Vectors = self._session.run(None, {"ids": ids})[0]
        return vectors


@torch.no_grad()
def folded(tower: Tower) -> Tower:
    """The same function without a projection, where a static table is as wide as the gallery: its rows, and those of pairs, are
    projected once. Other towers are returned as they are."""
    architecture = tower.architecture
    if architecture.depth or architecture.window > 1 or architecture.width != tower.dimensions:
        return tower
    made = deepcopy(tower)
    for rows in (made.table, made.pairs) if architecture.pairs else (made.table,):
        rows.copy_(rows @ tower.project.weight.T)
    made.project = nn.Identity()  # type: ignore[assignment]
    return made


def to_onnx(tower: Tower) -> onnx.ModelProto:
    """The graph: `ids` int64 [b, n], all of one length → `vectors` float32 [b, E], unit rows; folded where that can be."""
    example = torch.ones(2, 7, dtype=torch.int64)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The same exporter as `segue.encode.export` uses, for the same reasons.
        warnings.simplefilter("ignore", category=DeprecationWarning)
        for message in ("Converting a tensor to a Python", "Constant folding"):
            warnings.filterwarnings("ignore", message=message)
        torch.onnx.export(
            _Unpadded(folded(tower)).eval(),
            (example,),
            f"{folder}/float32.onnx",
            input_names=["ids"],
            output_names=["vectors"],
            dynamic_axes={"ids": {0: "texts", 1: "tokens"}, "vectors": {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )
        return onnx.load(f"{folder}/float32.onnx")


class _Unpadded(nn.Module):
    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, ids: Tensor) -> Tensor:
        found: Tensor = self.tower(ids)
        return found
