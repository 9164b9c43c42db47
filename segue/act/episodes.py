"""Episodes of any length, end to end in flat arrays, and padded batches of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from segue.act.world import Actions, Observation
from segue.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Batch:
    """Episodes side by side: `observations` {field: [b, t, …]}, `actions` int64 [b, t], `steps` bool [b, t] (true up to each
    one's end), and `ended` bool [b]: false where an episode was broken off."""

    observations: Mapping[str, Tensor]
    actions: Tensor
    steps: Tensor
    ended: Tensor


@dataclass(frozen=True, eq=False)
class Episodes:
    """`n` episodes of `s` steps in all: `observations` {field: [s, …]}, the `actions` taken there, int64 [s], `starts` int64 [n
    + 1], `ended` bool [n].
    """

    observations: Observation
    actions: Actions
    starts: NDArray[np.int64]
    ended: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ended)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def __getitem__(self, chosen: ArrayLike) -> "Episodes":
        """The episodes of these numbers, or where a mask is true, in that order; −1 is the last."""
        chosen = np.asarray(chosen)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        lengths = self.lengths[chosen]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(self.starts[:-1][chosen] - starts[:-1], lengths) + np.arange(starts[-1])
        return Episodes(
            {field: values[rows] for field, values in self.observations.items()},
            self.actions[rows],
            starts,
            self.ended[chosen],
        )

    def alike(self, parts: int) -> list[NDArray[np.int64]]:
        """The numbers of the episodes in so many parts, those of like lengths together, so that little is padded."""
        return np.array_split(np.argsort(self.lengths, kind="stable"), parts)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All of it by name, to keep; `of_arrays` is the inverse."""
        seen = {f"observations/{name}": values for name, values in self.observations.items()}
        return seen | {"actions": self.actions, "starts": self.starts, "ended": self.ended}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Episodes":
        """The inverse of `arrays`; others may stand among them."""
        seen = {name.partition("/")[2]: one for name, one in arrays.items() if name.startswith("observations/")}
        return cls(seen, arrays["actions"], arrays["starts"], arrays["ended"])

    def batch(self, chosen: ArrayLike | None = None) -> Batch:
        """Those chosen, or all, as padded tensors; what is padded is 0 and false."""
        found = self if chosen is None else self[chosen]
        lengths = found.lengths
        steps = np.arange(lengths.max(initial=0)) < lengths[:, None]

        def padded(values: NDArray[np.generic]) -> Tensor:
            wide = np.zeros((*steps.shape, *values.shape[1:]), values.dtype)
            wide[steps] = values
            return torch.from_numpy(wide)

        return Batch(
            {field: padded(values) for field, values in found.observations.items()},
            padded(found.actions),
            torch.from_numpy(steps),
            torch.from_numpy(found.ended),
        )


def few(of: int, count: int, *, seed: int) -> NDArray[np.int64]:
    """The numbers of `count` drawn from `of` many, at least two; of all where there are no more."""
    return np.random.default_rng(seed).permutation(of)[: max(2, count)]


def of_actions(values: Tensor, actions: Tensor) -> Tensor:
    """What values [b, t, a, …] hold for the actions taken, int64 [b, t] → [b, t, …].

    >>> of_actions(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[1, 0]]))
    tensor([[2., 3.]])
    """
    at = actions.reshape(*actions.shape, *[1] * (values.dim() - 2)).expand(-1, -1, 1, *values.shape[3:])
    return values.gather(2, at).squeeze(2)


def joined(several: Sequence[Episodes]) -> Episodes:
    """Several sets of episodes of one world as one. Raises `InvalidInput` for none, or for fields that differ."""
    if not several or any(set(one.observations) != set(several[0].observations) for one in several):
        raise InvalidInput(
            f"There are {len(several)} sets of episodes, with the fields {[sorted(one.observations) for one in several][:3]}.",
            expected="at least one, all of one world",
        )
    return Episodes(
        {field: np.concatenate([one.observations[field] for one in several]) for field in several[0].observations},
        np.concatenate([one.actions for one in several]),
        np.concatenate([[0], np.cumsum(np.concatenate([one.lengths for one in several]))]),
        np.concatenate([one.ended for one in several]),
    )


def stacked(
    observations: Sequence[Observation], actions: Sequence[Actions], lengths: ArrayLike, ended: ArrayLike
) -> Episodes:
    """Episodes that were walked side by side: `t` observations of [b, …] and actions [b], of which the first `lengths` [b]
    count.

    >>> walked = stacked([{"choices": np.ones((2, 3), bool)}] * 2, [np.array([1, 2]), np.array([0, 0])], [2, 1], [True, False])
    >>> walked.actions, walked.starts
    (array([1, 0, 2]), array([0, 2, 3]))
    """
    lengths = np.asarray(lengths, np.int64)
    steps = np.arange(len(actions)) < lengths[:, None]
    return Episodes(
        {field: np.stack([one[field] for one in observations], 1)[steps] for field in observations[0]},
        np.stack(actions, 1)[steps],
        np.concatenate([[0], np.cumsum(lengths)]),
        np.asarray(ended, bool),
    )
