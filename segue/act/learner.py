"""What everything that is trained here shares: networks, their optimisers, and chance that is the same after a stop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Pace:
    """For `updates` updates: the `rate` rises over `warmup` of them and falls in a line to a fiftieth of itself; gradients'
    norms are at most `clip`, weights decay by `decay`."""

    updates: int
    rate: float = 2e-3
    warmup: int = 100
    decay: float = 1e-4
    clip: float = 1.0

    def at(self, update: int) -> float:
        """The rate of update 0, 1, …

        >>> pace = Pace(1000, rate=1.0)
        >>> pace.at(0), pace.at(500), pace.at(999)
        (0.01, 0.5, 0.02)
        """
        return self.rate * min(1.0, (update + 1) / self.warmup) * max(0.02, 1 - update / self.updates)


class Learner(ABC):
    """Takes updates. Chance in an update comes from `seed` and `updates` alone."""

    def __init__(self, networks: Mapping[str, nn.Module], paces: Mapping[str, Pace], *, seed: int) -> None:
        self.seed, self.updates = seed, 0
        self.networks: dict[str, nn.Module] = {}
        self.paces: dict[str, Pace] = {}
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        for name, network in networks.items():
            self.joins(name, network, paces.get(name))

    def joins(self, name: str, network: nn.Module, pace: Pace | None) -> None:
        """One more network is kept, and learns at a pace, or does not."""
        self.networks[name] = network
        if pace is not None:
            moves = network.parameters()
            self.paces[name] = pace
            self.optimisers[name] = torch.optim.AdamW(moves, lr=pace.rate, weight_decay=pace.decay, fused=True)

    def update(self) -> dict[str, float]:
        """One update; → what there is to watch."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1_000_003 * self.seed + self.updates)
            seen = self.learn(np.random.default_rng([self.seed, self.updates]))
        self.updates += 1
        return seen

    @abstractmethod
    def learn(self, random: np.random.Generator) -> dict[str, float]:
        """What is done in one update, with its chance; torch's own (dropout) is set already."""

    def keeps(self) -> dict[str, Tensor]:
        """What it needs besides networks and optimisers, to go on after a stop."""
        return {}

    def takes_up(self, kept: Mapping[str, Tensor]) -> None:
        """The inverse of `keeps`."""
        del kept

    def move(self, name: str, loss: Tensor) -> None:
        """One step of a network down the loss."""
        optimiser, pace = self.optimisers[name], self.paces[name]
        for group in optimiser.param_groups:
            group["lr"] = pace.at(self.updates)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.networks[name].parameters(), pace.clip)
        optimiser.step()


def weights(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Those of several networks, named `network/parameter`; `restore` is the inverse."""
    return {
        f"{name}/{key}": tensor.detach()
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }


def restore(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Weights back into their networks; others may stand among them."""
    for name, network in networks.items():
        start = f"{name}/"
        network.load_state_dict({key.removeprefix(start): one for key, one in tensors.items() if key.startswith(start)})
