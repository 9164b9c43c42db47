"""Generations of an encoder: who learns which classes, the nets, their training, and the terms of a loss that make a new one
compatible with an old one.

A task's old encoder is a small net of 64 components, the new one a wider net of 128; one between has 96. All learn with a cosine
head of their own, from samples of `benchmarks.labelled`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.labelled import GALLERY, TEST, TRAIN, VALIDATION, Labelled, characters, clothes, intents
from segue.evolve.compatible import (
    CosineHead,
    class_gallery_loss,
    feature_matching,
    gallery_loss,
    influence_loss,
    ract,
    with_new_classes,
)

INTENTS, OTHER, CHARACTERS, CLOTHES = TASKS = ("intents", "intents, other encoder", "characters", "clothes")
GROUPS = ("known", "added", "unseen")
OLD_SHARE = {INTENTS: 0.2, OTHER: 0.2, CHARACTERS: 0.4, CLOTHES: 0.2}
"""Of a known class's training samples."""
CLASSES = (0.3, 0.45, 0.6, 0.8)
"""Shares of all classes up to which v1, v2 and v3 know them; then those unseen of validation; the rest is unseen."""
WIDTHS = {"old": 64, "middle": 96, "new": 128}
CHANNELS = {"old": 6, "middle": 16, "new": 16}

_LOAD = {INTENTS: intents, OTHER: intents, CHARACTERS: characters, CLOTHES: clothes}
_BATCH, _IMAGES, _RATE, _NEAR = 128, 64, 5e-3, 1000
"""Samples of a step, and images of one; the first rate; stored vectors in a step's gallery losses, beside those of the batch."""

Setting = tuple[float, ...]
Extra = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""The net, its vectors of a batch, and the batch's places → what is added to the loss."""


class Split:
    """A task's samples with the classes in a seed's order: who learns which, what is stored, what is asked."""

    def __init__(self, data: Labelled, task: str, seed: int, *, choose: bool) -> None:
        """`choose`: queries of the validation part; other classes are drawn than for the test."""
        self.data, self.task = data, task
        random = np.random.default_rng((seed + (100 if choose else 0), 1))
        number = torch.from_numpy(np.argsort(random.permutation(self.data.classes)))
        self.labels = number[self.data.labels]
        ends = [round(share * self.data.classes) for share in CLASSES]
        self.classes = dict(zip(("old", "middle", "new"), ends[:3], strict=True))
        rows = torch.from_numpy(random.permutation(len(self.labels)))
        training = rows[self.data.parts[rows] == TRAIN]
        self.rows = {name: training[self.labels[training] < count] for name, count in self.classes.items()}
        self.rows["old"] = torch.cat([self._fewer(kind) for kind in range(ends[0])])
        unseen = (ends[2], ends[3]) if choose else (ends[3], self.data.classes)
        asked = VALIDATION if choose else TEST
        self.queries = {
            name: self._part(asked, *between)
            for name, between in zip(GROUPS, ((0, ends[0]), (ends[0], ends[2]), unseen), strict=True)
        }
        known, unknown = self._part(GALLERY, 0, ends[2]), self._part(GALLERY, *unseen)
        self.galleries = {"known": known, "added": known, "unseen": unknown}
        self.stored = torch.cat([known, unknown])

    def _part(self, part: int, first: int, end: int) -> Tensor:
        return torch.nonzero((self.data.parts == part) & (self.labels >= first) & (self.labels < end)).flatten()

    def _fewer(self, kind: int) -> Tensor:
        own = self.rows["old"][self.labels[self.rows["old"]] == kind]
        return own[: max(1, round(OLD_SHARE[self.task] * len(own)))]

    @cached_property
    def old_inputs(self) -> Tensor:
        """What the old encoder is over: [n, …]."""
        if self.task != OTHER:
            return self.data.inputs
        texts = self.data.texts
        read = [texts[row] for row in range(len(texts)) if self._read(row)]
        words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")
        counted = words.fit_transform(read)
        decomposed = TruncatedSVD(min(300, min(counted.shape) - 1), random_state=0).fit(counted)
        found: Tensor = torch.from_numpy(decomposed.transform(words.transform(texts))).float()
        return found * math.sqrt(found.shape[1])

    def _read(self, row: int) -> bool:
        """Whether the words of the old encoder come from this text: training texts of classes that it knows."""
        return bool(self.data.parts[row] == TRAIN) and bool(self.labels[row] < self.classes["old"])


@lru_cache(maxsize=1)
def samples(task: str, data: Path, work: Path, most: int | None) -> Labelled:
    """Of a task; the last one's are remembered."""
    return _LOAD[task](data, work, most=most)


def _net(which: str, inputs: Tensor) -> nn.Module:
    width = WIDTHS[which]
    if inputs.ndim == 2:
        hidden = 128 if which == "old" else 256
        layers = (nn.Dropout(0.2), nn.Linear(inputs.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, width))
        return nn.Sequential(*layers)
    channels = CHANNELS[which]
    return nn.Sequential(
        *(nn.Conv2d(1, channels, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(2 * channels, 2 * channels, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(2 * channels * 16, width)),
    )


@dataclass(frozen=True, slots=True)
class Model:
    """Vectors [n, d] of all samples, and the columns of its head."""

    vectors: Tensor
    columns: Tensor


def trained(split: Split, which: str, steps: int, seed: int, extra: Extra | None = None) -> Model:
    """AdamW, the rate falling as a cosine; the loss is that of a head of its own, and `extra`."""
    torch.manual_seed(1000 * seed + len(which))
    inputs, rows = split.old_inputs if which == "old" else split.data.inputs, split.rows[which]
    net = _net(which, inputs)
    head = CosineHead(torch.randn(split.classes[which], WIDTHS[which]))
    optimizer = torch.optim.AdamW([*net.parameters(), *head.parameters()], lr=_RATE, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    batch = _BATCH if inputs.ndim == 2 else _IMAGES
    order = torch.Generator().manual_seed(seed)
    left = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(left) < batch:
            left = torch.cat([left, rows[torch.randperm(len(rows), generator=order)]])
        places, left = left[:batch], left[batch:]
        vectors = net(_moved(inputs[places], order))
        loss = functional.cross_entropy(head(vectors), split.labels[places])
        if extra is not None:
            loss = loss + extra(net, vectors, places)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        vectors = torch.cat([functional.normalize(net(part), dim=1) for part in torch.split(inputs, 1000)])
    return Model(vectors, head.columns.detach())


def _moved(inputs: Tensor, random: torch.Generator) -> Tensor:
    """Images turned, sheared and moved a little, each differently; others as they are."""
    if inputs.ndim == 2:
        return inputs
    change = torch.randn(len(inputs), 2, 3, generator=random) * torch.tensor([0.1, 0.1, 0.07])
    grid = functional.affine_grid(torch.eye(2, 3) + change, list(inputs.shape), align_corners=False)
    return functional.grid_sample(inputs, grid, padding_mode="border", align_corners=False)


class Against:
    """The terms of a loss that make a new model compatible with an old one."""

    def __init__(self, split: Split, old: Model, which: str, seed: int) -> None:
        self._split, self._old, self._rows = split, old.vectors, split.rows[which]
        self._random = torch.Generator().manual_seed(seed)
        self._known = CosineHead(old.columns, frozen=True)
        columns = with_new_classes(old.columns, self._old[self._rows], split.labels[self._rows], split.classes[which])
        self._head = CosineHead(columns, frozen=True)

    def extra(self, terms: Sequence[str], weights: Setting) -> Extra:
        """Their weighted sum."""
        found = [(weight, self._term(term)) for term, weight in zip(terms, weights, strict=True)]

        def total(net: nn.Module, vectors: Tensor, places: Tensor) -> Tensor:
            return torch.stack([weight * term(net, vectors, places) for weight, term in found]).sum()

        return total

    def _term(self, name: str) -> Extra:
        labels, old = self._split.labels, self._old
        return {
            "influence": lambda _, new, at: influence_loss(new, labels[at], self._head),
            "influence, known": lambda _, new, at: self._of_known(new, at),
            "matching": lambda _, new, at: feature_matching(new, old[at]),
            "RACT": lambda _, new, at: ract(new, old[at], labels[at]),
            "items": lambda _, new, at: gallery_loss(new, torch.arange(len(at)), old[self._near(at)]),
            "classes": lambda _, new, at: self._of_classes(new, at),
            "stored matching": lambda net, new, at: self._stored(net, new, at),
        }[name]

    def _of_known(self, new: Tensor, at: Tensor) -> Tensor:
        known = self._split.labels[at] < len(self._known.columns)
        return influence_loss(new[known], self._split.labels[at][known], self._known) if known.any() else new.sum() * 0

    def _of_classes(self, new: Tensor, at: Tensor) -> Tensor:
        near = self._near(at)
        return class_gallery_loss(new, self._split.labels[at], self._old[near], self._split.labels[near])

    def _near(self, at: Tensor) -> Tensor:
        """The batch itself and others that are learned from."""
        others = self._rows[~torch.isin(self._rows, at)]
        return torch.cat([at, others[torch.randperm(len(others), generator=self._random)[:_NEAR]]])

    def _stored(self, net: nn.Module, new: Tensor, at: Tensor) -> Tensor:
        """Half of it over the batch, half over as many that are stored."""
        rows = self._split.stored[torch.randint(len(self._split.stored), (len(at),), generator=self._random)]
        of_stored = feature_matching(net(_moved(self._split.data.inputs[rows], self._random)), self._old[rows])
        return (feature_matching(new, self._old[at]) + of_stored) / 2
