"""A trained agent is tried, adapts to a new place, says how far trajectories did what was asked, and names them."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from segue.act import agent
from segue.act.adapting import adapting
from segue.act.course import train
from segue.act.examples import Shown
from segue.act.grounds import Ground, along
from segue.act.mapping import named_ways, noted, remembered, visited
from segue.act.worlds.graphs import Graphs
from segue.act.worlds.walks import Houses, Walk, anywhere
from segue.errors import InvalidInput
from segue.evolve.intervals import bootstrap
from segue.recipes.agent_worlds import Choice, trajectories, trials
from segue.recipes.new_folder import refuse_existing


def evaluate_agent(
    model: Path,
    choice: Choice,
    *,
    instructions: Path | None = None,
    places: Sequence[str] = (),
    count: int = 0,
    think: bool = False,
) -> dict[str, Any]:
    """Every measure of the world, its mean over the tasks and the 95 % interval of that.

    An agent that is to `think` compares whole ways on the map: in a house that it adapted to, through places where it came; of
    others it is given the map. In worlds without a map it compares tries. Raises `InvalidInput` for an agent of another kind of
    world.
    """
    world, tasks, names = trials(choice, instructions, count, places)
    one = agent.load(model, names=names)
    if (one.build.sees["kind"] == "houses") != isinstance(world, Houses):
        raise InvalidInput(
            f"This agent sees the world as {one.build.sees['kind']}, and {choice.world} is not seen so.",
            fix="name the world that it was trained in, by --world",
        )
    if think:
        known = _known(one, world.graphs) if isinstance(world, Houses) else None
        measures = one.think(world, tasks, known=known)[1]
    else:
        measures = one.act(world, tasks)[1]
    found = {name: bootstrap(lambda one: one, values) for name, values in measures.items()}
    return {
        "tasks": len(tasks),
        "measures": {name: {"mean": one.value, "low": one.low, "high": one.high} for name, one in found.items()},
    }


def score_trajectories(model: Path, choice: Choice, file: Path) -> list[dict[str, Any]]:
    """For each trajectory and instruction of a file: its score, and how likely it is that this was asked and not something
    else."""
    shown, walks, names = trajectories(choice, file)
    one = agent.load(model, names=names)
    scores = one.score(shown.episodes[shown.shown], shown.instructions)
    curve = one.meta["held out"]["reward"]
    likely = expit(curve["slope"] * scores + curve["offset"])
    return [
        {"path": walk.name, "instruction": walk.instruction, "score": float(score), "likely": float(share)}
        for walk, score, share in zip(walks, scores, likely, strict=True)
    ]


def caption_trajectories(
    model: Path, choice: Choice, file: Path, *, each: int = 3, seed: int = 0
) -> list[dict[str, Any]]:
    """For each trajectory of a file, `each` names."""
    shown, walks, names = trajectories(choice, file)
    first = np.unique(shown.shown, return_index=True)[1]
    captions = agent.load(model, names=names).caption(shown.episodes, each=each, seed=seed)
    return [{"path": walks[at].name, "captions": said} for at, said in zip(first, captions, strict=True)]


def adapt_agent(
    model: Path,
    ground: Ground,
    places: Sequence[str],
    out: Path,
    *,
    walks: int = 2000,
    ways: int = 12_000,
    updates: int = 1200,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Let an agent come to know houses that it has no instructions for.

    The explorer walks there; on the map of where it came the generator names `ways` as long as demonstrations are, the reward
    chooses among the names, and a policy that remembers these places begins anew, on these pairs and the demonstrations (Zhou
    and Small, AAAI 2021, self-supervision; `act/mapping.py` says where we differ). Houses that the agent knew before it learns
    once more. Raises `InvalidInput` for a place that there is not, or an agent without those parts.
    """
    refuse_existing(out)
    one = agent.load(model, names=ground.names)
    if not isinstance(ground.world, Houses) or one.explorer is None or one.goals is None:
        raise InvalidInput(
            "This agent cannot explore here.",
            expected="an agent of houses that was trained with explorer and generator",
        )
    graphs, believed = ground.world.graphs, one.reward.score if one.reward is not None else None
    been = visited(one.explorer, ground.world, _starts(ground.world, places, walks, seed), seed=seed)
    knows = {**one.knows, **noted(graphs, been)}
    numbers = remembered(graphs, knows)
    world, there = Houses(graphs, remembered=numbers), np.flatnonzero(numbers)
    made = named_ways(
        one.goals, world, there, ways, shown=ground.shown, believed=believed, seed=seed, progress=progress
    )
    shown = along(graphs, cast(Sequence[Walk], ground.tasks), remembered=numbers)
    torch.manual_seed(seed)
    policy = one.build.follower(remembers=sum(map(len, knows.values())))
    words = one.build.vocabulary.ids(shown.instructions)
    learner = adapting(policy, Shown(shown, words), made, updates=updates, seed=seed)
    work = out.with_name(out.name + ".training")
    train(learner, updates, folder=work, progress=progress, title="adapting")
    replace(one, policy=policy.eval(), meta={**one.meta, "knows": knows}).save(out, name=model.name)
    shutil.rmtree(work)
    return {"out": str(out), "places": list(places), "examples": len(made)}


def _known(one: agent.Agent, graphs: Graphs) -> NDArray[np.bool_]:
    """Where an agent may go in thought, bool [places]: everywhere but in houses of which it has a map of its own."""
    own = [at for at, house in enumerate(graphs.houses) if house in one.knows]
    known: NDArray[np.bool_] = ~np.isin(graphs.house, own) | (remembered(graphs, one.knows) > 0)
    return known


def _starts(world: Houses, places: Sequence[str], count: int, seed: int) -> list[Walk]:
    graphs = world.graphs
    if unknown := sorted(set(places) - set(graphs.houses)):
        raise InvalidInput(
            f"There is no house {', '.join(unknown)}.", expected=f"one of {', '.join(graphs.houses[:5])} …"
        )
    numbers = np.asarray([graphs.houses.index(place) for place in places])
    return anywhere(graphs, numbers, count, np.random.default_rng(seed))
