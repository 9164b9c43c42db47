"""The reward among whole ways: what people went, against what they might have gone instead, where the map is known.

Maximum-entropy inverse reinforcement learning (Ziebart et al., AAAI 2008): p(τ | G) = exp r(τ, G) / Σ exp r(τ', G), with the sum
over some of the shortest ways from the same start (a sampled partition function, as Finn, Levine and Abbeel, ICML 2016, have it).
The discriminator asks whether a step is a demonstrator's or the policy's; who thinks before walking asks which way was meant.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.act.examples import trimmed
from segue.act.grounds import went
from segue.act.learner import Learner, Pace
from segue.act.mapping import Way, ways_from
from segue.act.reward import Reward
from segue.act.worlds.walks import NEAR, Houses, Walk


class Comparing(Learner):
    """Learns the likelihood of the way that was meant among `ways` from the same start: itself and others, drawn anew each time,
    none of which ends near its goal."""

    def __init__(
        self,
        reward: Reward,
        world: Houses,
        walks: Sequence[Walk],
        words: Tensor,
        pace: Pace,
        *,
        edges: tuple[int, int],
        ways: int = 8,
        batch: int = 12,
        seed: int = 0,
    ) -> None:
        """`words` int64 [m, n] are those of each walk; `edges` say how long the others are, at least and at most."""
        super().__init__({"reward": reward}, {"reward": pace}, seed=seed)
        self.reward, self.world, self.walks, self.words = reward, Houses(world.graphs), walks, words
        self.edges, self.ways, self.batch = edges, ways, batch
        self._others: dict[tuple[int, int], list[Way]] = {}

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        chosen = random.integers(len(self.walks), size=self.batch)
        several = [self._drawn(self.walks[at], random) for at in chosen.tolist()]
        counts = np.asarray([len(some) for some in several])
        rows = chosen.repeat(counts)
        episodes = went(self.world, [self.walks[at] for at in rows.tolist()], [way for some in several for way in some])
        self.reward.train()
        scores = self.reward.score(episodes.batch(), trimmed(self.words[torch.from_numpy(rows)]))
        found = scores.new_full((self.batch, self.ways), -torch.inf)
        found[torch.from_numpy(np.arange(self.ways) < counts[:, None])] = scores
        loss = -found.log_softmax(1)[:, 0].mean()
        self.move("reward", loss)
        return {"loss": loss.item(), "right": (found.argmax(1) == 0).float().mean().item()}

    def _drawn(self, walk: Walk, random: np.random.Generator) -> list[Way]:
        """The way that was meant, and others."""
        others = self._others_of(walk.start, walk.path[-1])
        some: NDArray[np.int64] = random.permutation(len(others))[: self.ways - 1]
        return [walk.path, *(others[at] for at in some.tolist())]

    def _others_of(self, start: int, goal: int) -> list[Way]:
        """The ways from a start that do not end near a goal."""
        if (start, goal) not in self._others:
            graphs = self.world.graphs
            ways = ways_from(graphs, start, edges=self.edges)
            ends = np.asarray([way[-1] for way in ways], np.int64)
            far = graphs.distance(ends, np.full(len(ends), goal)) >= NEAR
            self._others[start, goal] = [way for way, is_far in zip(ways, far.tolist(), strict=True) if is_far]
        return self._others[start, goal]
