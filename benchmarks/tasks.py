"""Algorithmic tasks whose texts may be of any length: what goes in, and the symbols that are to come out.

Nine of the fifteen of Delétang et al. 2023 ("Neural networks and the Chomsky hierarchy"), as Ruoss et al. 2023 put them to an
encoder: the answer's symbols are read at as many placeholders, which follow the input. `length` is the number of input symbols.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.int64]
"""Texts [b, n] or answers [b, m], symbols numbered from 0."""


@dataclass(frozen=True, slots=True)
class Task:
    """`draw(random, texts, length)` makes inputs [texts, length], of `symbols` different symbols; `answer` makes of them the
    answers [texts, m], of `answers` different symbols. Lengths are multiples of `multiple`."""

    symbols: int
    answers: int
    draw: Callable[[np.random.Generator, int, int], Symbols]
    answer: Callable[[Symbols], Symbols]
    multiple: int = 1
    shortest: int = 1

    def batch(self, random: np.random.Generator, texts: int, length: int) -> tuple[Symbols, Symbols]:
        """Inputs with their placeholders, symbol number `symbols`, [texts, n + m], and answers [texts, m].

        `length` is rounded up to a length that the task has.
        """
        inputs = self.draw(random, texts, -(-max(length, self.shortest) // self.multiple) * self.multiple)
        answers = np.ascontiguousarray(self.answer(inputs))
        return np.concatenate([inputs, np.full_like(answers, self.symbols)], axis=1), answers


_HIDDEN = 16


def _of(symbols: int) -> Callable[[np.random.Generator, int, int], Symbols]:
    return lambda random, texts, length: random.integers(symbols, size=(texts, length))


def _with_one_hidden(random: np.random.Generator, texts: int, length: int) -> Symbols:
    """A string twice, one of its symbols replaced by `_HIDDEN`."""
    once = random.integers(_HIDDEN, size=(texts, length // 2))
    found = np.concatenate([once, once], axis=1)
    found[np.arange(texts), random.integers(length, size=texts)] = _HIDDEN
    return found


def _hidden(inputs: Symbols) -> Symbols:
    texts, length = inputs.shape
    place = (inputs == _HIDDEN).argmax(axis=1)
    found: Symbols = inputs[np.arange(texts), (place + length // 2) % length]
    return found[:, None]


def _stack_and_actions(random: np.random.Generator, texts: int, length: int) -> Symbols:
    """A stack of 0 and 1, its top last, then actions: 2 pops, 3 pushes 0, 4 pushes 1. How many of each is drawn."""
    held = random.integers(1, length + 1, size=(texts, 1))
    stack, actions = random.integers(2, size=(texts, length)), random.integers(2, 5, size=(texts, length))
    return np.where(np.arange(length) < held, stack, actions)


def _stack(inputs: Symbols) -> Symbols:
    """What is on the stack in the end, its top first, then 2 up to a length of n + 1."""
    texts, length = inputs.shape
    found = np.full((texts, length + 1), 2)
    for row, text in enumerate(inputs.tolist()):
        stack: list[int] = []
        for symbol in text:
            if symbol == 2:
                del stack[-1:]
            else:
                stack.append(symbol if symbol < 2 else symbol - 3)
        found[row, : len(stack)] = stack[::-1]
    return found


def _with_two_marks(random: np.random.Generator, texts: int, length: int) -> Symbols:
    """A string of 0 and 1 with two marks, 2, neither of them last."""
    found = random.integers(2, size=(texts, length))
    places = random.random((texts, length - 1)).argsort(axis=1)[:, :2]
    np.put_along_axis(found, places, 2, axis=1)
    return found


def _after_the_later_mark(inputs: Symbols) -> Symbols:
    texts, length = inputs.shape
    place = length - 1 - (inputs[:, ::-1] == 2).argmax(axis=1)
    found: Symbols = inputs[np.arange(texts), place + 1]
    return found[:, None]


TASKS: dict[str, Task] = {
    "even pairs": Task(2, 2, _of(2), lambda inputs: (inputs[:, :1] == inputs[:, -1:]).astype(np.int64)),
    "cycle navigation": Task(3, 5, _of(3), lambda inputs: ((inputs == 1).sum(1) - (inputs == 2).sum(1))[:, None] % 5),
    "reverse string": Task(16, 16, _of(16), lambda inputs: inputs[:, ::-1].copy()),
    "stack manipulation": Task(5, 3, _stack_and_actions, _stack),
    "duplicate string": Task(16, 16, _of(16), lambda inputs: np.concatenate([inputs, inputs], axis=1)),
    "missing duplicate": Task(17, 16, _with_one_hidden, _hidden, multiple=2),
    "odds first": Task(16, 16, _of(16), lambda inputs: np.concatenate([inputs[:, 1::2], inputs[:, ::2]], axis=1)),
    "bucket sort": Task(5, 5, _of(5), lambda inputs: np.sort(inputs, axis=1)),
    "parity check": Task(2, 2, _of(2), lambda inputs: inputs.sum(1)[:, None] % 2),
}

DEVELOPMENT: dict[str, Task] = {
    "copy string": Task(16, 16, _of(16), lambda inputs: inputs.copy()),
    "later mark": Task(3, 2, _with_two_marks, _after_the_later_mark, shortest=3),
}
