"""Teach a continued encoder what stands beyond its table: its flow alone learns, the encoder stays what it is.

The paper trains the flow by masked language modelling. Encoders of sentences have lost the head for that, and are used for
something else: so here the encoder teaches itself, by distillation of vectors (Reimers and Gurevych 2020). The vector of a
passage longer than the table must be near to the mean of two others: the one that the encoder gave it before it learned, and the
mean of the vectors of the passage's parts, which need no place that the encoder was not tuned to read. Passages are pieces of
texts one after another, so that texts of any length teach.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.continuation import Continuation, continued, flow_of, table_of
from segue.encode.pretrained import TorchEncoder
from segue.encode.tokenizer import Tokenizer
from segue.encode.transformer import Transformer, pool
from segue.errors import InvalidInput

_BEYOND = 64
"""A passage is at least so many tokens longer than the table."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """`passages` a step, each longer than the table and at most `reach` tokens; the flow's `rate` of learning.

    What they should be is read in parts of at most `part` tokens. `examined` passages are of held-out text, to measure on.
    """

    steps: int = 150
    passages: int = 4
    reach: int = 1024
    part: int = 128
    rate: float = 3e-3
    examined: int = 32
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near vectors of passages out of held-out text are to what they should be: mean cosine."""

    passages: int
    cosine: float


def lengthened(encoder: TorchEncoder, how: Continuation, *, seed: int = 0) -> tuple[TorchEncoder, Continuation]:
    """A copy of `encoder`, continued and at rest, and how: where `how` does not say it, the rows of the table that are repeated
    are as many as the encoder was tuned to read. Raises what `continued` raises."""
    if how.repeats is None:
        how = replace(how, repeats=encoder.tokenizer.longest)
    transformer = continued(encoder.transformer, how, seed=seed)
    return TorchEncoder(transformer, Tokenizer(encoder.tokenizer.definition, longest=how.longest)), how


def learn(
    encoder: TorchEncoder,
    texts: Iterable[str],
    lesson: Lesson,
    *,
    progress: Callable[[str, int], None] = lambda step, done: None,
) -> tuple[Agreement, Agreement]:
    """Train the flow of a continued `encoder` in place; how near it came on held-out text before, and after.

    A tenth of the text is held out. Where the encoder has not come nearer there, the flow is put back as it was. Raises
    `InvalidInput` where there is too little text.
    """
    transformer = encoder.transformer
    flow, course = flow_of(transformer), Course(encoder, lesson)
    learned, held_out = _split(encoder, texts, lesson)
    wanted = {name: parameter.requires_grad for name, parameter in transformer.named_parameters()}
    before = {name: tensor.clone() for name, tensor in flow.state_dict().items()}
    transformer.requires_grad_(False)
    flow.requires_grad_(True)
    try:
        first = course.examine(held_out)
        course.take(learned, progress)
        last = course.examine(held_out)
    finally:
        for name, parameter in transformer.named_parameters():
            parameter.requires_grad_(wanted[name])
    if last.cosine <= first.cosine:
        flow.load_state_dict(before)
        last = first
    return first, last


class Course:
    """An encoder that learns, and the same as it was, which teaches."""

    def __init__(self, encoder: TorchEncoder, lesson: Lesson) -> None:
        self._pupil, self._lesson = encoder.transformer, lesson
        self._teacher = copy.deepcopy(encoder.transformer).requires_grad_(False)
        (special,) = encoder.tokenizer.tokenize([""])
        half = len(special) // 2
        self._before, self._after = torch.tensor(special[:half]), torch.tensor(special[half:])
        table = table_of(encoder.transformer)
        self._part = min(lesson.part, table) - len(special)
        self._least, self._most = (length - len(special) for length in (table + _BEYOND, lesson.reach))

    def take(self, ids: Tensor, progress: Callable[[str, int], None]) -> None:
        """Learn from text `ids` [n]."""
        lesson, draw = self._lesson, np.random.default_rng(self._lesson.seed)
        parameters = [parameter for parameter in self._pupil.parameters() if parameter.requires_grad]
        optimiser = torch.optim.Adam(parameters, lr=lesson.rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lesson.rate, total_steps=lesson.steps, pct_start=0.1)
        for _ in range(lesson.steps):
            optimiser.zero_grad()
            (1 - self._nearness(ids, draw)).mean().backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            progress("learning", 1)

    @torch.no_grad()
    def examine(self, ids: Tensor) -> Agreement:
        """On passages out of text `ids`, the same ones each time."""
        draw = np.random.default_rng(self._lesson.seed + 1)
        rounds = -(-self._lesson.examined // self._lesson.passages)
        near = torch.cat([self._nearness(ids, draw) for _ in range(rounds)])
        return Agreement(len(near), float(near.mean()))

    @torch.no_grad()
    def wanted(self, passages: Tensor) -> Tensor:
        """What vectors of passages, ids [b, n] without special tokens, should be: unit rows [b, d]."""
        parts = passages.tensor_split(-(-passages.shape[1] // self._part), dim=1)
        lengths = torch.tensor([float(part.shape[1]) for part in parts])
        vectors = torch.stack([self._read(self._teacher, part) for part in parts], dim=2)
        return functional.normalize(functional.normalize(vectors @ lengths) + self._read(self._teacher, passages))

    def _nearness(self, ids: Tensor, draw: np.random.Generator) -> Tensor:
        """Of some passages: cosine of the pupil's vector and what it should be, [b]."""
        passages = self._passages(ids, draw)
        return (self._read(self._pupil, passages) * self.wanted(passages)).sum(dim=1)

    def _passages(self, ids: Tensor, draw: np.random.Generator) -> Tensor:
        """Passages of one length [b, n] without special tokens, each of pieces of the text one after another."""
        size = int(draw.integers(self._least, max(self._least, self._most) + 1))
        rows = []
        for _ in range(self._lesson.passages):
            pieces: list[Tensor] = []
            while (missing := size - sum(map(len, pieces))) > 0:
                piece = min(missing, len(ids), int(draw.integers(size // 8, size + 1)))
                start = int(draw.integers(len(ids) - piece + 1))
                pieces.append(ids[start : start + piece])
            rows.append(torch.cat(pieces))
        return torch.stack(rows)

    def _read(self, transformer: Transformer, words: Tensor) -> Tensor:
        before, after = (one.expand(len(words), -1) for one in (self._before, self._after))
        return pool(transformer(torch.cat([before, words, after], dim=1)))


def _split(encoder: TorchEncoder, texts: Iterable[str], lesson: Lesson) -> tuple[Tensor, Tensor]:
    """The ids of all texts one after another, shuffled, without special tokens: to learn from, and a tenth held out."""
    rows = encoder.tokenizer.whole(list(texts))
    order = np.random.default_rng(lesson.seed).permutation(len(rows))
    ids = torch.tensor([one for place in order for one in rows[place]], dtype=torch.long)
    least = 10 * (table_of(encoder.transformer) + _BEYOND)
    if len(ids) < least:
        raise InvalidInput(
            f"All texts together are {len(ids):,} tokens long.",
            expected=f"{least:,} or more, better some hundred thousand: there is little to learn from less",
            fix="pass more texts, or leave them out",
        )
    return ids[len(ids) // 10 :], ids[: len(ids) // 10]
