"""The names of weights: those of BERT's and RoBERTa's checkpoints ↔ those of our transformer."""

from collections.abc import Mapping

import torch
from torch import Tensor

from segue.errors import InvalidInput

_OUTSIDE = {
    "words.weight": "word_embeddings.weight",
    "types.weight": "token_type_embeddings.weight",
    "positions.table": "position_embeddings.weight",
    "norm.weight": "LayerNorm.weight",
    "norm.bias": "LayerNorm.bias",
}
_INSIDE = {
    "attention.project": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention.merge": ("attention.output.dense",),
    "attention_norm": ("attention.output.LayerNorm",),
    "widen": ("intermediate.dense",),
    "narrow": ("output.dense",),
    "norm": ("output.LayerNorm",),
}


def names(blocks: int) -> dict[str, tuple[str, ...]]:
    """Our name of every weight → the checkpoint's, without a prefix; attention's projection is three of theirs, one below the
    other.

    >>> names(1)["blocks.0.widen.bias"]
    ('encoder.layer.0.intermediate.dense.bias',)
    """
    found: dict[str, tuple[str, ...]] = {ours: (f"embeddings.{theirs}",) for ours, theirs in _OUTSIDE.items()}
    for block in range(blocks):
        for ours, several in _INSIDE.items():
            for part in ("weight", "bias"):
                theirs = tuple(f"encoder.layer.{block}.{one}.{part}" for one in several)
                found[f"blocks.{block}.{ours}.{part}"] = theirs
    return found


def read(checkpoint: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """Our weights out of a checkpoint's; its pooler and any head are left out. Raises `KeyError` for one that it lacks."""
    given = {_bare(name): tensor for name, tensor in checkpoint.items()}
    return {ours: torch.cat([given[one] for one in theirs]) for ours, theirs in names(blocks).items()}


def written(checkpoint: Mapping[str, Tensor], weights: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """A checkpoint with our `weights` in place of its own, under its names and in its precision; what we do not know of stays.

    Where its table of positions has more rows than ours, ours are the last (RoBERTa's first ones are no token's). Raises
    `InvalidInput` for weights of another shape.
    """
    given = {
        theirs: part.detach()
        for ours, several in names(blocks).items()
        for theirs, part in zip(several, weights[ours].chunk(len(several)), strict=True)
    }
    return {name: _in_place(name, tensor, given.get(_bare(name), tensor)) for name, tensor in checkpoint.items()}


def _in_place(name: str, theirs: Tensor, ours: Tensor) -> Tensor:
    if name.endswith(_OUTSIDE["positions.table"]):
        ours = torch.cat([theirs[: max(0, len(theirs) - len(ours))], ours])
    if ours.shape != theirs.shape:
        raise InvalidInput(
            f"The checkpoint's {name} has the shape {tuple(theirs.shape)}, the encoder's {tuple(ours.shape)}.",
            expected="the checkpoint that the encoder was loaded from",
        )
    return ours.to(theirs.dtype).contiguous()


def _bare(name: str) -> str:
    return name.removeprefix("bert.").removeprefix("roberta.")
