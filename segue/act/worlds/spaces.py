"""Gymnasium's spaces as fields of an observation: which there are, and what array each becomes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput, Unavailable

Path = tuple[Any, ...]
"""The keys that lead from an observation to one of its leaves."""


@dataclass(frozen=True, slots=True)
class Leaf:
    path: Path
    space: Any


@dataclass(frozen=True, slots=True)
class Field:
    """The array of one episode that a leaf becomes; `start` is what its numbers begin with, where that is not 0."""

    path: Path
    shape: tuple[int, ...]
    dtype: type[np.generic]
    start: NDArray[np.generic] | None = None


def at(seen: Any, path: Path) -> Any:
    """What lies at the end of a path."""
    for key in path:
        seen = seen[key]
    return seen


def leaves(space: Any) -> dict[str, Leaf]:
    """`outer.inner` → a leaf of a space, of Dict spaces to any depth."""
    return {".".join(map(str, leaf.path)): leaf for leaf in _leaves(space, ())}


def _leaves(space: Any, path: Path) -> Iterator[Leaf]:
    if isinstance(space, _spaces().Dict):
        for key, inner in space.spaces.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield Leaf(path, space)


def text(found: Mapping[str, Leaf], name: str) -> Path:
    """Where the text field of that name is. Raises `InvalidInput` where there is none."""
    texts = [one for one, leaf in found.items() if leaf.path and _is_text(leaf.space)]
    if name not in texts:
        raise InvalidInput(
            f"The observations have no text field {name!r}.",
            expected=f"the name of one of the text fields {texts}"
            if texts
            else "a Dict of fields, one of them a Text space",
            fix=f"pass instruction={texts[0]!r}"
            if texts
            else "wrap the environment so that it says what is to be done",
        )
    return found[name].path


def fields(found: Mapping[str, Leaf]) -> dict[str, Field]:
    """Each leaf as an array. Raises `InvalidInput` for a space that is none, or a name that is taken."""
    if "choices" in found:
        raise InvalidInput(
            "A field is called `choices`.",
            expected="another name, as `choices` says which actions can be taken",
            fix="pass mask='choices' if it says just that",
        )
    return {name: _field(name, leaf.path, leaf.space) for name, leaf in found.items()}


def numbered(space: Any) -> tuple[int, int]:
    """The first of the Discrete actions, and how many there are. Raises `InvalidInput` for any others."""
    if not isinstance(space, _spaces().Discrete):
        raise InvalidInput(
            f"The actions are {space}.",
            expected="Discrete actions",
            fix="wrap the environment in gymnasium.wrappers.TransformAction, so that it takes the number of an action",
        )
    return int(space.start), int(space.n)


def _field(name: str, path: Path, space: Any) -> Field:
    spaces = _spaces()
    if isinstance(space, spaces.Discrete):
        return Field(path, (), np.int64, np.asarray(space.start) if space.start else None)
    if isinstance(space, spaces.MultiDiscrete):
        return Field(path, space.shape, np.int64, space.start if space.start.any() else None)
    if isinstance(space, spaces.MultiBinary):
        return Field(path, space.shape, np.bool_)
    if isinstance(space, spaces.Box):
        return Field(path, space.shape, {"f": np.float32, "b": np.bool_}.get(space.dtype.kind, np.int64))
    raise InvalidInput(
        f"The field {name!r} is {space}.",
        expected="Box, Discrete, MultiBinary or MultiDiscrete, or a Dict of these; one Text field, the instruction",
        fix=f"pass without=[{name!r}], or wrap the environment",
    )


def _is_text(space: Any) -> bool:
    return space.dtype is not None and np.dtype(space.dtype).kind == "U"


def _spaces() -> Any:
    try:
        from gymnasium import spaces  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable(
            "Gymnasium is not installed.", expected="the package gymnasium", fix="pip install 'segue[act]'"
        ) from error
    return spaces
