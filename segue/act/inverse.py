"""Inverse reinforcement learning with language goals: policy, reward and critics learn together, from demonstrations alone.

Zhou and Small, "Inverse Reinforcement Learning with Natural Language Goals", AAAI 2021. In each update the policy walks,
following goals of the demonstrations; the generator, if there is one, names what it did; the discriminator learns from its
sources; the critics learn the rewards of now; the policy follows their slow copies, which are without dropout. Where we differ:
the likelihood of what was demonstrated stays beside the critics, as the paper clones before and not during; and the critics
begin at the reward, where the discount is 0 as a rule: f, once it tells the policy from the demonstrations, is the demonstrator's
advantage, in which what comes later is counted already.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segue.act.episodes import Batch, of_actions
from segue.act.examples import Examples, Replay, Sampled, Source, drawn, together, trimmed
from segue.act.follower import Follower
from segue.act.goals import GoalGenerator, names
from segue.act.learner import Learner, Pace
from segue.act.policy import log_probabilities, walk
from segue.act.reward import Reward, discriminator_loss
from segue.act.soft_actor_critic import Critics, critic_loss, policy_loss, targets
from segue.act.world import Task, World


@dataclass(frozen=True, slots=True)
class Settings:
    """`batch` examples of each source and `walks` sampled in an update; `discount` γ, `trace` λ, `temperature` α; `actor` and
    `cloning` weigh the critics' word and the likelihood; `average` is the share of the critics that their targets take over;
    `smoothing` keeps the discriminator's labels from 0 and 1; for the first `alone` updates the discriminator learns alone, and
    only then do critics and policy, the policy at a `rate` of its own. What was walked is named in so many `ways`, and the
    reward chooses."""

    batch: int = 32
    walks: int = 32
    discount: float = 0.0
    trace: float = 0.9
    temperature: float = 1.0
    actor: float = 1.0
    cloning: float = 0.3
    average: float = 0.02
    smoothing: float = 0.05
    alone: int = 600
    rate: float = 5e-4
    ways: int = 8


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
    that learning starts there and not from chance. The critics begin anew at the reward once that has learned alone.
    """
    critics = deepcopy(policy)
    critics.out = nn.Linear(policy.width, 2)
    networks = Networks(policy, Reward(deepcopy(policy)), Critics(critics, temperature=temperature), generator)
    networks.critics.begin_at(networks.reward)
    return networks


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
        later = replace(pace, begins=settings.alone)
        paces = {"reward": pace, "critics": later, "policy": replace(later, rate=settings.rate)}
        super().__init__(learning | {"targets": self.targets}, paces, seed=seed)
        self.generator, self.positives, self.negatives = networks.generator, positives, negatives
        self.replay, self.practice, self.settings = replay, practice, settings

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        if self.practice is not None:
            self._walk(self.practice, random)
        if self.updates == self.settings.alone:
            self.critics.begin_at(self.reward)
            self.targets.load_state_dict(self.critics.state_dict())
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
            believed, ways = self.reward.eval().score, self.settings.ways
            said = names(self.generator.eval(), episodes, believed=believed, ways=ways, generator=noise)
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
        sources = [*self.positives, Sampled(self.replay)]
        several = [(one.demonstrated, some) for one in sources for some in drawn([one], self.settings.batch, random)]
        examples = together([some for _, some in several])
        demonstrated = torch.cat([torch.full((len(some),), shown) for shown, some in several])
        batch, settings = examples.episodes.batch(), self.settings
        self.reward.eval()
        self.policy.train()
        self.critics.train()
        log_policy = self._log_policy(batch, examples.words)
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

    def _log_policy(self, batch: Batch, words: Tensor) -> Tensor:
        values = self.policy(batch.observations, batch.actions, words).values[..., 0]
        return log_probabilities(values, batch.observations["choices"])


def _mean(values: Tensor, batch: Batch) -> Tensor:
    return (values * batch.steps).sum() / batch.steps.sum()
