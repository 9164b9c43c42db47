"""Training: updates one after another, judged now and then, kept on disk so that a stopped run goes on as if it had not been
stopped."""

import json
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor
from tqdm import tqdm

from segue.act.learner import Learner, restore, weights
from segue.errors import Corrupt, InvalidInput


@dataclass
class Course:
    """How a training went: `judged` are the updates after which it was judged and what was found, `watched` the means of what
    there was to watch since the time before, and `best` the number of the judgement whose networks were kept."""

    judged: list[dict[str, float]] = field(default_factory=list)
    watched: list[dict[str, float]] = field(default_factory=list)
    best: int = -1
    networks: dict[str, Tensor] = field(default_factory=dict)


def train(
    learner: Learner,
    updates: int,
    *,
    judge: Callable[[], Mapping[str, float]] | None = None,
    by: str = "",
    every: int = 100,
    folder: Path | None = None,
    progress: bool = True,
    title: str = "",
    watch: Callable[[int, Mapping[str, float]], None] = lambda update, values: None,
) -> Course:
    """Take `updates` updates, ask `judge` before the first and after every `every`, and leave the learner with the networks
    that were best `by` one of its measures. With a folder, the course goes on from what is kept there. `watch` is told every
    value at every judgement. Without a judge the last networks stay.

    Raises `InvalidInput` for a folder of another course, `Corrupt` for a damaged one.
    """
    course = Course() if folder is None else _resumed(learner, folder)
    seen: dict[str, list[float]] = {}
    if judge and not course.judged:
        _look(learner, course, seen, judge, by)
    quiet = None if progress else True
    with tqdm(total=updates, initial=learner.updates, disable=quiet, unit="update", desc=title) as bar:
        while learner.updates < updates:
            for name, value in learner.update().items():
                seen.setdefault(name, []).append(value)
            bar.update()
            if learner.updates % every and learner.updates < updates:
                continue
            _look(learner, course, seen, judge, by)
            watch(learner.updates, course.watched[-1] | course.judged[-1])
            if judge:
                bar.set_postfix({by: f"{course.judged[-1][by]:.3f}", "best": f"{course.judged[course.best][by]:.3f}"})
            if folder is not None:
                _keep(learner, course, folder)
    restore(learner.networks, course.networks)
    return course


def _look(
    learner: Learner,
    course: Course,
    seen: dict[str, list[float]],
    judge: Callable[[], Mapping[str, float]] | None,
    by: str,
) -> None:
    course.watched.append({name: sum(values) / len(values) for name, values in seen.items()})
    course.judged.append({"updates": float(learner.updates), **(judge() if judge else {})})
    seen.clear()
    if not judge or course.best < 0 or course.judged[-1][by] > course.judged[course.best][by]:
        course.best = len(course.judged) - 1
        course.networks = {name: tensor.clone() for name, tensor in weights(learner.networks).items()}


_FILE = "course.safetensors"


def _keep(learner: Learner, course: Course, folder: Path) -> None:
    groups = {name: one.state_dict() for name, one in learner.optimisers.items()}
    tensors = {f"now/{key}": one for key, one in weights(learner.networks).items()}
    tensors |= {f"best/{key}": one for key, one in course.networks.items()}
    tensors |= {f"kept/{key}": one for key, one in learner.keeps().items()}
    tensors |= {
        f"moments/{name}/{number}/{key}": torch.as_tensor(value)
        for name, state in groups.items()
        for number, values in state["state"].items()
        for key, value in values.items()
    }
    plain = {"updates": learner.updates, "judged": course.judged, "watched": course.watched, "best": course.best}
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{_FILE}.part"
    part.write_bytes(
        save({key: one.contiguous().clone() for key, one in tensors.items()}, {"course": json.dumps(plain)})
    )
    part.replace(folder / _FILE)


def _resumed(learner: Learner, folder: Path) -> Course:
    file = folder / _FILE
    if not file.exists():
        return Course()
    try:
        content = file.read_bytes()
        tensors = load(content)
        size = int.from_bytes(content[:8], "little")
        plain = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["course"])
    except Exception as error:
        raise Corrupt(f"{file} cannot be read: {error}.", fix="delete it and train anew") from error
    parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "kept": {}, "moments": {}}
    for key, tensor in tensors.items():
        part, _, rest = key.partition("/")
        parts[part][rest] = tensor
    try:
        restore(learner.networks, parts["now"])
        for name, optimiser in learner.optimisers.items():
            _moments(optimiser, name, parts["moments"])
        learner.takes_up(parts["kept"])
    except (RuntimeError, KeyError, ValueError) as error:
        raise InvalidInput(
            f"{folder} holds the training of other networks: {str(error).splitlines()[0]}",
            expected="the folder of a training with the same settings",
            fix="give another folder, or delete this one",
        ) from error
    learner.updates = plain["updates"]
    return Course(plain["judged"], plain["watched"], plain["best"], parts["best"])


def _moments(optimiser: torch.optim.Optimizer, name: str, tensors: Mapping[str, Tensor]) -> None:
    state: MutableMapping[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        of, number, moment = key.split("/")
        if of == name:
            state.setdefault(int(number), {})[moment] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
