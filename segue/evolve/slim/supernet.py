"""Every tower of a space in one: a one-shot super-net whose paths share weights, each path a slice of the largest tower.

Source: Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling" (ECCV 2020), which Duggal et al. train
with the losses of both sides; widths are slices as in Yu et al., "Slimmable Neural Networks" (ICLR 2019). Where we differ: the
token table is turned so that its first columns hold most, so a narrower path begins as the best table of its rank.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture, Space
from segue.evolve.slim.tower import Tower

_ROWS = ("table", "pairs", "importance")
"""Looked up whole, and cut after."""


class SuperNet(nn.Module):
    """The largest tower's weights; `path` runs any tower of the space on its slice of them."""

    def __init__(
        self, space: Space, *, vocabulary: int, dimensions: int, longest: int = 64, buckets: int = 2**15
    ) -> None:
        super().__init__()
        self.space = space
        self.largest = Tower(
            space.largest(), vocabulary=vocabulary, dimensions=dimensions, longest=longest, buckets=buckets
        )
        self._allowed = frozenset(space)
        self._shapes: dict[Architecture, Tower] = {}

    @torch.no_grad()
    def begin(self, vectors: Tensor, importance: Tensor | None = None) -> None:
        """Begin from `vectors` [V, E], what the gallery's encoder makes of each token alone, and the logarithms of the tokens'
        weights in the mean, [V]. The best table of every rank by least squares: columns by falling singular value."""
        table, project = self.largest.table, self.largest.project.weight
        if vectors.shape != (table.shape[0], project.shape[0]) or not bool(torch.isfinite(vectors).all()):
            raise InvalidInput(
                f"Token vectors of shape {tuple(vectors.shape)} were passed.",
                expected=f"finite numbers of shape {(table.shape[0], project.shape[0])}",
                fix="encode every token of the vocabulary by the gallery's encoder",
            )
        _, directions = torch.linalg.eigh(vectors.T @ vectors)
        kept = directions.flip(1)[:, : table.shape[1]]
        # Columns beyond the gallery's dimensions begin at zero in the table only, so that they can learn.
        table.zero_()[:, : kept.shape[1]] = vectors @ kept
        project[:, : kept.shape[1]] = kept
        if importance is not None and self.largest.architecture.weighted:
            self.largest.importance.copy_(importance[:, None])

    def path(self, architecture: Architecture, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the tower of `architecture` makes of a batch, float32 [b, E]; the gradient goes to the shared weights."""
        found: Tensor = functional_call(self._shape(architecture), dict(self._slices(architecture)), (ids, mask))
        return found

    @torch.no_grad()
    def cut(self, architecture: Architecture) -> Tower:
        """A tower of its own that begins with the path's weights."""
        own = {name: tensor.detach().clone() for name, tensor in self._slices(architecture)}
        for name in _ROWS:
            if name in own and name != "importance":
                own[name] = own[name][:, : architecture.width].clone()
        big = self.largest
        tower = Tower(
            architecture, vocabulary=big.vocabulary, dimensions=big.dimensions, longest=big.longest, buckets=big.buckets
        )
        tower.load_state_dict(own)
        return tower

    def _shape(self, architecture: Architecture) -> Tower:
        """A tower without weights: what is done, on the slices that it is called with."""
        if architecture not in self._allowed:
            raise InvalidInput(f"{architecture} is not of this super-net's space.", expected="a tower of its space")
        if architecture not in self._shapes:
            big = self.largest
            with torch.device("meta"):
                self._shapes[architecture] = Tower(
                    architecture, vocabulary=1, dimensions=big.dimensions, longest=big.longest, buckets=big.buckets
                )
        return self._shapes[architecture]

    def _slices(self, architecture: Architecture) -> Iterator[tuple[str, Tensor]]:
        shared: Mapping[str, Tensor] = dict(self.largest.named_parameters())
        for name, like in self._shape(architecture).named_parameters():
            yield name, shared[name] if name in _ROWS else _slice(name, shared[name], like.shape)


def _slice(name: str, shared: Tensor, shape: torch.Size) -> Tensor:
    """The first rows and columns; of queries, keys and values each; of a convolution the middle."""
    if ".attention.project." in name:
        parts = (part[tuple(slice(size) for size in (shape[0] // 3, *shape[1:]))] for part in shared.chunk(3))
        return torch.cat(list(parts))
    if name == "mixing":
        margin = (shared.shape[2] - shape[2]) // 2
        return shared[: shape[0], :, margin : shared.shape[2] - margin]
    return shared[tuple(slice(size) for size in shape)]
