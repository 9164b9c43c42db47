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
from segue.act.reward import Reward, Rewards, is_last


class Critics(nn.Module):
    """Q₁ and Q₂: the follower's two log-probabilities times the temperature, and two values of the state; any Q can be written
    so."""

    def __init__(self, follower: Follower, *, temperature: float) -> None:
        super().__init__()
        self.follower, self.temperature = follower, temperature
        self.of_state = nn.Linear(2 * follower.width, 2)
        nn.init.zeros_(self.of_state.weight)
        nn.init.zeros_(self.of_state.bias)

    @torch.no_grad()
    def begin_at(self, reward: Reward) -> None:
        """Q = f, up to a number of the state where the temperature is not 1.

        Where f tells a policy from the demonstrations it is the demonstrator's advantage (Fu et al., 2018, section 4), so that
        the soft policy of f is already a better one.
        """
        weights = reward.follower.state_dict()
        weights["out.weight"] = weights["out.weight"].expand(2, -1) / self.temperature
        weights["out.bias"] = weights["out.bias"].expand(2) / self.temperature
        self.follower.load_state_dict(weights)
        self.of_state.weight.copy_(reward.of_state.weight[:1].expand(2, -1))
        self.of_state.bias.copy_(reward.of_state.bias[:1].expand(2))

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


def targets(
    rewards: Rewards,
    batch: Batch,
    critics: Tensor,
    log_policy: Tensor,
    *,
    temperature: float,
    discount: float,
    trace: float,
    horizon: int,
) -> Tensor:
    """y [b, t], from the critics' numbers [b, t, a, 2] and log π [b, t, a].

    `y_t = r_t + γ (V_{t+1} + λ π(a_{t+1}) (y_{t+1} − Q_{t+1}))`: tree backup (Precup, Sutton and Singh, ICML 2000), which holds
    for whoever walked. Without its trace λ the end is heard of at the beginning only after as many turns of the slow critics as
    there are steps between.
    """
    choices, count = batch.observations["choices"], batch.steps.shape[1]
    values = soft_values(critics, log_policy, choices, temperature=temperature)
    known = of_actions(critics.amin(-1), batch.actions)
    likely = of_actions(log_policy, batch.actions).exp()
    left = (horizon - 1 - torch.arange(count)).clamp(min=0)
    absorbed, ends, taken = rewards.absorbed * sum_of_powers(discount, left), is_last(batch), rewards.taken(batch)
    broken = ends & ~batch.ended[:, None]
    wanted = torch.empty_like(taken)
    wanted[:, -1] = torch.where(broken[:, -1], known[:, -1], taken[:, -1] + discount * absorbed[:, -1])
    for at in range(count - 2, -1, -1):
        ahead = values[:, at + 1] + trace * likely[:, at + 1] * (wanted[:, at + 1] - known[:, at + 1])
        found = taken[:, at] + discount * torch.where(ends[:, at], absorbed[:, at], ahead)
        wanted[:, at] = torch.where(broken[:, at], known[:, at], found)
    return wanted


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
