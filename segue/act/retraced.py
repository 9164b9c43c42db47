"""Episodes step by step: how likely each action was to a policy, and what a learned reward gives for it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.act.episodes import Batch, of_actions
from segue.act.follower import Follower
from segue.act.judging import Judge
from segue.act.policy import log_chances
from segue.act.reward import earned


@dataclass(frozen=True, slots=True)
class Retraced:
    """Of every step of the episodes, [s] end to end: the `probabilities` of the actions taken and their `rewards`; and of every
    episode how far it did what was asked, `scores` [n]."""

    probabilities: NDArray[np.float32]
    rewards: NDArray[np.float32]
    scores: NDArray[np.float32]


def retraced(policy: Follower, judge: Judge, batch: Batch, words: Tensor) -> Retraced:
    """Go through episodes again, with the words [n, w] of one instruction each."""
    with torch.inference_mode():
        taken = of_actions(log_chances(policy.eval(), batch, words).exp(), batch.actions)
        rewards = judge.reward.eval()(batch, words)
        given, scores = rewards.taken(batch), earned(rewards, batch) + judge.told(batch, words)
    return Retraced(taken[batch.steps].numpy(), given[batch.steps].numpy(), scores.numpy())
