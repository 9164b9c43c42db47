"""A compatible encoder from queries and what answers them: its queries find more among the vectors that the old encoder stored.

The catalogue stays as it is: the stored vectors are the classes and never move (BCT, Shen et al. 2020, with items for classes:
`gallery_loss`). That alone lets go of what no query of the log asks for, so two more terms hold the new encoder where the old
one is (`feature_matching`): on the same queries, and on texts of items, so that items which the new encoder embeds stand rightly
beside those that the old one did.

The table of words stays as well, and with it the words that no query has; so do the places. Only blocks and norms learn.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from segue.encode.encoder import Encoder, Vectors
from segue.encode.pretrained import TorchEncoder
from segue.encode.transformer import pool
from segue.errors import InvalidInput
from segue.evolve.compatible import feature_matching, gallery_loss
from segue.evolve.held_out import Found, Places, Right, is_held_out, ranked, shares_of

ENOUGH = 100
"""Different queries, fewer of which teach too little."""

_WINDOW = 8
"""Batches whose queries are sorted by length together, so that little is padded."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """`queries` a step against at most `gallery` stored vectors, at a `temperature`; beside them `documents` texts of items.
    `kept` is the weight of what holds queries and documents where they were; `rate` the highest rate of learning.

    Of all queries a share is `held_out`; `checks` times on the way, at most `examined` of them are looked at.
    Chosen with MiniLM on judged queries of films, those of the validation part in the benchmark `upgrades`: at a third of that
    weight as much is found, but more films asked for by title are lost once some are embedded anew; so they are without titles
    among the documents. A temperature of .1 found less.
    """

    steps: int = 150
    queries: int = 32
    documents: int = 4
    gallery: int = 20_000
    temperature: float = 0.05
    kept: float = 3.0
    rate: float = 1e-4
    held_out: float = 0.2
    checks: int = 5
    examined: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """A catalogue as the old encoder left it: `vectors` float32 [n, d], those stored. `asked`: query → place of an item in
    `vectors` → how right it is, above 0. `documents` are texts whose vectors should stay where they are: those of some of the
    items, as they are embedded, and their titles."""

    vectors: Vectors
    asked: Mapping[str, Mapping[int, float]]
    documents: Sequence[str] = ()


def learn(
    encoder: TorchEncoder,
    old: Encoder,
    galleries: Sequence[Gallery],
    lesson: Lesson,
    *,
    progress: Callable[[str, int], None] = lambda step, done: None,
) -> tuple[Found, Found]:
    """Train `encoder` in place; what held-out queries find by the `old` encoder, which stored the vectors, and by the new one.

    Queries are held out by their text, so that they are the same ones the next time. Of the `checks` states on the way the one
    whose held-out queries have the best nDCG stays; where none is better than the old encoder, `encoder` is put back as it was
    and the two are equal. As that is chosen, measure the gain on other queries. Several galleries are searched each alone.

    Raises `InvalidInput` where widths differ, places are outside a gallery, or there are fewer than `ENOUGH` queries.
    """
    _check(encoder, old, galleries)
    course = Course(encoder, old, galleries, lesson)
    learning = [one for name, one in encoder.transformer.named_parameters() if name.startswith(("blocks.", "norm."))]
    wanted = {name: one.requires_grad for name, one in encoder.transformer.named_parameters()}
    encoder.transformer.requires_grad_(False)
    for one in learning:
        one.requires_grad_(True)
    try:
        first = best = course.examine(None)
        state = [one.detach().clone() for one in learning]
        for _ in course.take(learning, progress):
            now = course.examine(encoder)
            if now.ndcg > best.ndcg:
                best, state = now, [one.detach().clone() for one in learning]
    finally:
        for name, one in encoder.transformer.named_parameters():
            one.requires_grad_(wanted[name])
    with torch.no_grad():
        for one, kept in zip(learning, state, strict=True):
            one.copy_(kept)
    return first, best


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Queries or documents: texts, ids of their tokens, vectors [b, d] by the old encoder; for queries, what is right."""

    texts: list[str]
    rows: list[list[int]]
    old: Tensor
    right: list[Right]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True, eq=False)
class _Taught:
    """A gallery [n, d], with what is learned from and what is held out."""

    vectors: Tensor
    queries: _Part
    held_out: _Part
    documents: _Part
    held_documents: _Part


class Course:
    """An encoder that learns, and what it learns from."""

    def __init__(self, encoder: TorchEncoder, old: Encoder, galleries: Sequence[Gallery], lesson: Lesson) -> None:
        self._encoder, self._lesson = encoder, lesson
        self._galleries = [self._taught(old, one) for one in galleries]
        if not all(any(len(getattr(one, part)) for one in self._galleries) for part in ("queries", "held_out")):
            raise InvalidInput(
                f"Of {sum(len(one.asked) for one in galleries)} queries, all or none are held out.",
                expected="some to learn from and some to examine",
                fix="pass more queries or another share",
            )

    def take(self, learning: Sequence[nn.Parameter], progress: Callable[[str, int], None]) -> Iterator[int]:
        """Learn; gives the number of steps taken whenever it is time to examine, and after the last."""
        lesson = self._lesson
        optimiser = torch.optim.AdamW(learning, lr=lesson.rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lesson.rate, total_steps=lesson.steps, pct_start=0.1)
        every = -(-lesson.steps // lesson.checks)
        draw = np.random.default_rng(lesson.seed)
        for step, (taught, rows) in zip(range(1, lesson.steps + 1), self._batches(draw), strict=False):
            optimiser.zero_grad()
            self._loss(taught, rows, draw).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(learning, 1.0)
            optimiser.step()
            schedule.step()
            progress("learning", 1)
            if step % every == 0 or step == lesson.steps:
                yield step

    @torch.no_grad()
    def examine(self, encoder: TorchEncoder | None) -> Found:
        """Held-out queries by `encoder`, or by the old one."""
        values, was_found, is_found = (list[Tensor]() for _ in range(3))
        for one in self._galleries:
            if len(part := one.held_out):
                _, was = ranked(part.old, one.vectors, part.right)
                value, now = ranked(_by(encoder, part), one.vectors, part.right)
                values.append(value)
                was_found.append(was)
                is_found.append(now)
        was, now = torch.cat(was_found), torch.cat(is_found)
        near = [
            (_by(encoder, part) * part.old).sum(dim=1) for one in self._galleries if len(part := one.held_documents)
        ]
        return Found(
            queries=len(now),
            ndcg=float(torch.cat(values).mean()),
            found=float(now.float().mean()),
            lost=float((was & ~now).float().mean()),
            agreement=float(torch.cat(near).mean()) if near else None,
        )

    def _loss(self, taught: _Taught, rows: Places, draw: np.random.Generator) -> Tensor:
        queries, documents = taught.queries, taught.documents
        vectors = self._read([queries.rows[row] for row in rows])
        columns, shares = self._columns(taught.vectors, [queries.right[row] for row in rows], draw)
        loss = gallery_loss(vectors, shares, columns, temperature=self._lesson.temperature)
        loss = loss + self._lesson.kept * feature_matching(vectors, queries.old[rows])
        if some := min(self._lesson.documents, len(documents)):
            drawn = draw.choice(len(documents), some, replace=False)
            read = self._read([documents.rows[one] for one in drawn])
            loss = loss + self._lesson.kept * feature_matching(read, documents.old[drawn])
        return loss

    def _columns(self, vectors: Tensor, right: Sequence[Right], draw: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The stored vectors that queries are told apart from, [m, d], and how right each is, [b, m]: all, or a sample with those
        that are right for any of the queries."""
        places = np.arange(len(vectors))
        if len(vectors) > self._lesson.gallery:
            wanted = np.concatenate([those for those, _ in right])
            places = np.union1d(wanted, draw.choice(len(vectors), self._lesson.gallery, replace=False))
            vectors = vectors[torch.from_numpy(places)]
        shares = torch.zeros(len(right), len(places))
        for row, (those, share) in enumerate(right):
            shares[row, np.searchsorted(places, those)] = torch.from_numpy(share)
        return vectors, shares

    def _read(self, rows: Sequence[list[int]]) -> Tensor:
        """Ids of each text → unit vectors [b, d]."""
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return pool(self._encoder.transformer(ids, mask), mask)

    def _batches(self, draw: np.random.Generator) -> Iterator[tuple[_Taught, Places]]:
        """Endlessly: a gallery, and some of its queries of about one length."""
        size = self._lesson.queries
        while True:
            found: list[tuple[_Taught, Places]] = []
            for one in self._galleries:
                order = draw.permutation(len(one.queries))
                lengths = np.array([len(row) for row in one.queries.rows])
                for start in range(0, len(order), _WINDOW * size):
                    window = order[start : start + _WINDOW * size]
                    window = window[np.argsort(lengths[window], kind="stable")]
                    found += [(one, window[at : at + size]) for at in range(0, len(window), size)]
            yield from (found[place] for place in draw.permutation(len(found)))

    def _taught(self, old: Encoder, gallery: Gallery) -> _Taught:
        def part(texts: list[str]) -> _Part:
            rows = self._encoder.tokenizer.tokenize(texts)
            right = [shares_of(gallery.asked[text]) for text in texts if text in gallery.asked]
            return _Part(texts, rows, torch.from_numpy(old.encode(texts)), right)

        vectors = torch.from_numpy(np.array(gallery.vectors, dtype=np.float32))
        return _Taught(vectors, *map(part, (*self._split(gallery.asked), *self._split(gallery.documents))))

    def _split(self, texts: Iterable[str]) -> tuple[list[str], list[str]]:
        """Texts to learn from, and some that are held out."""
        learned, held_out = list[str](), list[str]()
        for text in texts:
            (held_out if is_held_out(text, self._lesson.held_out) else learned).append(text)
        return learned, held_out[: self._lesson.examined]


def _by(encoder: TorchEncoder | None, part: _Part) -> Tensor:
    """Vectors [b, d] by `encoder`, or by the old one."""
    return part.old if encoder is None else torch.from_numpy(encoder.encode(part.texts))


def _check(encoder: TorchEncoder, old: Encoder, galleries: Sequence[Gallery]) -> None:
    for one in galleries:
        if one.vectors.ndim != 2 or not np.isfinite(one.vectors).all():
            raise InvalidInput(
                f"The stored vectors have the shape {one.vectors.shape}, or are not finite.",
                expected="[n, d], of numbers",
            )
    widths = {old.dimensions, *(one.vectors.shape[1] for one in galleries)}
    if widths != {encoder.dimensions}:
        raise InvalidInput(
            f"The encoder's vectors have {encoder.dimensions} components, the old encoder's and those stored "
            f"{', '.join(map(str, sorted(widths)))}.",
            expected="one width: the stored vectors stay, so the new encoder's must be as wide",
            fix="train a model of that width, or bridge the two encoders",
        )
    for one in galleries:
        if any(not right or not 0 <= min(right) <= max(right) < len(one.vectors) for right in one.asked.values()):
            raise InvalidInput(
                "A query's items are not in the gallery.", expected=f"places 0 to {len(one.vectors) - 1}"
            )
        if any(not weight > 0 for right in one.asked.values() for weight in right.values()):
            raise InvalidInput("An item is right for a query by no weight above 0.", expected="weights above 0")
    queries = sum(len(one.asked) for one in galleries)
    if queries < ENOUGH:
        raise InvalidInput(
            f"There are {queries} queries to learn from.",
            expected=f"{ENOUGH} different ones or more, better some thousand",
            fix="wait for more feedback, or pass judged queries",
        )
