"""A compatible encoder from queries and what answers them: its queries find more among the vectors that the old encoder stored.

The catalogue stays as it is: the stored vectors are the classes and never move (BCT, Shen et al. 2020, with items for classes:
`gallery_loss`). That alone lets go of what no query of the log asks for, so two more terms hold the new encoder where the old
one is (`feature_matching`): on the same queries, and on texts of items, so that items which the new encoder embeds stand rightly
beside those that the old one did.

The table of words stays as well, and with it the words that no query has; so do the places. Only blocks and norms learn.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.encoder import Encoder, Vectors
from segue.encode.pretrained import TorchEncoder
from segue.encode.transformer import pool
from segue.errors import InvalidInput
from segue.evolve.compatible import feature_matching, gallery_loss

ENOUGH = 100
"""Different queries, fewer of which teach too little."""

_K = 10
_DISCOUNT = 1 / torch.arange(2, _K + 2).log2()
_WINDOW = 8
"""Batches whose queries are sorted by length together, so that little is padded."""

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lesson:
    """`queries` a step against at most `gallery` stored vectors, at a `temperature`; beside them `documents` texts of items. `kept`
    is the weight of what holds queries and documents where they were; `rate` the highest rate of learning.

    Of all queries a share is `held_out`; `checks` times on the way, at most `examined` of them are looked at.
    """

    steps: int = 300
    queries: int = 32
    documents: int = 8
    gallery: int = 20_000
    temperature: float = 0.05
    kept: float = 1.0
    rate: float = 5e-5
    held_out: float = 0.2
    checks: int = 5
    examined: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """A catalogue as the old encoder left it: `vectors` float32 [n, d], those stored. `asked`: query → place of an item in
    `vectors` → how right it is, above 0. `documents` are texts of some of the items, as they are embedded."""

    vectors: Vectors
    asked: Mapping[str, Mapping[int, float]]
    documents: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What held-out queries find among the stored vectors: mean nDCG@10 over the whole gallery; share of queries with a right
    item among the first ten, and of those that the old encoder's had one for and these have none (`lost`). `agreement`: mean
    cosine of held-out documents' vectors and the old encoder's, None without documents."""

    queries: int
    ndcg: float
    found: float
    lost: float
    agreement: float | None


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


def is_held_out(text: str, share: float) -> bool:
    """By the text alone, but for case and spaces: the same today and when the log has grown.

    >>> is_held_out("Mary  Poppins", 0.2) == is_held_out("mary poppins", 0.2)
    True
    """
    return int.from_bytes(sha256(" ".join(text.casefold().split()).encode()).digest()[:4], "big") < share * 2**32


@dataclass(slots=True, eq=False)
class _Part:
    """Queries or documents of one gallery: ids of their tokens, what the old encoder makes of them [b, d], and of queries which
    items are right: places and shares, that add up to 1."""

    rows: list[list[int]]
    texts: list[str]
    old: Tensor
    right: list[tuple[Places, NDArray[np.float32]]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)


class Course:
    """An encoder that learns, and what it learns from."""

    def __init__(self, encoder: TorchEncoder, old: Encoder, galleries: Sequence[Gallery], lesson: Lesson) -> None:
        self._encoder, self._lesson = encoder, lesson
        self._galleries = [torch.from_numpy(np.ascontiguousarray(one.vectors, dtype=np.float32)) for one in galleries]
        self._queries, self._held_out = [], []
        self._documents, self._held_documents = [], []
        for one in galleries:
            for parts, texts in zip((self._queries, self._held_out), self._split(list(one.asked)), strict=True):
                parts.append(self._part(old, texts, [one.asked[text] for text in texts]))
            for parts, texts in zip((self._documents, self._held_documents), self._split(one.documents), strict=True):
                parts.append(self._part(old, texts))
        if not any(map(len, self._queries)) or not any(map(len, self._held_out)):
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
        for step, (gallery, rows) in zip(range(1, lesson.steps + 1), self._batches(draw), strict=False):
            optimiser.zero_grad()
            self._loss(gallery, rows, draw).backward()  # type: ignore[no-untyped-call]
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
        for gallery, part in zip(self._galleries, self._held_out, strict=True):
            if len(part):
                new = part.old if encoder is None else torch.from_numpy(encoder.encode(part.texts))
                before, now = (ranked(vectors, gallery, part.right) for vectors in (part.old, new))
                values.append(now[0])
                was_found.append(before[1])
                is_found.append(now[1])
        was, found = torch.cat(was_found), torch.cat(is_found)
        return Found(
            queries=len(found),
            ndcg=float(torch.cat(values).mean()),
            found=float(found.float().mean()),
            lost=float((was & ~found).float().mean()),
            agreement=self._agreement(encoder),
        )

    def _agreement(self, encoder: TorchEncoder | None) -> float | None:
        held_out = [part for part in self._held_documents if len(part)]
        if not held_out:
            return None
        new = [part.old if encoder is None else torch.from_numpy(encoder.encode(part.texts)) for part in held_out]
        return float(functional.cosine_similarity(torch.cat(new), torch.cat([part.old for part in held_out])).mean())

    def _loss(self, gallery: int, rows: Places, draw: np.random.Generator) -> Tensor:
        queries, documents = self._queries[gallery], self._documents[gallery]
        vectors = self._read([queries.rows[row] for row in rows])
        columns, shares = self._columns(gallery, [queries.right[row] for row in rows], draw)
        loss = gallery_loss(vectors, shares, columns, temperature=self._lesson.temperature)
        loss = loss + self._lesson.kept * feature_matching(vectors, queries.old[rows])
        if self._lesson.documents and len(documents):
            some = draw.choice(len(documents), min(self._lesson.documents, len(documents)), replace=False)
            read = self._read([documents.rows[one] for one in some])
            loss = loss + self._lesson.kept * feature_matching(read, documents.old[some])
        return loss

    def _columns(
        self, gallery: int, right: Sequence[tuple[Places, NDArray[np.float32]]], draw: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """The stored vectors that queries are told apart from, [m, d], and how right each is, [b, m]: all, or a sample with those
        that are right for any of the queries."""
        vectors, most = self._galleries[gallery], self._lesson.gallery
        places = np.arange(len(vectors))
        if len(vectors) > most:
            wanted = np.concatenate([those for those, _ in right])
            places = np.union1d(wanted, draw.choice(len(vectors), most, replace=False))
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

    def _batches(self, draw: np.random.Generator) -> Iterator[tuple[int, Places]]:
        """Endlessly: a gallery, and some of its queries of about one length."""
        size = self._lesson.queries
        while True:
            found: list[tuple[int, Places]] = []
            for gallery, part in enumerate(self._queries):
                order = draw.permutation(len(part))
                lengths = np.array([len(row) for row in part.rows])
                for start in range(0, len(order), _WINDOW * size):
                    window = order[start : start + _WINDOW * size]
                    window = window[np.argsort(lengths[window], kind="stable")]
                    found += [(gallery, window[at : at + size]) for at in range(0, len(window), size)]
            yield from (found[place] for place in draw.permutation(len(found)))

    def _split(self, texts: Sequence[str]) -> tuple[list[str], list[str]]:
        """Texts to learn from, and some that are held out."""
        held_out = [is_held_out(text, self._lesson.held_out) for text in texts]
        examined = [text for text, out in zip(texts, held_out, strict=True) if out]
        return [text for text, out in zip(texts, held_out, strict=True) if not out], examined[: self._lesson.examined]

    def _part(self, old: Encoder, texts: list[str], right: Sequence[Mapping[int, float]] = ()) -> _Part:
        rows = self._encoder.tokenizer.tokenize(texts)
        return _Part(rows, texts, torch.from_numpy(old.encode(texts)), [_shares(one) for one in right])


def ranked(
    vectors: Tensor, gallery: Tensor, right: Sequence[tuple[Places, NDArray[np.float32]]]
) -> tuple[Tensor, Tensor]:
    """nDCG@10 of queries [b, d] over a whole gallery [n, d], [b], and whether a right item is among the first ten, [b]."""
    values, found = [], []
    for vector, (places, share) in zip(vectors, right, strict=True):
        best = (gallery @ vector).topk(min(_K, len(gallery))).indices
        gains = torch.zeros(len(gallery))
        gains[places] = torch.from_numpy(share)
        ideal = gains.topk(len(best)).values @ _DISCOUNT[: len(best)]
        values.append(gains[best] @ _DISCOUNT[: len(best)] / ideal)
        found.append(gains[best].any())
    return torch.stack(values), torch.stack(found)


def _shares(right: Mapping[int, float]) -> tuple[Places, NDArray[np.float32]]:
    places = np.array(sorted(right), dtype=np.int64)
    weights = np.array([right[place] for place in places.tolist()], dtype=np.float32)
    return places, weights / weights.sum()


def _check(encoder: TorchEncoder, old: Encoder, galleries: Sequence[Gallery]) -> None:
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
            raise InvalidInput("A query's items are not in the gallery.", expected=f"places 0 to {len(one.vectors) - 1}")
        if any(not weight > 0 for right in one.asked.values() for weight in right.values()):
            raise InvalidInput("An item is right for a query by no weight above 0.", expected="weights above 0")
    queries = sum(len(one.asked) for one in galleries)
    if queries < ENOUGH:
        raise InvalidInput(
            f"There are {queries} queries to learn from.",
            expected=f"{ENOUGH} different ones or more, better some thousand",
            fix="wait for more feedback, or pass judged queries",
        )
