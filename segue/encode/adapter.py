"""A migrated encoder in the library `transformers` (extra `transformers`), for all that is built on that.

What `segue migrate` writes opens there as it is, and is the model that it was, up to its table's end. This gives it the rest.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segue.encode.positions.floater import FloaterPositions
from segue.encode.positions.stored import StoredPositions
from segue.encode.pretrained import load
from segue.errors import InvalidInput, Unavailable


def open_in_transformers(folder: Path | str) -> Any:
    """The migrated model in `folder` as a `BertModel` or `RobertaModel` that reads texts as long as its continuation says.

    Raises `Unavailable` where transformers is not installed, and what `extend` raises. Nothing is fetched.
    """
    try:
        from transformers import AutoModel  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable(
            "transformers is not installed.",
            expected="the extra `transformers`",
            fix="pip install 'segue[transformers]'",
        ) from error
    model = AutoModel.from_pretrained(Path(folder), local_files_only=True).eval()
    extend(model, folder)
    return model


def extend(model: nn.Module, folder: Path | str) -> None:
    """Continue `model`, a `BertModel` or `RobertaModel` that was loaded from the migrated `folder`, in place. Of a
    SentenceTransformer pass `model[0].auto_model`, and set its `max_seq_length`.

    Its table of positions becomes as long as the longest text; queries, keys and values of every block get the stored biases
    beyond the old one's end. Raises `InvalidInput` where `folder` was not migrated or `model` is of another kind.
    """
    encoder = load(folder)
    transformer, longest = encoder.transformer, encoder.tokenizer.longest
    if not isinstance(transformer.positions, FloaterPositions):
        raise InvalidInput(f"{folder} holds no continuation.", expected="what `segue migrate` wrote")
    inner: Any = model
    try:
        embeddings, layers = inner.embeddings, inner.encoder.layer
        table = embeddings.position_embeddings
    except AttributeError as error:
        raise InvalidInput(f"A {type(model).__name__} cannot be extended: {error}.", expected="a BertModel") from error
    stored = StoredPositions(transformer.positions, transformer.own_biases().detach(), longest=longest)
    assert stored.added is not None
    skipped = table.num_embeddings - transformer.positions.since - 1
    rows = torch.cat([table.weight.detach()[:skipped], stored.added])
    embeddings.position_embeddings = nn.Embedding(len(rows), rows.shape[1], padding_idx=table.padding_idx, _weight=rows)
    embeddings.register_buffer("position_ids", torch.arange(len(rows))[None], persistent=False)
    embeddings.register_buffer("token_type_ids", torch.zeros(1, len(rows), dtype=torch.int64), persistent=False)
    inner.config.max_position_embeddings = len(rows)
    for layer, moved in zip(
        layers, stored.offsets.view(len(stored.offsets), len(layers), 3, -1).unbind(1), strict=True
    ):
        own = layer.attention.self
        for name, offsets in zip(("query", "key", "value"), moved.unbind(1), strict=True):
            setattr(own, name, _Moving(getattr(own, name), offsets, since=stored.since))


class _Moving(nn.Linear):
    """A projection whose bias moves with the place, from place `since` on."""

    offsets: Tensor

    def __init__(self, still: nn.Linear, offsets: Tensor, *, since: int) -> None:
        super().__init__(still.in_features, still.out_features, device="meta")
        self.weight, self.bias, self.since = still.weight, still.bias, since
        self.register_buffer("offsets", offsets.contiguous(), persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """[…, n, d] → […, n, d]."""
        found = super().forward(vectors)
        later = vectors.shape[-2] - self.since
        if later > 1:
            found[..., self.since :, :] += self.offsets[:later]
        return found
