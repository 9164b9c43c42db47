"""Teach a continued encoder what stands beyond its table: its flow alone learns, the encoder stays what it is.

The paper trains the flow by masked language modelling. Encoders of sentences have lost the head for that, and are used for
something else: so here a passage longer than the table must be nearer than other passages to the spans of words out of it
(the inverse cloze task, Lee et al. 2019, with the encoder's own vectors of the spans, and the spans left in). Spans are taken
from everywhere in a passage; other passages are those of the same step, half of them out of the same text, and those of the steps
before.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.continuation import Continuation, continued, flow_of, table_of
from segue.encode.pretrained import TorchEncoder
from segue.encode.tokenizer import Tokenizer
from segue.encode.transformer import pool
from segue.errors import InvalidInput

_BEYOND = 64
"""A passage is at least so many tokens longer than the table."""
_SPAN = 12, 48
"""Tokens of a span, from and to."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """`passages` with `spans` each a step; the flow's `rate` of learning, and how near vectors count as (`temperature`).

    `reach` is the longest passage in tokens, `remembered` how many passages of earlier steps are told from;
    `examined` are held out, to measure on.
    """

    steps: int = 100
    passages: int = 4
    spans: int = 16
    reach: int = 1024
    rate: float = 3e-3
    temperature: float = 0.05
    remembered: int = 64
    examined: int = 32
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Of spans out of texts that were not learned from: how many found their passage among the others, and the loss; each as
    (within the table's length, beyond it)."""

    spans: int
    accuracy: tuple[float, float]
    loss: tuple[float, float]


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
) -> tuple[Found, Found]:
    """Train the flow of a continued `encoder` in place; how well it did on held-out texts before, and after.

    Every tenth long text is held out. Where the loss there has not become lower, the flow is put back as it was. Raises
    `InvalidInput` where fewer than two texts are longer than the table.
    """
    flow = flow_of(encoder.transformer)
    ids = _long(encoder, texts)
    held_out, learned = ids[::10], [one for place, one in enumerate(ids) if place % 10]
    wanted = {name: parameter.requires_grad for name, parameter in encoder.transformer.named_parameters()}
    before = {name: tensor.clone() for name, tensor in flow.state_dict().items()}
    encoder.transformer.requires_grad_(False)
    flow.requires_grad_(True)
    try:
        first = measure(encoder, held_out, lesson)
        _train(encoder, flow, learned, lesson, progress)
        last = measure(encoder, held_out, lesson)
    finally:
        for name, parameter in encoder.transformer.named_parameters():
            parameter.requires_grad_(wanted[name])
    if sum(last.loss) >= sum(first.loss):
        flow.load_state_dict(before)
        last = first
    return first, last


def _train(
    encoder: TorchEncoder, flow: nn.Module, ids: Sequence[Tensor], lesson: Lesson, progress: Callable[[str, int], None]
) -> None:
    torch.manual_seed(lesson.seed)
    draw = np.random.default_rng(lesson.seed)
    optimiser = torch.optim.Adam(flow.parameters(), lr=lesson.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lesson.rate, total_steps=lesson.steps, pct_start=0.1)
    others: deque[Tensor] = deque(maxlen=lesson.remembered)
    for _ in range(lesson.steps):
        passages = _passages(encoder, ids, lesson, draw)
        vectors = torch.cat([_read(encoder, one) for one in passages])
        asked, _ = _spans(encoder, passages, lesson, draw)
        near = asked @ torch.cat([vectors, *others]).T / lesson.temperature
        right = torch.arange(len(passages)).repeat_interleave(lesson.spans)
        optimiser.zero_grad()
        functional.cross_entropy(near, right).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        others.extend(vectors.detach()[:, None].unbind())
        progress("learning", 1)


@torch.no_grad()
def measure(encoder: TorchEncoder, ids: Sequence[Tensor], lesson: Lesson) -> Found:
    """The same task on passages out of texts `ids`, all told from each other."""
    draw = np.random.default_rng(lesson.seed + 1)
    chosen = [
        one for _ in range(-(-lesson.examined // lesson.passages)) for one in _passages(encoder, ids, lesson, draw)
    ]
    vectors = torch.cat([_read(encoder, one) for one in chosen])
    asked, beyond = _spans(encoder, chosen, lesson, draw)
    near = asked @ vectors.T / lesson.temperature
    right = torch.arange(len(chosen)).repeat_interleave(lesson.spans)
    found, loss = (near.argmax(dim=1) == right).float(), functional.cross_entropy(near, right, reduction="none")
    within = ~beyond
    return Found(
        len(asked),
        (float(found[within].mean()), float(found[beyond].mean())),
        (float(loss[within].mean()), float(loss[beyond].mean())),
    )


def _long(encoder: TorchEncoder, texts: Iterable[str]) -> list[Tensor]:
    """The ids of the texts that are long enough, without special tokens."""
    table = table_of(encoder.transformer)
    ids = [torch.tensor(row) for row in encoder.tokenizer.whole(list(texts)) if len(row) >= table + _BEYOND]
    if len(ids) < 2:
        raise InvalidInput(
            f"{len(ids)} of the texts are at least {table + _BEYOND} tokens long.",
            expected="two or more, better some hundred: there is nothing to learn from shorter ones",
            fix="pass longer texts, or leave them out",
        )
    return ids


def _passages(encoder: TorchEncoder, ids: Sequence[Tensor], lesson: Lesson, draw: np.random.Generator) -> list[Tensor]:
    """Passages [n] with their special tokens, two of each text that is long enough for two."""
    first, last = _special(encoder)
    shares = np.array([len(one) for one in ids], dtype=np.float64)
    found: list[Tensor] = []
    least, most = table_of(encoder.transformer) + _BEYOND - 2, lesson.reach - 2
    while len(found) < lesson.passages:
        text = ids[draw.choice(len(ids), p=shares / shares.sum())]
        size = int(draw.integers(least, max(least, min(most, len(text))) + 1))
        places = draw.permutation(np.arange(int(draw.integers(0, len(text) % size + 1)), len(text) - size + 1, size))
        found += [torch.cat([first, text[place : place + size], last]) for place in places[:2].tolist()]
    return found[: lesson.passages]


def _spans(
    encoder: TorchEncoder, passages: Sequence[Tensor], lesson: Lesson, draw: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Vectors [passages · spans, d] of spans out of each passage, and whether each lies beyond the table."""
    first, last = _special(encoder)
    vectors, beyond = [], []
    most = min(_SPAN[1], table_of(encoder.transformer) - 2)
    for passage in passages:
        # One length a passage, so that its spans are read together.
        size = int(draw.integers(min(_SPAN[0], most), most + 1))
        starts = draw.integers(1, len(passage) - size, lesson.spans)
        cut = torch.stack([torch.cat([first, passage[start : start + size], last]) for start in starts.tolist()])
        with torch.no_grad():
            vectors.append(pool(encoder.transformer(cut)))
        beyond.append(torch.from_numpy(starts + size // 2 >= table_of(encoder.transformer)))
    return torch.cat(vectors), torch.cat(beyond)


def _read(encoder: TorchEncoder, passage: Tensor) -> Tensor:
    return pool(encoder.transformer(passage[None]))


def _special(encoder: TorchEncoder) -> tuple[Tensor, Tensor]:
    """What stands before and after every text."""
    (both,) = encoder.tokenizer.tokenize([""])
    half = len(both) // 2
    return torch.tensor(both[:half]), torch.tensor(both[half:])
