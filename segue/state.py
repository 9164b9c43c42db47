"""What a learner knows, as plain data and arrays: enough to give it back to the last bit, and nothing of where it is kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class State:
    """`data` is what JSON can hold, with finite floats; `arrays` are numpy's; `parts` are the states of what a learner is made
    of. Taken between two events, it does not change when the learner goes on."""

    data: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, "State"] = field(default_factory=dict)


def numbered(names: Sequence[str]) -> tuple[list[str], NDArray[np.int32]]:
    """Names that repeat, each once in the order of their first places, and the number of each place: int32 [names].

    >>> numbered(["b", "a", "b"])
    (['b', 'a'], array([0, 1, 0], dtype=int32))
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return list(numbers), np.fromiter(map(numbers.__getitem__, names), np.int32, len(names))


def named(names: Sequence[str], numbers: NDArray[np.int32]) -> list[str]:
    """The names back in their places: of equal ones, the same object.

    >>> named(*numbered(["b", "a", "b"]))
    ['b', 'a', 'b']
    """
    return [names[number] for number in numbers.tolist()]


def sizes(lists: Iterable[Sized]) -> NDArray[np.int64]:
    """How long each of them is, to `cut` what was laid end to end."""
    return np.fromiter(map(len, lists), np.int64)


def cut(items: Sequence[Item], lengths: NDArray[np.int64]) -> list[Sequence[Item]]:
    """Pieces of these lengths, one after another.

    >>> cut("abcdef", np.array([2, 0, 3]))
    ['ab', '', 'cde']
    """
    return [items[start:end] for start, end in _bounds(lengths)]


def cut_array(array: NDArray[Any], lengths: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Pieces of these lengths, each in memory of its own."""
    return [array[start:end].copy() for start, end in _bounds(lengths)]


def _bounds(lengths: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(lengths)
    return zip((ends - lengths).tolist(), ends.tolist(), strict=True)
