"""Learning of a new place without losing what is known: made examples are cloned, and where people showed what to do the policy
stays as it was.

Li and Hoiem, "Learning without Forgetting", ECCV 2016, with the demonstrations in place of new images: the policy before is the
teacher on them. Their own likelihood in its place would draw a policy that has learned more than to clone back to its clone.
"""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from segue.act.cloning import log_likelihood
from segue.act.examples import Examples, Source, drawn, together
from segue.act.follower import Follower
from segue.act.learner import Learner, Pace
from segue.act.policy import log_chances


class Adapting(Learner):
    """Learns the likelihood of what was `made`, and beside it keeps to what it did before on what was `shown`: KL(before ‖ now),
    a mean over steps, `keep` times."""

    def __init__(
        self,
        policy: Follower,
        made: Sequence[Source],
        shown: Source,
        pace: Pace,
        *,
        keep: float = 1.0,
        batch: int = 32,
        seed: int = 0,
    ) -> None:
        """Each update draws `batch` examples of what was shown and of each source of what was made, by its share."""
        super().__init__({"policy": policy}, {"policy": pace}, seed=seed)
        self.policy, self.before = policy, deepcopy(policy).requires_grad_(False).eval()
        self.made, self.shown, self.keep, self.batch = made, shown, keep, batch

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        made = together(drawn(self.made, self.batch, random))
        shown = self.shown.draw(self.batch, random)
        assert shown is not None
        self.policy.train()
        batch = made.episodes.batch()
        likely = log_likelihood(self.policy, batch, made.words).sum() / batch.steps.sum()
        lost = self._lost(shown)
        self.move("policy", self.keep * lost - likely)
        return {"loss": -likely.item(), "lost": lost.item()}

    def _lost(self, shown: Examples) -> Tensor:
        """KL(before ‖ now) a step."""
        batch = shown.episodes.batch()
        with torch.no_grad():
            before = log_chances(self.before, batch, shown.words)
        apart = before.exp() * (before - log_chances(self.policy, batch, shown.words))
        apart = apart.masked_fill(~batch.observations["choices"], 0.0)
        return (apart.sum(-1) * batch.steps).sum() / batch.steps.sum()
