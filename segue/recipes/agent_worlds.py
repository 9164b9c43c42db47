"""The worlds by their names: what an agent can be trained and tried in, from files or generated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.act import grounds
from segue.act.demonstrations import Demonstrations
from segue.act.grounds import Ground, along
from segue.act.world import Task, World
from segue.act.worlds import babyai, room_to_room
from segue.act.worlds.furnished.houses import furnished
from segue.act.worlds.furnished.instructions import walks_in
from segue.act.worlds.graphs import Graphs
from segue.act.worlds.walks import Houses, Walk
from segue.errors import InvalidInput

Trials = tuple[World[Any], Sequence[Task], tuple[str, ...]]
"""A world, what is to be done there, and the names of things in it."""
UNSEEN = 1000
"""Added to a seed, for houses that no agent of that seed has seen."""
HOUSES, HELD, EACH = 40, 10, 120
"""Generated houses to learn in, others that are held out, and walks in each that a trained agent can be tried on."""
UNSHOWN = 10
"""Missions to practise for each that is shown, where missions can be had without end."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A world as it is asked for: `data` is Room-to-Room's folder; `houses` and `levels` choose among what there is."""

    world: str
    data: Path | None = None
    houses: int | None = None
    levels: tuple[str, ...] = ("GoToLocal",)
    demonstrations: int | None = None
    seed: int = 0

    def described(self) -> dict[str, Any]:
        """As plain data, without where files lie."""
        return {"world": self.world, "houses": self.houses, "levels": list(self.levels), "seed": self.seed}


def ground(choice: Choice) -> Ground:
    """What there is to learn from. Raises `InvalidInput` for a world that there is not, or one without its data."""
    make: Callable[[Choice], Ground] = _of(_GROUNDS, choice)
    return make(choice)


def trials(choice: Choice, file: Path | None, count: int, places: Sequence[str] = ()) -> Trials:
    """A world, what is to be done there, and the names of things in it: the instructions of a file, or `count` of houses that
    were not learned in; of these `places` alone where some are named, which may be any that there are. Raises `InvalidInput`
    where there is nothing to be done in them."""
    make: Callable[..., Trials] = _of(_TRIALS, choice)
    return make(choice, file, count, places)


def trajectories(choice: Choice, file: Path) -> tuple[Demonstrations, list[Walk], tuple[str, ...]]:
    """Every trajectory of a file in Room-to-Room's format with its instructions, walked again, and the names of things."""
    if choice.world != "r2r":
        raise InvalidInput(f"Trajectories of {choice.world} have no file format yet.", expected="--world r2r")
    graphs = room_to_room.houses(_data(choice))
    walks = room_to_room.walks(file, graphs)
    return along(graphs, walks), walks, graphs.names


def _data(choice: Choice) -> Path:
    if choice.data is None:
        raise InvalidInput(
            "Room-to-Room is not part of Segue.",
            expected="--data FOLDER with connectivity/, R2R_train.json and objects.json.gz",
            fix="see docs/how-to/agents.md for where these files are had and under which terms",
        )
    return choice.data


def _room_to_room(choice: Choice) -> Ground:
    return grounds.of_room_to_room(_data(choice), houses=choice.houses, seed=choice.seed)


def _furnished(choice: Choice) -> Ground:
    walks = choice.demonstrations or 6000
    return grounds.of_furnished(houses=choice.houses or HOUSES, walks=walks, held=HELD, seed=choice.seed)


def _babyai(choice: Choice) -> Ground:
    count = choice.demonstrations or 1000
    return grounds.of_babyai(choice.levels, demonstrations=count, unshown=UNSHOWN * count, seed=choice.seed)


def _try_room_to_room(choice: Choice, file: Path | None, count: int, places: Sequence[str]) -> Trials:
    graphs = room_to_room.houses(_data(choice))
    walks = _inside(graphs, room_to_room.walks(file or _data(choice) / "R2R_val_unseen.json", graphs), places)
    return Houses(graphs), walks[:count] if count else walks, graphs.names


def _try_furnished(choice: Choice, file: Path | None, count: int, places: Sequence[str]) -> Trials:
    if file is not None:
        raise InvalidInput("Instructions for generated houses are generated.", fix="leave --instructions away")
    if not places:
        built = furnished(choice.houses or 10, seed=choice.seed + UNSEEN)
        return Houses(built.graphs), walks_in(built, count or 500, seed=choice.seed), built.graphs.names
    built = furnished((choice.houses or HOUSES) + HELD, seed=choice.seed)
    every = walks_in(built, EACH * len(built.graphs.houses), seed=choice.seed + UNSEEN)
    walks = _inside(built.graphs, every, places)
    return Houses(built.graphs), walks[:count] if count else walks, built.graphs.names


def _inside(graphs: Graphs, walks: list[Walk], places: Sequence[str]) -> list[Walk]:
    """Those walks that begin in one of these houses; all, where none is named."""
    if not places:
        return walks
    found = [walk for walk in walks if graphs.houses[graphs.house[walk.start]] in places]
    if not found:
        there = sorted({graphs.houses[graphs.house[walk.start]] for walk in walks})
        raise InvalidInput(f"Nothing is asked in {', '.join(places)}.", expected=f"one of {', '.join(there[:12])}, …")
    return found


def _try_babyai(choice: Choice, file: Path | None, count: int, places: Sequence[str]) -> Trials:
    if places:
        raise InvalidInput("BabyAI has no houses.", fix="leave --place away")
    if file is not None:
        raise InvalidInput("BabyAI's missions come with its levels.", fix="leave --instructions away")
    tasks = babyai.tasks(choice.levels, count or 200, split="both", seed=choice.seed)
    return babyai.world(choice.levels), tasks, babyai.NAMES


_GROUNDS: Mapping[str, Callable[[Choice], Ground]] = {
    "r2r": _room_to_room,
    "houses": _furnished,
    "babyai": _babyai,
}
_TRIALS: Mapping[str, Callable[..., Trials]] = {
    "r2r": _try_room_to_room,
    "houses": _try_furnished,
    "babyai": _try_babyai,
}
WORLDS = tuple(_GROUNDS)


def _of(what: Mapping[str, Any], choice: Choice) -> Any:
    if choice.world not in what:
        raise InvalidInput(f"There is no world {choice.world!r}.", expected=f"one of {', '.join(what)}")
    return what[choice.world]
