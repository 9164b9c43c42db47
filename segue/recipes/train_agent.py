"""An agent from demonstrations with instructions alone: clone, learn to name, learn to explore, then inverse reinforcement
learning."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from segue.act.agent import Agent, Build
from segue.act.cloning import Cloning, believed_by, log_likelihood
from segue.act.comparing import Comparing
from segue.act.course import Course, train
from segue.act.demonstrations import Demonstrations
from segue.act.episodes import few
from segue.act.examples import Made, Misaligned, Relabelled, Rephrased, Replay, Sampled, Shown, Source
from segue.act.exploring import no_goal, without_goals
from segue.act.follower import Follower
from segue.act.goals import GoalGenerator, Naming, rephrasings
from segue.act.grounds import Ground
from segue.act.inverse import InverseLearning, Practice, RewardLearning, Settings, begun
from segue.act.judging import OTHERS, Judge
from segue.act.learner import Learner, Pace
from segue.act.policy import follow
from segue.act.practising import practised
from segue.act.reward import area_under_curve
from segue.act.world import Task
from segue.act.worlds.walks import Houses, Walk
from segue.recipes.new_folder import refuse_existing
from segue.understand.calibrators import fit_platt

LIKELY = "log-likelihood a step"
Watch = Callable[[str, int, Mapping[str, float]], None]


def unwatched(part: str, update: int, values: Mapping[str, float]) -> None:
    """Nobody looks."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many updates each part learns for, and how the parts are made; `rate` is the highest of cloning.

    Without `naming` there is no generator of goals, without `exploring` no explorer. The `reward` learns alone. Where there are
    tasks that nobody showed the policy then practises them, in rounds of `practising` updates each. Then reward and policy learn
    together for the updates of `inverse`; without these the policy stays as it was. In houses the reward then compares whole
    ways for the updates of `comparing`, for an agent that is to think before it walks.
    """

    cloning: int = 900
    naming: int = 800
    exploring: int = 300
    reward: int = 600
    practising: int = 600
    inverse: int = 600
    comparing: int = 200
    width: int = 128
    latent: int = 32
    dropout: float = 0.4
    judged: int = 100
    rate: float = 2e-3

    def scaled(self, effort: float) -> "Plan":
        """The same with `effort` times the updates, at least two of each part that learns."""

        def some(count: int) -> int:
            return max(2, round(effort * count)) if count else 0

        return replace(
            self,
            cloning=some(self.cloning),
            naming=some(self.naming),
            exploring=some(self.exploring),
            reward=some(self.reward),
            practising=some(self.practising),
            inverse=some(self.inverse),
            comparing=some(self.comparing),
            judged=max(1, min(self.judged, round(effort * self.judged))),
        )


def plan_for(world: str) -> Plan:
    """What is known to do well in a world: in BabyAI, where missions can be had without end, practice in place of inverse
    learning of the policy (`benchmarks/quality/missions.py`)."""
    if world == "babyai":
        return Plan(cloning=300, naming=400, exploring=250, reward=200, inverse=0, latent=8, dropout=0.3)
    return Plan()


def train_agent(
    ground: Ground,
    out: Path,
    *,
    name: str = "agent",
    plan: Plan | None = None,
    settings: Settings | None = None,
    about: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool = True,
    watch: Watch = unwatched,
) -> dict[str, Any]:
    """Train policy, reward, generator and explorer, and write them to `out` as one agent.

    Each part's course is kept in `OUT.training` until all are done: the same call goes on where it was stopped. Which networks
    of a course are kept is chosen on `ground.held`. Raises `InvalidInput` where `out` exists.
    """
    refuse_existing(out)
    plan, settings = plan or Plan(), settings or Settings()
    work = out.with_name(out.name + ".training")
    torch.manual_seed(seed)
    sizes = {"width": plan.width, "latent": plan.latent, "dropout": plan.dropout}
    build = Build.of(ground.shown.instructions, ground.sees, ground.names, **sizes)
    words = build.vocabulary.ids(ground.shown.instructions)
    shown = Shown(ground.shown, words)
    policy, goals, explorer = (
        build.follower(),
        build.generator() if plan.naming else None,
        build.follower() if plan.exploring else None,
    )

    def course(
        part: str, learner: Learner, pace: Pace, judge: Callable[[], Mapping[str, float]] | None, by: str
    ) -> Course:
        return train(
            learner,
            pace.updates,
            judge=judge,
            by=by,
            every=plan.judged,
            folder=work / part,
            progress=progress,
            title=f"{part:>10}",
            watch=lambda update, values: watch(part, update, values),
        )

    aside = ground.aside[few(len(ground.aside), 500, seed=seed)]
    unseen, unread = aside.episodes.batch(aside.shown), build.vocabulary.ids(aside.instructions)

    def likely(follower: Follower, said: Tensor) -> dict[str, float]:
        with torch.inference_mode():
            found = log_likelihood(follower.eval(), unseen, said)
        return {LIKELY: (found.sum() / unseen.steps.sum()).item()}

    def done() -> dict[str, float]:
        if ground.world is None or not len(ground.held):
            return likely(policy, unread)
        measures = follow(policy, build.vocabulary, ground.world, ground.held)[1]
        return {name: float(values.mean()) for name, values in measures.items()} | likely(policy, unread)

    def named(goals: GoalGenerator) -> dict[str, float]:
        with torch.inference_mode():
            found = goals.eval().log_likelihood(unseen, unread, samples=4)
        return {"log-likelihood a word": (found.likelihood.sum() / found.words.sum()).item()}

    by = "success" if ground.world is not None and len(ground.held) else LIKELY
    pace = Pace(plan.cloning, rate=plan.rate)
    cloned = course("cloning", Cloning(policy, [shown], pace, seed=seed), pace, done, by)
    if goals is not None:
        pace, generator = Pace(plan.naming), goals
        learner = Naming(goals, [shown], pace, seed=seed)
        course("naming", learner, pace, lambda: named(generator), "log-likelihood a word")
    if explorer is not None:
        pace, explores = Pace(plan.exploring), explorer
        blind, blank = [Made(without_goals(ground.shown))], no_goal(len(aside))
        course("exploring", Cloning(explorer, blind, pace, seed=seed), pace, lambda: likely(explores, blank), LIKELY)
    practice = _practice(ground, build, ground.tasks)
    networks = begun(policy, temperature=settings.temperature, generator=goals and goals.eval())

    def told() -> dict[str, float]:
        return calibrated(Judge(networks.reward), aside, unread, seed=seed)

    # What the generator says is learned from only once the reward knows what people say.
    for_reward, pace = replace(networks, generator=None), Pace(plan.reward, rate=1e-3)
    replay = Replay(60)
    alone = RewardLearning(
        for_reward,
        [shown],
        [Sampled(replay), Misaligned(shown)],
        replay,
        pace,
        practice=practice,
        settings=settings,
        seed=seed,
    )
    course("reward", alone, pace, told, "area under the curve")
    learned, untold = cloned, _practice(ground, build, ground.unshown)
    if plan.practising and goals is not None and untold is not None:

        def round_of(at: int, sources: list[Source]) -> Follower:
            nonlocal learned
            policy.load_state_dict(build.follower().state_dict())
            pace = Pace(plan.practising, rate=plan.rate)
            learned = course(f"practice {at + 1}", Cloning(policy, sources, pace, batch=64, seed=seed), pace, done, by)
            return policy

        believes = networks.reward.eval().score
        practised(policy, goals, untold, shown, round_of, believed=believes, seed=seed, progress=progress)
    if plan.inverse:
        replay, pace = Replay(60), Pace(plan.inverse, rate=5e-4)
        positives: list[Source] = [shown]
        if goals is not None:
            some = few(len(ground.shown), plan.inverse * settings.batch // 4, seed=seed)
            believed = believed_by(policy.eval())
            said = rephrasings(goals, ground.shown[some], words[some], seed=seed, believed=believed, progress=progress)
            positives += [Rephrased(ground.shown[some], said, 0.25), Relabelled(replay, 0.25)]
        together = InverseLearning(
            networks,
            positives,
            [Sampled(replay), *(Misaligned(one, one.share) for one in positives)],
            replay,
            pace,
            practice=practice,
            settings=settings,
            seed=seed,
        )
        learned = course("inverse", together, pace, done, by)
    edges = ground.shown.edges
    if plan.comparing and practice is not None and isinstance(practice.world, Houses):
        walks, pace = cast(Sequence[Walk], ground.tasks), Pace(plan.comparing, rate=5e-4, warmup=30)
        of = networks.reward, practice.world, walks, practice.words
        course("comparing", Comparing(*of, pace, edges=edges, batch=16, seed=seed), pace, None, "")
    judged = {"cloned": cloned.judged[cloned.best], "learned": learned.judged[learned.best]}
    others = ground.shown.episodes[few(len(ground.shown.episodes), OTHERS, seed=seed)]
    judged["reward"] = calibrated(Judge(networks.reward, goals, others), aside, unread, seed=seed)
    meta = {"world": dict(about or {}), "seed": seed, "held out": judged, "edges": list(edges)}
    Agent(build, policy, networks.reward, goals, explorer, others, meta).save(out, name=name)
    shutil.rmtree(work)
    return {"out": str(out), "demonstrations": len(ground.shown), **judged}


def _practice(ground: Ground, build: Build, tasks: Sequence[Task]) -> Practice | None:
    if ground.world is None or not len(tasks):
        return None
    return Practice(ground.world, tasks, build.vocabulary.ids([task.instruction for task in tasks]))


def calibrated(judge: Judge, aside: Demonstrations, words: Tensor, *, seed: int) -> dict[str, float]:
    """How a judge tells the right instruction of a trajectory from another one: the area under the ROC curve, the share of
    trajectories to which it gives the right one more, and the logistic curve through its scores (Platt)."""
    other = np.random.default_rng(seed).permutation(len(aside))
    other = np.where(aside.shown[other] == aside.shown, np.roll(other, 1), other)
    walked = aside.episodes[aside.shown]
    right, wrong = (judge.scores(walked, said).astype(float) for said in (words, words[torch.from_numpy(other)]))
    scores = np.concatenate([right, wrong])
    curve = fit_platt(scores, np.arange(len(scores)) < len(right))
    return {
        "area under the curve": area_under_curve(right, wrong),
        "right above wrong": float((right > wrong).mean()),
        "slope": curve.slope,
        "offset": curve.offset,
    }
