"""The learned reward: what an action is worth to someone who was asked for this, told apart by a discriminator.

Adversarial inverse reinforcement learning (Fu, Luo and Levine, ICLR 2018) with an instruction: `D = exp f / (exp f + π)`, so
that its logit is `f(s, a, G) − log π(a | s, G)`. An episode that ends goes on in an absorbing state, whose reward is learned as
well and earned up to the horizon (Kostrikov et al., ICLR 2019): without it a reward that is positive everywhere teaches to
dawdle, one that is negative to give up.

`b` episodes, `t` steps, `a` actions, `n` words.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from segue.act.episodes import Batch, of_actions
from segue.act.follower import Follower
from segue.act.policy import log_probabilities


@dataclass(frozen=True, slots=True)
class Rewards:
    """`actions` f [b, t, a] of every action; `absorbed` [b, t], of every further step for whoever ended the episode at step
    t."""

    actions: Tensor
    absorbed: Tensor

    def taken(self, batch: Batch) -> Tensor:
        """f of the actions taken, [b, t]."""
        return of_actions(self.actions, batch.actions)


class Reward(nn.Module):
    """r(s, a, G), and r of having ended.

    f is made of the follower's log-probabilities and of one number of the state: any f can be written so, and where the
    follower begins as a copy of the policy, f begins as log π, at which the discriminator cannot tell and the policy is
    optimal.
    """

    def __init__(self, follower: Follower) -> None:
        super().__init__()
        self.follower = follower
        self.of_state = nn.Linear(2 * follower.width, 2)
        nn.init.zeros_(self.of_state.weight)
        nn.init.zeros_(self.of_state.bias)

    def forward(self, batch: Batch, words: Tensor) -> Rewards:
        followed = self.follower(batch.observations, batch.actions, words)
        choices = batch.observations["choices"]
        here, absorbed = self.of_state(followed.state).unbind(-1)
        chances = log_probabilities(followed.values[..., 0], choices).masked_fill(~choices, 0.0)
        return Rewards(chances + here[:, :, None], absorbed)

    def score(self, batch: Batch, words: Tensor) -> Tensor:
        """How far a trajectory does what was asked, [b]: the sum of its rewards, the absorbing state's once where it
        ended."""
        return earned(self(batch, words), batch)


def earned(rewards: Rewards, batch: Batch) -> Tensor:
    """What each episode's actions earned in all, [b], and the absorbing state where it ended."""
    steps = (rewards.taken(batch) * batch.steps).sum(1)
    return steps + torch.where(batch.ended, last(rewards.absorbed, batch), 0.0)


def last(values: Tensor, batch: Batch) -> Tensor:
    """The values [b, t] at each episode's last step, [b]."""
    return values.gather(1, batch.steps.sum(1, keepdim=True) - 1).squeeze(1)


def is_last(batch: Batch) -> Tensor:
    """bool [b, t], true at the last step of each episode."""
    return batch.steps & (torch.arange(batch.steps.shape[1]) == batch.steps.sum(1, keepdim=True) - 1)


def discriminator_loss(
    rewards: Rewards, batch: Batch, log_policy: Tensor, positive: Tensor, weight: Tensor, *, smoothing: float = 0.0
) -> Tensor:
    """Binary cross-entropy of the discriminator, over steps and the absorbing state of episodes that ended.

    `log_policy` [b, t] of the actions taken, `positive` [b] is 1 for what was shown and 0 for what was not, `weight` [b]. The
    absorbing state's logit is its reward alone: there a policy has nothing to choose. `smoothing` takes the labels that far
    from 0 and 1.
    """
    labels = (positive * (1 - 2 * smoothing) + smoothing)[:, None].expand_as(log_policy)
    each = F.binary_cross_entropy_with_logits(rewards.taken(batch) - log_policy, labels, reduction="none") * batch.steps
    ends = is_last(batch) & batch.ended[:, None]
    each = each + F.binary_cross_entropy_with_logits(rewards.absorbed, labels, reduction="none") * ends
    counts = batch.steps.sum(1) + batch.ended
    return (each.sum(1) / counts * weight).sum() / weight.sum()


def area_under_curve(right: NDArray[np.floating[Any]], wrong: NDArray[np.floating[Any]]) -> float:
    """How likely the score of what is right is above that of what is wrong: the area under the ROC curve (Mann and Whitney,
    1947).

    >>> area_under_curve(np.array([3.0, 1.0]), np.array([2.0, 0.0]))
    0.75
    """
    ranks = rankdata(np.concatenate([right, wrong]))[: len(right)]
    return float((ranks.sum() - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong)))
