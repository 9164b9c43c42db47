"""How observations are seen: a world's arrays → one vector for the scene and one for each action that can be taken.

`b` episodes, `t` steps, `a` actions, `d` width. What cannot be taken has a vector of zeros.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

Observations = Mapping[str, Tensor]


class View(Protocol):
    """A module that makes observations {field: [b, t, …]} into scenes [b, t, d] and choices [b, t, a, d]."""

    def __call__(self, observations: Observations) -> tuple[Tensor, Tensor]: ...


class HouseView(nn.Module):
    """Sees ways out of a place: how each one lies (`geometry`) and the names of what is seen there (`seen`).

    `names` float32 [m, e] is what is known of each name before learning, as of `language.known_vectors`; it is not learned, its
    projection is. The scene is the mean of the choices.
    """

    names: Tensor

    def __init__(self, names: Tensor, *, geometry: int = 8, width: int = 128, dropout: float = 0.3) -> None:
        super().__init__()
        self.register_buffer("names", names)
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
