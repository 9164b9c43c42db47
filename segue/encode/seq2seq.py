"""Text to text: an encoder, and a decoder that reads it; and a decoder alone.

Shapes: `b` texts, `n` tokens of what is written, `m` of what is read, `V` words.
"""

from torch import Tensor, nn
from torch.nn import functional

from segue.encode.cache import Cache
from segue.encode.transformer import Transformer
from segue.errors import InvalidInput


class LanguageModel(nn.Module):
    """A causal transformer and what it says comes next; the words' vectors serve at both ends, at the output divided by √d
    as in T5 (Raffel et al. 2020)."""

    def __init__(self, decoder: Transformer) -> None:
        super().__init__()
        if not decoder.causal:
            raise InvalidInput("The decoder sees later tokens.", fix="make it with Transformer(…, causal=True)")
        self.decoder = decoder

    def forward(self, ids: Tensor, *, cache: Cache | None = None, places: Tensor | None = None) -> Tensor:
        """Logits [b, n, V] of what follows each of the tokens int64 [b, n]; with a `cache`, of those that come after it.

        Padding at the end of a text needs no mask: nothing before it sees it.
        """
        found = self.decoder(ids, cache=cache, places=places)
        return functional.linear(found * self.decoder.shape.width**-0.5, self.decoder.words.weight)

    def start(self) -> Cache:
        """A new state of step-by-step decoding."""
        return self.decoder.cached()


class Seq2Seq(nn.Module):
    """An encoder and a decoder that reads it (Vaswani et al. 2017). Give both the same `words` to share a vocabulary."""

    def __init__(self, encoder: Transformer, decoder: Transformer) -> None:
        super().__init__()
        if encoder.causal or encoder.shape.width != decoder.shape.width:
            raise InvalidInput(
                f"The encoder is {'causal' if encoder.causal else 'not causal'} and {encoder.shape.width} wide, the decoder "
                f"{decoder.shape.width}.",
                expected="an encoder that sees whole texts, of the decoder's width",
            )
        self.encoder, self.writer = encoder, LanguageModel(decoder)

    def forward(self, source: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits [b, n, V] of what follows each token of `target` int64 [b, n], given `source` int64 [b, m] and its `mask`,
        0 at padding: teacher forcing."""
        logits: Tensor = self.writer(target, cache=self.start(source, mask, ahead=target.shape[1]))
        return logits

    def start(self, source: Tensor, mask: Tensor | None = None, *, ahead: int = 0) -> Cache:
        """Read `source` and begin to write; `ahead` tokens are known to follow."""
        return self.writer.decoder.cached(self.encoder(source, mask), mask, ahead=ahead)
