"""How observations are seen: a world's arrays → one vector for the scene and one for each action that can be taken.

`b` episodes, `t` steps, `a` actions, `d` width. What cannot be taken has a vector of zeros.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from segue.errors import InvalidInput

Observations = Mapping[str, Tensor]


class View(Protocol):
    """A module that makes observations {field: [b, t, …]} into scenes [b, t, d] and choices [b, t, a, d]."""

    def __call__(self, observations: Observations) -> tuple[Tensor, Tensor]: ...

    def matches(self, observations: Observations, words: Tensor) -> Tensor | None:
        """How far what is seen along each action is what each word [b, n] means, before any learning, [b, t, a, n] in [−1, 1];
        None where the world shows nothing that has a name."""


class HouseView(nn.Module):
    """Sees ways out of a place: how each one lies (`geometry`) and the names of what is seen there (`seen`).

    `names` float32 [m, e] and `words` [v, e] are what is known of each name and word before learning, as of
    `language.known_vectors`; they are not learned, their projections are. The scene is the mean of the choices.
    """

    names: Tensor
    alike: Tensor

    def __init__(
        self, names: Tensor, words: Tensor, *, geometry: int = 8, width: int = 128, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.register_buffer("names", names, persistent=False)
        self.register_buffer("alike", F.normalize(names, dim=1) @ F.normalize(words, dim=1).T, persistent=False)
        self.lies = nn.Linear(geometry, width // 2)
        self.named = nn.Linear(names.shape[1], width // 2)
        self.choice = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, observations: Observations) -> tuple[Tensor, Tensor]:
        open_ = observations["choices"]
        seen = F.embedding_bag(observations["seen"][open_], self.named(self.names), mode="mean", padding_idx=0)
        lies = F.relu(self.lies(observations["geometry"][open_]))
        made = self.dropout(F.relu(self.choice(torch.cat([lies, seen], -1))))
        choices = made.new_zeros(*open_.shape, made.shape[-1])
        choices[open_] = made
        return choices.sum(2) / open_.sum(2, keepdim=True).clamp(min=1), choices

    def matches(self, observations: Observations, words: Tensor) -> Tensor:
        """The cosine of the word with the name that is nearest to it."""
        open_ = observations["choices"]
        seen, episode = observations["seen"][open_], open_.nonzero()[:, 0]
        found = self.alike[seen[:, :, None], words[episode][:, None]].amax(1)
        matches = found.new_zeros(*open_.shape, words.shape[1])
        matches[open_] = found
        return matches


class GridView(nn.Module):
    """Sees a small grid of cells, each a few whole numbers (`image` [b, t, h, w, c], as BabyAI gives it), and where one looks.

    Each number of a cell has an embedding, their sum goes through two convolutions. An action's vector is its own embedding and
    what the scene says of it.
    """

    def __init__(
        self,
        cells: Sequence[int],
        *,
        size: int = 7,
        actions: int = 7,
        width: int = 128,
        inner: int = 32,
        dropout: float = 0.0,
    ) -> None:
        """`cells` says how many values each of a cell's numbers has, `size` the grid's side."""
        super().__init__()
        self.cells = nn.ModuleList(nn.Embedding(values, inner) for values in cells)
        self.near = nn.Sequential(
            nn.Conv2d(inner, inner, 3, padding=1), nn.ReLU(), nn.Conv2d(inner, inner, 3, padding=1), nn.ReLU()
        )
        self.looks = nn.Embedding(4, width)
        self.all = nn.Linear(inner * size * size, width)
        self.actions = ActionsView(actions, width=width, dropout=dropout)

    def forward(self, observations: Observations) -> tuple[Tensor, Tensor]:
        there = observations["choices"].any(-1)  # behind an episode's end nothing is looked at
        image = observations["image"][there]
        cells = reduce(torch.add, (one(image[..., at]) for at, one in enumerate(self.cells)))
        near = self.near(cells.permute(0, 3, 1, 2)).flatten(1)
        looked = F.relu(self.all(near) + self.looks(observations["direction"][there]))
        scene = looked.new_zeros(*there.shape, looked.shape[-1])
        scene[there] = looked
        seen: tuple[Tensor, Tensor] = self.actions(scene, observations["choices"])
        return seen

    def matches(self, observations: Observations, words: Tensor) -> None:
        """Nothing here has a name."""


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


class FieldsView(nn.Module):
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

    def forward(self, observations: Observations) -> tuple[Tensor, Tensor]:
        flat = {name: values.reshape(*values.shape[:2], -1) for name, values in observations.items()}
        parts = [flat[name].float() for name in self.sizes]
        parts += [table(flat[name]).flatten(2) for name, table in self.tables.items()]
        seen: tuple[Tensor, Tensor] = self.actions(self.layers(torch.cat(parts, -1)), observations["choices"])
        return seen

    def matches(self, observations: Observations, words: Tensor) -> None:
        """Nothing here has a name."""


def view_of(
    sees: Mapping[str, Any], words: Tensor, names: Tensor | None, *, width: int, dropout: float
) -> "HouseView | GridView | FieldsView":
    """The view of a world, by how it describes what is seen there, as plain data: `{"kind": "houses"}`, `{"kind": "grid",
    "cells": …, "size": …, "actions": …}`, or `{"kind": "fields", "sizes": …, "bounds": …, "actions": …}`.

    Raises `InvalidInput` for another kind, or houses without names.
    """
    given = {key: value for key, value in sees.items() if key != "kind"}
    match sees.get("kind"):
        case "houses" if names is not None:
            return HouseView(names, words, width=width, dropout=dropout)
        case "grid":
            return GridView(**given, width=width, dropout=dropout)
        case "fields":
            return FieldsView(**given, width=width, dropout=dropout)
    raise InvalidInput(
        f"What is seen in this world is described as {dict(sees)}.",
        expected="the kind houses, with the names of things, or grid, or fields",
    )
