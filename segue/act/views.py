"""How observations are seen: a world's arrays → one vector for the scene and one for each action that can be taken.

`b` episodes, `t` steps, `a` actions, `d` width, `k` parts of a scene, of width `e`. What cannot be taken has a vector of zeros.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from segue.errors import InvalidInput

Observations = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Seen:
    """`scene` [b, t, d], `choices` [b, t, a, d] and, where a scene has parts that one can look at, `parts` [b, t, k, e]."""

    scene: Tensor
    choices: Tensor
    parts: Tensor | None = None


class View(nn.Module):
    """Sees observations {field: [b, t, …]}: called, it gives what is `Seen`. The parts of a scene are `parts` wide, 0 where it
    has none."""

    parts = 0

    def matches(self, observations: Observations, words: Tensor) -> Tensor | None:
        """How far what is seen along each action is what each word [b, n] means, before any learning, [b, t, a, n] in [−1, 1];
        None where nothing there has a name."""
        return None

    def parts_match(self, observations: Observations, words: Tensor) -> tuple[Tensor, Tensor] | None:
        """The same of each part of a scene, [b, t, k, n], and how far each is what any words mean, [b, t, k]; None where they
        have no names."""
        return None

    def called(self, observations: Observations) -> Tensor | None:
        """How often each name is one of each part of a scene, float32 [b, t, k, m]; None where they have no names."""
        return None

    def worded(self, called: Tensor) -> Tensor:
        """How far names [..., m] are what each word of the vocabulary means, [..., v]."""
        raise NotImplementedError(f"Nothing that {type(self).__name__} sees has parts with names: {called.shape}.")


class HouseView(View):
    """Sees ways out of a place: how each one lies (`geometry`) and the names of what is seen there (`seen`).

    `names` float32 [m, e] and `words` [v, e] are what is known of each name and word before learning, as of
    `language.known_vectors`; they are not learned, their projections are. The scene is the mean of the choices. Who `remembers`
    so many places has a vector for each, of what cannot be seen from where one stands; of other places there is nothing.
    """

    names: Tensor
    alike: Tensor

    def __init__(
        self,
        names: Tensor,
        words: Tensor,
        *,
        remembers: int = 0,
        geometry: int = 8,
        width: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.register_buffer("names", names, persistent=False)
        self.register_buffer("alike", F.normalize(names, dim=1) @ F.normalize(words, dim=1).T, persistent=False)
        self.memory = nn.Embedding(1 + remembers, width, padding_idx=0) if remembers else None
        if self.memory is not None:
            nn.init.zeros_(self.memory.weight)
        self.lies = nn.Linear(geometry, width // 2)
        self.named = nn.Linear(names.shape[1], width // 2)
        self.choice = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, observations: Observations) -> Seen:
        open_ = observations["choices"]
        seen = F.embedding_bag(observations["seen"][open_], self.named(self.names), mode="mean", padding_idx=0)
        lies = F.relu(self.lies(observations["geometry"][open_]))
        choice = self.choice(torch.cat([lies, seen], -1))
        if self.memory is not None and "remembered" in observations:
            choice = choice + self.memory(observations["remembered"][open_])
        made = self.dropout(F.relu(choice))
        choices = made.new_zeros(*open_.shape, made.shape[-1])
        choices[open_] = made
        return Seen(choices.sum(2) / open_.sum(2, keepdim=True).clamp(min=1), choices)

    def matches(self, observations: Observations, words: Tensor) -> Tensor:
        """The cosine of the word with the name that is nearest to it."""
        open_ = observations["choices"]
        seen, episode = observations["seen"][open_], open_.nonzero()[:, 0]
        found = self.alike[seen[:, :, None], words[episode][:, None]].amax(1)
        matches = found.new_zeros(*open_.shape, words.shape[1])
        matches[open_] = found
        return matches


class GridView(View):
    """Sees a small grid of cells, each a few whole numbers (`image` [b, t, h, w, c], as BabyAI gives it), and where one looks.

    What is known of each number's name before learning, projected, and an embedding are its vector; a cell's are added up and go
    through two convolutions. The parts are the cells: what each is, where it lies, and what lies around it. An action's vector is
    its own embedding and what the scene says of it.
    """

    names: Tensor
    alike: Tensor
    first: Tensor

    def __init__(
        self,
        names: Tensor,
        words: Tensor,
        cells: Sequence[int],
        *,
        size: int = 7,
        actions: int = 7,
        width: int = 128,
        inner: int = 32,
        dropout: float = 0.0,
    ) -> None:
        """`cells` says how many values each of a cell's numbers has, `names` float32 [sum of these, e] and `words` [v, e] what is
        known of the values' names, zeros where they have none, and of each word; `size` is the grid's side."""
        super().__init__()
        if len(names) != sum(cells):
            raise InvalidInput(
                f"There are {len(names)} names for cells whose numbers have {list(cells)} values.",
                expected=f"{sum(cells)} names, one behind the other",
            )
        self.parts = inner
        self.register_buffer("names", names, persistent=False)
        self.register_buffer("alike", F.normalize(names, dim=1) @ F.normalize(words, dim=1).T, persistent=False)
        self.register_buffer("first", torch.tensor([0, *cells[:-1]]).cumsum(0), persistent=False)
        self.named, self.cells = nn.Linear(names.shape[1], inner, bias=False), nn.Embedding(sum(cells), inner)
        self.rows, self.columns = nn.Parameter(torch.randn(size, 1, inner)), nn.Parameter(torch.randn(size, inner))
        self.near = nn.Sequential(
            nn.Conv2d(inner, inner, 3, padding=1), nn.ReLU(), nn.Conv2d(inner, inner, 3, padding=1), nn.ReLU()
        )
        self.looks = nn.Embedding(4, width)
        self.all = nn.Linear(inner * size * size, width)
        self.actions = ActionsView(actions, width=width, dropout=dropout)

    def forward(self, observations: Observations) -> Seen:
        there = observations["choices"].any(-1)  # behind an episode's end nothing is looked at
        values = self.cells.weight + self.named(self.names)
        cells = F.embedding(observations["image"][there] + self.first, values).sum(-2)
        near = self.near(cells.permute(0, 3, 1, 2))
        looked = F.relu(self.all(near.flatten(1)) + self.looks(observations["direction"][there]))
        scene = looked.new_zeros(*there.shape, looked.shape[-1])
        scene[there] = looked
        placed = (cells + self.rows + self.columns + near.permute(0, 2, 3, 1)).flatten(1, 2)
        parts = placed.new_zeros(*there.shape, *placed.shape[1:])
        parts[there] = placed
        scene, choices = self.actions(scene, observations["choices"])
        return Seen(scene, choices, parts)

    def called(self, observations: Observations) -> Tensor:
        """One name for each of a cell's numbers."""
        return F.one_hot(observations["image"].flatten(2, 3) + self.first, len(self.names)).sum(-2).float()

    def worded(self, called: Tensor) -> Tensor:
        """The cosines of names and words."""
        return called @ self.alike

    def parts_match(self, observations: Observations, words: Tensor) -> tuple[Tensor, Tensor]:
        """Of a cell's numbers that have names: the mean cosine of their names and the word, and the mean of that with the
        nearest word."""
        image = observations["image"].flatten(2, 3) + self.first
        named = self.names.any(1).float()[image].sum(-1).clamp(min=1)
        alike = F.embedding(words, self.alike.T)  # [b, n, values]
        rows = torch.arange(len(image))[:, None, None, None]
        each = torch.stack([of[seen].sum(2) for of, seen in zip(alike.transpose(1, 2), image, strict=True)])
        return each / named[..., None], alike.amax(1)[rows, image].sum(-1) / named


class ActionsView(nn.Module):
    """Actions that are always the same: each has an embedding, and what the scene says of it."""

    def __init__(self, actions: int, *, width: int = 128, dropout: float = 0.0) -> None:
        super().__init__()
        self.own = nn.Embedding(actions, width)
        self.of_scene = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, scene: Tensor, open_: Tensor) -> tuple[Tensor, Tensor]:
        """Scenes [b, t, d] and which actions can be taken, bool [b, t, a] → scenes and choices [b, t, a, d]."""
        choices = F.relu(self.own.weight + self.of_scene(scene)[:, :, None]) * open_[..., None]
        return self.dropout(scene), self.dropout(choices)


class FieldsView(View):
    """Sees any dictionary of numbers: whole numbers below a known bound by embeddings, all others as they are, through two
    layers.

    `bounds` says for each field of whole numbers how many values it has; `sizes` how many numbers each other field has.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        bounds: Mapping[str, tuple[int, int]],
        *,
        actions: int,
        width: int = 128,
        dropout: float = 0.0,
    ) -> None:
        """`sizes`: field → numbers; `bounds`: field → (numbers, values of each)."""
        super().__init__()
        self.sizes, self.bounds = dict(sizes), dict(bounds)
        self.tables = nn.ModuleDict({name: nn.Embedding(values, 16) for name, (_, values) in bounds.items()})
        numbers = sum(sizes.values()) + 16 * sum(count for count, _ in bounds.values())
        self.layers = nn.Sequential(nn.Linear(numbers, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.actions = ActionsView(actions, width=width, dropout=dropout)

    def forward(self, observations: Observations) -> Seen:
        flat = {name: values.reshape(*values.shape[:2], -1) for name, values in observations.items()}
        parts = [flat[name].float() for name in self.sizes]
        parts += [table(flat[name]).flatten(2) for name, table in self.tables.items()]
        return Seen(*self.actions(self.layers(torch.cat(parts, -1)), observations["choices"]))


def view_of(sees: Mapping[str, Any], words: Tensor, names: Tensor | None, *, width: int, dropout: float) -> View:
    """The view of a world, by how it describes what is seen there, as plain data: `{"kind": "houses"}`, with `"remembers": …`
    where places are remembered, `{"kind": "grid", "cells": …, "size": …, "actions": …}`, or `{"kind": "fields", "sizes": …,
    "bounds": …, "actions": …}`.

    Raises `InvalidInput` for another kind, or houses or grids without names.
    """
    given = {key: value for key, value in sees.items() if key != "kind"}
    match sees.get("kind"):
        case "houses" if names is not None:
            return HouseView(names, words, **given, width=width, dropout=dropout)
        case "grid" if names is not None:
            return GridView(names, words, **given, width=width, dropout=dropout)
        case "fields":
            return FieldsView(**given, width=width, dropout=dropout)
    raise InvalidInput(
        f"What is seen in this world is described as {dict(sees)}.",
        expected="the kind houses or grid, with the names of things, or fields",
    )
