"""A translator by x-transformers, beside the library's; imported only where it is asked for."""

from typing import Any

import torch
from torch import Tensor
from x_transformers import AutoregressiveWrapper, Decoder, Encoder, TransformerWrapper

from benchmarks.sentences import END, PADDING, START, Batch
from benchmarks.translators import LONGEST, Translator
from segue.encode.shape import Shape


class Peer(Translator):
    """The same sizes by x-transformers, its own initial values; `flags` choose its positions. Post-norm, tied and with a norm
    of the words as ours."""

    def __init__(self, shape: Shape, **flags: bool) -> None:
        super().__init__()
        sizes: dict[str, Any] = {"dim": shape.width, "depth": shape.blocks, "heads": shape.heads, "pre_norm": False}
        sizes |= {"attn_dim_head": shape.width // shape.heads, "ff_mult": shape.inner // shape.width}
        ends = {
            "num_tokens": shape.vocabulary,
            "max_seq_len": LONGEST,
            "use_abs_pos_emb": False,
            "post_emb_norm": True,
        }
        self.encoder = TransformerWrapper(attn_layers=Encoder(**sizes, **flags), return_only_embed=True, **ends)
        self.decoder = TransformerWrapper(
            attn_layers=Decoder(cross_attend=True, **sizes, **flags),
            token_emb=self.encoder.token_emb,
            tie_embedding=True,
            **ends,
        )

    def logits(self, batch: Batch, real: Tensor) -> Tensor:
        read, mask = self._read(batch.source, batch.mask)
        found = self.decoder(batch.target[:, :-1], context=read, context_mask=mask, return_embeddings=True)
        logits: Tensor = self.decoder.to_logits(found[real])
        return logits

    @torch.no_grad()
    def write(self, source: Tensor, mask: Tensor | None, longest: int) -> list[list[int]]:
        read, mask = self._read(source, mask)
        begun = torch.full((len(source), 1), START)
        writer = AutoregressiveWrapper(self.decoder, pad_value=PADDING)
        found = writer.generate(begun, longest, eos_token=END, temperature=0.0, context=read, context_mask=mask)
        return [[one for one in row if one not in (PADDING, END)] for row in found.tolist()]

    def _read(self, source: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        seen = None if mask is None else mask.bool()
        return self.encoder(source, mask=seen, return_embeddings=True), seen
