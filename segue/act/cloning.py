"""Behavioural cloning: the likelihood of what was shown, step by step."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from segue.act.episodes import Batch, of_actions
from segue.act.examples import Source, drawn, together
from segue.act.follower import Follower
from segue.act.goals import Believed
from segue.act.learner import Learner, Pace
from segue.act.policy import log_chances


class Cloning(Learner):
    """Learns the likelihood of what sources give: demonstrations alone, or also what a generator made of them."""

    def __init__(
        self, policy: Follower, sources: Sequence[Source], pace: Pace, *, batch: int = 64, seed: int = 0
    ) -> None:
        """Each update draws about `batch` examples, of each source by its share."""
        super().__init__({"policy": policy}, {"policy": pace}, seed=seed)
        self.policy, self.sources = policy, sources
        self.count = round(batch / sum(one.share for one in sources))

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        examples = together(drawn(self.sources, self.count, random))
        self.policy.train()
        batch = examples.episodes.batch()
        loss = -log_likelihood(self.policy, batch, examples.words).sum() / batch.steps.sum()
        self.move("policy", loss)
        return {"loss": loss.item()}


def log_likelihood(policy: Follower, batch: Batch, words: Tensor) -> Tensor:
    """log π(a_t | s_t, G), [b, t], of the actions taken; 0 behind an episode's end."""
    return of_actions(log_chances(policy, batch, words), batch.actions) * batch.steps


def believed_by(policy: Follower) -> Believed:
    """What a policy makes of goals: how likely it does what was done where it reads them."""
    return lambda batch, words: log_likelihood(policy, batch, words).sum(1)
