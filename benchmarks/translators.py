"""Small translators: the library's encoder and decoder, with any position family, at any times."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.sentences import END, START, Batch
from segue.encode.decoding import greedy
from segue.encode.positions import Effects, FloaterPositions, NoPositions, Positions, Span, flowing
from segue.encode.seq2seq import Seq2Seq
from segue.encode.shape import Shape
from segue.encode.transformer import Transformer

LONGEST = 512
"""Tokens of a text, at most."""

Draw = Callable[[int, torch.Generator], Tensor]
"""Number of tokens, generator → increasing places of so many, float64."""


class Translator(nn.Module, ABC):
    """What is trained and asked here."""

    @abstractmethod
    def logits(self, batch: Batch, real: Tensor) -> Tensor:
        """[k, V], of what follows each token of the targets but their last; only those k where `real` is true."""

    @abstractmethod
    def write(self, source: Tensor, mask: Tensor | None, longest: int) -> list[list[int]]:
        """The likeliest translations, greedily."""


class Clock:
    """Where tokens stand: at 0, 1, 2, …, or, while `draw` is in force, where the last `tick` put them.

    One clock for encoder, decoder and its look at the source, so that a token has one place in a step.
    """

    def __init__(self, draw: Draw | None, most: int = LONGEST) -> None:
        self.draw, self.most = draw, most
        self.places: Tensor | None = None

    def tick(self, generator: torch.Generator) -> None:
        """New places for the step that begins."""
        if self.draw is not None:
            self.places = self.draw(self.most, generator)

    def stop(self) -> None:
        """Back to 0, 1, 2, …"""
        self.places = None


class At(nn.Module):
    """A position family whose tokens stand where a clock says."""

    def __init__(self, inner: Positions, clock: Clock) -> None:
        super().__init__()
        self.inner, self.clock = inner, clock

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        places = self.clock.places
        if places is not None:
            span = Span(span.start, span.stop, span.like, places[: span.stop])
        return self.inner.at(span, own)


def stretched(most: int, generator: torch.Generator, *, least: float = 1.0, largest: float = 2.0) -> Tensor:
    """0, s, 2s, …, log s uniform between those of `least` and `largest`."""
    part = float(torch.rand(1, dtype=torch.float64, generator=generator))
    return torch.arange(most, dtype=torch.float64) * math.exp((1 - part) * math.log(least) + part * math.log(largest))


class Ours(Translator):
    """The library's encoder and decoder, of one shape, with one vocabulary and one position family each."""

    def __init__(self, shape: Shape, encoder: Positions, decoder: Positions) -> None:
        super().__init__()
        reads = Transformer(shape, encoder)
        writes = Transformer(shape, decoder, causal=True, reading=NoPositions())
        writes.words = reads.words
        self.model = Seq2Seq(reads, writes)

    def logits(self, batch: Batch, real: Tensor) -> Tensor:
        model, inputs = self.model, batch.target[:, :-1]
        decoder = model.writer.decoder
        found = decoder(inputs, cache=model.start(batch.source, batch.mask, ahead=inputs.shape[1]))
        logits: Tensor = functional.linear(found[real] * decoder.shape.width**-0.5, decoder.words.weight)
        return logits

    @torch.no_grad()
    def write(self, source: Tensor, mask: Tensor | None, longest: int) -> list[list[int]]:
        cache = self.model.start(source, mask, ahead=longest)
        return greedy(self.model.writer, cache, torch.full((len(source), 1), START), end=END, longest=longest)


def migrated(trained: Ours, *, bound: float | None = None, decay: float = 0.0) -> Ours:
    """The same model with FLOATER in every attention, the decoder's look at the source too, and no dynamics yet.

    One flow for each of the three; what was trained is copied, its positions included.
    """
    found = copy.deepcopy(trained)
    encoder, decoder = found.model.encoder, found.model.writer.decoder

    def floating(base: Positions | None) -> FloaterPositions:
        return flowing(encoder.shape.width, base, scale=0, bound=bound, decay=decay)

    encoder.positions, decoder.positions = floating(encoder.positions), floating(decoder.positions)
    decoder.reading = floating(None)
    return found


def clocked(model: Ours, clock: Clock) -> Ours:
    """The same model, whose tokens stand where `clock` says."""
    found = copy.deepcopy(model)
    encoder, decoder = found.model.encoder, found.model.writer.decoder
    encoder.positions, decoder.positions = At(encoder.positions, clock), At(decoder.positions, clock)
    decoder.reading = At(decoder.reading, clock)
    return found
