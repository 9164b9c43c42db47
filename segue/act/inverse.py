"""Inverse reinforcement learning with language goals: policy, reward and critics learn together, from demonstrations alone.

Zhou and Small, "Inverse Reinforcement Learning with Natural Language Goals", AAAI 2021. In each update the policy walks,
following goals of the demonstrations; the generator, if there is one, names what it did; the discriminator learns from its
sources; the critics learn the rewards of now; the policy follows their slow copies, which are without dropout. Where we differ:
the likelihood of the positive examples stays beside the critics, as the paper clones before and not during.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segue.act.episodes import Batch, of_actions
from segue.act.examples import Examples, Replay, Sampled, Source, drawn, together, trimmed
from segue.act.follower import Follower
from segue.act.goals import GoalGenerator
from segue.act.learner import Learner, Pace
from segue.act.policy import log_probabilities, walk
from segue.act.reward import Reward, discriminator_loss
from segue.act.soft_actor_critic import Critics, critic_loss, policy_loss, soft_values, targets
from segue.act.world import Task, World


@dataclass(frozen=True, slots=True)
class Settings:
    """`batch` examples of each source and `walks` sampled in an update; `discount` γ, `temperature` α; `actor` and `cloning`
    weigh the critics' word and the likelihood; `average` is the share of the critics that their targets take over; `smoothing`
    keeps the discriminator's labels from 0 and 1; for the first `alone` updates the discriminator learns alone, for `ahead`
    more the critics learn beside it, and only then does the policy move."""

    batch: int = 32
    walks: int = 32
    discount: float = 0.97
    temperature: float = 1.0
    actor: float = 1.0
    cloning: float = 1.0
    average: float = 0.02
    smoothing: float = 0.05
    alone: int = 400
    ahead: int = 50


@dataclass(frozen=True, eq=False)
class Practice:
    """Where the policy walks: tasks of a world, and the words [m, n] of their goals."""

    world: World[Any]
    tasks: Sequence[Task]
    words: Tensor


@dataclass(frozen=True, eq=False)
class Networks:
    """What learns, and the generator, which does not learn here."""

    policy: Follower
    reward: Reward
    critics: Critics
    generator: GoalGenerator | None = None


def begun(policy: Follower, *, temperature: float = 1.0, generator: GoalGenerator | None = None) -> Networks:
    """Networks that begin where a cloned policy stands. Its log-probabilities are the rewards and its advantages the critics',
    under which it is optimal (f* is the expert's advantage: Fu et al., 2018, section 4), so that learning starts there and not
    from chance.
    """
    critics = deepcopy(policy)
    critics.out = nn.Linear(policy.width, 2)
    with torch.no_grad():
        critics.out.weight.copy_(policy.out.weight.expand(2, -1))
        critics.out.bias.copy_(policy.out.bias.expand(2))
    return Networks(policy, Reward(deepcopy(policy)), Critics(critics, temperature=temperature), generator)


class InverseLearning(Learner):
    """One learner for the method, its ablations and the adversarial baselines: `positives` and `negatives` say which it is.

    Without `practice` it learns from the demonstrations alone: nothing is sampled, and the discriminator tells them from
    misaligned ones.
    """

    def __init__(
        self,
        networks: Networks,
        positives: Sequence[Source],
        negatives: Sequence[Source],
        replay: Replay,
        pace: Pace,
        *,
        practice: Practice | None,
        settings: Settings,
        seed: int = 0,
    ) -> None:
        self.policy, self.reward, self.critics = networks.policy, networks.reward, networks.critics
        self.targets = deepcopy(networks.critics).requires_grad_(False).eval()
        learning: dict[str, nn.Module] = {"policy": self.policy, "reward": self.reward, "critics": self.critics}
        super().__init__(learning | {"targets": self.targets}, dict.fromkeys(learning, pace), seed=seed)
        self.generator, self.positives, self.negatives = networks.generator, positives, negatives
        self.replay, self.practice, self.settings = replay, practice, settings

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        if self.practice is not None:
            self._walk(self.practice, random)
        seen = self._discriminate(random)
        return seen if self.updates < self.settings.alone else seen | self._act(random)

    def keeps(self) -> dict[str, Tensor]:
        return self.replay.keeps()

    def takes_up(self, kept: Mapping[str, Tensor]) -> None:
        self.replay.takes_up(kept)

    def _walk(self, practice: Practice, random: np.random.Generator) -> None:
        chosen = random.integers(len(practice.tasks), size=self.settings.walks)
        words = trimmed(practice.words[torch.from_numpy(chosen)])
        noise = torch.Generator().manual_seed(int(random.integers(2**62)))
        self.policy.eval()
        episodes = walk(self.policy, practice.world, [practice.tasks[at] for at in chosen], words, generator=noise)
        named = None
        if self.generator is not None:
            said = self.generator.eval().say(episodes.batch(), generator=noise, temperature=0.3)
            named = Examples(episodes, said)
        self.replay.add(Examples(episodes, words), named)

    def _discriminate(self, random: np.random.Generator) -> dict[str, float]:
        sides = [drawn(side, self.settings.batch, random) for side in (self.positives, self.negatives)]
        if not all(sides):
            return {}
        examples = together([some for side in sides for some in side])
        counts = [sum(len(some) for some in side) for side in sides]
        positive = torch.cat([torch.ones(counts[0]), torch.zeros(counts[1])])
        weights = torch.cat([torch.full((count,), 1 / count) for count in counts])
        batch = examples.episodes.batch()
        self.policy.eval()
        with torch.no_grad():
            log_policy = of_actions(self._log_policy(batch, examples.words), batch.actions)
        self.reward.train()
        rewards = self.reward(batch, examples.words)
        loss = discriminator_loss(rewards, batch, log_policy, positive, weights, smoothing=self.settings.smoothing)
        self.move("reward", loss)
        right = ((rewards.taken(batch) > log_policy) == (positive[:, None] > 0)) & batch.steps
        return {"discriminator": loss.item(), "told apart": (right.sum() / batch.steps.sum()).item()}

    def _act(self, random: np.random.Generator) -> dict[str, float]:
        positive = drawn(self.positives, self.settings.batch, random)
        examples = together([*positive, *drawn([Sampled(self.replay)], self.settings.batch, random)])
        batch, settings = examples.episodes.batch(), self.settings
        choices = batch.observations["choices"]
        self.reward.eval()
        self.policy.train()
        self.critics.train()
        log_policy = self._log_policy(batch, examples.words)
        with torch.no_grad():
            later = self.targets(batch, examples.words)
            values = soft_values(later, log_policy, choices, temperature=settings.temperature)
            rewards = self.reward(batch, examples.words)
            horizon = self.practice.world.horizon if self.practice else batch.steps.shape[1]
            wanted = targets(rewards, batch, values, discount=settings.discount, horizon=horizon)
        worth = self.critics(batch, examples.words)
        critics = critic_loss(worth, batch, wanted)
        self.move("critics", critics)
        with torch.no_grad():
            for target, live in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                target.lerp_(live, settings.average)
        seen = {"critics": critics.item(), "reward": _mean(rewards.taken(batch), batch).item()}
        if self.updates < settings.alone + settings.ahead:
            return seen
        count = sum(len(some) for some in positive)
        likely = of_actions(log_policy, batch.actions)[:count] * batch.steps[:count]
        cloning = -likely.sum() / batch.steps[:count].sum()
        actor = policy_loss(log_policy, later, batch, temperature=settings.temperature)
        self.move("policy", settings.actor * actor + settings.cloning * cloning)
        return seen | {"actor": actor.item(), "cloning": cloning.item()}

    def _log_policy(self, batch: Batch, words: Tensor) -> Tensor:
        values = self.policy(batch.observations, batch.actions, words).values[..., 0]
        return log_probabilities(values, batch.observations["choices"])


def _mean(values: Tensor, batch: Batch) -> Tensor:
    return (values * batch.steps).sum() / batch.steps.sum()
