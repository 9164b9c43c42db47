"""Soft actor-critic for actions that can be counted, over whole episodes (Haarnoja et al., ICML 2018; Christodoulou, 2019).

Rewards are those of now, computed when a batch is drawn: `y_t = r_t + γ V(s_{t+1})`, `V = Σ_a π (min(Q₁, Q₂) − α log π)`. At an
episode's end the absorbing reward is earned for what is left of the horizon; where an episode was broken off its last step
teaches nothing.
"""

import torch
from torch import Tensor, nn

from segue.act.episodes import Batch, of_actions
from segue.act.follower import Follower
from segue.act.policy import IMPOSSIBLE
from segue.act.reward import Rewards, is_last


class Critics(nn.Module):
    """Q₁ and Q₂: the follower's two log-probabilities times the temperature, and two values of the state; any Q can be written
    so."""

    def __init__(self, follower: Follower, *, temperature: float) -> None:
        super().__init__()
        self.follower, self.temperature = follower, temperature
        self.of_state = nn.Linear(2 * follower.width, 2)
        nn.init.zeros_(self.of_state.weight)
        nn.init.zeros_(self.of_state.bias)

    def forward(self, batch: Batch, words: Tensor) -> Tensor:
        """[b, t, a, 2]."""
        followed = self.follower(batch.observations, batch.actions, words)
        choices = batch.observations["choices"][..., None]
        chances = followed.values.masked_fill(~choices, IMPOSSIBLE).log_softmax(2).masked_fill(~choices, 0.0)
        worth: Tensor = self.temperature * chances + self.of_state(followed.state)[:, :, None]
        return worth


def soft_values(critics: Tensor, log_policy: Tensor, choices: Tensor, *, temperature: float) -> Tensor:
    """V [b, t] from the critics' numbers [b, t, a, 2] and log π [b, t, a]."""
    worth = critics.amin(-1) - temperature * log_policy
    return (log_policy.exp() * worth.masked_fill(~choices, 0.0)).sum(-1)


def targets(rewards: Rewards, batch: Batch, values: Tensor, *, discount: float, horizon: int) -> Tensor:
    """y [b, t]."""
    ends = is_last(batch)
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)
    left = (horizon - 1 - torch.arange(values.shape[1])).clamp(min=0)
    absorbed = rewards.absorbed * sum_of_powers(discount, left)
    return rewards.taken(batch) + discount * torch.where(ends, absorbed, following)


def sum_of_powers(discount: float, count: Tensor) -> Tensor:
    """1 + γ + … + γ^(count−1).

    >>> sum_of_powers(0.5, torch.tensor([0, 1, 3]))
    tensor([0.0000, 1.0000, 1.7500])
    """
    return count.float() if discount == 1 else (1 - discount**count) / (1 - discount)


def critic_loss(critics: Tensor, batch: Batch, wanted: Tensor) -> Tensor:
    """Squared error of both critics, [b, t, a, 2], at the actions taken."""
    error = (of_actions(critics, batch.actions) - wanted[..., None]) ** 2
    teaches = batch.steps & ~(is_last(batch) & ~batch.ended[:, None])
    return (error.mean(-1) * teaches).sum() / teaches.sum().clamp(min=1)


def policy_loss(log_policy: Tensor, critics: Tensor, batch: Batch, *, temperature: float) -> Tensor:
    """KL from the critics' own policy: Σ_a π (α log π − min(Q₁, Q₂)), mean over the steps."""
    worth = (temperature * log_policy - critics.amin(-1)).masked_fill(~batch.observations["choices"], 0.0)
    return ((log_policy.exp() * worth).sum(-1) * batch.steps).sum() / batch.steps.sum()
