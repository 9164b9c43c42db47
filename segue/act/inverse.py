"""Inverse reinforcement learning with language goals: policy, reward and critics learn together from demonstrations alone.

Zhou and Small, "Inverse Reinforcement Learning with Natural Language Goals", AAAI 2021. Each update: the policy walks, following goals of
the demonstrations; the generator, if there is one, names what it did; the discriminator learns from its sources; the critics learn
the rewards of now; the policy follows the critics, and the likelihood of what is positive (where we differ: the paper clones before,
not during).
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segue.act.examples import Examples, Replay, Source, together, trimmed
from segue.act.follower import Follower
from segue.act.goals import GoalGenerator
from segue.act.policy import log_probabilities, walk
from segue.act.reward import Reward, discriminator_loss
from segue.act.soft_actor_critic import critic_loss, policy_loss, soft_values, targets
from segue.act.world import Task, World


@dataclass(frozen=True, slots=True)
class Lesson:
    """How to learn: `batch` examples of each source, `walks` sampled each update, `discount` γ, `temperature` α, `rate` of the reward and
    the critics, `policy_rate`, `cloning`, the weight of the likelihood beside the critics, `average`, the share of the critics that
    their targets take over, `smoothing` of the discriminator's labels, `ahead`, the updates for which the policy only watches."""

    batch: int = 32
    walks: int = 32
    discount: float = 0.97
    temperature: float = 1.0
    rate: float = 5e-4
    policy_rate: float = 3e-4
    cloning: float = 0.5
    actor: float = 1.0
    average: float = 0.01
    smoothing: float = 0.05
    ahead: int = 50
    clip: float = 1.0


@dataclass
class Learner:
    """The networks and what moves them. `positives` and `negatives` say what the discriminator is shown; `learns` what the policy is
    updated on: examples whose goals are positive."""

    policy: Follower
    reward: Reward
    critics: Follower
    world: World[Any] | None
    tasks: Sequence[Task]
    words: Tensor
    replay: Replay
    positives: Sequence[Source]
    negatives: Sequence[Source]
    generator: GoalGenerator | None = None
    lesson: Lesson = field(default_factory=Lesson)
    seed: int = 0

    def __post_init__(self) -> None:
        self.targets = deepcopy(self.critics).requires_grad_(False)
        self.random = np.random.default_rng(self.seed)
        self.noise = torch.Generator().manual_seed(self.seed)
        rate = self.lesson.rate
        self.optimisers = {
            "policy": torch.optim.AdamW(self.policy.parameters(), lr=self.lesson.policy_rate, weight_decay=1e-4),
            "reward": torch.optim.AdamW(self.reward.parameters(), lr=rate, weight_decay=1e-4),
            "critics": torch.optim.AdamW(self.critics.parameters(), lr=rate, weight_decay=1e-4),
        }
        self.updates = 0

    def update(self) -> dict[str, float]:
        """One round of walking and learning; → what there is to watch."""
        if self.world is not None:
            self._walk()
        seen = self._discriminate()
        seen |= self._act()
        self.updates += 1
        return seen

    def _walk(self) -> None:
        assert self.world is not None
        chosen = self.random.integers(len(self.tasks), size=self.lesson.walks)
        words = trimmed(self.words[torch.from_numpy(chosen)])
        self.policy.eval()
        episodes = walk(self.policy, self.world, [self.tasks[at] for at in chosen], words, generator=self.noise)
        named = None
        if self.generator is not None:
            named = Examples(episodes, self.generator.say(episodes.batch(), generator=self.noise, temperature=0.3))
        self.replay.add(Examples(episodes, words), named)

    def _discriminate(self) -> dict[str, float]:
        drawn = [(1.0, source, self._draw(source)) for source in self.positives]
        drawn += [(0.0, source, self._draw(source)) for source in self.negatives]
        parts = [(positive, source.weight, some) for positive, source, some in drawn if some is not None and len(some)]
        if {positive for positive, _, _ in parts} != {0.0, 1.0}:
            return {}
        examples = together([some for _, _, some in parts])
        batch = examples.episodes.batch()
        positive = torch.cat([torch.full((len(some),), one) for one, _, some in parts])
        weight = torch.cat([torch.full((len(some),), one / len(some)) for _, one, some in parts])
        for label in (0.0, 1.0):
            weight[positive == label] /= weight[positive == label].sum()
        self.policy.eval()
        with torch.no_grad():
            followed = self.policy(batch.observations, batch.actions, examples.words)
            chances = log_probabilities(followed.values[..., 0], batch.observations["choices"])
            log_policy = chances.gather(2, batch.actions[:, :, None]).squeeze(2)
        self.reward.train()
        rewards = self.reward(batch, examples.words)
        loss = discriminator_loss(rewards, batch, log_policy, positive, weight, smoothing=self.lesson.smoothing)
        self._move("reward", self.reward, loss)
        with torch.no_grad():
            right = ((rewards.taken(batch) - log_policy > 0) == (positive[:, None] > 0)) & batch.steps
        return {"discriminator": loss.item(), "told apart": (right.sum() / batch.steps.sum()).item()}

    def _act(self) -> dict[str, float]:
        positive = [some for source in self.positives if (some := self._draw(source)) is not None]
        followed = self._drawn_from_replay()
        examples = together([*positive, *followed])
        batch, lesson = examples.episodes.batch(), self.lesson
        choices = batch.observations["choices"]
        horizon = self.world.horizon if self.world is not None else batch.steps.shape[1]
        self.reward.eval()
        self.policy.train()
        self.critics.train()
        values = self.policy(batch.observations, batch.actions, examples.words).values[..., 0]
        log_policy = log_probabilities(values, choices)
        with torch.no_grad():
            rewards = self.reward(batch, examples.words)
            later = self.targets.eval()(batch.observations, batch.actions, examples.words).values
            soft = soft_values(later, log_policy, choices, temperature=lesson.temperature)
            wanted = targets(rewards, batch, soft, discount=lesson.discount, horizon=horizon)
        worth = self.critics(batch.observations, batch.actions, examples.words).values
        loss = critic_loss(worth, batch, wanted)
        self._move("critics", self.critics, loss)
        with torch.no_grad():
            for target, live in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                target.lerp_(live, lesson.average)
        seen = {"critics": loss.item(), "reward": (rewards.taken(batch) * batch.steps).sum().item() / batch.steps.sum().item()}
        if self.updates < lesson.ahead:
            return seen
        shown = sum(len(some) for some in positive)
        weights = torch.cat([torch.full((len(some),), source.weight) for source, some in zip(self._drawing(), positive, strict=True)])
        taken = log_policy.gather(2, batch.actions[:, :, None]).squeeze(2)[:shown] * batch.steps[:shown]
        cloning = -(taken.sum(1) * weights).sum() / (batch.steps[:shown].sum(1) * weights).sum()
        actor = policy_loss(log_policy, worth.detach(), batch, temperature=lesson.temperature)
        self._move("policy", self.policy, lesson.actor * actor + lesson.cloning * cloning)
        return seen | {"policy": actor.item(), "cloning": cloning.item()}

    def _drawing(self) -> list[Source]:
        return [source for source in self.positives if not hasattr(source, "replay") or len(source.replay.named)]

    def _draw(self, source: Source) -> Examples | None:
        return source.draw(self.lesson.batch, self.random)

    def _drawn_from_replay(self) -> list[Examples]:
        from segue.act.examples import Sampled

        some = Sampled(self.replay).draw(self.lesson.batch, self.random)
        return [] if some is None else [some]

    def _move(self, name: str, module: nn.Module, loss: Tensor) -> None:
        self.optimisers[name].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), self.lesson.clip)
        self.optimisers[name].step()
