"""Writing: the likeliest continuation, step by step.

Shapes: `b` texts, `k` beams, `V` words. A model gives logits [b, n, V] for ids [b, n] that come after a `Cache`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from segue.encode.cache import Cache
from segue.errors import InvalidInput

Model = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: `tokens` without prompt and end, and their log-probability, the end's included, divided by
    (number of tokens)^penalty."""

    tokens: list[int]
    score: float


@torch.no_grad()
def greedy(model: Model, cache: Cache, prompt: Tensor, *, end: int, longest: int) -> list[list[int]]:
    """The likeliest token each time, until `end` or `longest` tokens: one list a text, without prompt and end.

    `prompt` int64 [b, p] is what every text begins with, at least the token that starts a text.
    """
    _check(prompt, longest)
    texts: list[list[int]] = [[] for _ in range(len(prompt))]
    going = torch.arange(len(prompt), device=prompt.device)
    ids = prompt
    for _ in range(longest):
        chosen = model(ids, cache=cache)[:, -1].argmax(dim=1)
        kept = chosen != end
        if not bool(kept.all()):
            cache, chosen, going = cache.chosen(kept.nonzero()[:, 0]), chosen[kept], going[kept]
        if not len(going):
            break
        for text, token in zip(going.tolist(), chosen.tolist(), strict=True):
            texts[text].append(token)
        ids = chosen[:, None]
    return texts


@torch.no_grad()
def beam_search(
    model: Model, cache: Cache, prompt: Tensor, *, end: int, longest: int, beams: int = 4, penalty: float = 0.0
) -> list[list[Written]]:
    """The `beams` likeliest of what was found for each text, best first; with one beam, what `greedy` writes.

    A text is done when as many have ended as there are beams, or when no live one can pass the best that ended. What has not
    ended after `longest` tokens counts only where nothing has.
    """
    _check(prompt, longest)
    if beams < 1:
        raise InvalidInput(f"There are {beams} beams.", expected="1 or more")
    search = _Search(len(prompt), beams, end, longest, penalty)
    ids = prompt.repeat_interleave(beams, dim=0)
    scores = torch.full((len(prompt), beams), -torch.inf, device=prompt.device)
    scores[:, 0] = 0
    if cache.memory is not None or cache.length:
        cache = cache.chosen(torch.arange(len(prompt), device=prompt.device).repeat_interleave(beams))
    for length in range(1, longest + 1):
        following = torch.log_softmax(model(ids, cache=cache)[:, -1].float(), dim=1)
        rows, tokens, scores = search.extend(scores, following.view(len(prompt), beams, -1), length)
        if search.done(scores, length):
            break
        cache, ids = cache.chosen(rows), tokens[:, None]
    return search.best(scores, longest)


@dataclass
class _Search:
    texts: int
    beams: int
    end: int
    longest: int
    penalty: float
    live: list[list[int]] = field(init=False)
    ended: list[list[Written]] = field(init=False)

    def __post_init__(self) -> None:
        self.live = [[] for _ in range(self.texts * self.beams)]
        self.ended = [[] for _ in range(self.texts)]

    def extend(self, scores: Tensor, following: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """One token more: live scores [b, k] and log-probabilities [b, k, V] → rows to keep [bk], tokens [bk], scores [b, k]."""
        words = following.shape[2]
        total = (scores[:, :, None] + following).flatten(1)
        # As at most one candidate of each beam ends, twice as many leave enough that go on.
        values, places = total.topk(min(2 * self.beams, total.shape[1]), dim=1)
        rows, tokens, kept = [], [], []
        for text, (found, at) in enumerate(zip(values.tolist(), places.tolist(), strict=True)):
            going = []
            for rank, (score, place) in enumerate(zip(found, at, strict=True)):
                row, token = text * self.beams + place // words, place % words
                if token != self.end:
                    going.append((score, row, token))
                elif rank < self.beams and score > -torch.inf:
                    self.ended[text].append(Written(self.live[row], score / length**self.penalty))
            going += [(-torch.inf, text * self.beams, self.end)] * (self.beams - len(going))
            for score, row, token in going[: self.beams]:
                kept.append(score)
                rows.append(row)
                tokens.append(token)
        self.live = [[*self.live[row], token] for row, token in zip(rows, tokens, strict=True)]
        device = scores.device
        return (
            torch.tensor(rows, device=device),
            torch.tensor(tokens, device=device),
            torch.tensor(kept, device=device).view(scores.shape),
        )

    def done(self, scores: Tensor, length: int) -> bool:
        # A score only falls, and what it is divided by is largest at the longest.
        reach = (scores.amax(dim=1) / max(length, self.longest) ** self.penalty).tolist()
        return all(
            len(ended) >= self.beams or max((one.score for one in ended), default=-torch.inf) >= most
            for ended, most in zip(self.ended, reach, strict=True)
        )

    def best(self, scores: Tensor, length: int) -> list[list[Written]]:
        for text, row in enumerate(scores.tolist()):
            if not self.ended[text]:
                live = self.live[text * self.beams :]
                self.ended[text] = [
                    Written(tokens, score / length**self.penalty)
                    for tokens, score in zip(live, row, strict=False)
                    if score > -torch.inf
                ]
        return [sorted(ended, key=lambda one: -one.score)[: self.beams] for ended in self.ended]


def _check(prompt: Tensor, longest: int) -> None:
    if prompt.dim() != 2 or not prompt.shape[1] or longest < 1:
        raise InvalidInput(
            f"The prompt is of shape {tuple(prompt.shape)} and the longest text {longest} tokens.",
            expected="ids [b, p] with at least one token, and 1 or more to write",
            fix="begin every text with the token that starts one",
        )
