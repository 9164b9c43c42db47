"""Agents for the benchmark `instructions`: what all arms begin with, and each arm's own learner."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor

from segue.act.adapting import adapting
from segue.act.agent import Build
from segue.act.cloning import Cloning, believed_by
from segue.act.comparing import Comparing
from segue.act.course import Course, train
from segue.act.demonstrations import Demonstrations
from segue.act.examples import (
    Examples,
    Made,
    Misaligned,
    Relabelled,
    Rephrased,
    Replay,
    Sampled,
    Shown,
    Source,
    trimmed,
)
from segue.act.exploring import without_goals
from segue.act.follower import Follower
from segue.act.goals import GoalGenerator, Naming, names, rephrasings
from segue.act.grounds import Ground
from segue.act.inverse import InverseLearning, Practice, RewardLearning, Settings, begun
from segue.act.learner import Learner, Pace
from segue.act.planning import MarkovReward, PlannedLearning
from segue.act.policy import follow, walk
from segue.act.practising import practised
from segue.act.reward import Reward
from segue.act.views import HouseView
from segue.act.world import Task, World
from segue.act.worlds.walks import Houses, Walk

POLICY_RATE = 5e-4
LONGEST = 50
"""Words of an instruction in training; one in 25 is longer."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Updates of each part; `batch` of cloning and naming."""

    cloning: int = 1500
    naming: int = 1200
    exploring: int = 400
    alone: int = 600
    together: int = 400
    adapting: int = 1200
    practising: int = 900
    comparing: int = 200
    planning: int = 1500
    batch: int = 64
    each: int = 24
    width: int = 128
    latent: int = 32
    dropout: float = 0.3

    def scaled(self, times: float) -> "Lengths":
        """The same with so many times the updates."""
        parts = (
            "cloning",
            "naming",
            "exploring",
            "alone",
            "together",
            "adapting",
            "practising",
            "comparing",
            "planning",
        )
        return replace(self, **{part: max(2, round(times * getattr(self, part))) for part in parts})


@dataclass(frozen=True)
class Field:
    """A world to learn in: what is learned from, what chooses, and sets of tasks that are tested on."""

    ground: Ground
    tests: Mapping[str, Sequence[Task]]

    @cached_property
    def build(self) -> Build:
        return Build.of(self.ground.shown.instructions, self.ground.sees, self.ground.names)

    @cached_property
    def words(self) -> Tensor:
        return self.build.vocabulary.ids(self.ground.shown.instructions, longest=LONGEST)

    @property
    def world(self) -> World[Any]:
        assert self.ground.world is not None
        return self.ground.world

    def judged(self, policy: Follower) -> dict[str, dict[str, list[float]]]:
        """Every measure of every task of every test."""
        found = {
            name: follow(policy, self.build.vocabulary, self.world, tasks)[1] for name, tasks in self.tests.items()
        }
        return {
            name: {measure: [round(float(one), 4) for one in values] for measure, values in measures.items()}
            for name, measures in found.items()
        }

    def held(self, policy: Follower) -> dict[str, float]:
        """Mean success on the tasks that are held out: what chooses."""
        found = follow(policy, self.build.vocabulary, self.world, self.ground.held)[1]
        return {"success": float(found["success"].mean())}


class Seed:
    """The arms of one seed, each trained once and kept in `folder`; stopped in between, each goes on."""

    def __init__(self, field: Field, lengths: Lengths, seed: int, folder: Path) -> None:
        self.field, self.lengths, self.seed, self.folder = field, lengths, seed, folder
        self.build = replace(field.build, width=lengths.width, latent=lengths.latent, dropout=lengths.dropout)
        self.shown = Shown(field.ground.shown, field.words)

    @cached_property
    def cloned(self) -> Follower:
        """What every arm begins with."""
        policy = self._new()
        learner = Cloning(policy, [self.shown], Pace(self.lengths.cloning), batch=self.lengths.batch, seed=self.seed)
        self._taught("cloning", learner, self.lengths.cloning, policy)
        return policy.eval()

    @cached_property
    def explorer(self) -> Follower:
        policy = self._new()
        blind = [Made(without_goals(self.field.ground.shown))]
        learner = Cloning(policy, blind, Pace(self.lengths.exploring), batch=self.lengths.batch, seed=self.seed)
        self._taught("exploring", learner, self.lengths.exploring, None)
        return policy.eval()

    @cached_property
    def goals(self) -> GoalGenerator:
        return self._generator("naming", None)

    @cached_property
    def plain(self) -> GoalGenerator:
        return self._generator("plain naming", 0)

    def continued(self, name: str, sources: Sequence[Source]) -> Follower:
        """Cloned on, for as many updates as an arm of inverse learning moves its policy, at the same rates and batches."""
        policy, lengths = deepcopy(self.cloned), self.lengths
        pace, batch = (
            Pace(lengths.together, rate=POLICY_RATE, warmup=50),
            round(lengths.each * sum(one.share for one in sources)),
        )
        learner = Cloning(policy, sources, pace, batch=batch, seed=self.seed)
        self._taught(name, learner, lengths.together, policy)
        return policy.eval()

    def anew(self, name: str, sources: Sequence[Source]) -> Follower:
        """A policy that begins anew, for a round of practice's updates."""
        policy, updates = self._new(), self.lengths.practising
        learner = Cloning(policy, sources, Pace(updates), batch=2 * self.lengths.batch, seed=self.seed)
        self._taught(name, learner, updates, policy)
        return policy.eval()

    def practised(self, name: str, tasks: Sequence[Task]) -> Follower:
        """A policy that practised these tasks, which nobody showed."""
        words = self.build.vocabulary.ids([task.instruction for task in tasks], longest=LONGEST)
        return practised(
            self.cloned,
            self.goals,
            Practice(self.field.world, tasks, words),
            self.shown,
            lambda at, sources: self.anew(f"{name}, round {at + 1}", sources),
            believed=self.told(misaligned=True).eval().score,
            seed=self.seed,
        )

    def told(self, *, misaligned: bool) -> Reward:
        """What the reward of every arm begins with: the discriminator, alone, of the cloned policy, which does not move."""
        networks, replay = begun(deepcopy(self.cloned)), Replay(60)
        learner = RewardLearning(
            networks,
            [self.shown],
            [Sampled(replay), *([Misaligned(self.shown)] if misaligned else [])],
            replay,
            Pace(self.lengths.alone, rate=1e-3, warmup=50),
            practice=self._practice,
            settings=self._settings(1),
            seed=self.seed,
        )
        self._taught("reward" if misaligned else "reward without misaligned goals", learner, self.lengths.alone, None)
        return networks.reward

    def inverse(self, name: str, arm: "Arm") -> tuple[Follower, Reward]:
        """Inverse reinforcement learning by the sources of an arm."""
        lengths = self.lengths
        generator = None if not arm.generator else self.plain if arm.generator == "plain" else self.goals
        replay = Replay(60)
        positives: list[Source] = [self.shown]
        if arm.rephrased:
            positives.append(self.rephrased(arm.generator, 0.25))
        if arm.relabelled:
            positives.append(Relabelled(replay, 0.25))
        negatives: list[Source] = [Sampled(replay)]
        if arm.misaligned:
            negatives += [Misaligned(source, source.share) for source in positives]
        networks = begun(deepcopy(self.cloned), generator=generator if arm.relabelled else None)
        networks.reward.load_state_dict(self.told(misaligned=arm.misaligned).state_dict())
        learner = InverseLearning(
            networks,
            positives,
            negatives,
            replay,
            Pace(lengths.together, rate=POLICY_RATE, warmup=20),
            practice=self._practice,
            settings=self._settings(arm.ways),
            seed=self.seed,
        )
        self._taught(name, learner, lengths.together, networks.policy)
        return networks.policy.eval(), networks.reward.eval()

    def planned(self) -> MarkovReward:
        """A reward without memory that is planned with, on known maps (Fu et al., ICLR 2019)."""
        ground, follower = self.field.ground, self._new()
        assert isinstance(ground.world, Houses)
        assert isinstance(follower.view, HouseView)
        reward = MarkovReward(follower.reader, follower.view, width=self.build.width, dropout=self.build.dropout)
        walks, pace = cast(Sequence[Walk], ground.tasks), Pace(self.lengths.planning)
        learner = PlannedLearning(reward, ground.world.graphs, walks, self.field.words, pace, seed=self.seed)
        self._taught("planning", learner, self.lengths.planning, None)
        return reward.eval()

    def compared(self, name: str, reward: Reward) -> Reward:
        """A reward that has compared whole ways as well, in the houses that it was learned in."""
        ground, found = self.field.ground, deepcopy(reward)
        assert isinstance(ground.world, Houses)
        learner = Comparing(
            found,
            ground.world,
            cast(Sequence[Walk], ground.tasks),
            self.field.words,
            Pace(self.lengths.comparing, rate=POLICY_RATE, warmup=30),
            edges=ground.shown.edges,
            batch=16,
            seed=self.seed,
        )
        self._taught(name, learner, self.lengths.comparing, None)
        return found.eval()

    @property
    def _practice(self) -> Practice:
        return Practice(self.field.world, self.field.ground.tasks, self.field.words)

    def _settings(self, ways: int) -> Settings:
        return Settings(batch=self.lengths.each, walks=self.lengths.each, rate=POLICY_RATE, ways=ways)

    def rephrased(self, generator: str, share: float) -> Rephrased:
        """Goals in four other wordings: of every demonstration, or of as many as come up at all."""
        shown, most = self.field.ground.shown, self.lengths.together * self.lengths.each // 2
        drawn = np.random.default_rng(self.seed).permutation(len(shown)) if most < len(shown) else np.arange(len(shown))
        some, words = shown[drawn[:most]], self.field.words[torch.from_numpy(drawn[:most])]

        def said() -> Tensor:
            goals = self.plain if generator == "plain" else self.goals
            return rephrasings(goals, some, words, seed=self.seed, believed=believed_by(self.cloned))

        return Rephrased(some, self.kept(f"rephrasings by {generator}", said), share)

    def relabelled(self, count: int) -> Examples:
        """What the cloned policy does on its training tasks, by the generator's names: for cloning with a generator."""
        noise, chance = torch.Generator().manual_seed(self.seed), np.random.default_rng(self.seed)
        chosen = chance.integers(len(self.field.ground.tasks), size=count)
        tasks, words = [self.field.ground.tasks[at] for at in chosen], self.field.words[torch.from_numpy(chosen)]
        episodes = walk(self.cloned, self.field.world, tasks, trimmed(words), generator=noise)
        return Examples(episodes, names(self.goals, episodes, believed=believed_by(self.cloned), generator=noise)[0])

    def adapted(self, name: str, shown: Demonstrations, made: Examples | None, *, remembers: int = 0) -> Follower:
        """A policy that begins anew on what was made and what was shown, or on that alone, and remembers so many places."""
        policy, updates = self._new(remembers), self.lengths.adapting
        learner = adapting(policy, Shown(shown, self.field.words), made, updates=updates, seed=self.seed)
        self._taught(name, learner, updates, None)
        return policy.eval()

    def kept(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Words that take long to find, from the time before where they were found once."""
        file = self.folder / f"{name}.safetensors"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file({"words": make().contiguous()}, file)
        return load_file(file)["words"]

    def _new(self, remembers: int = 0) -> Follower:
        torch.manual_seed(self.seed)
        return self.build.follower(remembers=remembers)

    def _generator(self, name: str, latent: int | None) -> GoalGenerator:
        torch.manual_seed(self.seed)
        goals = self.build.generator(latent=latent)
        naming = Naming(goals, [self.shown], Pace(self.lengths.naming), batch=self.lengths.batch, seed=self.seed)
        self._taught(name, naming, self.lengths.naming, None)
        return goals.eval()

    def _taught(self, name: str, learner: Learner, updates: int, policy: Follower | None) -> Course:
        """The policy, where there is one, as it was best in the houses held out; otherwise as it was last. Of two processes
        that want the same part one waits."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f"{name}.lock"):
            return self._train(name, learner, updates, policy)

    def _train(self, name: str, learner: Learner, updates: int, policy: Follower | None) -> Course:
        return train(
            learner,
            updates,
            judge=(lambda: self.field.held(policy)) if policy is not None else None,
            by="success",
            every=min(100, updates),
            folder=self.folder / name,
            progress=False,
        )


@dataclass(frozen=True, slots=True)
class Arm:
    """What an arm of inverse learning has of the method; `generator` is empty, `variational` or `plain`; of so many `ways` to
    name a walk the reward chooses."""

    generator: str = ""
    rephrased: bool = False
    relabelled: bool = False
    misaligned: bool = False
    ways: int = 1


OURS = Arm("variational", rephrased=True, relabelled=True, misaligned=True, ways=8)
INVERSE = {
    "adversarial, goals": Arm(),
    "adversarial, hindsight": Arm("plain", relabelled=True),
    "ours": OURS,
    "ours without misaligned goals": replace(OURS, misaligned=False),
    "ours without rephrasing": replace(OURS, rephrased=False),
    "ours without relabelling": replace(OURS, relabelled=False),
    "ours without the choice of names": replace(OURS, ways=1),
    "ours without the latent": replace(OURS, generator="plain"),
}
