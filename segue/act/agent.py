"""An agent as it is kept and used: it follows instructions, says how far a trajectory did what was asked, and names
trajectories."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segue import artifact
from segue.act.deliberating import consider, tried
from segue.act.episodes import Episodes
from segue.act.follower import Follower, Reader
from segue.act.goals import GoalGenerator
from segue.act.grounds import went
from segue.act.judging import Judge
from segue.act.language import SPECIAL, Vocabulary, known_vectors
from segue.act.learner import restore, weights
from segue.act.mapping import remembered
from segue.act.policy import follow
from segue.act.retraced import Retraced, retraced
from segue.act.reward import Reward
from segue.act.views import view_of
from segue.act.world import Measures, Task, World
from segue.act.worlds.walks import Houses, Walk
from segue.encode.pretrained import TorchEncoder, minilm
from segue.errors import InvalidInput

KIND = "agent"
_MEMORY = "policy/view.memory.weight"


@dataclass(frozen=True, eq=False)
class Build:
    """What an agent's networks are made of: its words and what is known of them, [v, e], how its world is seen, the `things`
    there and what is known of their `names`, [m, e], and sizes."""

    vocabulary: Vocabulary
    known: Tensor
    sees: Mapping[str, Any]
    names: Tensor | None = None
    things: tuple[str, ...] = ()
    width: int = 128
    latent: int = 32
    dropout: float = 0.3

    @classmethod
    def of(
        cls, instructions: Sequence[str], sees: Mapping[str, Any], names: Sequence[str] = (), **sizes: Any
    ) -> "Build":
        """For the words of these instructions and things of these names, by what MiniLM knows of both."""
        vocabulary, encoder = Vocabulary.of(instructions), minilm()
        known = known_vectors(vocabulary.words, encoder)
        return cls(vocabulary, known, dict(sees), _names(names, encoder), tuple(names), **sizes)

    def follower(self, *, remembers: int = 0) -> Follower:
        """A policy, explorer, reward or critic, untrained; in houses one that `remembers` so many places."""
        sees = {**self.sees, "remembers": remembers} if remembers else self.sees
        view = view_of(sees, self.known, self.names, width=self.width, dropout=self.dropout)
        return Follower(self._reader(), view, width=self.width, dropout=self.dropout)

    def generator(self, *, latent: int | None = None) -> GoalGenerator:
        """A generator of instructions, untrained; a plain one with `latent=0`."""
        view = view_of(self.sees, self.known, self.names, width=self.width, dropout=self.dropout)
        chosen = self.latent if latent is None else latent
        return GoalGenerator(self._reader(), view, width=self.width, latent=chosen, dropout=self.dropout)

    def _reader(self) -> Reader:
        return Reader(self.known, width=self.width, dropout=self.dropout)


@dataclass(frozen=True, eq=False)
class Agent:
    """The trained parts: a policy always; a reward, a generator of goals and an explorer where they were trained. The `others`
    are some demonstrations: what instructions are compared with."""

    build: Build
    policy: Follower
    reward: Reward | None = None
    goals: GoalGenerator | None = None
    explorer: Follower | None = None
    others: Episodes | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def act(self, world: World[Any], tasks: Sequence[Task]) -> tuple[list[Episodes], Measures]:
        """Carry out tasks by what is likeliest at each step: → episodes in batches, and each measure of the world, [n]. In houses
        the walkers have this agent's memory."""
        if isinstance(world, Houses):
            world.remembered = remembered(world.graphs, self.knows) if self.knows else None
        return follow(self.policy, self.build.vocabulary, world, tasks)

    @property
    def knows(self) -> Mapping[str, Sequence[str]]:
        """House → the names of places in it where this agent came about by itself."""
        found: Mapping[str, Sequence[str]] = self.meta.get("knows", {})
        return found

    def think(
        self, world: World[Any], tasks: Sequence[Task], *, known: NDArray[np.bool_] | None = None
    ) -> tuple[list[Episodes], Measures]:
        """Carry out tasks by thinking first. In houses: of the shortest ways through places that are `known`, bool [places], or
        all, as long as demonstrations are, each task's is walked that is believed most (`deliberating.consider`). Elsewhere the
        world is begun anew for several tries, and the one counts that is believed most (`deliberating.tried`)."""
        words = self.build.vocabulary.ids([task.instruction for task in tasks])
        judges = self.judge.among_ways
        if not isinstance(world, Houses):
            episodes, measures = tried(self.policy, judges, world, tasks, words)
            return [episodes], measures
        if "edges" not in self.meta:
            raise InvalidInput("This agent does not know how far people go.", fix="train it anew")
        least, most = self.meta["edges"]
        walks = cast(Sequence[Walk], tasks)
        thought = consider(judges, world.graphs, walks, words, edges=(least, most), known=known)
        return [went(world, walks, [one.best for one in thought])], world.measured()

    def carry_out(self, world: World[Any], task: Task) -> tuple[Episodes, Retraced]:
        """Carry out one task, and go through it again. On one thread: steps as small as these take longer on several."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            (episodes,), _ = self.act(world, [task])
            return episodes, self.retrace(episodes, [task.instruction])
        finally:
            torch.set_num_threads(threads)

    def score(self, episodes: Episodes, instructions: Sequence[str]) -> NDArray[np.float32]:
        """How far each episode did what its instruction asks, [n]; higher is further (`judging.Judge.score`)."""
        self._same(episodes, instructions)
        return self.judge.scores(episodes, self.build.vocabulary.ids(instructions))

    @property
    def judge(self) -> Judge:
        """Reward and generator together. Raises `InvalidInput` for an agent without a reward."""
        return Judge(_trained(self.reward, "reward"), self.goals, self.others)

    def retrace(self, episodes: Episodes, instructions: Sequence[str]) -> Retraced:
        """Every step of some episodes again: how likely the action was, and what the reward gives for it; each one's score."""
        self._same(episodes, instructions)
        return retraced(self.policy, self.judge, episodes.batch(), self.build.vocabulary.ids(instructions))

    def caption(self, episodes: Episodes, *, each: int = 1, seed: int = 0) -> list[list[str]]:
        """Name each episode `each` times, in words that may differ. The first is what is likeliest at the prior's mean."""
        goals = _trained(self.goals, "generator of goals").eval()
        noise = torch.Generator().manual_seed(seed)
        said = [goals.say(episodes.batch())]
        said += [goals.say(episodes.batch(), generator=noise) for _ in range(each - 1)]
        text = self.build.vocabulary.text
        return [[text(words[at].tolist()) for words in said] for at in range(len(episodes))]

    def save(self, folder: Path | str, *, name: str, parent: str | None = None) -> artifact.Artifact:
        """Write the agent as an artifact of the kind `agent`. Raises as `artifact.write`."""
        tensors, build = {key: one.numpy() for key, one in weights(self._parts()).items()}, self.build
        if build.names is not None:
            tensors["things"] = build.names.numpy()
        if self.others is not None:
            tensors |= {f"others/{name}": values for name, values in self.others.arrays().items()}
        meta = {
            "words": build.vocabulary.words[len(SPECIAL) :],
            "sees": dict(build.sees),
            "things": build.things,
            "width": build.width,
            "latent": build.latent,
            "dropout": build.dropout,
            "trained": dict(self.meta),
        }
        return artifact.write(folder, kind=KIND, name=name, tensors=tensors, meta=meta, parent=parent)

    def _parts(self) -> dict[str, nn.Module]:
        named = {"policy": self.policy, "reward": self.reward, "goals": self.goals, "explorer": self.explorer}
        return {key: part for key, part in named.items() if part is not None}

    def _same(self, episodes: Episodes, instructions: Sequence[str]) -> None:
        if len(episodes) != len(instructions):
            raise InvalidInput(
                f"There are {len(episodes)} episodes and {len(instructions)} instructions.", expected="one for each"
            )


def load(folder: Path | str, *, names: Sequence[str] = ()) -> Agent:
    """An agent that was saved, for a world in which things have these names (`Graphs.names`; a grid's are those that it was
    trained with). Where all of them were there when it was trained, what is known of them is read with it; otherwise MiniLM is
    asked.

    Raises as `artifact.open`, and `InvalidInput` for an agent of houses without names.
    """
    found = artifact.open(folder, kind=KIND)
    meta, tensors = found.meta, {key: torch.from_numpy(one.copy()) for key, one in found.tensors().items()}
    names = meta["things"] if meta["sees"]["kind"] == "grid" else names
    build = Build(
        Vocabulary((*SPECIAL, *meta["words"])),
        tensors["policy/reader.known"],
        meta["sees"],
        _remembered(names, meta.get("things", ()), tensors) if names else None,
        tuple(names),
        width=meta["width"],
        latent=meta["latent"],
        dropout=meta["dropout"],
    )

    places = len(tensors[_MEMORY]) - 1 if _MEMORY in tensors else 0
    make: dict[str, Callable[[], nn.Module]] = {
        "policy": lambda: build.follower(remembers=places),
        "reward": lambda: Reward(build.follower()),
        "goals": build.generator,
        "explorer": build.follower,
    }
    there = {key.partition("/")[0] for key in tensors}
    made: dict[str, Any] = {key: one().eval() for key, one in make.items() if key in there}
    restore(made, tensors)
    others = {key.removeprefix("others/"): one.numpy() for key, one in tensors.items() if key.startswith("others/")}
    return Agent(build, **made, others=Episodes.of_arrays(others) if others else None, meta=meta["trained"])


def _remembered(names: Sequence[str], things: Sequence[str], tensors: Mapping[str, Tensor]) -> Tensor | None:
    number = {name: at for at, name in enumerate(things)}
    if set(names) <= set(number):
        return tensors["things"][[number[name] for name in names]]
    return _names(names, minilm())


def _names(names: Sequence[str], encoder: TorchEncoder) -> Tensor | None:
    return known_vectors(names, encoder) if len(names) else None


def _trained(part: Any, what: str) -> Any:
    if part is None:
        raise InvalidInput(f"This agent was trained without a {what}.", fix="train it with `segue train agent`")
    return part
