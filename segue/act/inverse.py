"""Inverse reinforcement learning with language goals: policy, reward and critics, from demonstrations alone.

Zhou and Small, "Inverse Reinforcement Learning with Natural Language Goals", AAAI 2021. In each update the policy walks,
following goals of the demonstrations; the generator, if there is one, names what it did; the discriminator learns from its
sources; the critics learn the rewards of now; the policy follows their slow copies, which are without dropout. Where we differ:
the reward learns first, alone, while the cloned policy stays as it is; then the critics begin at the reward, where the discount
is 0 as a rule: f, once it tells the policy from the demonstrations, is the demonstrator's advantage, in which what comes later
is counted already; and the likelihood of what was demonstrated stays beside the critics, as the paper clones before and not
during.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segue.act.episodes import Batch, Episodes, of_actions
from segue.act.examples import Examples, Replay, Sampled, Source, drawn, together, trimmed
from segue.act.follower import Follower
from segue.act.goals import GoalGenerator, names
from segue.act.learner import Learner, Pace
from segue.act.policy import log_chances, walk
from segue.act.reward import Reward, discriminator_loss
from segue.act.soft_actor_critic import Critics, critic_loss, policy_loss, targets
from segue.act.world import Task, World


@dataclass(frozen=True, slots=True)
class Settings:
    """`batch` examples of each source and `walks` sampled in an update; `discount` γ, `trace` λ, `temperature` α; `actor` and
    `cloning` weigh the critics' word and the likelihood; `average` is the share of the critics that their targets take over;
    `smoothing` keeps the discriminator's labels from 0 and 1; the policy learns at a `rate` of its own. What was walked is named
    in so many `ways`, of which the reward chooses; only the `believed` share of the walks, those that the reward gives most
    under their names, is learned from: named or not, what the policy does by chance is no demonstration."""

    batch: int = 32
    walks: int = 32
    discount: float = 0.0
    trace: float = 0.9
    temperature: float = 1.0
    actor: float = 1.0
    cloning: float = 0.3
    average: float = 0.02
    smoothing: float = 0.05
    rate: float = 5e-4
    ways: int = 8
    believed: float = 0.25


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
    """Networks that begin where a cloned policy stands: its log-probabilities are the rewards, under which it is optimal, so
    that learning starts there and not from chance.
    """
    critics = deepcopy(policy)
    critics.out = nn.Linear(policy.width, 2)
    networks = Networks(policy, Reward(deepcopy(policy)), Critics(critics, temperature=temperature), generator)
    networks.critics.begin_at(networks.reward)
    return networks


class RewardLearning(Learner):
    """The reward alone: a discriminator of the policy, which walks and stays as it is, by its `positives` and `negatives`.

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
        self.policy, self.reward, self.generator = networks.policy, networks.reward, networks.generator
        super().__init__({"reward": networks.reward}, {"reward": pace}, seed=seed)
        self.positives, self.negatives = positives, negatives
        self.replay, self.practice, self.settings = replay, practice, settings

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        if self.practice is not None:
            self._walk(self.practice, random)
        return self._discriminate(random)

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
            named = self._named(self.generator.eval(), episodes, noise)
        self.replay.add(Examples(episodes, words), named)

    def _named(self, generator: GoalGenerator, episodes: Episodes, noise: torch.Generator) -> Examples:
        believed, ways = self.reward.eval().score, self.settings.ways
        said, belief = names(generator, episodes, believed=believed, ways=ways, generator=noise)
        best = belief.topk(max(1, round(self.settings.believed * len(said)))).indices
        return Examples(episodes, said)[best.numpy()]

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
            log_policy = of_actions(log_chances(self.policy, batch, examples.words), batch.actions)
        self.reward.train()
        rewards = self.reward(batch, examples.words)
        loss = discriminator_loss(rewards, batch, log_policy, positive, weights, smoothing=self.settings.smoothing)
        self.move("reward", loss)
        right = ((rewards.taken(batch) > log_policy) == (positive[:, None] > 0)) & batch.steps
        return {"discriminator": loss.item(), "told apart": (right.sum() / batch.steps.sum()).item()}


class InverseLearning(RewardLearning):
    """Policy, critics and reward together: one learner for the method, its ablations and the adversarial baselines; `positives`
    and `negatives` say which it is. The critics begin at the reward as it is now."""

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
        super().__init__(networks, positives, negatives, replay, pace, practice=practice, settings=settings, seed=seed)
        self.critics = networks.critics
        self.critics.begin_at(networks.reward)
        self.targets = deepcopy(networks.critics).requires_grad_(False).eval()
        self.joins("policy", self.policy, replace(pace, rate=settings.rate))
        self.joins("critics", self.critics, pace)
        self.joins("targets", self.targets, None)

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        return super().learn(random) | self._act(random)

    def _act(self, random: np.random.Generator) -> dict[str, float]:
        sources = [*self.positives, Sampled(self.replay)]
        several = [(one.demonstrated, some) for one in sources for some in drawn([one], self.settings.batch, random)]
        examples = together([some for _, some in several])
        demonstrated = torch.cat([torch.full((len(some),), shown) for shown, some in several])
        batch, settings = examples.episodes.batch(), self.settings
        self.reward.eval()
        self.policy.train()
        self.critics.train()
        log_policy = log_chances(self.policy, batch, examples.words)
        with torch.no_grad():
            later = self.targets(batch, examples.words)
            rewards = self.reward(batch, examples.words)
            wanted = targets(
                rewards,
                batch,
                later,
                log_policy,
                temperature=settings.temperature,
                discount=settings.discount,
                trace=settings.trace,
                horizon=self.practice.world.horizon if self.practice else batch.steps.shape[1],
            )
        worth = self.critics(batch, examples.words)
        critics = critic_loss(worth, batch, wanted)
        self.move("critics", critics)
        with torch.no_grad():
            for target, live in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                target.lerp_(live, settings.average)
        shown = batch.steps * demonstrated[:, None]
        cloning = -(of_actions(log_policy, batch.actions) * shown).sum() / shown.sum()
        actor = policy_loss(log_policy, later, batch, temperature=settings.temperature)
        self.move("policy", settings.actor * actor + settings.cloning * cloning)
        seen = {"critics": critics, "reward": _mean(rewards.taken(batch), batch), "actor": actor, "cloning": cloning}
        return {name: value.item() for name, value in seen.items()}


def _mean(values: Tensor, batch: Batch) -> Tensor:
    return (values * batch.steps).sum() / batch.steps.sum()
