"""Rewards and values against closed forms, and soft values against soft value iteration of a small chain."""

import math

import numpy as np
import pytest
import torch

from segue.act.episodes import Batch
from segue.act.inverse import begun
from segue.act.policy import log_probabilities
from segue.act.reward import Rewards, discriminator_loss, last
from segue.act.soft_actor_critic import critic_loss, policy_loss, soft_values, sum_of_powers, targets
from tests.act.conftest import Little

GAMMA, ALPHA, HORIZON = 0.9, 0.7, 5


def batch_of(actions: list[list[int]], ended: list[bool], choices: int) -> Batch:
    longest = max(map(len, actions))
    steps = torch.tensor([[at < len(row) for at in range(longest)] for row in actions])
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in actions])
    every = torch.ones(len(actions), longest, choices, dtype=torch.bool)
    return Batch({"choices": every}, padded, steps, torch.tensor(ended))


def test_targets_by_hand() -> None:
    """Of two episodes, the second broken off, by the definition: what follows is V, corrected by what came of the action taken
    there as far as the policy would have taken it."""
    random = torch.Generator().manual_seed(0)
    batch = batch_of([[1, 0], [1, 1, 1]], [True, False], 2)
    rewards = Rewards(
        torch.randn(2, 3, 2, generator=random),
        torch.randn(2, 3, generator=random),
    )
    critics = torch.randn(2, 3, 2, 2, generator=random)
    chances = torch.randn(2, 3, 2, generator=random).log_softmax(-1)
    value = soft_values(critics, chances, batch.observations["choices"], temperature=ALPHA)
    for trace in (0.0, 0.8):
        found = targets(
            *(rewards, batch, critics, chances), temperature=ALPHA, discount=GAMMA, trace=trace, horizon=HORIZON
        )

        def follows(row: int, at: int, came: torch.Tensor, trace: float = trace) -> torch.Tensor:
            action = batch.actions[row, at]
            correction = came - critics[row, at, action].min()
            return value[row, at] + trace * chances[row, at, action].exp() * correction

        end = rewards.actions[0, 1, 0] + GAMMA * rewards.absorbed[0, 1] * (1 + GAMMA + GAMMA**2)
        assert found[0, 1].item() == pytest.approx(end.item(), rel=1e-5)
        first = rewards.actions[0, 0, 1] + GAMMA * follows(0, 1, end)
        assert found[0, 0].item() == pytest.approx(first.item(), rel=1e-5)
        middle = rewards.actions[1, 1, 1] + GAMMA * value[1, 2]  # of what was broken off nothing is known but Q
        assert found[1, 1].item() == pytest.approx(middle.item(), rel=1e-5)
        begun = rewards.actions[1, 0, 1] + GAMMA * follows(1, 1, middle)
        assert found[1, 0].item() == pytest.approx(begun.item(), rel=1e-5)


def test_critics_that_begin_at_a_reward_have_its_soft_policy(little: Little) -> None:
    networks = begun(little.follower(), temperature=ALPHA)
    with torch.no_grad():
        for one in networks.reward.parameters():
            one.add_(0.3 * torch.randn(one.shape, generator=torch.Generator().manual_seed(one.numel())))
    networks.critics.begin_at(networks.reward)
    batch = little.shown.episodes.batch()
    choices = batch.observations["choices"]
    with torch.no_grad():
        rewards, worth = networks.reward.eval()(batch, little.words), networks.critics.eval()(batch, little.words)
    wanted = log_probabilities(rewards.actions / ALPHA, choices)[choices]
    for number in range(2):
        found = log_probabilities(worth[..., number] / ALPHA, choices)[choices]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_what_was_broken_off_does_not_teach_its_last_step() -> None:
    batch = batch_of([[1, 0], [1, 1, 1]], [True, False], 2)
    wanted = torch.arange(6.0).view(2, 3)
    by_hand = np.mean([0.0, 1.0, 9.0, 16.0])
    assert critic_loss(torch.zeros(2, 3, 2, 2), batch, wanted).item() == pytest.approx(float(by_hand))


def test_soft_values_are_those_of_soft_value_iteration() -> None:
    """A chain of states: action 0 ends, action 1 goes on; optimal values by backward induction are a fixed point."""
    ends, goes = 1.0, -0.2
    value = np.zeros(HORIZON + 1)
    q = np.zeros((HORIZON, 2))
    for at in range(HORIZON - 1, -1, -1):
        q[at] = ends, goes + GAMMA * value[at + 1]
        value[at] = ALPHA * np.logaddexp(*(q[at] / ALPHA))
    critics = torch.tensor(q, dtype=torch.float32)[None, :, :, None].expand(-1, -1, -1, 2)
    choices = torch.ones(1, HORIZON, 2, dtype=torch.bool)
    log_policy = log_probabilities(critics[..., 0] / ALPHA, choices)
    found = soft_values(critics, log_policy, choices, temperature=ALPHA)
    np.testing.assert_allclose(found[0].numpy(), value[:-1], rtol=1e-5)
    batch = batch_of([[1] * (HORIZON - 1) + [0]], [True], 2)
    rewards = Rewards(torch.tensor([ends, goes]).expand(1, HORIZON, 2), torch.zeros(1, HORIZON))
    wanted = targets(
        *(rewards, batch, critics, log_policy), temperature=ALPHA, discount=GAMMA, trace=0.9, horizon=HORIZON
    )
    assert critic_loss(critics, batch, wanted).item() == pytest.approx(0, abs=1e-9)
    logits = (critics[..., 0] / ALPHA).clone().requires_grad_()
    policy_loss(log_probabilities(logits, choices), critics, batch, temperature=ALPHA).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.abs().max().item() < 1e-6


def test_sum_of_powers() -> None:
    count = torch.arange(6)
    assert torch.equal(sum_of_powers(1.0, count), count.float())
    by_hand = [sum(GAMMA**power for power in range(number)) for number in range(6)]
    np.testing.assert_allclose(sum_of_powers(GAMMA, count).numpy(), by_hand, rtol=1e-6)


def test_the_discriminator_by_hand() -> None:
    batch = batch_of([[0], [1, 1]], [True, False], 2)
    f, absorbed = torch.randn(2, 2, 2), torch.randn(2, 2)
    log_policy = -torch.rand(2, 2)
    found = discriminator_loss(
        Rewards(f, absorbed), batch, log_policy, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 3.0])
    )

    def told(logit: torch.Tensor, label: float) -> float:
        chance = 1 / (1 + math.exp(-float(logit)))
        return -math.log(chance if label else 1 - chance)

    shown = (told(f[0, 0, 0] - log_policy[0, 0], 1) + told(absorbed[0, 0], 1)) / 2
    walked = (told(f[1, 0, 1] - log_policy[1, 0], 0) + told(f[1, 1, 1] - log_policy[1, 1], 0)) / 2
    assert found.item() == pytest.approx((shown + 3 * walked) / 4, rel=1e-5)


def test_learning_begins_where_the_policy_is_optimal(little: Little) -> None:
    """At the start the discriminator cannot tell, the critics have nothing to learn, and the policy nowhere to go."""
    policy = little.follower().eval()
    networks = begun(policy, temperature=1.0)
    batch = little.shown.episodes.batch()
    choices = batch.observations["choices"]
    values = policy(batch.observations, batch.actions, little.words).values[..., 0]
    log_policy = log_probabilities(values, choices)
    rewards, worth = networks.reward.eval()(batch, little.words), networks.critics.eval()(batch, little.words)
    taken = log_policy.gather(2, batch.actions[..., None]).squeeze(2)
    torch.testing.assert_close(rewards.taken(batch)[batch.steps], taken[batch.steps])
    wanted = targets(rewards, batch, worth, log_policy, temperature=1.0, discount=GAMMA, trace=0.9, horizon=HORIZON)
    assert critic_loss(worth, batch, wanted).item() == pytest.approx(0, abs=1e-9)
    assert policy_loss(log_policy, worth, batch, temperature=1.0).item() == pytest.approx(0, abs=1e-5)
    assert last(rewards.absorbed, batch).abs().max() == 0
