"""How far a trajectory does what was asked, by all that an agent has learned: what it earns, and what people would call it.

The reward was learned from demonstrations against what the policy does and against other people's goals; the generator knows
instructions of trajectories. One errs where the other need not (Fried et al., "Speaker-Follower Models", NeurIPS 2018, let a
speaker correct a follower), and both speak in nats: f − log π is the logarithm of how much likelier a demonstrator is to do a
step than the policy, log p(G | τ) − log p(G) of how much likelier the goal is of this trajectory than of any.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.act.episodes import Batch, Episodes
from segue.act.examples import trimmed
from segue.act.goals import Believed, GoalGenerator
from segue.act.reward import Reward

OTHERS = 16
"""Trajectories, by which a judge knows how likely a goal is whatever was done."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A reward, and beside it, where there is one, a generator of goals with some `others`, trajectories of any kind."""

    reward: Reward
    goals: GoalGenerator | None = None
    others: Episodes | None = None

    @property
    def among_ways(self) -> list[Believed]:
        """What is to be added up, [b] each, to compare trajectories for *one* goal."""
        reward = self.reward.eval().score
        return [reward] if self.goals is None else [reward, by_name(self.goals)]

    def score(self, batch: Batch, words: Tensor) -> Tensor:
        """How far each trajectory does what was asked, [b], whatever the goals are: the reward, and what `told` adds."""
        return self.reward.eval().score(batch, words) + self.told(batch, words)

    def scores(self, episodes: Episodes, words: Tensor) -> NDArray[np.float32]:
        """`score` of many episodes, [n], some at a time."""
        parts = np.array_split(np.arange(len(episodes)), max(1, -(-len(episodes) // 256)))
        with torch.inference_mode():
            found = [self.score(episodes.batch(part), trimmed(words[torch.from_numpy(part)])) for part in parts]
        scores: NDArray[np.float32] = torch.cat(found).numpy()
        return scores

    def told(self, batch: Batch, words: Tensor) -> Tensor:
        """log p(G | τ) − log p(G), [b], where p(G) is the mean over the `others`; 0 where there is no generator."""
        if self.goals is None or self.others is None:
            return torch.zeros(len(words))
        named = by_name(self.goals)
        rows = np.arange(len(self.others))
        anyway = [named(self.others.batch(rows[[at]].repeat(len(words))), words) for at in rows]
        return named(batch, words) - torch.stack(anyway).logsumexp(0) + math.log(len(rows))


def by_name(goals: GoalGenerator, *, samples: int = 4) -> Believed:
    """Believes goals as the generator would have called a trajectory so: log p(G | τ), by so many samples of its latent, which
    are always the same."""
    goals.eval()
    draws = torch.randn(samples, goals.latent, generator=torch.Generator().manual_seed(0))
    return lambda batch, words: goals.log_likelihood(batch, words, draws=draws).likelihood
