"""A trained agent is tried, adapts to a new place, says how far trajectories did what was asked, and names them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from segue.act import agent
from segue.act.adapting import Adapting
from segue.act.course import train
from segue.act.examples import Made, Shown
from segue.act.grounds import Ground
from segue.act.learner import Pace
from segue.act.mapping import named_ways, visited
from segue.act.worlds.graphs import Graphs
from segue.act.worlds.walks import Houses, Walk, anywhere
from segue.errors import InvalidInput
from segue.evolve.intervals import bootstrap
from segue.recipes.agent_worlds import Choice, trajectories, trials
from segue.recipes.new_folder import refuse_existing


def evaluate_agent(
    model: Path, choice: Choice, *, instructions: Path | None = None, count: int = 0, think: bool = False
) -> dict[str, Any]:
    """Every measure of the world, its mean over the tasks and the 95 % interval of that.

    An agent that is to `think` compares whole ways on the map: in a house that it adapted to, through places where it came; of
    others it is given the map. In worlds without a map it compares tries. Raises `InvalidInput` for an agent of another kind of
    world.
    """
    world, tasks, names = trials(choice, instructions, count)
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
    updates: int = 400,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Let an agent make its own examples in houses that it has no instructions for, and learn from them beside its
    demonstrations.

    The explorer walks there; on the map of where it came the generator names `walks` ways as long as demonstrations are, the
    reward chooses among the names, and the policy learns these pairs and keeps to what it did on its demonstrations (Zhou and
    Small, AAAI 2021, self-supervision; `act/mapping.py` and `act/adapting.py` say where we differ). Raises `InvalidInput` for a
    place that there is not, or an agent without those parts.
    """
    refuse_existing(out)
    one = agent.load(model, names=ground.names)
    if not isinstance(ground.world, Houses) or one.explorer is None or one.goals is None:
        raise InvalidInput(
            "This agent cannot explore here.",
            expected="an agent of houses that was trained with explorer and generator",
        )
    starts = _starts(ground.world, places, walks, seed)
    believed = one.reward.score if one.reward is not None else None
    been = visited(one.explorer, ground.world, starts, seed=seed)
    graphs = ground.world.graphs
    made = named_ways(one.goals, graphs, been, walks, shown=ground.shown, believed=believed, seed=seed)
    words = one.build.vocabulary.ids(ground.shown.instructions)
    pace, shown = Pace(updates, rate=3e-4, warmup=20), Shown(ground.shown, words)
    learner = Adapting(one.policy, [Made(made)], shown, pace, seed=seed)
    work = out.with_name(out.name + ".training")
    train(learner, updates, folder=work, progress=progress, title="adapting")
    knows = {place: [graphs.places[at] for at in been if graphs.houses[graphs.house[at]] == place] for place in places}
    meta = {**one.meta, "knows": {**one.meta.get("knows", {}), **knows}}
    replace(one, policy=one.policy.eval(), meta=meta).save(out, name=model.name)
    return {"out": str(out), "places": list(places), "examples": len(made)}


def _known(one: agent.Agent, graphs: Graphs) -> NDArray[np.bool_]:
    """Where an agent may go in thought, bool [places]: everywhere but in houses of which it has a map of its own."""
    knows = one.meta.get("knows", {})
    known = ~np.isin(graphs.house, [at for at, house in enumerate(graphs.houses) if house in knows])
    known[[graphs.number[house, place] for house in set(knows) & set(graphs.houses) for place in knows[house]]] = True
    return known


def _starts(world: Houses, places: Sequence[str], count: int, seed: int) -> list[Walk]:
    graphs = world.graphs
    if unknown := sorted(set(places) - set(graphs.houses)):
        raise InvalidInput(
            f"There is no house {', '.join(unknown)}.", expected=f"one of {', '.join(graphs.houses[:5])} …"
        )
    numbers = np.asarray([graphs.houses.index(place) for place in places])
    return anywhere(graphs, numbers, count, np.random.default_rng(seed))
