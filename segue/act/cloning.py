"""Behavioural cloning: the likelihood of what was shown, step by step."""

from torch import Tensor

from segue.act.episodes import Batch
from segue.act.follower import Follower
from segue.act.policy import log_probabilities


def log_likelihood(policy: Follower, batch: Batch, words: Tensor) -> Tensor:
    """log π(a_t | s_t, G), [b, t], of the actions taken; 0 behind an episode's end."""
    followed = policy(batch.observations, batch.actions, words)
    chances = log_probabilities(followed.values[..., 0], batch.observations["choices"])
    return chances.gather(2, batch.actions[:, :, None]).squeeze(2) * batch.steps


def cloning_loss(policy: Follower, batch: Batch, words: Tensor) -> Tensor:
    """Mean negative log-likelihood over the steps."""
    return -log_likelihood(policy, batch, words).sum() / batch.steps.sum()
